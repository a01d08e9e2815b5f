"""The part of a simulated ensemble that a law given |v| <= ceiling is about."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles import EnsembleResult
from equipoise_solver.theory import StationaryLaw
from equipoise_solver.theory.discrete import DiscreteLaw

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sample:
    """Samples of paths, without those beyond a ceiling.

    Attributes:
        edges: of the histogram, up to the last before the ceiling if samples lie beyond it, shape (n,).
        below: share of these samples below each edge, shape (n,).
        share: of all samples that these are.
        beyond: share of all samples that are known to lie beyond the ceiling.
        sign: side of 0 on which it is.
    """

    edges: Array
    below: Array
    share: float
    beyond: float
    sign: float

    def conditioned(self, probability: Array) -> Array:
        """P(V < edge) given that V is in the sample's range, from that without this condition."""
        if self.beyond == 0:
            return probability
        first, last = (0.0, probability[-1]) if self.sign > 0 else (probability[0], 1.0)
        result: Array = (probability - first) / (last - first)
        return result


def sample_of(law: StationaryLaw | DiscreteLaw, result: EnsembleResult) -> Sample | None:
    """The sample that a law is about; None where there is none."""
    edges = result.edges
    counted = result.underflow + np.concatenate([[0], np.cumsum(result.counts)])
    total = int(counted[-1]) + result.overflow
    ceiling = law.ceiling if isinstance(law, DiscreteLaw) else None
    sign = -1.0 if law.support[1] <= 0 else 1.0
    if total == 0:
        return None
    beyond = 0 if ceiling is None else _beyond(edges, counted, total, sign * ceiling)
    if ceiling is None or beyond == 0:
        return Sample(edges, counted / total, 1.0, 0.0, sign)
    within = sign * edges <= ceiling
    edges, counted = edges[within], counted[within]
    if not edges.size:
        return None
    low, high = (0, int(counted[-1])) if sign > 0 else (int(counted[0]), total)
    if high == low:
        return None
    return Sample(edges, (counted - low) / (high - low), (high - low) / total, beyond / total, sign)


def escaping_note(law: DiscreteLaw, sample: Sample | None) -> tuple[str, ...]:
    """How much of the ensemble is on its way to infinity, where some of it is."""
    if sample is None or sample.beyond == 0:
        return ()
    return (
        f"{sample.beyond:.2g} of the simulated values lie beyond |v| = {law.ceiling:.6g}, of paths on their "
        "way to infinity. finite_step_distance is that of the other values and has no mean_z; mean and "
        "variance of the simulation, and the distance from the limit's law, include them.",
    )


def _beyond(edges: Array, counted: NDArray[np.int64], total: int, ceiling: float) -> int:
    """Samples from the first edge on that is beyond the ceiling, on its side of 0."""
    if ceiling > 0:
        index = min(int(np.searchsorted(edges, ceiling)), edges.size - 1)
        return total - int(counted[index])
    index = max(int(np.searchsorted(edges, ceiling, side="right")) - 1, 0)
    return int(counted[index])
