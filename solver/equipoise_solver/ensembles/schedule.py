"""When a run samples and records, and how it is cut into pieces of work: all fixed by the plan alone."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.compiled import LANES
from equipoise_solver.ensembles.costs import MAX_SHOWN, SHARD_BLOCKS, TASK_BLOCKS, UNIT_WORK
from equipoise_solver.ensembles.plan import EnsemblePlan

GOLDEN = 2654435769
"""The golden ratio's fractional part in units of 2**-32: 2**32 (sqrt(5) - 1) / 2."""
LEAST_GROUPS = 2
"""Groups of steps in an interval from which its ends move to whole groups."""
STEPS_PER_EPOCH_SAMPLE = 4
"""Typical updates between two samples by epoch: close, because the phases of an epoch differ."""


@dataclass(frozen=True)
class Unit:
    """A piece of work: some blocks of a shard, through some samples.

    Attributes:
        shard: index of the shard.
        blocks: first block and the one after the last, within the shard.
        samples: first sample interval and the one after the last; interval i ends at sample i + 1.
    """

    shard: int
    blocks: tuple[int, int]
    samples: tuple[int, int]


@dataclass(frozen=True)
class Schedule:
    """Times of samples and records, and the pieces of work in order: by shard, then by time, then by blocks.

    Attributes:
        n_paths: of the plan.
        n_records: records after the start.
        samples_per_record: sample intervals per record interval.
        first_kept: samples with at least this index (1, 2, ...) are averaged.
        samples_per_unit: sample intervals of a piece of work.
        blocks_per_unit: blocks of a piece of work.
        n_steps: steps per path with a fixed clock; 0 for an adaptive one.
        duration: SDE time per path; 0 for an update rule, [time].
        epoch: batches per epoch where they come by epoch, else 0. Samples then lie anywhere in their
            intervals, so that they see all phases of an epoch alike.
        group: steps that cost least together; long intervals are whole groups of them.
    """

    n_paths: int
    n_records: int
    samples_per_record: int
    first_kept: int
    samples_per_unit: int
    blocks_per_unit: int
    n_steps: int
    duration: float
    epoch: int = 0
    group: int = 1

    @property
    def n_samples(self) -> int:
        """Samples per path after the start."""
        return self.n_records * self.samples_per_record

    @property
    def last_kept(self) -> int:
        """Last sample that is averaged: by epoch, the end of the run is out of turn and left out."""
        return max(self.first_kept, self.n_samples - 1) if self.epoch else self.n_samples

    @property
    def n_kept(self) -> int:
        """Samples per path that are averaged."""
        return self.last_kept - self.first_kept + 1

    @property
    def interval(self) -> float:
        """SDE time between samples, [time]."""
        return self.duration / self.n_samples

    @property
    def n_shards(self) -> int:
        """Shards of 65536 paths."""
        return -(-self.n_paths // (SHARD_BLOCKS * LANES))

    @property
    def segments(self) -> int:
        """Pieces into which the time of a shard is cut."""
        return -(-self.n_samples // self.samples_per_unit)

    def n_blocks(self, shard: int) -> int:
        """Blocks of a shard."""
        paths = min(self.n_paths - shard * SHARD_BLOCKS * LANES, SHARD_BLOCKS * LANES)
        return -(-paths // LANES)

    def lanes(self, shard: int) -> NDArray[np.int64]:
        """Paths in each block of a shard, shape (n_blocks,)."""
        first = shard * SHARD_BLOCKS * LANES + LANES * np.arange(self.n_blocks(shard))
        return np.minimum(self.n_paths - first, LANES).astype(np.int64)

    def tasks(self, shard: int) -> int:
        """Pieces into which the blocks of a shard are cut."""
        return -(-self.n_blocks(shard) // self.blocks_per_unit)

    @property
    def n_units(self) -> int:
        """Pieces of work in all."""
        last = self.n_shards - 1
        return self.segments * (last * self.tasks(0) + self.tasks(last))

    def first_unit(self, shard: int) -> int:
        """First piece of work of a shard; of the one after the last, how many there are."""
        return min(shard * self.segments * self.tasks(0), self.n_units)

    def unit(self, index: int) -> Unit:
        """Piece of work number `index`."""
        shard, rest = divmod(index, self.segments * self.tasks(0))
        segment, task = divmod(rest, self.tasks(shard))
        blocks = (
            task * self.blocks_per_unit,
            min((task + 1) * self.blocks_per_unit, self.n_blocks(shard)),
        )
        samples = (
            segment * self.samples_per_unit,
            min((segment + 1) * self.samples_per_unit, self.n_samples),
        )
        return Unit(shard, blocks, samples)

    def row_end(self, index: int) -> int:
        """First piece after `index` that needs the result of an earlier piece, or another shard."""
        per_shard = self.segments * self.tasks(0)
        shard, rest = divmod(index, per_shard)
        return shard * per_shard + (rest // self.tasks(shard) + 1) * self.tasks(shard)

    def steps_at(self, samples: tuple[int, int]) -> NDArray[np.int64]:
        """Updates made at the start of an interval and at the end of each, shape (intervals + 1,)."""
        if self.epoch:
            return np.array([self.step_of(i) for i in range(samples[0], samples[1] + 1)], dtype=np.int64)
        return self._steps_of(np.arange(samples[0], samples[1] + 1))

    def _steps_of(self, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """`step_of` each of some samples, of batches that do not come by epoch."""
        ends = samples * self.n_steps // self.n_samples
        if self._is_long:
            ends -= np.where(samples < self.n_samples, ends % self.group, 0)
        return ends

    def step_of(self, sample: int) -> int:
        """Updates made when sample number `sample` is taken; all of them at the last."""
        end = sample * self.n_steps // self.n_samples
        if sample in (0, self.n_samples):
            return end
        if not self.epoch:
            return end - end % self.group if self._is_long else end
        room = end - (sample - 1) * self.n_steps // self.n_samples
        if room < self.epoch:
            # Multiples of the golden ratio fill the interval evenly, whatever the length of an epoch.
            return end - (sample * GOLDEN % 2**32) * room // 2**32
        # All phases in turn, as often as each other; the stride makes any few in a row spread out.
        return end - (end - sample * self.stride) % self.epoch

    @property
    def _is_long(self) -> bool:
        """Whether intervals are long enough to be whole groups of steps."""
        return self.n_steps >= LEAST_GROUPS * self.group * self.n_samples

    @cached_property
    def stride(self) -> int:
        """A stride through the phases of an epoch, prime to their number, next to their golden section."""
        first = self.epoch * GOLDEN >> 32
        return next(k for k in range(first, self.epoch + 1) if math.gcd(k, self.epoch) == 1)

    @property
    def anchor(self) -> int:
        """First record at or after the end of burn-in."""
        return min(self.n_records, -(-(self.first_kept - 1) // self.samples_per_record))

    def record_times(self) -> NDArray[np.float64]:
        """SDE time or number of updates at each record, the start first, shape (n_records + 1,)."""
        index = np.arange(self.n_records + 1)
        if self.duration > 0:
            return self.duration * index / self.n_records
        samples = index * self.samples_per_record
        if self.epoch:
            return np.array([self.step_of(sample) for sample in samples.tolist()], dtype=np.float64)
        return self._steps_of(samples).astype(np.float64)


def schedule_of(plan: EnsemblePlan) -> Schedule:
    """The schedule that follows from a plan; sample times do not depend on the number of paths."""
    is_flow = plan.duration is not None
    n_steps = plan.flow_steps if is_flow and plan.has_fixed_clock else plan.n_steps or 0
    n_records = plan.n_records if is_flow else min(plan.n_records, n_steps)
    if is_flow and plan.has_fixed_clock:
        per_record = plan.intervals[0]
    else:
        spacing = float(STEPS_PER_EPOCH_SAMPLE if plan.epoch_batches else plan.sample_spacing)
        # The samples that one piece of work can keep reach far enough to be worth shuffling the data again.
        spacing = max(spacing, plan.work_to_resume / (plan.work_per_step * (MAX_SHOWN // LANES)))
        # One block from one sample to the next is the least piece of work: dear steps are sampled more often.
        spacing = max(1.0, min(spacing, UNIT_WORK / (LANES * plan.work_per_step)))
        per_record = max(1, round(plan.typical_steps / n_records / spacing))
    n_samples = n_records * per_record
    paths = min(plan.n_paths, SHARD_BLOCKS * LANES)
    work_per_sample = plan.typical_steps / n_samples * plan.work_per_step
    least = LANES * (plan.work_to_resume + work_per_sample)
    blocks = max(1, min(TASK_BLOCKS, -(-paths // LANES) // 8, int(UNIT_WORK / least)))
    by_work = UNIT_WORK / (min(paths, blocks * LANES) * work_per_sample)
    to_resume = plan.work_to_resume / work_per_sample
    by_memory = n_samples if plan.has_fixed_clock else MAX_SHOWN // (blocks * LANES)
    kept = n_samples - int(plan.burn_in * n_samples)
    if plan.epoch_batches and kept > 2 * plan.epoch_batches:
        # Whole turns through the phases, and the end of the run, which is not averaged.
        kept -= (kept - 1) % plan.epoch_batches
    return Schedule(
        n_paths=plan.n_paths,
        n_records=n_records,
        samples_per_record=per_record,
        first_kept=n_samples - kept + 1,
        samples_per_unit=int(min(n_samples, max(1, min(max(by_work, to_resume), by_memory)))),
        blocks_per_unit=blocks,
        n_steps=n_steps,
        duration=plan.duration or 0.0,
        epoch=plan.epoch_batches,
        group=plan.noise_source.steps if plan.has_fixed_clock else 1,
    )


def n_shards(plan: EnsemblePlan) -> int:
    """Most parts that a run can be cut into: shards of 65536 paths."""
    return schedule_of(plan).n_shards
