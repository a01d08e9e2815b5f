"""Activations of the compiled kernel, held against 30-digit arithmetic and against torch."""

from typing import Any

import mpmath
import numba
import numpy as np
import pytest
import torch

from equipoise_solver.networks.activations import ACTIVATIONS
from equipoise_solver.networks.training.curves import CURVES, LINEAR, activate, exponential_less_one, tanh
from equipoise_solver.networks.training.lane_training import LEAK


@numba.njit(error_model="numpy")
def _tanh(x: Any, out: Any) -> None:
    for i in range(x.shape[0]):
        out[i] = tanh(x[i])


@numba.njit(error_model="numpy")
def _exponential(x: Any, out: Any) -> None:
    for i in range(x.shape[0]):
        out[i] = exponential_less_one(x[i])


@numba.njit(error_model="numpy")
def _activate(code: Any, leak: Any, values: Any, slopes: Any) -> None:
    activate(code, leak, values, slopes)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_tanh_and_exponential_are_exact_to_rounding(precision: str, rng: np.random.Generator) -> None:
    """tanh(x) and exp(x) - 1 are within 4 ulp of the exact values, at small and at large x."""
    x = np.concatenate([rng.standard_normal(600) * s for s in (1e-6, 1e-2, 1.0, 8.0)]).astype(precision)
    found = np.empty_like(x)
    with mpmath.workdps(30):
        for kernel, exact in ((_tanh, mpmath.tanh), (_exponential, mpmath.expm1)):
            kernel(x, found)
            wanted = np.array([float(exact(mpmath.mpf(float(each)))) for each in x])
            error = np.abs(found.astype(np.float64) - wanted)
            assert np.all(error <= 4 * np.spacing(np.abs(wanted).astype(precision)).astype(np.float64))


@pytest.mark.slow
def test_tanh_at_its_ends() -> None:
    """Zeros keep their sign, infinities give 1, and NaN stays NaN."""
    x = np.array([0.0, -0.0, np.inf, -np.inf, 1e300, np.nan])
    found = np.empty_like(x)
    _tanh(x, found)
    assert found[:5].tolist() == [0.0, 0.0, 1.0, -1.0, 1.0]
    assert np.signbit(found[1])
    assert np.isnan(found[5])


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, code in CURVES.items() if code != LINEAR])
def test_activations_and_slopes_are_those_of_torch(name: str, rng: np.random.Generator) -> None:
    """f(z) and f'(z) agree with torch and its autograd, at the kink too; NaN stays NaN."""
    z = np.append(3 * rng.standard_normal(500), [0.0, 40.0, -40.0])
    leaf = torch.from_numpy(z).requires_grad_()
    wanted = ACTIVATIONS[name].function(leaf)
    (slope,) = torch.autograd.grad(wanted.sum(), leaf)
    values, slopes = np.append(z, np.nan), np.zeros(z.size + 1)
    _activate(CURVES[name], LEAK, values, slopes)
    assert np.abs(values[:-1] - wanted.detach().numpy()).max() <= 1e-14
    assert np.abs(slopes[:-1] - slope.numpy()).max() <= 1e-14
    assert np.isnan(values[-1])
