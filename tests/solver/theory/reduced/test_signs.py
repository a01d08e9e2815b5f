"""Death of subnetworks of the wrong sign, against simulated pairs of opposite signs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import simpson

from equipoise_solver.errors import InvalidModelError, UnsupportedCombinationError
from equipoise_solver.theory import DataMoments, stationary_law
from equipoise_solver.theory.reduced.signs import wrong_sign_decay

GAUSSIAN = DataMoments.from_gaussian(1.3, 0.7)
# Constant noise has light tails, so that Euler's method for log v does not explode.
CONSTANT = DataMoments.from_values(0.0, 0.0, 0.7, 1.2, 0.9)
STEP, DURATION, N_PATHS = 2e-3, 2.0, 4000


def fall_of_a_pair(
    rng: np.random.Generator, *, depth: int, temperature: float, decay: float
) -> NDArray[np.float64]:
    """Rates of log|v2| or of |v2|^-p, p = (D-1)/(D+1), over paths, the noise of v1 taken out; shape (path,).

    v1 > 0 starts from its stationary law, so that functions of v1 alone do not change on average; their
    change is added as a control variate.
    """
    law = stationary_law(CONSTANT, depth=depth, temperature=temperature, weight_decay=decay)
    small = (depth - 1) / (depth + 1)

    def shape(log_size: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(log_size if depth == 1 else -np.exp(-small * log_size))

    logs = np.stack([np.log(law.quantile(rng.uniform(0, 1, N_PATHS))), np.full(N_PATHS, math.log(1e-15))])
    start, signs = shape(logs), np.array([[1.0], [-1.0]])
    for _ in range(round(DURATION / STEP)):
        v = np.exp(logs[0]) - np.exp(logs[1])
        noise = CONSTANT.alpha3
        force = 2.0 * (CONSTANT.beta1 * v - CONSTANT.beta2) * STEP
        kick = force - 2.0 * np.sqrt(temperature * noise * STEP) * rng.standard_normal(N_PATHS)
        p = np.exp(small * logs)
        drag = 2.0 * p**2 * temperature * noise * STEP + 2.0 * decay * STEP
        logs = logs + (depth + 1) * (-signs * p * kick - drag)
    change = shape(logs) - start
    rates: NDArray[np.float64] = -(change[0] + change[1]) / DURATION
    return rates


@pytest.mark.slow
@pytest.mark.parametrize(
    ("depth", "temperature", "decay"), [(1, 0.05, 0.0), (1, 0.15, 0.2), (2, 0.05, 0.0), (3, 0.02, 0.0)]
)
def test_the_wrong_sign_falls_at_the_stated_rate(
    rng: np.random.Generator, depth: int, temperature: float, decay: float
) -> None:
    """Simulated pairs die at the rate of the formula, within 5 standard errors and 2 % for the step."""
    found = wrong_sign_decay(CONSTANT, depth=depth, temperature=temperature, weight_decay=decay)
    rates = fall_of_a_pair(rng, depth=depth, temperature=temperature, decay=decay)
    error = rates.std(ddof=1) / math.sqrt(N_PATHS)
    assert 5.0 * error < 0.2 * found.rate, "too few paths to see a wrong factor"
    assert abs(rates.mean() - found.rate) <= 5.0 * error + 0.02 * found.rate
    assert found.exponent == (math.inf if depth == 1 else (depth + 1) / (depth - 1))


@pytest.mark.parametrize(
    ("depth", "temperature", "decay"), [(1, 0.05, 0.0), (1, 0.2, 0.1), (2, 0.1, 0.0), (4, 0.5, 0.0)]
)
def test_the_rate_is_an_average_of_the_noise(depth: int, temperature: float, decay: float) -> None:
    """8 T E[g] + 8 gamma at depth 1, 2 D (D-1) T E[v^((D-1)/(D+1)) g] deeper, by Simpson's rule to 1e-6."""
    law = stationary_law(GAUSSIAN, depth=depth, temperature=temperature, weight_decay=decay)
    log_v = np.linspace(-60.0, 40.0, 100_001)
    v = np.exp(log_v)
    power = (depth - 1) / (depth + 1)
    average = float(simpson(law.pdf(v) * v * v**power * GAUSSIAN.noise(v), x=log_v))
    factor = 8.0 if depth == 1 else 2.0 * depth * (depth - 1)
    found = wrong_sign_decay(GAUSSIAN, depth=depth, temperature=temperature, weight_decay=decay)
    assert found.rate == pytest.approx(factor * temperature * average + 8.0 * decay, rel=1e-6)


def test_beyond_the_critical_temperature_the_rate_is_the_lyapunov_exponent() -> None:
    """Both forms agree at Tc; above, the rate is 4 (beta2 + T alpha3 + gamma)."""
    critical = 1.3 / (2 * 1.69 + 0.49)
    below, above = (
        wrong_sign_decay(GAUSSIAN, depth=1, temperature=f * critical).rate for f in (1 - 1e-7, 1 + 1e-7)
    )
    assert above == pytest.approx(8 * 1.3, rel=1e-6)
    assert below == pytest.approx(above, rel=1e-5)
    hot = wrong_sign_decay(GAUSSIAN, depth=1, temperature=1.0, weight_decay=0.1).rate
    assert hot == pytest.approx(4 * (1.3 + 3.87 + 0.1), rel=1e-12)


def test_signs_are_a_matter_of_depth() -> None:
    """Linear regression has no sectors, and deep networks with decay learn nothing for ever."""
    with pytest.raises(InvalidModelError) as refused:
        wrong_sign_decay(GAUSSIAN, depth=0, temperature=0.1)
    assert refused.value.field == "model.depth"
    with pytest.raises(UnsupportedCombinationError) as unsupported:
        wrong_sign_decay(GAUSSIAN, depth=2, temperature=0.1, weight_decay=0.01)
    assert unsupported.value.field == "weight_decay"
