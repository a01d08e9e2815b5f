"""Diagonal networks as one-dimensional diffusions: relaxation, escape, what the start decides."""

from equipoise_solver.theory.reduced.escape import Escape, escape
from equipoise_solver.theory.reduced.memory import LongRunMixture, long_run_mixture
from equipoise_solver.theory.reduced.problem import NetworkDiffusion, interval_of, network_diffusion
from equipoise_solver.theory.reduced.relaxation import relaxation, two_layer_continuum
from equipoise_solver.theory.reduced.signs import wrong_sign_decay

__all__ = [
    "Escape",
    "LongRunMixture",
    "NetworkDiffusion",
    "escape",
    "interval_of",
    "long_run_mixture",
    "network_diffusion",
    "relaxation",
    "two_layer_continuum",
    "wrong_sign_decay",
]
