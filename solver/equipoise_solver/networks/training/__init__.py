"""Ensembles of networks trained together, in chunks that give the same bits however they are cut."""

from equipoise_solver.networks.training.dynamics import Dynamics, Gd, Langevin, Sgd, Sgf
from equipoise_solver.networks.training.observables import OBSERVABLES
from equipoise_solver.networks.training.plan import Given, Initial, Named, TrainingPlan
from equipoise_solver.networks.training.result import LostNetwork, TrainingResult, finish
from equipoise_solver.networks.training.run import advance, begin, check_device
from equipoise_solver.networks.training.schedules import (
    CosineDecay,
    ExponentialDecay,
    Schedule,
    StepDecay,
    WarmUp,
)

__all__ = [
    "OBSERVABLES",
    "CosineDecay",
    "Dynamics",
    "ExponentialDecay",
    "Gd",
    "Given",
    "Initial",
    "Langevin",
    "LostNetwork",
    "Named",
    "Schedule",
    "Sgd",
    "Sgf",
    "StepDecay",
    "TrainingPlan",
    "TrainingResult",
    "WarmUp",
    "advance",
    "begin",
    "check_device",
    "finish",
]
