"""The answer to the task `diffusion`."""

import math
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from equipoise_solver.specs.base import Answer, Numbers
from equipoise_solver.specs.diffusion import Diffusion
from equipoise_solver.specs.solved import Quantiles, Solved


def _table(value: Any) -> NDArray[np.float64]:
    """A read-only array of two axes; nothing is a table without rows."""
    table = np.asarray(value, dtype=np.float64).view()
    table = table if table.ndim == 2 else table.reshape(0, 0)
    table.setflags(write=False)
    return table


def _rows(table: NDArray[np.float64]) -> list[list[float | None]]:
    return [[x if math.isfinite(x) else None for x in row] for row in table.tolist()]


_ROW = {"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "null"}]}}
Table = Annotated[
    NDArray[np.float64],
    BeforeValidator(_table),
    PlainSerializer(_rows, when_used="json"),
    WithJsonSchema({"type": "array", "items": _ROW}),
]
"""A row for each start or time."""


class DiffusionEnd(Answer):
    """One end of the interval, classified by Feller's test."""

    at: float | None
    """Where; null is infinity."""
    kind: Literal["regular", "exit", "entrance", "natural", "undecided"]
    """Feller's class; "undecided" where the exponents of drift and noise do not settle."""
    attracting: bool | None
    """Whether paths tend to it with positive probability; null if undecided."""
    behaviour: Literal["reflecting", "absorbing"] | None
    """What paths do there, if they reach it; null if they do not."""
    reason: str
    """What decided."""


class EndAtom(Answer):
    """An end of the interval that keeps the paths that tend to it."""

    at: float | None
    """Where; null is infinity."""
    mass: float | None
    """Probability; null when the start decides and none was given."""


class LawDensity(Answer):
    """A density on a grid of x."""

    x: Numbers
    """Values of x, shape (n,), increasing."""
    p: Numbers
    """Probability density at x, shape (n,)."""
    cdf: Numbers
    """Probability of a value <= x, shape (n,)."""


class LongRunLaw(Answer):
    """Where the diffusion is in the long run."""

    outcome: Literal["density", "atoms", "none", "undecided"]
    """A stationary density; atoms at ends that keep paths; "none", paths spread without end; or undecided."""
    reason: str
    """Why."""
    atoms: tuple[EndAtom, ...]
    """Ends that carry probability."""
    mean: float | None
    """Mean of the density; null if it does not exist."""
    variance: float | None
    """Variance of the density; null if it does not exist."""
    moments_below: float | None
    """E|x|^k of the density exists for k below this number; null if for all k."""
    modes: tuple[float, ...]
    """Local maxima of the density; an end to which it rises is one."""
    quantiles: Quantiles
    """Quantiles of the density; empty without one."""
    density: LawDensity
    """The density on a grid; empty without one."""


class Splitting(Answer):
    """Which of two levels is reached first, or tended to, for each start."""

    start: Numbers
    """Where paths start, shape (n,)."""
    low: Numbers
    """Probability that the lower one is first, shape (n,)."""
    high: Numbers
    """Probability that the upper one is first, shape (n,)."""
    log_low: Numbers
    """Natural logarithm of `low`, precise where that is tiny; null for probability 0."""
    log_high: Numbers
    """Natural logarithm of `high`; null for probability 0."""


class Relaxation(Answer):
    """The lower end of the spectrum of the generator."""

    rates: Numbers
    """Eigenvalues above 0 and below the continuous spectrum, ascending, shape (n,), [1/time]."""
    errors: Numbers
    """Estimated relative errors of the rates, shape (n,)."""
    is_complete: bool
    """Whether all eigenvalues that were asked for, and exist, converged."""
    continuum: float | None
    """Where the continuous spectrum begins; null if there is none, or where it begins is not known."""
    has_stationary_law: bool
    """Whether 0 is an eigenvalue."""
    gap: float | None
    """Slowest rate of relaxation, or of loss; 0 if slower than exponential, null if not known."""
    autocorrelation_time: float | None
    """Integral of the autocorrelation of x under the stationary law; null if that does not exist."""


class SurvivalLaw(Answer):
    """The law of paths that have survived for long."""

    rate: float
    """Rate at which survivors get lost: survival falls as exp(-rate t), [1/time]."""
    error: float
    """Estimated relative error of the rate."""
    next_rate: float | None
    """The law is reached as exp(-(next_rate - rate) t); null where that is not known."""
    mean: float | None
    """Mean; null if it does not exist."""
    lost_low: float
    """Part of the losses at the lower side."""
    lost_high: float
    """Part of the losses at the upper side."""
    density: LawDensity
    """The density on a grid."""


class PassageTimes(Answer):
    """First passage times, one row for each start."""

    start: Numbers
    """Where paths start, shape (n,)."""
    probability: Numbers
    """Probability that a level is reached at all, shape (n,)."""
    mean: Numbers
    """Mean time of those that reach one, shape (n,); null if it is infinite."""
    variance: Numbers
    """Variance of that time, shape (n,); null if it does not exist."""
    log_mean: Numbers
    """Natural logarithm of `mean`, also where that is beyond the largest number; null if infinite."""
    time: Numbers
    """Times at which the distribution is given, shape (m,); empty where it is left out, see the notes."""
    cdf: Table
    """Probability of a passage by each time, shape (n, m)."""
    density: Table
    """Its density, shape (n, m), [1/time]."""


class EscapeTime(Answer):
    """The mean time out of a well over a saddle."""

    well: float
    """The stable zero of the drift at which paths start."""
    saddle: float
    """The unstable zero of the drift that is crossed."""
    target: float
    """Where the clock stops."""
    barrier: float
    """By how much the logarithm of the scale density is higher at the saddle."""
    mean: float | None
    """Exact mean time; null beyond the largest number, or if it is infinite."""
    log_mean: float | None
    """Its natural logarithm; null if the mean is infinite."""
    variance: float | None
    """Variance of the time; null if it does not exist or is beyond the largest number."""
    kramers: float | None
    """Mean time by Kramers' formula; null beyond the largest number."""
    log_kramers: float
    """Its natural logarithm."""
    ratio: float | None
    """Exact mean time over that of Kramers, 1 for high barriers; null if the mean is infinite."""


class Evolution(Answer):
    """The law at given times."""

    time: Numbers
    """Times, shape (m,)."""
    x: Numbers
    """Values of x, shape (n,), increasing."""
    density: Table
    """Density at x of what is not lost, shape (m, n)."""
    cdf: Table
    """Probability not to be lost and to be at or below x, shape (m, n)."""
    mean: Numbers
    """Mean of what is not lost, shape (m,); null where nothing is left."""
    lost_low: Numbers
    """Probability lost at the lower level or end, shape (m,)."""
    lost_high: Numbers
    """Probability lost at the upper level or end, shape (m,)."""
    mass_error: float
    """Largest deviation of all probability from 1."""
    grid_error: Numbers
    """Estimated error of the cdf that the grid leaves, shape (m,)."""
    time_error: float
    """Bound on the probability that the steps in time misplace."""


class DiffusionSolution(Solved):
    """Answer to `diffusion`; a part that was not asked for is null."""

    task: Literal["diffusion"] = "diffusion"
    spec: Diffusion
    """The spec that was solved."""
    boundaries: tuple[DiffusionEnd, DiffusionEnd]
    """Feller's classes of the lower and the upper end."""
    stationary: LongRunLaw | None
    """The law in the long run."""
    hitting: Splitting | None
    """Which of two levels is reached first."""
    passage_time: PassageTimes | None
    """First passage times."""
    escape: EscapeTime | None
    """The mean time out of a well."""
    quasi_stationary: SurvivalLaw | None
    """The law of survivors."""
    spectrum: Relaxation | None
    """Relaxation rates."""
    evolve: Evolution | None
    """The law at given times."""
    notes: tuple[str, ...]
    """What a reader should know, for example why something that was asked for does not exist."""
