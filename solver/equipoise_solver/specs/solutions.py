"""The solutions: what is answered. Arrays are NumPy here and plain lists on the wire."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, TypeAdapter
from typing_extensions import TypeAliasType

from equipoise_solver.specs.base import Answer, Counts, Numbers
from equipoise_solver.specs.diffusion_solution import DiffusionSolution
from equipoise_solver.specs.network_simulation import kind_of_simulation
from equipoise_solver.specs.network_solutions import (
    EquilibriumSolution,
    SimulateNetworkSolution,
    SymmetriesSolution,
)
from equipoise_solver.specs.solved import Atom, Quantiles, Series, Solved
from equipoise_solver.specs.stationary_parts import CollapseTime, GibbsComparison, RelaxationTimes
from equipoise_solver.specs.sweep_solution import SweepSolution
from equipoise_solver.specs.tasks import Compare, Simulate, Stationary

Phase = Literal["learning", "sparse", "interpolating", "metastable"]


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
    """Answer to `stationary`; a part that was not asked for, or does not exist (see the notes), is null."""

    task: Literal["stationary"] = "stationary"
    spec: Stationary
    """The spec that was solved."""
    relaxation: RelaxationTimes | None = None
    """How fast the law is reached."""
    escape: CollapseTime | None = None
    """How long the learned state lasts."""
    bayes: GibbsComparison | None = None
    """The law beside the Gibbs posterior."""


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


class DivergedPath(Answer):
    """A path that left the finite numbers."""

    path: int
    """Index of the path."""
    step: int
    """Step at which it happened."""
    value: float | None
    """Value of the model coordinate where the loss was found; null if it is not finite."""


class Tail(Answer):
    """The index of the power-law tail of |v|: P(|v| > x) falls as x^-index beyond the threshold."""

    index: float
    """Hill's estimate; the density falls as x^-(index + 1)."""
    standard_error: float
    """Its standard error, from the effectively independent samples in the tail."""
    threshold: float
    """Where the tail starts; an estimate further out is nearer to the index at infinity."""
    count: int
    """Samples in it."""


class StepBias(Answer):
    """Bias of the mean that the step of the SDE scheme leaves, from paths run again at twice the step."""

    mean: float
    """Estimated bias of the mean, by Richardson's extrapolation."""
    standard_error: float
    """Its standard error."""
    n_paths: int
    """Paths behind it."""
    coarse_step: float
    """Step of the second run, on the same noise."""


class Snapshots(Answer):
    """The first few paths over time."""

    time: Numbers
    """SDE time (sgf) or number of updates (sgd, gd), shape (n,), the start first."""
    values: tuple[Numbers, ...]
    """v of each path, shape (paths, n); null once a path is lost."""


class FirstPassage(Answer):
    """Times at which paths first passed a level of v."""

    level: float
    """The level."""
    n_passed: int
    """Paths that passed it by the end of the run."""
    mean: float | None
    """Mean time of their passage, in SDE time (sgf) or updates (sgd, gd); null if none passed."""
    standard_error: float | None
    """Standard error of the mean; null with fewer than two."""
    histogram: Histogram
    """Histogram of the times."""


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
    moments: Numbers
    """Means of v, v^2, v^3, v^4 over paths and time, shape (4,), also where the law has no such moment."""
    log_mean: float | None
    """Mean of ln abs(v), with abs(v) of at least 1e-300; null if no path stayed finite."""
    log_standard_error: float | None
    """Standard error of that mean."""
    n_effective: float | None
    """Effectively independent samples of v: its variance over the squared standard error of the mean."""
    tail: Tail | None
    """Index of the power-law tail; null without enough samples."""
    step_bias: StepBias | None
    """Bias of the mean that the step leaves; null for sgd, gd and schemes that adapt their steps."""
    quantiles: Quantiles
    """Quantiles of v, interpolated in the histogram."""
    histogram: Histogram
    """Histogram of v."""
    loss_minimum: float
    """Least-squares slope beta2/beta1; of models linear in x the critical point of the loss without decay."""
    n_paths: int
    """Paths asked for."""
    n_diverged: int
    """Paths that left the finite numbers; averages leave them out."""
    n_absorbed: int
    """Paths that reached v = 0, below the smallest number kept."""
    path_steps: int
    """Steps taken in all."""
    step_size: float | None
    """Step of the SDE scheme in force, or the bound on it that was asked for where steps adapt."""
    seed: int
    """Seed of the random streams."""
    outcome: Literal["COMPLETED", "DIVERGED"]
    """"DIVERGED" if any path left the finite numbers."""
    observables: dict[str, Series]
    """Observables over time, by name."""
    snapshots: Snapshots | None
    """The first few paths over time; null if none were asked for."""
    first_passage: FirstPassage | None
    """Times of first passage; null if no level was given."""
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


