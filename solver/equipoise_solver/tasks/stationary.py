"""The task `stationary`: a closed form, computed in one go."""

import math

import numpy as np

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.errors import UnsupportedCombinationError
from equipoise_solver.specs import (
    Atom,
    Boundary,
    Density,
    Diagonal,
    DiagonalLimit,
    Grid,
    Law,
    Quantiles,
    Stationary,
    StationarySolution,
    spec_hash,
)
from equipoise_solver.tasks.data import moments_of
from equipoise_solver.tasks.one_part import AtOnce
from equipoise_solver.tasks.stationary_parts import StationaryParts
from equipoise_solver.tasks.work import Cost, LoadDataset
from equipoise_solver.theory import DataMoments, StationaryLaw, infinite_depth_law, stationary_law
from equipoise_solver.version import __version__

QUANTILE_LEVELS = np.array([0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999])


class StationaryWork(AtOnce):
    """A `stationary` spec, ready to be solved."""

    def __init__(self, spec: Stationary, *, load_dataset: LoadDataset | None = None) -> None:
        self.spec = spec
        self._moments = moments_of(spec.data, load_dataset=load_dataset)

    @property
    def cost(self) -> Cost:
        """Milliseconds, whatever the parameters; seconds with the relaxation."""
        parts = self.spec.relaxation or self.spec.escape
        return Cost(
            path_steps=0.0,
            memory_bytes=5e8 if parts else 5e7,
            is_quick=not self.spec.relaxation,
            seconds=self._seconds,
            kind="stationary/relaxation" if self.spec.relaxation else "stationary",
        )

    @property
    def _seconds(self) -> float:
        """Processor seconds on the reference machine, as measured there, [s]."""
        grid = self.spec.grid
        n_points = grid.n_points if grid.v is None else len(grid.v)
        parts = 0.17 * self.spec.relaxation + 0.025 * self.spec.escape + 0.04 * self.spec.bayes
        return 0.006 + 3e-6 * n_points + parts

    def finish(self, checkpoint: Checkpoint) -> StationarySolution:
        """Evaluate the law."""
        law = exact_law(
            self._moments,
            model=self.spec.model,
            temperature=self.spec.temperature,
            weight_decay=self.spec.weight_decay,
        )
        parts = StationaryParts(self.spec, self._moments)
        law = parts.law_from_start(law)
        answer = describe_law(law, self._moments, temperature=self.spec.temperature, grid=self.spec.grid)
        relaxation, escape, bayes = parts.relaxation(), parts.escape(), parts.bayes()
        return StationarySolution(
            spec=self.spec,
            spec_hash=spec_hash(self.spec),
            solver_version=__version__,
            device="cpu",
            **{name: getattr(answer, name) for name in Law.model_fields if name != "notes"},
            notes=(*answer.notes, *parts.notes),
            relaxation=relaxation,
            escape=escape,
            bayes=bayes,
        )


def exact_law(
    moments: DataMoments, *, model: Diagonal | DiagonalLimit, temperature: float, weight_decay: float
) -> StationaryLaw:
    """Stationary law of a model, as the theory gives it."""
    if isinstance(model, Diagonal):
        return stationary_law(
            moments,
            depth=model.depth,
            width=model.width,
            temperature=temperature,
            weight_decay=weight_decay,
        )
    if weight_decay:
        raise UnsupportedCombinationError(
            "weight_decay",
            given=weight_decay,
            allowed="0 with model.kind='diagonal_limit'",
            remedy="Any weight decay makes 0 the only stationary state of a deep network.",
        )
    return infinite_depth_law(moments, width_per_depth=model.width_per_depth, temperature=temperature)


def describe_law(law: StationaryLaw, moments: DataMoments, *, temperature: float, grid: Grid) -> Law:
    """A law as the answer that users read, with its density on the grid."""
    is_decided = all(atom.mass is not None for atom in law.atoms)
    levels = QUANTILE_LEVELS if is_decided else np.empty(0)
    if grid.v is None:
        v, p, quantiles = law.sampled(grid.n_points, levels)
    else:
        v = np.unique(np.array(grid.v))
        p, quantiles = law.pdf(v), law.quantile(levels) if levels.size else levels
    return Law(
        phase=law.phase,
        regime=law.regime,
        temperature=temperature,
        loss_minimum=moments.minimum,
        critical_temperature=law.critical_temperature,
        atoms=tuple(Atom(at=atom.at, mass=atom.mass) for atom in law.atoms),
        mean=law.mean,
        variance=law.variance,
        second_moment=law.second_moment,
        mode=law.mode,
        mode_vanishes_at=law.mode_vanishes_at,
        tail_exponent=law.tail_exponent,
        support=(_finite(law.support[0]), _finite(law.support[1])),
        quantiles=Quantiles(levels=levels, values=quantiles),
        density=Density(v=v, p=p, cdf=law.cdf(v) if is_decided else np.full(v.shape, np.nan)),
        boundaries=tuple(
            Boundary(at=_finite(end.at), kind=end.kind, attracting=end.attracting) for end in law.boundaries
        ),
        notes=law.notes,
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
