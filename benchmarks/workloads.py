"""The three workloads, and the laws that their answers are held against before anything is timed."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.specs import SimulateSolution
from equipoise_solver.theory import DataMoments, stationary_law

B1, B2, A1, A2, A3 = 1.0, 1.0, 2.0, 2.0, 3.0
"""Data y = x + noise, variances 1: gradient of the loss b1 v - b2, noise g = a1 v^2 - 2 a2 v + a3."""
TEMPERATURE, STEP_SIZE = 0.05, 1e-3
"""Of the SDEs W1 and W2."""
LEARNING_RATE, BATCH_SIZE = 0.01, 16
"""Of minibatch SGD, W3."""
START = 1.0
"""v of every path at time 0; u = w = 1 with it."""
LARGEST = 1e3
"""A path beyond it, or below 0, is lost: it crossed 0 or overshot, and explodes."""

LEVELS = (0.05, 0.5, 0.95)
"""Quantiles that are checked; a solution states them among others."""
SURE = 5.0
"""Standard errors that an answer may be off, beside the stated bias."""
MOST_LOST = 0.03
"""Fraction of paths that explicit Euler may lose."""

States = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Answer:
    """What a contender found: mean and quantiles of v over the paths that were not lost."""

    n_paths: int
    lost: int
    mean: float
    quantiles: tuple[float, ...]

    @property
    def lost_fraction(self) -> float:
        """Paths lost, as a fraction."""
        return self.lost / self.n_paths


def answer_of(outcome: States | SimulateSolution) -> Answer:
    """The answer in final states, shape (path,), or in a solution of the solver."""
    if isinstance(outcome, SimulateSolution):
        levels, values = outcome.quantiles.levels, outcome.quantiles.values
        quantiles = tuple(np.interp(LEVELS, levels, values).tolist())
        return Answer(outcome.n_paths, outcome.n_diverged, outcome.mean or math.nan, quantiles)
    v = np.asarray(outcome, np.float64).ravel()
    kept = v[np.isfinite(v) & (v >= 0) & (v < LARGEST)]
    quantiles = tuple(np.quantile(kept, LEVELS).tolist()) if kept.size else (math.nan,) * len(LEVELS)
    return Answer(v.size, v.size - kept.size, float(kept.mean()) if kept.size else math.nan, quantiles)


class WrongAnswerError(Exception):
    """A contender computes something else than the workload."""


@dataclass(frozen=True)
class Workload:
    """One process to advance.

    Attributes:
        key: "W1", "W2" or "W3".
        title: what it is, for the page.
        temperature: T of the law that its paths settle in.
        settled_after: steps after which the start is forgotten.
        bias: how far the discrete steps and the lost paths may shift mean and quantiles.
    """

    key: str
    title: str
    temperature: float
    settled_after: int
    bias: float

    @cached_property
    def _law(self) -> Any:
        return stationary_law(DataMoments.from_gaussian(1.0, 1.0), depth=1, temperature=self.temperature)

    def check(self, answer: Answer) -> None:
        """Raise unless mean, quantiles and losses are those of the law, as far as so many paths can tell."""
        law, n = self._law, answer.n_paths
        if answer.lost_fraction > MOST_LOST:
            raise WrongAnswerError(f"{answer.lost} of {n} paths lost, allowed {MOST_LOST:.0%}")
        mean_error = SURE * math.sqrt(law.variance / n) + self.bias
        if not abs(answer.mean - law.mean) <= mean_error:
            raise WrongAnswerError(f"mean {answer.mean:.4f}, law {law.mean:.4f} +- {mean_error:.4f}")
        for level, found in zip(LEVELS, answer.quantiles, strict=True):
            exact = float(law.quantile(level))
            error = SURE * math.sqrt(level * (1 - level) / n) / float(law.pdf(exact)) + self.bias
            if not abs(found - exact) <= error:
                raise WrongAnswerError(f"{level:.0%} quantile {found:.4f}, law {exact:.4f} +- {error:.4f}")


FLOW = Workload("W1", "scalar SDE of the two-layer model, Euler-Maruyama", TEMPERATURE, 5000, 0.012)
WEIGHTS = Workload("W2", "its parameters u, w under one shared dW", TEMPERATURE, 5000, 0.012)
DESCENT = Workload(
    "W3", "minibatch SGD of (u w x - y)^2, S = 16, eta = 0.01", LEARNING_RATE / BATCH_SIZE, 200, 0.003
)
WORKLOADS = (FLOW, WEIGHTS, DESCENT)
