"""A solver that computes nothing: it counts path-steps, and fails on request. Named by its import path."""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.errors import UnstableStepError
from equipoise_solver.specs import (
    Histogram,
    Quantiles,
    Series,
    Simulate,
    SimulateSolution,
    Stationary,
    parse_spec,
    spec_hash,
)

NAME = "tests.service.fake_solver:prepare"
# Seeds that ask for trouble; any other one is solved.
REFUSES, CRASHES, HANGS, BREAKS, REFUSES_IN_ITS_SECOND_SHARD = 101, 102, 103, 104, 105
# From this seed on, time passes.
SLOW = 1000


# Path-steps that a thread of this solver counts in a second, where a spec asks for time to pass.
STEPS_PER_S = 1e9
MOST_SHARDS = 64


@dataclass(frozen=True)
class FakeCost:
    path_steps: float
    memory_bytes: float
    is_quick: bool
    seconds: float = 0.0
    kind: str = "fake"


class FakeWork:
    def __init__(self, spec: Any) -> None:
        self.spec = spec
        self._n_steps = spec.n_paths * (spec.n_steps or 0) if isinstance(spec, Simulate) else 0
        n_steps = float(self._n_steps)
        self.cost = FakeCost(n_steps, 1e6, isinstance(spec, Stationary), n_steps / STEPS_PER_S)

    @property
    def n_shards(self) -> int:
        return MOST_SHARDS

    def begin(self, shard: tuple[int, int] | None = None) -> Checkpoint:
        number, of = shard or (0, 1)
        first, last = (self._n_steps * number // of, self._n_steps * (number + 1) // of)
        return Checkpoint(
            fraction=0.0, scalars={"first": first, "done": 0, "todo": last - first, "number": number}
        )

    def advance(self, checkpoint: Checkpoint, budget: int, *, threads: int) -> Checkpoint:
        match self.spec.seed:
            case 101:
                raise UnstableStepError("dynamics.learning_rate", given=9.0, allowed="less")
            case 102:
                os.kill(os.getpid(), signal.SIGKILL)
            case 103:
                threading.Event().wait(600)
            case 104:
                raise RuntimeError("a secret of the inside")
            case 105 if checkpoint.scalars["number"] == 1:
                raise UnstableStepError("dynamics.learning_rate", given=9.0, allowed="less")
        before, todo = checkpoint.scalars["done"], checkpoint.scalars["todo"]
        done = min(before + self._bounded(budget), todo)
        if self.spec.seed is not None and self.spec.seed >= SLOW:
            threading.Event().wait((done - before) / STEPS_PER_S)
        return Checkpoint(
            fraction=done / todo,
            arrays={"sum": np.array([float(done)])},
            scalars={**checkpoint.scalars, "done": done},
            live={"path_steps": done},
        )

    def _bounded(self, budget: int) -> int:
        # A slow one is cut into chunks of at most 0.1 s, however large the budget is.
        is_slow = self.spec.seed is not None and self.spec.seed >= SLOW
        return min(budget, int(0.1 * STEPS_PER_S)) if is_slow else budget

    def merge(self, checkpoints: Sequence[Checkpoint]) -> Checkpoint:
        at = 0
        for number, part in enumerate(checkpoints):
            assert part.is_done
            assert (part.scalars["number"], part.scalars["first"]) == (number, at)
            at += part.scalars["done"]
        return Checkpoint(fraction=1.0, scalars={"first": 0, "done": at, "todo": at, "number": 0})

    def finish(self, checkpoint: Checkpoint) -> SimulateSolution:
        done = checkpoint.scalars["done"]
        empty = np.array([])
        return SimulateSolution(
            spec=self.spec,
            spec_hash=spec_hash(self.spec),
            solver_version="fake",
            device="cpu",
            mean=1.25,
            standard_error=0.5,
            variance=2.0,
            variance_standard_error=0.1,
            moments=empty,
            log_mean=None,
            log_standard_error=None,
            n_effective=None,
            tail=None,
            step_bias=None,
            snapshots=None,
            first_passage=None,
            quantiles=Quantiles(levels=empty, values=empty),
            histogram=Histogram(edges=np.array([0.0, 1.0]), counts=np.array([7]), below=0, above=0),
            n_paths=self.spec.n_paths,
            n_diverged=0,
            n_absorbed=0,
            path_steps=done,
            step_size=None,
            seed=self.spec.seed or 0,
            outcome="COMPLETED",
            observables={"value": Series(time=empty, mean=empty, standard_error=empty)},
            diverged=(),
            loss_minimum=0.0,
            notes=(),
        )


def prepare(spec: Any, *, load_dataset: Callable[[str], Any] | None = None, device: str = "cpu") -> FakeWork:
    return FakeWork(parse_spec(spec))


def simulate_spec(*, seed: int, n_steps: int = 100) -> dict[str, Any]:
    """A spec for this solver; `seed` says what happens."""
    return {
        "task": "simulate",
        "model": {"kind": "diagonal", "depth": 1, "width": 1},
        "data": {"kind": "gaussian", "slope": 1.0, "noise_std": 1.0},
        "dynamics": {"kind": "sgd", "learning_rate": 0.05, "batch_size": 1},
        "n_paths": 1000,
        "n_steps": n_steps,
        "seed": seed,
    }
