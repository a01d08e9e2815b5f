"""The algebra of generators, against dense matrices made of Kronecker products and their exponentials."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.linalg import expm
from torch import Tensor
from torch.func import vmap

from equipoise_solver.errors import InvalidModelError, LimitExceededError
from equipoise_solver.networks import Action, Block, Family, LinearNetwork, Mlp, Parameters
from equipoise_solver.networks.parameters import flatten
from equipoise_solver.symmetry.custom import Custom
from equipoise_solver.symmetry.generators import Generators

Array = NDArray[np.float64]

BLOCKS = (Block("W1", (3, 2)), Block("b1", (3,)), Block("W2", (4, 3)), Block("W3", (2, 4)))
NEURONS = Family(
    "rescaling",
    "neurons of layer 1",
    3,
    "diagonal",
    (Action("W1", "left", 1.0), Action("b1", "left", 1.0), Action("W2", "right", -2.0)),
)
ROTATION = Family(
    "double_rotation", "layers 2-3", 4, "full", (Action("W2", "left", 1.0), Action("W3", "right", -1.0))
)
BELOW = Family(
    "double_rotation",
    "layers 1-2",
    3,
    "full",
    (Action("W1", "left", 1.0), Action("b1", "left", 1.0), Action("W2", "right", -1.0)),
)
SCALE = Family("scale", "layer 2", 1, "scalar", (Action("W2", "left", 1.0), Action("b1", "left", 0.5)))
ALL = (NEURONS, ROTATION, BELOW, SCALE)


def custom_generator(rng: np.random.Generator) -> Custom:
    matrix = rng.normal(size=(11, 11))
    return Custom("mixed", torch.from_numpy(matrix + matrix.T), ("b1", "W3"))


def drawn(rng: np.random.Generator, blocks: tuple[Block, ...] = BLOCKS) -> Parameters:
    return {block.name: torch.from_numpy(rng.normal(size=block.shape)) for block in blocks}


def basis(family: Family) -> list[Array]:
    """Matrices of the basis, entry by entry; a scalar's is the number 1."""
    if family.structure == "scalar":
        return [np.array(1.0)]
    unit = np.eye(family.size)
    diagonal = [np.outer(unit[i], unit[i]) for i in range(family.size)]
    if family.structure == "diagonal":
        return diagonal
    above = [(i, j) for i in range(family.size) for j in range(i + 1, family.size)]
    return diagonal + [
        (np.outer(unit[i], unit[j]) + np.outer(unit[j], unit[i])) / math.sqrt(2) for i, j in above
    ]


def dense_family(family: Family, element: Array) -> Array:
    """A on the flattened blocks: degree K (x) 1 from the left, degree 1 (x) K from the right."""
    parts = []
    degrees = {action.block: action for action in family.actions}
    for block in BLOCKS:
        rows, columns = (block.shape[0], 1) if len(block.shape) == 1 else block.shape
        part: NDArray[Any] = np.zeros((block.size, block.size))
        if block.name in degrees:
            action = degrees[block.name]
            if family.structure == "scalar":
                part = action.degree * element * np.eye(block.size)
            elif action.side == "left":
                part = action.degree * np.kron(element, np.eye(columns))
            else:
                part = action.degree * np.kron(np.eye(rows), element)
        parts.append(part)
    total = np.zeros((29, 29))
    start = 0
    for part in parts:
        total[start : start + len(part), start : start + len(part)] = part
        start += len(part)
    return total


def dense_custom(custom: Custom) -> Array:
    places = np.r_[6:9, 21:29]
    total = np.zeros((29, 29))
    total[np.ix_(places, places)] = custom.matrix.numpy()
    return total


def dense_basis(custom: tuple[Custom, ...] = ()) -> list[Array]:
    return [dense_family(f, k) for f in ALL for k in basis(f)] + [dense_custom(c) for c in custom]


def vector(parameters: Parameters) -> Array:
    flat: Array = flatten(parameters, BLOCKS).numpy()
    return flat


