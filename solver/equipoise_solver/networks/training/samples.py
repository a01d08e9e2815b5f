"""The samples of each step, for networks that torch trains, and those that observables are averaged over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equipoise_solver.ensembles.streams import INCREMENTS, MINIBATCHES
from equipoise_solver.networks.data import GaussianTeacher, Pairs
from equipoise_solver.networks.streams import stream
from equipoise_solver.networks.training.draws import (
    EVALUATION,
    LABELS,
    indices_of,
    normals_of,
    shuffles_of,
)
from equipoise_solver.networks.training.dynamics import Gd, Sgd, Sgf
from equipoise_solver.networks.training.plan import TrainingPlan


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples of one step.

    Attributes:
        x: inputs, shape (networks, samples, in), or (samples, in) where all networks have the same.
        y: labels, likewise.
        weights: shape (networks, samples); the step goes along the weighted sum of gradients.
    """

    x: Tensor
    y: Tensor
    weights: Tensor


class Batches:
    """The samples of each step of some groups of networks: the numbers that the compiled kernel draws."""

    def __init__(self, plan: TrainingPlan, first_paths: Sequence[int], device: torch.device) -> None:
        self._plan, self._first_paths, self._device = plan, first_paths, device
        self._dtype = getattr(torch, plan.precision)
        self._n_networks = len(first_paths) * plan.group_size
        self._x, self._y = torch.empty(0), torch.empty(0)
        self._roots: tuple[NDArray[np.float64], ...] = ()
        if isinstance(plan.data, Pairs):
            self._x, self._y = self._tensor(plan.data.x), self._tensor(plan.data.y)
        else:
            self._roots = roots_of(plan.data)
        self._epoch, self._orders = -1, np.empty((0, 0), dtype=np.int32)

    def at(self, step: int, spread: float) -> Batch:
        """The samples of a step; for Sgf spread is that of their weights, see `TrainingPlan.spreads`."""
        dynamics = self._plan.dynamics
        if not isinstance(dynamics, Sgd):
            batch = self._whole(step, spread)
        elif isinstance(self._plan.data, GaussianTeacher):
            batch = self._fresh(step, dynamics.batch_size)
        else:
            batch = self._chosen(self._rows(step, dynamics))
        return self._with_label_noise(batch, step)

    def normals(self, n: int, step: int) -> Tensor:
        """N(0, 1) numbers of the noise that a step adds to n parameters, shape (networks, n)."""
        return self._tensor(torch.from_numpy(self._drawn(n, INCREMENTS, step)))

    def _tensor(self, values: Tensor) -> Tensor:
        return values.detach().to(device=self._device, dtype=self._dtype)

    def _by_group(self, draw: Callable[[int], NDArray[Any]]) -> NDArray[Any]:
        """Rows of all networks, from a function of the first path of a group."""
        return np.concatenate([draw(path)[: self._plan.group_size] for path in self._first_paths])

    def _drawn(self, n: int, purpose: int, step: int) -> NDArray[np.float64]:
        """N(0, 1) numbers, shape (networks, n)."""
        seed = self._plan.seed
        return self._by_group(
            lambda path: normals_of(seed, n, first_path=path, purpose=purpose, index=step).T
        )

    def _whole(self, step: int, spread: float) -> Batch:
        n = self._x.shape[0]
        weights = np.full((self._n_networks, n), 1.0 / n)
        if spread > 0 and isinstance(self._plan.dynamics, Sgf):
            xi = self._drawn(n, INCREMENTS, step)
            weights += spread * (xi - xi.mean(axis=1, keepdims=True))
        return Batch(self._x, self._y, self._tensor(torch.from_numpy(weights)))

    def _rows(self, step: int, dynamics: Sgd) -> NDArray[np.int32]:
        """Numbers of the samples of a batch, shape (networks, samples)."""
        n, size, seed = self._x.shape[0], dynamics.batch_size, self._plan.seed
        if dynamics.sampling == "iid":
            return self._by_group(
                lambda path: (
                    indices_of(seed, size, bound=n, first_path=path, purpose=MINIBATCHES, index=step).T
                )
            )
        epoch, place = divmod(step, -(-n // size))
        if epoch != self._epoch:
            self._epoch = epoch
            self._orders = self._by_group(lambda path: shuffles_of(seed, n, first_path=path, epoch=epoch))
        return self._orders[:, place * size : (place + 1) * size]

    def _chosen(self, rows: NDArray[np.int32]) -> Batch:
        places = torch.from_numpy(rows.astype(np.int64)).to(self._device)
        return self._equal(self._x[places], self._y[places])

    def _fresh(self, step: int, size: int) -> Batch:
        roots, teacher, noise_roots = self._roots
        n_in = roots.shape[0]
        drawn = self._drawn(size * (n_in + noise_roots.shape[0]), MINIBATCHES, step)
        drawn = drawn.reshape(self._n_networks, size, -1)
        x = drawn[..., :n_in] @ roots
        y = x @ teacher.T + drawn[..., n_in:] @ noise_roots
        return self._equal(self._tensor(torch.from_numpy(x)), self._tensor(torch.from_numpy(y)))

    def _equal(self, x: Tensor, y: Tensor) -> Batch:
        weights = torch.full(x.shape[:2], 1.0 / x.shape[1], dtype=self._dtype, device=self._device)
        return Batch(x, y, weights)

    def _with_label_noise(self, batch: Batch, step: int) -> Batch:
        dynamics = self._plan.dynamics
        if not isinstance(dynamics, Sgd | Gd) or dynamics.label_noise == 0:
            return batch
        n, width = batch.y.shape[-2:]
        drawn = self._drawn(n * width, LABELS, step).reshape(self._n_networks, n, width)
        noise = self._tensor(torch.from_numpy(dynamics.label_noise * drawn))
        return Batch(batch.x, batch.y + noise, batch.weights)


def roots_of(teacher: GaussianTeacher) -> tuple[NDArray[np.float64], ...]:
    """Symmetric root of the covariance of inputs, the teacher, and that root of the noise on its labels."""
    root, noise_root = (_root(cov) for cov in (teacher.input_cov, teacher.noise_cov))
    matrix = teacher.teacher.detach().cpu().numpy()
    return root, np.ascontiguousarray(matrix, dtype=np.float64), noise_root


def _root(covariance: Tensor) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(covariance.detach().cpu().numpy().astype(np.float64))
    return np.ascontiguousarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


def observed_samples(plan: TrainingPlan) -> Pairs:
    """Samples that observables are averaged over, float64: all, or `n_observed` fixed ones out of more."""
    if isinstance(plan.data, GaussianTeacher):
        return plan.data.draw(plan.n_observed, stream(plan.seed, purpose=EVALUATION))
    x, y = (each.detach().cpu().to(torch.float64) for each in (plan.data.x, plan.data.y))
    if plan.data.n <= plan.n_observed:
        return Pairs(x, y)
    chosen = stream(plan.seed, purpose=EVALUATION).choice(plan.data.n, plan.n_observed, replace=False)
    rows = torch.from_numpy(np.sort(chosen))
    return Pairs(x[rows], y[rows])
