"""The solutions: what is answered. Arrays are NumPy here and plain lists on the wire."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from equipoise_solver.specs.base import Answer, Counts, Numbers
from equipoise_solver.specs.tasks import Compare, Simulate, Stationary

Phase = Literal["learning", "sparse", "interpolating", "metastable"]


class Atom(Answer):
    """A point that carries probability."""

    at: float
    """Where."""
    mass: float | None
    """How much; null when the start decides."""


class Boundary(Answer):
    """One end of the support, classified by Feller's test."""

    at: float | None
    """Where; null is infinity."""
    kind: Literal["regular", "exit", "entrance", "natural"]
    """Feller's class."""
    attracting: bool
    """Whether paths tend to it with positive probability."""


class Density(Answer):
    """A density on a grid."""

    v: Numbers
    """Values of the model coordinate, shape (n,), increasing."""
    p: Numbers
    """Density of the absolutely continuous part at v, shape (n,)."""
    cdf: Numbers
    """Probability of a value <= v under the density, or the atoms if there is none, shape (n,)."""


class Quantiles(Answer):
    """Quantiles of a law or of a sample."""

    levels: Numbers
    """Probabilities, shape (q,)."""
    values: Numbers
    """Values that are undershot with these probabilities, shape (q,)."""


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


class Law(Answer):
    """A stationary law."""

    phase: Phase
    """"learning", "sparse" (all mass at 0), "interpolating" (mass where noise vanishes) or "metastable"."""
    regime: str | None
    """Regime of a two-layer network (figure 4 of arXiv 2308.06671); null for other models."""
    temperature: float
    """Temperature of the law."""
    loss_minimum: float
    """Least-squares solution beta2/beta1, the critical point of the loss without weight decay."""
    critical_temperature: float | None
    """Temperature from which 0 attracts; null if there is no such transition."""
    atoms: tuple[Atom, ...]
    """Points that carry probability."""
    mean: float | None
    """Mean; null if it does not exist."""
    variance: float | None
    """Variance; null if it does not exist."""
    second_moment: float | None
    """E[v^2]; null if it does not exist."""
    mode: float | None
    """Local maximum of the density away from 0; null if there is none."""
    mode_vanishes_at: float | None
    """Temperature T* at which the mode vanishes; null if it does not."""
    tail_exponent: float | None
    """Exponent of the power law of the density at infinity; null if the tail is no power law."""
    support: tuple[float | None, float | None]
    """Ends of the support; null is infinity."""
    quantiles: Quantiles
    """Quantiles; empty where the start decides between atoms."""
    density: Density
    """The density on a grid; the atoms' places, with density 0, if all mass is in atoms."""
    boundaries: tuple[Boundary, ...]
    """Feller's classes of the two ends."""
    notes: tuple[str, ...]
    """What a reader should know, for example why a moment does not exist."""


class StationarySolution(Solved, Law):
    """Answer to `stationary`."""

    task: Literal["stationary"] = "stationary"
    spec: Stationary
    """The spec that was solved."""


class Histogram(Answer):
    """Counts of samples of the model coordinate."""

    edges: Numbers
    """Bin edges, shape (n + 1,), increasing."""
    counts: Counts
    """Samples in [edges[i], edges[i + 1]), shape (n,)."""
    below: int
    """Samples below the first edge."""
    above: int
    """Samples at or above the last edge."""


class Series(Answer):
    """An observable over time, averaged over the paths that are finite."""

    time: Numbers
    """SDE time (sgf) or number of updates (sgd, gd), shape (n,), the start first."""
    mean: Numbers
    """Ensemble mean, shape (n,)."""
    standard_error: Numbers
    """Standard error of the mean, shape (n,)."""


class DivergedPath(Answer):
    """A path that left the finite numbers."""

    path: int
    """Index of the path."""
    step: int
    """Step at which it happened."""
    value: float | None
    """Value of the model coordinate where the loss was found; null if it is not finite."""


class Ensemble(Answer):
    """Statistics of an ensemble of trajectories, from finite paths after the burn-in."""

    mean: float | None
    """Mean of v over paths and time; null if no path stayed finite."""
    standard_error: float | None
    """Standard error of the mean, from independent paths; null with fewer than two."""
    variance: float | None
    """Variance of v over paths and time."""
    variance_standard_error: float | None
    """Standard error of the variance, from independent paths."""
    quantiles: Quantiles
    """Quantiles of v, interpolated in the histogram."""
    histogram: Histogram
    """Histogram of v."""
    loss_minimum: float
    """Least-squares solution beta2/beta1, the critical point of the loss without weight decay."""
    n_paths: int
    """Paths asked for."""
    n_diverged: int
    """Paths that left the finite numbers; averages leave them out."""
    n_absorbed: int
    """Paths that reached v = 0, below the smallest number kept."""
    path_steps: int
    """Steps taken in all."""
    step_size: float | None
    """Largest step of the SDE scheme that was asked for; null if the scheme chose, and for sgd and gd."""
    seed: int
    """Seed of the random streams."""
    outcome: Literal["COMPLETED", "DIVERGED"]
    """"DIVERGED" if any path left the finite numbers."""
    observables: dict[str, Series]
    """Observables over time, by name."""
    diverged: tuple[DivergedPath, ...]
    """The first few paths that left the finite numbers."""
    notes: tuple[str, ...]
    """What a reader should know."""


class SimulateSolution(Solved, Ensemble):
    """Answer to `simulate`."""

    task: Literal["simulate"] = "simulate"
    spec: Simulate
    """The spec that was solved."""


class Distance(Answer):
    """Distance between the simulated and the exact law."""

    ks: float | None
    """Kolmogorov-Smirnov distance: largest gap between the two CDFs over the bin edges."""
    ks_bound: float | None
    """What the distance of a true sample exceeds with probability at most 1e-6:
    sqrt(log(2e6) / (2 n_effective))."""
    n_effective: int
    """Number of independent paths behind the simulated law."""
    wasserstein: float | None
    """Wasserstein-1 distance, the integral of |CDF gap|, over the range of the histogram."""
    mean_z: float | None
    """(simulated mean - exact mean) / standard error."""


class CompareSolution(Solved):
    """Answer to `compare`."""

    task: Literal["compare"] = "compare"
    spec: Compare
    """The spec that was solved."""
    stationary: Law
    """The exact law."""
    simulation: Ensemble
    """The simulated ensemble."""
    distance: Distance
    """How far they are apart."""
    notes: tuple[str, ...] = ()
    """What keeps the simulation from following the law even without sampling error."""


Solution = Annotated[StationarySolution | SimulateSolution | CompareSolution, Field(discriminator="task")]
SOLUTION: TypeAdapter[StationarySolution | SimulateSolution | CompareSolution] = TypeAdapter(
    Solution, config=ConfigDict(defer_build=True)
)


def parse_solution(content: Any) -> StationarySolution | SimulateSolution | CompareSolution:
    """Read a solution from the JSON content that the API returns."""
    return SOLUTION.validate_python(content)