def test_dimensions_and_names_follow_the_families() -> None:
    generators = Generators(BLOCKS, ALL)
    assert generators.dimension == 3 + 10 + 6 + 1 == len(generators.names)
    assert generators.names[:4] == [
        "neurons of layer 1 [0]",
        "neurons of layer 1 [1]",
        "neurons of layer 1 [2]",
        "layers 2-3 [0,0]",
    ]
    assert generators.names[7:9] == ["layers 2-3 [0,1]", "layers 2-3 [0,2]"]
    assert generators.names[-1] == "layer 2"


def test_every_generator_is_the_matrix_of_its_kronecker_product(rng: np.random.Generator) -> None:
    """A_k, A theta, products, charges and norms equal those of dense matrices built apart, to rounding."""
    custom = (custom_generator(rng),)
    generators = Generators(BLOCKS, ALL, custom)
    first, second = drawn(rng), drawn(rng)
    matrices = dense_basis(custom)
    for k, matrix in enumerate(matrices):
        unit = torch.zeros(generators.dimension, dtype=torch.float64)
        unit[k] = 1.0
        np.testing.assert_allclose(generators.dense(unit).numpy(), matrix, rtol=1e-15, atol=1e-15)
    a, b = vector(first), vector(second)
    np.testing.assert_allclose(
        generators.products(first, second).numpy(), [a @ m @ b for m in matrices], rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(
        generators.charges(first).numpy(), [a @ m @ a for m in matrices], rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(
        generators.squared_norms(first).numpy(), [(m @ a) @ (m @ a) for m in matrices], rtol=1e-12
    )
    weights = rng.normal(size=generators.dimension)
    total = sum(w * m for w, m in zip(weights, matrices, strict=True))
    applied = generators.apply(torch.from_numpy(weights), first)
    np.testing.assert_allclose(vector(applied), total @ a, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("with_custom", [False, True])
def test_move_is_the_exponential_of_the_sum(rng: np.random.Generator, *, with_custom: bool) -> None:
    """exp(sum lam_k A_k) theta, families that do not commute on one side of W2 included, to 1e-12."""
    custom = (custom_generator(rng),) if with_custom else ()
    generators = Generators(BLOCKS, ALL, custom)
    parameters = drawn(rng)
    weights = 0.3 * rng.normal(size=generators.dimension)
    total = sum(w * m for w, m in zip(weights, dense_basis(custom), strict=True))
    moved = generators.move(torch.from_numpy(weights), parameters)
    np.testing.assert_allclose(vector(moved), expm(total) @ vector(parameters), rtol=1e-11, atol=1e-12)


def test_elements_and_coefficients_are_inverse(rng: np.random.Generator) -> None:
    custom = (custom_generator(rng),)
    generators = Generators(BLOCKS, ALL, custom)
    weights = torch.from_numpy(rng.normal(size=generators.dimension))
    elements = generators.elements(weights)
    assert [tuple(e.shape) for e in elements] == [(3,), (4, 4), (3, 3), ()]
    back = generators.coefficients(elements, weights[-1:])
    torch.testing.assert_close(back, weights, rtol=1e-14, atol=1e-14)


class Noise:
    """Matrices of a covariance by block, summed entry by entry."""

    def __init__(self, sigma: Array) -> None:
        self.trace: dict[str, Tensor] = {}
        self.left: dict[str, Tensor] = {}
        self.right: dict[str, Tensor] = {}
        start = 0
        for block in BLOCKS:
            rows, columns = (block.shape[0], 1) if len(block.shape) == 1 else block.shape
            part = sigma[start : start + block.size, start : start + block.size]
            part = part.reshape(rows, columns, rows, columns)
            self.trace[block.name] = torch.tensor(np.einsum("ijij->", part))
            self.left[block.name] = torch.tensor(np.einsum("ijkj->ik", part))
            self.right[block.name] = torch.tensor(np.einsum("ijil->jl", part))
            start += block.size


def test_noise_traces_equal_traces_with_the_full_covariance(rng: np.random.Generator) -> None:
    custom = (custom_generator(rng),)
    generators = Generators(BLOCKS, ALL, custom)
    root = rng.normal(size=(29, 40))
    sigma = root @ root.T
    noise = Noise(sigma)
    traces = generators.noise_traces(noise, covariance=torch.from_numpy(sigma))
    wanted = [np.trace(sigma @ m) for m in dense_basis(custom)]
    np.testing.assert_allclose(traces.numpy(), wanted, rtol=1e-12, atol=1e-10)
    noise.left["b1"] = torch.diagonal(noise.left["b1"])
    only = Generators(BLOCKS, (NEURONS,))
    np.testing.assert_allclose(only.noise_traces(noise).numpy(), wanted[:3], rtol=1e-12, atol=1e-10)
    with pytest.raises(InvalidModelError, match="covariance"):
        Generators(BLOCKS, (), custom).noise_traces(noise)


def test_leading_axes_and_vmap_agree(rng: np.random.Generator) -> None:
    """Charges and moves of many networks at once equal those of each."""
    generators = Generators(BLOCKS, ALL)
    many = {b.name: torch.from_numpy(rng.normal(size=(5, *b.shape))) for b in BLOCKS}
    weights = torch.from_numpy(0.2 * rng.normal(size=(5, generators.dimension)))
    charges, moved = generators.charges(many), generators.move(weights, many)
    torch.testing.assert_close(vmap(generators.charges)(many), charges, rtol=1e-13, atol=1e-13)
    for i in range(5):
        one = {name: value[i] for name, value in many.items()}
        torch.testing.assert_close(generators.charges(one), charges[i], rtol=1e-13, atol=1e-13)
        for name, value in generators.move(weights[i], one).items():
            torch.testing.assert_close(value, moved[name][i], rtol=1e-12, atol=1e-13)


def test_moves_leave_predictions_as_they_are(rng: np.random.Generator) -> None:
    """Declared families of a deep linear net and of a ReLU net with bias: f(exp(A) theta) = f(theta)."""
    for network in (LinearNetwork((3, 5, 4, 2)), Mlp((3, 6, 5, 2), "relu"), Mlp((3, 5, 4, 2), "relu2")):
        generators = Generators(network.blocks, network.families())
        parameters = drawn(rng, network.blocks)
        weights = torch.from_numpy(0.3 * rng.normal(size=generators.dimension))
        x = torch.from_numpy(rng.normal(size=(7, 3)))
        before, after = (
            network.predict(parameters, x),
            network.predict(generators.move(weights, parameters), x),
        )
        torch.testing.assert_close(after, before, rtol=1e-10, atol=1e-10)


def refused_family(**changes: object) -> Family:
    values: dict[str, object] = {
        "kind": "rescaling",
        "name": "wrong",
        "size": 3,
        "structure": "diagonal",
        "actions": (Action("W1", "left", 1.0),),
    }
    values.update(changes)
    return Family(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("family", "says"),
    [
        (refused_family(actions=(Action("W9", "left", 1.0),)), "W9"),
        (refused_family(size=4), "size 3"),
        (refused_family(actions=(Action("b1", "right", 1.0),)), "left"),
        (refused_family(actions=(Action("W1", "right", 1.0),)), "size 2"),
        (refused_family(actions=(Action("W1", "left", 1.0), Action("W1", "right", 1.0))), "once"),
    ],
)
def test_families_that_do_not_fit_are_refused(family: Family, says: str) -> None:
    with pytest.raises(InvalidModelError, match=says):
        Generators(BLOCKS, (family,))


def test_custom_generators_that_make_no_sense_are_refused() -> None:
    """Not symmetric (by how much), not square, zero, of another size, unknown blocks, too large."""
    skew = torch.eye(3, dtype=torch.float64)
    skew[0, 1] = 1.0
    with pytest.raises(InvalidModelError, match=r"\|A - A'\|/\|A\| = 0.707") as refused:
        Custom("skew", skew)
    assert refused.value.field == "symmetries.matrix"
    with pytest.raises(InvalidModelError, match="square"):
        Custom("flat", torch.ones(2, 3))
    with pytest.raises(InvalidModelError, match="zero"):
        Custom("zero", torch.zeros(3, 3))
    with pytest.raises(InvalidModelError, match="finite"):
        Custom("nan", torch.full((3, 3), math.nan))
    with pytest.raises(InvalidModelError, match=r"shape \[29, 29\]"):
        Generators(BLOCKS, (), (Custom("small", torch.eye(3)),))
    with pytest.raises(InvalidModelError, match="W9"):
        Generators(BLOCKS, (), (Custom("other", torch.eye(3), ("W9",)),))
    with pytest.raises(LimitExceededError, match="2048"):
        Custom("large", torch.eye(2049))
