"""Noise sources: Brownian increments and minibatches. To add one: a file, and a line here."""

from equipoise_solver.ensembles.noise import gaussian, three_point, two_point
from equipoise_solver.ensembles.noise.source import NoiseSource

ADAPTIVE_INCREMENTS = {
    "gaussian": gaussian.source,
    "three_point": three_point.source,
    "two_point": two_point.source,
}

__all__ = ["ADAPTIVE_INCREMENTS", "NoiseSource"]
