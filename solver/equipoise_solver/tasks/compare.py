"""The task `compare`: the exact law, the simulated ensemble, and how far they are apart."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from equipoise_solver import ensembles
from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.ensembles import EnsembleResult
from equipoise_solver.ensembles.cuda.kernels import has_kernel
from equipoise_solver.ensembles.devices import CPU, resolve_device
from equipoise_solver.ensembles.edges import default_edges
from equipoise_solver.parts import check_part
from equipoise_solver.specs import SGD, Compare, CompareSolution, Distance, spec_hash
from equipoise_solver.tasks.data import moments_of
from equipoise_solver.tasks.ensemble import cost_of, describe_ensemble, plan_of
from equipoise_solver.tasks.escaping import escaping_note, sample_of
from equipoise_solver.tasks.finite_step import describe_finite_step, finite_step_law
from equipoise_solver.tasks.stationary import describe_law, exact_law
from equipoise_solver.tasks.work import Cost, LoadDataset
from equipoise_solver.theory import StationaryLaw
from equipoise_solver.theory.discrete import DiscreteLaw
from equipoise_solver.version import __version__

# Probability that a sample of the law itself exceeds the bound of the Kolmogorov-Smirnov distance.
KS_ERROR = 1e-6
# Relative size of what counts as rounding when a sample lies at an atom of the law.
ROUNDING = 1e-9
# Bins of equal probability under the law, on top of the ensemble's own bins.
N_EQUAL_BINS = 400
# Processor seconds of the law in the limit, and of that and the law at finite step, on the reference machine.
LIMIT_S, FINITE_STEP_S = 0.02, 0.3


class CompareWork:
    """A `compare` spec, ready to be computed."""

    def __init__(self, spec: Compare, *, load_dataset: LoadDataset | None = None, device: str = CPU) -> None:
        self.spec = spec
        self._load_dataset = load_dataset
        self._law = exact_law(
            moments_of(spec.data, load_dataset=load_dataset).with_label_noise(_label_noise(spec)),
            model=spec.model,
            temperature=spec.law_temperature,
            weight_decay=spec.law_weight_decay,
        )
        own = default_edges(plan_of(spec, load_dataset=load_dataset))
        self._plan = plan_of(spec, load_dataset=load_dataset, edges=_resolving_edges(self._law, own))
        self._device = resolve_device(device, self._plan)

    @property
    def cost(self) -> Cost:
        """That of the ensemble, and the laws."""
        has_own_law = isinstance(self.spec.dynamics, SGD) and self._plan.depth <= 1
        laws = FINITE_STEP_S if has_own_law else LIMIT_S
        return cost_of(self._plan, "compare", more_seconds=laws)

    @property
    def runs_on_card(self) -> bool:
        """Whether a graphics card has kernels for it, be there one or not."""
        return has_kernel(self._plan)

    @property
    def n_shards(self) -> int:
        """One part for every 65536 paths."""
        return ensembles.n_shards(self._plan)

    def begin(self, shard: tuple[int, int] | None = None) -> Checkpoint:
        """State before the first chunk, of the whole or of a part."""
        check_part(shard, self.n_shards)
        return ensembles.begin(self._plan, shard)

    def advance(self, checkpoint: Checkpoint, budget: int, *, threads: int) -> Checkpoint:
        """Do about `budget` path-steps more."""
        return ensembles.advance(self._plan, checkpoint, budget=budget, threads=threads, device=self._device)

    def merge(self, checkpoints: Sequence[Checkpoint]) -> Checkpoint:
        """What the whole ends in, from all its parts in order."""
        return ensembles.merge(self._plan, checkpoints)

    def finish(self, checkpoint: Checkpoint) -> CompareSolution:
        """The laws, the ensemble and their distances."""
        result = ensembles.finish(self._plan, checkpoint)
        from_limit = distance(self._law, result)
        own = finite_step_law(self.spec, load_dataset=self._load_dataset)
        law, reason = (None, own) if isinstance(own, str) else (own, None)
        from_own = None if law is None else distance(law, result)
        escaping = () if law is None else escaping_note(law, sample_of(law, result))
        return CompareSolution(
            spec=self.spec,
            spec_hash=spec_hash(self.spec),
            solver_version=__version__,
            device=self._device,
            stationary=describe_law(
                self._law, self._plan.moments, temperature=self.spec.law_temperature, grid=self.spec.grid
            ),
            simulation=describe_ensemble(result, self._plan),
            distance=from_limit,
            finite_step=None if law is None else describe_finite_step(law, self.spec.grid),
            finite_step_distance=from_own,
            notes=(*_notes(self.spec), *escaping, reason or which_law(from_limit, from_own)),
        )


def distance(law: StationaryLaw | DiscreteLaw, result: EnsembleResult) -> Distance:
    """Distance of a simulated ensemble from a law, over the edges of its histogram.

    The sample is n_averaged independent paths, each observed at many times. Its distribution function is the
    conditional mean, given the paths, of the empirical function of one random time per path; by Jensen's
    inequality averaging does not widen the gap in the convex order, so the bound of Dvoretzky, Kiefer,
    Wolfowitz and Massart for n_averaged independent values is a cautious one. A law given |v| <= ceiling is
    compared with the samples up to there, and with as large a share of the paths.
    """
    sample = sample_of(law, result)
    exact = None if sample is None else _probability_below(law, sample.edges)
    n = result.n_averaged if sample is None else int(sample.share * result.n_averaged)
    if n == 0 or sample is None or exact is None or not np.all(np.isfinite(exact)):
        return Distance(ks=None, ks_bound=None, n_effective=n, wasserstein=None, mean_z=None)
    gap = np.abs(sample.below - sample.conditioned(exact))
    return Distance(
        ks=float(gap[_is_clear(law, sample.edges)].max()),
        ks_bound=math.sqrt(math.log(2 / KS_ERROR) / (2 * n)),
        n_effective=n,
        wasserstein=float(np.trapezoid(gap, sample.edges)),
        mean_z=_mean_z(law, result) if sample.beyond == 0 else None,
    )


def which_law(limit: Distance, own: Distance | None) -> str:
    """Which of the two laws simulated SGD follows, and by how much."""
    if own is None or own.ks is None or own.ks_bound is None or limit.ks is None:
        return "Which law the simulation follows is not decided: a distance is missing."
    near_own, near_limit = own.ks <= own.ks_bound, limit.ks <= own.ks_bound
    equally = abs(own.ks - limit.ks) < own.ks_bound
    gaps = f"KS {own.ks:.3g} from its law at finite step, {limit.ks:.3g} from the limit's"
    gaps = f"{gaps}, bound {own.ks_bound:.3g}"
    match near_own, near_limit:
        case True, False:
            return f"Simulated SGD follows its law at finite step and not the limit's: {gaps}."
        case True, True if own.ks == limit.ks:
            return f"Simulated SGD is as near to the law at finite step as to the limit's: {gaps}."
        case True, True:
            return f"The sample is too small to tell the law at finite step from the limit's: {gaps}."
        case False, True:
            return f"Simulated SGD follows the limit's law and not that at finite step: {gaps}."
    nearer = "that at finite step is nearer" if own.ks < limit.ks else "the limit's is nearer"
    nearer = "both are equally far within it" if equally else nearer
    return f"Simulated SGD follows neither law within chance, {nearer}: {gaps}."


def _is_clear(law: StationaryLaw | DiscreteLaw, edges: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Edges far enough from every atom that rounding decides no side."""
    clear = np.ones(edges.shape, dtype=np.bool_)
    scale = max((abs(atom.at) for atom in law.atoms), default=0.0) or float(np.abs(edges).max())
    for atom in law.atoms:
        clear &= np.abs(edges - atom.at) > ROUNDING * scale
    return clear


