"""Whether generators are symmetries of a network's loss, at random points, and by how much they fail."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.func import vmap

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.networks.data import GaussianTeacher, Pairs
from equipoise_solver.networks.network import Network
from equipoise_solver.networks.parameters import Parameters
from equipoise_solver.networks.streams import POINTS, stream
from equipoise_solver.symmetry.generators import Generators
from equipoise_solver.symmetry.points import Points, check_source, draw_points, losses_and_gradients

TOLERANCE = 1e-8
"""Relative failure up to which a generator counts as a symmetry; rounding alone leaves some 1e-15."""

_N_POINTS = 32
_VERIFICATION = 1
"""Path of the random stream; detection has path 0."""
_SIZE = 0.5
"""Norm of the exponents of the finite transformations: parameters change by tens of per cent."""


@dataclass(frozen=True)
class Verification:
    """How far generators are from symmetries of a loss.

    Attributes:
        residuals: by generator, |theta' A grad l| relative to |A theta| |grad l|, root mean squares over
            random points (theta, z), shape (m,).
        loss_changes: by family, then by custom generator: change of the loss under exp(A) theta with a
            random A of norm 0.5 or so, relative to the loss, root mean squares, shape (n_groups,).
        groups: names of these.
    """

    residuals: Tensor
    loss_changes: Tensor
    groups: tuple[str, ...]


def measure_generators(
    network: Network,
    generators: Generators,
    *,
    data: Pairs | GaussianTeacher | None = None,
    seed: int = 0,
) -> Verification:
    """Residuals of generators and changes of the loss, at 32 random points.

    Args:
        network: the model and its loss.
        generators: on the network's blocks.
        data: samples or a teacher; None for x ~ N(0, 1) and any labels.
        seed: of the points.

    Raises:
        InvalidModelError: field "data...": data that do not fit.
    """
    check_source(network, data)
    generator = stream(seed, path=_VERIFICATION, purpose=POINTS)
    points = draw_points(network, _N_POINTS, data=data, generator=generator)
    sizes = [family.dimension for family in generators.families] + [1] * len(generators.custom)
    changes = [
        _loss_change(network, generators, points, _exponents(generators, group, sizes, generator))
        for group in range(len(sizes))
    ]
    return Verification(
        residuals=_residuals(generators, points),
        loss_changes=torch.tensor(changes, dtype=torch.float64),
        groups=(*(family.name for family in generators.families), *(one.name for one in generators.custom)),
    )


def verify_generators(
    network: Network,
    generators: Generators,
    *,
    data: Pairs | GaussianTeacher | None = None,
    seed: int = 0,
) -> Verification:
    """As `measure_generators`, and refuse generators that are no symmetries.

    Raises:
        InvalidModelError: field "symmetries": which generator fails, and by how much.
    """
    measured = measure_generators(network, generators, data=data, seed=seed)
    start = 0
    sizes = [family.dimension for family in generators.families] + [1] * len(generators.custom)
    for group, size in enumerate(sizes):
        residuals = measured.residuals[start : start + size]
        change = float(measured.loss_changes[group])
        worst = int(residuals.argmax())
        if not (float(residuals[worst]) <= TOLERANCE and change <= TOLERANCE):
            _refuse(generators.names[start + worst], float(residuals[worst]), change)
        start += size
    return measured


def _refuse(name: str, residual: float, change: float) -> None:
    raise InvalidModelError(
        "symmetries",
        given=f"{name}: |theta' A grad l| is {residual:.3g} of |A theta| |grad l| at random points, "
        f"and a transformation of size {_SIZE:g} changes the loss by {change:.3g} of it",
        allowed=f"generators that leave the loss of every sample as it is, to {TOLERANCE:g}",
        remedy='Task "symmetries" finds those that the network has.',
    )


def _residuals(generators: Generators, points: Points) -> Tensor:
    products = generators.products(points.gradients, points.parameters)
    squares = [gradient.flatten(1).square().sum(1) for gradient in points.gradients.values()]
    scale = generators.squared_norms(points.parameters) * torch.stack(squares).sum(0)[:, None]
    total = scale.sum(0)
    # A generator that moves nothing, or a loss without gradient, fails nowhere.
    return (products.square().sum(0) / torch.where(total > 0, total, 1.0)).sqrt()


def _exponents(
    generators: Generators, group: int, sizes: list[int], generator: np.random.Generator
) -> Tensor:
    """Random coefficients of one family or custom generator, shape (m,), so that |A| is about `_SIZE`."""
    coefficients = torch.zeros(sum(sizes), dtype=torch.float64)
    start = sum(sizes[:group])
    entries = torch.from_numpy(generator.standard_normal(sizes[group]))
    is_custom = group >= len(generators.families)
    if is_custom:
        matrix = generators.custom[group - len(generators.families)].matrix
        norm = float(torch.linalg.matrix_norm(matrix, 2))
    else:
        # The largest eigenvalue of a symmetric matrix of normal entries is near the root of twice its size.
        norm = math.sqrt(2.0 * generators.families[group].size)
    coefficients[start : start + sizes[group]] = _SIZE * entries / norm
    return coefficients


def _loss_change(network: Network, generators: Generators, points: Points, exponents: Tensor) -> float:
    def move(parameters: Parameters) -> Parameters:
        return generators.move(exponents, parameters)

    moved = vmap(move)(points.parameters)
    losses, _ = losses_and_gradients(network, moved, points.samples)
    scale = float(points.losses.square().sum())
    return math.sqrt(float((losses - points.losses).square().sum()) / (scale if scale > 0 else 1.0))
