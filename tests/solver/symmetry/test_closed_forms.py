"""Closed forms of equilibria, against quadrature-free identities and brute-force minimisation."""

import math

import numpy as np
import pytest
import torch
from mpmath import mp
from torch import Tensor

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.networks import GaussianTeacher
from equipoise_solver.symmetry.closed_forms import (
    balanced_linear_network,
    balancing_factor,
    scalar_exponent,
)


def normals(rng: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(rng.standard_normal(shape))


def covariance(rng: np.random.Generator, size: int, scale: float) -> Tensor:
    factor = normals(rng, size, 2 * size)
    return scale * factor @ factor.T / size


def test_exponent_without_decay_is_a_quarter_of_the_log_of_the_ratio_of_noises() -> None:
    exponent = scalar_exponent([1.0, 1.0, -1.0], [2.0, 1.0, 7.0], [9.0, 9.0, 9.0], temperature=0.3)
    assert exponent == pytest.approx(0.25 * math.log(3.0 / 7.0), abs=1e-15)


def test_exponent_of_a_scale_is_where_noise_and_decay_balance() -> None:
    exponent = scalar_exponent([1.0, 1.0], [3.0, 5.0], [1.0, 2.0], temperature=0.1, weight_decay=0.01)
    assert exponent == pytest.approx(0.25 * math.log(0.1 * 8.0 / (4.0 * 0.01 * 3.0)), abs=1e-15)


def test_exponent_is_the_root_to_all_digits_for_any_degrees() -> None:
    degrees, noise, squares = [1.0, -2.0, 0.5, 0.0], [1e-3, 0.7, 4.0, 9.0], [2.0, 0.3, 1e2, 5.0]
    found = scalar_exponent(degrees, noise, squares, temperature=0.2, weight_decay=0.03)
    with mp.workdps(30):

        def force(x: mp.mpf) -> mp.mpf:
            terms = (
                a * (mp.mpf("0.2") * c * mp.exp(-2 * a * x) - 4 * mp.mpf("0.03") * q * mp.exp(2 * a * x))
                for a, c, q in zip(degrees, noise, squares, strict=True)
            )
            return mp.fsum(terms)

        exact = float(mp.findroot(force, (-1, 1), solver="anderson"))
    assert found == pytest.approx(exact, rel=1e-13)


def test_exponent_does_not_overflow() -> None:
    found = scalar_exponent([1.0, -1.0], [1e-300, 1e300], [0.0, 0.0], temperature=1.0)
    assert found == pytest.approx(-150.0 * math.log(10.0), rel=1e-13)


@pytest.mark.parametrize(
    ("degrees", "noise", "decay", "exponent"),
    [
        ([1.0, 1.0], [1.0, 2.0], 0.0, math.inf),
        ([-1.0, 1.0], [1.0, 0.0], 0.0, -math.inf),
        ([1.0, 1.0], [0.0, 0.0], 0.1, -math.inf),
        ([1.0, -1.0], [0.0, 0.0], 0.0, 0.0),
    ],
)
def test_exponent_says_where_there_is_no_balance(
    degrees: list[float], noise: list[float], decay: float, exponent: float
) -> None:
    """Scale invariance without decay, noise on one side, decay alone, nothing at all."""
    assert scalar_exponent(degrees, noise, [1.0, 1.0], temperature=0.5, weight_decay=decay) == exponent


def test_factor_balances_a_pair(rng: np.random.Generator) -> None:
    a, b = covariance(rng, 5, 3.0), covariance(rng, 5, 0.2)
    factor = balancing_factor(a, b)
    assert factor.is_finite
    torch.testing.assert_close(factor.factor @ b @ factor.factor, a, rtol=1e-10, atol=1e-10)
    root = torch.linalg.eigh(b)
    half = (root.eigenvectors * root.eigenvalues.sqrt()) @ root.eigenvectors.T
    inverse = torch.linalg.inv(half)
    middle = torch.linalg.eigh(half @ a @ half)
    mean = inverse @ (middle.eigenvectors * middle.eigenvalues.sqrt()) @ middle.eigenvectors.T @ inverse
    torch.testing.assert_close(factor.factor, mean, rtol=1e-9, atol=1e-9)


def test_factor_exists_for_singular_noise_whose_directions_meet(rng: np.random.Generator) -> None:
    a, b = normals(rng, 6, 2), normals(rng, 6, 2)
    factor = balancing_factor(a @ a.T, b @ b.T)
    assert factor.is_finite
    assert float(torch.linalg.eigvalsh(factor.factor)[0]) > 0.0
    torch.testing.assert_close(factor.factor @ b @ b.T @ factor.factor, a @ a.T, rtol=1e-9, atol=1e-9)


def test_factor_names_the_directions_that_nothing_holds(rng: np.random.Generator) -> None:
    """Rank 4 against rank 2 leaves a plane in the range of the one and the kernel of the other."""
    a, b = normals(rng, 6, 4), normals(rng, 6, 2)
    factor = balancing_factor(a @ a.T, b @ b.T)
    assert factor.rising.shape == (6, 2)
    assert factor.falling.shape == (6, 0)
    assert float((b.T @ factor.rising).abs().max()) < 1e-10
    outside = torch.linalg.lstsq(a, factor.rising).solution
    torch.testing.assert_close(a @ outside, factor.rising, rtol=1e-9, atol=1e-9)
    other = balancing_factor(b @ b.T, a @ a.T)
    assert other.falling.shape == (6, 2)


@pytest.mark.parametrize("zero", ["first", "second", "both"])
def test_factor_of_no_noise_is_the_identity(rng: np.random.Generator, zero: str) -> None:
    some, none = covariance(rng, 3, 1.0), torch.zeros((3, 3), dtype=torch.float64)
    a, b = (none if zero in (name, "both") else some for name in ("first", "second"))
    factor = balancing_factor(a, b)
    torch.testing.assert_close(factor.factor, torch.eye(3, dtype=torch.float64))
    assert factor.rising.shape[1] == (3 if zero == "second" else 0)
    assert factor.falling.shape[1] == (3 if zero == "first" else 0)


@pytest.mark.parametrize(
    ("widths", "rank"),
    [((4, 3, 5), 3), ((4, 6, 3), 2), ((5, 4, 6, 3), 3), ((4, 5, 3, 6, 4, 5), 2)],
)
def test_balanced_linear_network_fits_and_balances(
    rng: np.random.Generator, widths: tuple[int, ...], rank: int
) -> None:
    """W_L .. W_1 = V, and Tr(Q_{i+1}) P_i = Tr(P_{i-1}) Q_i for every pair."""
    v = normals(rng, widths[-1], rank) @ normals(rng, rank, widths[0])
    teacher = GaussianTeacher(v, covariance(rng, widths[0], 0.7), covariance(rng, widths[-1], 0.2))
    weights = list(balanced_linear_network(teacher, widths).parameters.values())
    forward, backward = [teacher.input_cov], [teacher.noise_cov]
    product = torch.eye(widths[0], dtype=torch.float64)
    for weight in weights:
        product = weight @ product
        forward.append(weight @ forward[-1] @ weight.T)
    for weight in reversed(weights):
        backward.insert(0, weight.T @ backward[0] @ weight)
    torch.testing.assert_close(product, v, rtol=1e-11, atol=1e-11)
    for i in range(1, len(widths) - 1):
        p, q = backward[i + 1].trace() * forward[i], forward[i - 1].trace() * backward[i]
        torch.testing.assert_close(p, q, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("field", "widths", "rank", "singular"),
    [
        ("model.widths", (4, 2, 5), 3, ""),
        ("model.widths", (4, 5), 3, ""),
        ("data.teacher", (4, 3, 6), 3, ""),
        ("data.teacher", (4, 3, 5), 0, ""),
        ("data.input_cov", (4, 3, 5), 3, "x"),
        ("data.noise_cov", (4, 3, 5), 3, "e"),
    ],
)
def test_balanced_linear_network_refuses(
    rng: np.random.Generator, field: str, widths: tuple[int, ...], rank: int, singular: str
) -> None:
    """Too narrow, no hidden layer, other shapes, V = 0, and singular covariances."""
    v = normals(rng, 5, rank) @ normals(rng, rank, 4)
    line_x, line_e = normals(rng, 4, 1), normals(rng, 5, 1)
    sx = line_x @ line_x.T if singular == "x" else covariance(rng, 4, 1.0)
    se = line_e @ line_e.T if singular == "e" else covariance(rng, 5, 1.0)
    with pytest.raises(InvalidModelError) as error:
        balanced_linear_network(GaussianTeacher(v, sx, se), widths)
    assert error.value.field == field
