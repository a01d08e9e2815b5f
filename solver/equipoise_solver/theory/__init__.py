"""Closed forms and quadrature: the exact stationary laws of diagonal networks under SGD noise."""

from equipoise_solver.theory.boundaries import Boundary
from equipoise_solver.theory.laws import Atom, StationaryLaw
from equipoise_solver.theory.moments import DataMoments
from equipoise_solver.theory.scan import MomentArrays, scan
from equipoise_solver.theory.stationary import infinite_depth_law, stationary_law

__all__ = [
    "Atom",
    "Boundary",
    "DataMoments",
    "MomentArrays",
    "StationaryLaw",
    "infinite_depth_law",
    "scan",
    "stationary_law",
]
