"""Closed forms and quadrature: the exact stationary laws of diagonal networks under SGD noise."""

from equipoise_solver.theory.moments import DataMoments

__all__ = ["DataMoments"]
