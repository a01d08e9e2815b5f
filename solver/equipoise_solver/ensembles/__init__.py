"""Compiled ensembles of diagonal networks: streams, noise, schemes, accumulators, plan and runner."""

from equipoise_solver.ensembles.merging import merge
from equipoise_solver.ensembles.plan import EnsemblePlan
from equipoise_solver.ensembles.problem import (
    Balanced,
    GaussianPairs,
    Gd,
    Given,
    Langevin,
    MomentsOnly,
    Normal,
    SamplePairs,
    Sgd,
    Sgf,
)
from equipoise_solver.ensembles.result import EnsembleResult, LostPath, TimeSeries, finish
from equipoise_solver.ensembles.run import advance, begin
from equipoise_solver.ensembles.schedule import n_shards

__all__ = [
    "Balanced",
    "EnsemblePlan",
    "EnsembleResult",
    "GaussianPairs",
    "Gd",
    "Given",
    "Langevin",
    "LostPath",
    "MomentsOnly",
    "Normal",
    "SamplePairs",
    "Sgd",
    "Sgf",
    "TimeSeries",
    "advance",
    "begin",
    "finish",
    "merge",
    "n_shards",
]