def _mean_z(law: StationaryLaw | DiscreteLaw, result: EnsembleResult) -> float | None:
    if law.mean is None or not result.standard_error >= 0:
        return None
    rounding = ROUNDING * max(abs(law.mean), abs(result.mean))
    error = math.hypot(result.standard_error, rounding)
    return (result.mean - law.mean) / error if error > 0 else 0.0


def _probability_below(law: StationaryLaw | DiscreteLaw, v: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(V < v): what the bins [edge, next edge) count, so an atom at v itself is not below it."""
    probability = law.cdf(v)
    if law.density is None:
        for atom in law.atoms:
            probability = probability - np.where(v == atom.at, atom.mass or 0.0, 0.0)
    return probability


def _resolving_edges(law: StationaryLaw, own: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ensemble's own edges and bins of equal probability under the law."""
    if law.density is None:
        return own
    quantiles = law.quantile(np.arange(1, N_EQUAL_BINS) / N_EQUAL_BINS)
    return np.unique(np.concatenate([own, quantiles[np.isfinite(quantiles)]]))


def _label_noise(spec: Compare) -> float:
    """Standard deviation of the noise that SGD sees on its labels."""
    return spec.dynamics.label_noise if isinstance(spec.dynamics, SGD) else 0.0


def _notes(spec: Compare) -> tuple[str, ...]:
    """What keeps a simulation from following the law even without sampling error."""
    if not isinstance(spec.dynamics, SGD):
        return ()
    finite = "The law is the limit of small learning rates; SGD at a finite one differs from it."
    epoch = "The law assumes minibatches drawn with replacement; epochs have less noise than that."
    return (finite, epoch) if spec.dynamics.sampling == "epoch" else (finite,)
