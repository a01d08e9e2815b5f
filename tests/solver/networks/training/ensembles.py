"""Ensembles that several tests run, and networks trained one by one by torch's own autograd."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.ensembles.streams import INCREMENTS, MINIBATCHES
from equipoise_solver.networks import GaussianTeacher, Pairs
from equipoise_solver.networks.parameters import unflatten
from equipoise_solver.networks.per_sample import sample_losses
from equipoise_solver.networks.training import (
    Gd,
    Langevin,
    Sgd,
    Sgf,
    TrainingPlan,
    TrainingResult,
    advance,
    begin,
    finish,
)
from equipoise_solver.networks.training.draws import LABELS, indices_of, normals_of, shuffles_of
from equipoise_solver.networks.training.starts import initial_rows


def run(plan: TrainingPlan, *, budget: float = 1e30, threads: int = 1) -> Checkpoint:
    """The last checkpoint of a run in chunks, each of which goes through bytes."""
    checkpoint = begin(plan)
    while not checkpoint.is_done:
        checkpoint = advance(plan, checkpoint, budget=budget, threads=threads)
        checkpoint = Checkpoint.from_bytes(checkpoint.to_bytes())
    return checkpoint


def train(plan: TrainingPlan) -> TrainingResult:
    """The result of a run."""
    return finish(plan, run(plan))


def final_rows(plan: TrainingPlan) -> NDArray[np.float64]:
    """Flat parameters at the end, shape (n_paths, p)."""
    rows = run(plan).arrays["parameters"].reshape(-1, plan.n_parameters)
    return np.asarray(rows[: plan.n_paths], dtype=np.float64)


def trained_alone(plan: TrainingPlan, path: int) -> NDArray[np.float64]:
    """Flat parameters of one network at the end, by a plain loop with one autograd call per step."""
    start = initial_rows(plan).reshape(-1, plan.n_parameters)[path]
    theta = torch.from_numpy(start.astype(np.float64))
    moved = torch.zeros_like(theta)
    dynamics = plan.dynamics
    momentum = dynamics.momentum if isinstance(dynamics, Sgd | Gd) else 0.0
    for step, (x, y) in enumerate(_batches(plan, path)):
        each = _sample_gradients(plan, theta, x, y)
        mean = each.mean(0)
        clock = np.array([step * plan.clock_step])
        factor = float(np.prod([schedule.factor(clock)[0] for schedule in dynamics.schedule]))
        moved = momentum * moved + mean + 2 * dynamics.weight_decay * theta
        if isinstance(dynamics, Sgd | Gd):
            theta = theta - dynamics.learning_rate * factor * moved
            continue
        assert isinstance(dynamics, Sgf | Langevin)
        h, heat = plan.clock_step, factor * dynamics.temperature
        theta = theta - h * moved
        if isinstance(dynamics, Sgf):
            xi = torch.from_numpy(_normals(plan, path, len(x), INCREMENTS, step))
            theta = theta - (heat * h / len(x)) ** 0.5 * ((each - mean) * xi[:, None]).sum(0)
        else:
            noise = torch.from_numpy(_normals(plan, path, theta.numel(), INCREMENTS, step))
            theta = theta + (2 * heat * h) ** 0.5 * noise
    return theta.numpy()


def _sample_gradients(plan: TrainingPlan, theta: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Gradient of each sample's loss, one backward pass each, shape (samples, p)."""
    rows = []
    for one_x, one_y in zip(x, y, strict=True):
        leaf = theta.clone().requires_grad_()
        parameters = unflatten(leaf, plan.network.blocks)
        sample_losses(plan.network, parameters, one_x[None], one_y[None]).sum().backward()  # type: ignore[no-untyped-call]
        assert leaf.grad is not None
        rows.append(leaf.grad)
    return torch.stack(rows)


def _normals(plan: TrainingPlan, path: int, n: int, purpose: int, step: int) -> NDArray[np.float64]:
    drawn = normals_of(plan.seed, n, first_path=path, purpose=purpose, index=step)
    return np.ascontiguousarray(drawn[:, 0])


def _batches(plan: TrainingPlan, path: int) -> Iterator[tuple[Tensor, Tensor]]:
    """x and y of each step of a path."""
    dynamics, data = plan.dynamics, plan.data
    for step in range(plan.n_updates):
        if isinstance(data, GaussianTeacher):
            assert isinstance(dynamics, Sgd)
            x, y = _fresh(plan, data, path, dynamics.batch_size, step)
        else:
            rows = _rows(plan, data, path, step)
            x, y = data.x[rows], data.y[rows]
        if isinstance(dynamics, Sgd | Gd) and dynamics.label_noise > 0:
            drawn = _normals(plan, path, y.numel(), LABELS, step).reshape(y.shape)
            y = y + dynamics.label_noise * torch.from_numpy(drawn)
        yield x, y


def _rows(plan: TrainingPlan, data: Pairs, path: int, step: int) -> Tensor:
    dynamics = plan.dynamics
    if not isinstance(dynamics, Sgd):
        return torch.arange(data.n)
    size = dynamics.batch_size
    if dynamics.sampling == "iid":
        drawn = indices_of(plan.seed, size, bound=data.n, first_path=path, purpose=MINIBATCHES, index=step)
        return torch.from_numpy(drawn[:, 0].astype(np.int64))
    n_batches = -(-data.n // size)
    order = shuffles_of(plan.seed, data.n, first_path=path, epoch=step // n_batches)[0]
    start = step % n_batches * size
    return torch.from_numpy(order[start : start + size].astype(np.int64))


def _fresh(
    plan: TrainingPlan, teacher: GaussianTeacher, path: int, size: int, step: int
) -> tuple[Tensor, Tensor]:
    n_in, n_out = teacher.n_inputs, teacher.n_outputs
    drawn = _normals(plan, path, size * (n_in + n_out), MINIBATCHES, step).reshape(size, -1)
    x = torch.from_numpy(drawn[:, :n_in]) @ _root(teacher.input_cov)
    return x, x @ teacher.teacher.T + torch.from_numpy(drawn[:, n_in:]) @ _root(teacher.noise_cov)


def _root(covariance: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    root: Tensor = vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T
    return root
