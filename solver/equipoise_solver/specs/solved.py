"""What all solutions share."""

from equipoise_solver.specs.base import Answer, Numbers


class Atom(Answer):
    """A point that carries probability."""

    at: float
    """Where."""
    mass: float | None
    """How much; null when the start decides."""


class Quantiles(Answer):
    """Quantiles of a law or of a sample."""

    levels: Numbers
    """Probabilities, shape (q,)."""
    values: Numbers
    """Values that are undershot with these probabilities, shape (q,)."""


class Series(Answer):
    """An observable over time, averaged over the paths that are finite."""

    time: Numbers
    """SDE time (sgf) or number of updates (sgd, gd), shape (n,), the start first."""
    mean: Numbers
    """Ensemble mean, shape (n,)."""
    standard_error: Numbers
    """Standard error of the mean, shape (n,)."""


class Solved(Answer):
    """What every solution carries."""

    spec_hash: str
    """SHA-256 of the canonical JSON of the spec."""
    solver_version: str
    """Version of the solver that computed it."""
    device: str
    """Device that computed it."""
    seconds: float | None = None
    """Seconds of computing; null where it was not measured."""