class FiniteStepLaw(Answer):
    """The law of v under SGD itself at its own learning rate and batch size, where v is a Markov chain.

    On unbounded data two layers can explode at every step; the law is then that of runs that have not yet.
    """

    phase: Literal["learning", "sparse", "interpolating", "divergent"]
    """"learning", "sparse" (all at 0), "interpolating" (mass where noise vanishes), "divergent" (no law)."""
    lyapunov_exponent: float
    """Mean growth per step of log abs(v) near v = 0 (depth 1), of log abs(gap between two runs) (depth 0)."""
    explosion_rate: float | None
    """Probability per step of running off to infinity; null without a law."""
    expected_steps_to_explosion: float | None
    """Its inverse; null if no run explodes, or without a law."""
    ceiling: float | None
    """abs(v) beyond which runs escape: the law is that of runs below; null if nothing escapes."""
    lower_exponent: float | None
    """s in P(abs(V) < v) ~ v^s at v = 0; null where v stays away from 0."""
    tail_exponent: float | None
    """Exponent of the power law of the density at infinity (depth 0); null if there is none."""
    atoms: tuple[Atom, ...]
    """Points that carry probability."""
    mean: float | None
    """Mean; null if it does not exist."""
    variance: float | None
    """Variance; null if it does not exist."""
    support: tuple[float | None, float | None]
    """Ends of an interval that holds the law; null is infinity."""
    quantiles: Quantiles
    """Quantiles; empty where the start decides between atoms, or without a law."""
    density: Density
    """The density on a grid; the atoms' places, with density 0, if all mass is in atoms."""
    notes: tuple[str, ...]
    """What a reader should know, for example that the law may be fractal."""


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
    finite_step: FiniteStepLaw | None = None
    """The law of SGD itself at the learning rate of the dynamics; null where `notes` say why."""
    finite_step_distance: Distance | None = None
    """How far the simulation is from that law; null without one."""
    notes: tuple[str, ...] = ()
    """What keeps the simulation from following the law even without sampling error; which law SGD follows."""


def _kind_of_solution(content: Any) -> str:
    spec = content.get("spec") if isinstance(content, dict) else getattr(content, "spec", None)
    return kind_of_simulation(spec)


# A type with a name of its own stands in the JSON Schema once, and a mapping of tasks can point to it.
AnySimulateSolution = TypeAliasType(
    "AnySimulateSolution",
    Annotated[
        Annotated[SimulateSolution, Tag("simulate")] | Annotated[SimulateNetworkSolution, Tag("(network)")],
        Discriminator(_kind_of_solution),
    ],
)
Solution = Annotated[
    StationarySolution
    | AnySimulateSolution
    | CompareSolution
    | DiffusionSolution
    | EquilibriumSolution
    | SymmetriesSolution
    | SweepSolution,
    Field(discriminator="task"),
]
SOLUTION: TypeAdapter[Solution] = TypeAdapter(Solution, config=ConfigDict(defer_build=True))


def parse_solution(content: Any) -> Solution:
    """Read a solution from the JSON content that the API returns."""
    return SOLUTION.validate_python(content)
