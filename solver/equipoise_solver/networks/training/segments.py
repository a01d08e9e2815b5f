"""When a run records and how it is cut into pieces of work: fixed by the plan alone, but not by n_paths."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.networks.training.plan import TrainingPlan

PIECE_WORK = 4e9
"""Multiplications of a piece of work, about: a second or a few."""


@dataclass(frozen=True)
class Piece:
    """A piece of work: one group of networks through one segment of steps.

    Attributes:
        segment: index of the segment.
        group: index of the group.
        first_step: number of its first step.
        n_steps: steps to take.
        record: index of the record at its end; None if there is none.
    """

    segment: int
    group: int
    first_step: int
    n_steps: int
    record: int | None


@dataclass(frozen=True)
class Segments:
    """Pieces in order: by segment, then by group.

    Attributes:
        ends: step at the end of each segment, increasing.
        record_steps: updates made before each record, the start first.
        n_groups: groups of networks.
        first_group: the first of them.
    """

    ends: tuple[int, ...]
    record_steps: tuple[int, ...]
    n_groups: int
    first_group: int = 0

    @property
    def n_pieces(self) -> int:
        """Number of pieces."""
        return len(self.ends) * self.n_groups

    def piece(self, index: int) -> Piece:
        """Piece by its number."""
        segment, group = divmod(index, self.n_groups)
        first = self.ends[segment - 1] if segment > 0 else 0
        end = self.ends[segment]
        return Piece(segment, self.first_group + group, first, end - first, self._record_at.get(end))

    def row_end(self, index: int) -> int:
        """The first piece of the next segment."""
        return (index // self.n_groups + 1) * self.n_groups

    @cached_property
    def _record_at(self) -> dict[int, int]:
        return {step: i for i, step in enumerate(self.record_steps)}


def segments_of(plan: TrainingPlan, part: Sequence[int] | None = None) -> Segments:
    """Segments that end at each record, and between records where a piece would be too long.

    Args:
        plan: the plan.
        part: number of a part of the groups and of how many; None for all groups.
    """
    n_records = min(plan.n_records, plan.n_updates)
    records = [round(i * plan.n_updates / n_records) for i in range(n_records + 1)]
    longest = max(1, int(PIECE_WORK / (plan.work_per_step * plan.group_size)))
    ends: list[int] = []
    for start, end in pairwise(records):
        parts = math.ceil((end - start) / longest)
        ends += [start + round((i + 1) * (end - start) / parts) for i in range(parts)]
    number, of = part or (0, 1)
    first, stop = plan.n_groups * number // of, plan.n_groups * (number + 1) // of
    return Segments(tuple(ends), tuple(records), stop - first, first)


def record_times(plan: TrainingPlan, segments: Segments) -> NDArray[np.float64]:
    """Updates (Sgd, Gd) or SDE time (Sgf, Langevin) at each record, shape (n_records + 1,)."""
    return np.array(segments.record_steps, dtype=np.float64) * plan.clock_step
