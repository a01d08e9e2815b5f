"""Losses against closed formulas and torch's own, and the labels they refuse."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.networks.losses import LOSSES, cross_entropy, logistic, squared_error


def _normal(rng: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(2 * rng.standard_normal(shape))


def test_squared_error_has_no_factor() -> None:
    """(3, 1) against (1, 2) costs 4 + 1."""
    found = squared_error(torch.tensor([[3.0, 1.0]]), torch.tensor([[1.0, 2.0]]))
    torch.testing.assert_close(found, torch.tensor([5.0]))


def test_logistic_is_the_formula_for_bits_and_signs(rng: np.random.Generator) -> None:
    """log(1 + exp(-s f)) summed over outputs, the same for labels 0, 1 and -1, 1."""
    prediction = _normal(rng, 7, 2)
    bits = torch.from_numpy(rng.integers(0, 2, (7, 2)).astype(np.float64))
    signs = 2 * bits - 1
    wanted = np.log1p(np.exp(-signs.numpy() * prediction.numpy())).sum(axis=1)
    np.testing.assert_allclose(logistic(prediction, bits).numpy(), wanted)
    np.testing.assert_allclose(logistic(prediction, signs).numpy(), wanted)
    reference = functional.binary_cross_entropy_with_logits(prediction, bits, reduction="none").sum(1)
    torch.testing.assert_close(logistic(prediction, bits), reference)


def test_cross_entropy_is_the_formula(rng: np.random.Generator) -> None:
    """-log of the softmax of the class, as torch has it."""
    prediction = _normal(rng, 7, 4)
    classes = torch.from_numpy(rng.integers(0, 4, (7, 1)).astype(np.float64))
    found = cross_entropy(prediction, classes)
    torch.testing.assert_close(
        found, functional.cross_entropy(prediction, classes[:, 0].long(), reduction="none")
    )
    p = np.exp(prediction.numpy()) / np.exp(prediction.numpy()).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.numpy(), [-math.log(p[i, int(c)]) for i, c in enumerate(classes[:, 0])])


@pytest.mark.parametrize("far", [800.0, -800.0])
def test_losses_of_extreme_predictions_are_finite(far: float) -> None:
    """Where exp overflows, loss and gradient are still those of the formula."""
    prediction = torch.tensor([[far, 0.0]], dtype=torch.float64, requires_grad=True)
    for loss, label in ((logistic, [[1.0, 1.0]]), (cross_entropy, [[0.0]])):
        value = loss(prediction, torch.tensor(label, dtype=torch.float64)).sum()
        (gradient,) = torch.autograd.grad(value, prediction)
        assert float(value.detach()) == pytest.approx(
            max(-far, 0) + (math.log(2) if loss is logistic else 0), abs=1e-12
        )
        assert bool(torch.isfinite(gradient).all())


@pytest.mark.parametrize("name", LOSSES)
def test_curvature_roots_square_to_the_second_derivative(name: str, rng: np.random.Generator) -> None:
    """R R' is the Hessian of the loss with respect to the prediction, for every label."""
    loss = LOSSES[name]
    prediction = _normal(rng, 3)
    root = loss.curvature_root(prediction)
    for label in range(3 if name == "cross_entropy" else 2):
        y = torch.full((loss.label_width(3),), float(label), dtype=torch.float64)
        hessian = torch.func.jacrev(torch.func.jacrev(lambda f, y=y: loss.function(f, y)))(prediction)
        torch.testing.assert_close(root @ root.T, hessian)


@pytest.mark.parametrize(
    ("name", "labels", "message"),
    [
        ("squared_error", [[1.0]], r"shape \[n, 2\]"),
        ("logistic", [[0.0, 2.0]], "labels 0 and 1, or -1 and 1"),
        ("logistic", [[0.0, 1.0], [-1.0, 1.0]], "labels 0 and 1, or -1 and 1"),
        ("cross_entropy", [[0.0, 1.0]], r"shape \[n, 1\]"),
        ("cross_entropy", [[0.0], [2.0]], "whole numbers from 0 to 1"),
        ("cross_entropy", [[-1.0]], "whole numbers from 0 to 1"),
        ("cross_entropy", [[0.5]], "whole numbers from 0 to 1"),
    ],
)
def test_labels_without_a_meaning_are_refused(name: str, labels: list[list[float]], message: str) -> None:
    """The error names the labels, shows some, and says what is allowed."""
    with pytest.raises(InvalidModelError, match=message) as refused:
        LOSSES[name].check_labels(torch.tensor(labels), 2)
    assert refused.value.field == "data.y"
