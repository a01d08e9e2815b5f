"""Linear regression (D = 0) by schemes with a fixed clock: closed moment equations, and orders without noise.

The reference of a scheme agrees with its kernel bit for bit (`test_reference`), so its moments, by quadrature
over the increment, are the kernel's up to the law of the increments.
"""

from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.solver.ensembles.linear_moments import (
    NORMAL,
    THREE_POINT,
    TWO_POINT,
    exact_moments,
    scheme_moments,
)
from tests.solver.ensembles.runs import final_states
from tests.support.statistics import assert_mean, assert_variance

from equipoise_solver.ensembles import Balanced, EnsemblePlan, GaussianPairs, Sgf
from equipoise_solver.ensembles.reference import steps

DATA = GaussianPairs(0.9, 0.6, 1.1)
START, TIME, GAMMA, TEMPERATURE = 2.0, 0.5, 0.15, 0.004
EXACT: dict[str, Any] = {"width": 2, "temperature": TEMPERATURE, "weight_decay": GAMMA}
STEPS: dict[str, Any] = {"splitting": steps.linear_splitting, "euler": partial(steps.explicit, "euler")}


def plan_of(scheme: str, *, step_size: float | None = None, **parts: Any) -> EnsemblePlan:
    base: dict[str, Any] = {
        "depth": 0,
        "width": 2,
        "data": DATA,
        "dynamics": Sgf(TEMPERATURE, GAMMA, scheme=scheme, step_size=step_size),
        "n_paths": 1,
        "duration": TIME,
        "n_records": 1,
        "seed": 0,
        "init": Balanced(START),
    }
    return EnsemblePlan(**{**base, **parts})


def moments_of(scheme: str, law: Any, step_size: float) -> tuple[float, NDArray[np.float64]]:
    """Step in force, and the error of mean and second moment at the end."""
    plan = plan_of(scheme, step_size=step_size)
    found = scheme_moments(STEPS[scheme], plan.scheme.numbers, law=law, start=START, n_steps=plan.flow_steps)
    exact = exact_moments(DATA.moments, **EXACT, start=START, time=TIME)
    return plan.step_size, (found - exact)[1:]


@pytest.mark.parametrize(
    ("scheme", "law", "order"),
    [
        ("splitting", NORMAL, 2),
        ("splitting", THREE_POINT, 2),
        ("splitting", TWO_POINT, 1),
        ("euler", NORMAL, 1),
        ("euler", TWO_POINT, 1),
    ],
    ids=["splitting-normal", "splitting-three", "splitting-two", "euler-normal", "euler-two"],
)
def test_weak_orders_are_exact(scheme: str, law: Any, order: int) -> None:
    """The error of mean and second moment falls as the stated power of the step, between two fine steps."""
    first, coarse = moments_of(scheme, law, TIME / 32)
    second, fine = moments_of(scheme, law, TIME / 128)
    slope = np.log(np.abs(coarse / fine)) / np.log(first / second)
    assert first == pytest.approx(4 * second)
    # The first moment of splitting does not see the increment's fourth moment.
    relevant = slope[1:] if law is TWO_POINT else slope
    np.testing.assert_allclose(relevant, order, atol=0.12)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("scheme", ["splitting", "euler"])
def test_moments_at_a_time_are_those_of_the_moment_equations(scheme: str, precision: Any, seed: int) -> None:
    """Mean and variance of the kernel's paths at the default step, up to the scheme's own exact bias."""
    plan = plan_of(scheme, n_paths=400_000, seed=seed, precision=precision)
    _, bias = moments_of(scheme, NORMAL, plan.step_size)
    exact = exact_moments(DATA.moments, **EXACT, start=START, time=TIME)
    variance = exact[2] - exact[1] ** 2
    v = final_states(plan)[0]
    assert np.abs(bias).max() < (0.005 * variance if scheme == "splitting" else 0.01)
    assert_mean(v, exact[1] + bias[0], resolves=0.01)
    assert_variance(v, exact[2] + bias[1] - (exact[1] + bias[0]) ** 2, resolves=0.25 * variance)


def test_without_noise_the_flow_is_exact() -> None:
    """At T = 0 the splitting is the exact exponential, whatever the step."""
    plan = plan_of("splitting", dynamics=Sgf(0.0, GAMMA, step_size=0.11), n_records=2)
    rate = 2 * (2 * DATA.moments.beta1 + GAMMA)
    fixed = 4 * DATA.moments.beta2 / rate
    exact = fixed + (START - fixed) * np.exp(-rate * TIME)
    assert final_states(plan)[0, 0] == pytest.approx(exact, rel=1e-13)
