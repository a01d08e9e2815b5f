"""Plain NumPy references of the kernels, on the same random streams: they agree bit for bit."""

from equipoise_solver.ensembles.reference.paths import reference_paths

__all__ = ["reference_paths"]
