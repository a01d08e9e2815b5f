"""A solver that computes nothing: it counts path-steps, and fails on request. Named by its import path."""

import os
import signal
import threading
from collections.abc import Callable
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
REFUSES, CRASHES, HANGS, BREAKS = 101, 102, 103, 104


@dataclass(frozen=True)
class FakeCost:
    path_steps: float
    memory_bytes: float
    is_quick: bool


class FakeWork:
    def __init__(self, spec: Any) -> None:
        self.spec = spec
        self._n_steps = spec.n_paths * (spec.n_steps or 0) if isinstance(spec, Simulate) else 0
        self.cost = FakeCost(float(self._n_steps), 1e6, isinstance(spec, Stationary))

    def begin(self) -> Checkpoint:
        return Checkpoint(fraction=0.0, scalars={"done": 0})

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
        done = min(checkpoint.scalars["done"] + budget, self._n_steps)
        return Checkpoint(
            fraction=done / self._n_steps,
            arrays={"sum": np.array([float(done)])},
            scalars={"done": done},
            live={"path_steps": done},
        )

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


def prepare(spec: Any, *, load_dataset: Callable[[str], Any] | None = None) -> FakeWork:
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
