"""Steps of groups of networks by torch: any network, on a CPU or a card.

The loss of each network depends on its own parameters only, so one backward pass of the sum over networks
gives all gradients.
"""

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from equipoise_solver.networks.losses import LOSSES
from equipoise_solver.networks.network import Network
from equipoise_solver.networks.parameters import unflatten
from equipoise_solver.networks.training.dynamics import Gd, Langevin, Sgd
from equipoise_solver.networks.training.plan import TrainingPlan
from equipoise_solver.networks.training.predictions import predict_all
from equipoise_solver.networks.training.samples import Batch, Batches

MAX_CHUNK_NUMBERS = 2**22
"""Numbers per layer and network that samples may take before they go through in parts."""


def train_by_torch(
    plan: TrainingPlan,
    parameters: NDArray[Any],
    momenta: NDArray[Any] | None,
    *,
    first_paths: Sequence[int],
    first_step: int,
    n_steps: int,
    device: str = "cpu",
) -> None:
    """Take steps of the networks of some groups, changing their parameters and momenta (networks, p).

    Args:
        plan: the plan.
        parameters: rows of all networks, of the groups one after another.
        momenta: likewise; None without momentum.
        first_paths: the first path of each group.
        first_step: number of the first step.
        n_steps: steps to take.
        device: "cpu" or "cuda:N".
    """
    place = torch.device(device)
    theta = torch.from_numpy(parameters).to(place, copy=True)
    moved = torch.from_numpy(momenta).to(place, copy=True) if momenta is not None else None
    batches = Batches(plan, first_paths, place)
    rates, spreads = plan.rates(first_step, n_steps), plan.spreads(first_step, n_steps)
    for step in range(n_steps):
        batch = batches.at(first_step + step, float(spreads[step]))
        gradient = weighted_gradient(plan.network, theta, batch)
        gradient.add_(theta, alpha=2 * plan.dynamics.weight_decay)
        if moved is not None:
            assert isinstance(plan.dynamics, Sgd | Gd)
            gradient = moved.mul_(plan.dynamics.momentum).add_(gradient)
        theta.sub_(gradient, alpha=float(rates[step]))
        if isinstance(plan.dynamics, Langevin) and spreads[step] > 0:
            theta.add_(batches.normals(plan.n_parameters, first_step + step), alpha=float(spreads[step]))
    parameters[...] = theta.cpu().numpy()
    if momenta is not None and moved is not None:
        momenta[...] = moved.cpu().numpy()


def weighted_gradient(network: Network, theta: Tensor, batch: Batch) -> Tensor:
    """sum_s w_s grad l(theta, z_s) of each network, shape (networks, p).

    Args:
        network: the model and its loss.
        theta: flat parameters, shape (networks, p).
        batch: samples and their weights.
    """
    widest = max(max(block.shape) for block in network.blocks)
    size = max(1, MAX_CHUNK_NUMBERS // (theta.shape[0] * widest))
    n = batch.weights.shape[1]
    if n <= size:
        return _gradient(network, theta, batch)
    total = torch.zeros_like(theta)
    for start in range(0, n, size):
        part = slice(start, start + size)
        total += _gradient(
            network, theta, Batch(batch.x[..., part, :], batch.y[..., part, :], batch.weights[:, part])
        )
    return total


def _gradient(network: Network, theta: Tensor, batch: Batch) -> Tensor:
    leaf = theta.detach().requires_grad_()
    with torch.enable_grad():
        parameters = unflatten(leaf, network.blocks)
        predictions = predict_all(network, parameters, batch.x)
        labels = batch.y.expand(*predictions.shape[:-1], batch.y.shape[-1])
        losses = LOSSES[network.loss].function(predictions, labels)
        (gradient,) = torch.autograd.grad((batch.weights * losses).sum(), leaf)
    return gradient
