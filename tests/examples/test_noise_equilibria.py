"""SGD ends at the predicted noise equilibrium where gradient descent does not, through the client."""

from typing import Any

import numpy as np
import pytest
from examples.gallery import scale_invariance
from examples.gallery.figure import STANDARD_ERRORS
from examples.gallery.training import diagonal, each, gd, sgd, training
from numpy.typing import NDArray
from tests.examples.runs import solved
from tests.support.statistics import assert_mean

from equipoise import Client, specs

pytestmark = pytest.mark.slow
LINEAR = {"kind": "linear", "widths": [2, 2, 2]}
TEACHER = {
    "kind": "teacher",
    "teacher": diagonal([1.0, 0.7]),
    "input_cov": diagonal([0.6, 1.4]),
    "noise_cov": diagonal([0.5, 1.5]),
}
START = {"init": "global_minimum", "seed": 1}
MEASURED = ("norm.W1", "norm.W2", "sharpness")
RELU = {"kind": "mlp", "widths": [8, 40, 8], "activation": "relu", "bias": False}
NOISY = {
    "kind": "teacher",
    "teacher": diagonal([1.0] * 8),
    "noise_cov": diagonal([3.0] * 8),
    "n_samples": 512,
}


def solve(lab: Client, spec: dict[str, Any]) -> specs.SimulateNetworkSolution:
    found = lab.solve(spec)
    assert isinstance(found, specs.SimulateNetworkSolution)
    assert found.n_diverged == 0
    return found


def equilibrium(lab: Client, **fields: Any) -> specs.EquilibriumSolution:
    found = lab.solve({"task": "equilibrium", "flow": None, **fields})
    assert isinstance(found, specs.EquilibriumSolution)
    assert found.converged
    return found


def number(pair: specs.BeforeAfter) -> tuple[float, float]:
    """Before and after, computed both."""
    assert pair.before is not None
    assert pair.after is not None
    return pair.before, pair.after


def last_half(found: specs.SimulateNetworkSolution, name: str) -> NDArray[np.float64]:
    """Mean of an observable over the second half of the run, of each network."""
    values = each(found, name)
    half: NDArray[np.float64] = values[:, values.shape[1] // 2 :].mean(1)
    return half


def test_two_layer_linear_networks_end_at_the_equilibrium(seed: int) -> None:
    """Norms and Tr H of SGD, extrapolated to a small step, are those of the equilibrium; GD stays away."""

    def end(lab: Client, learning_rate: float) -> dict[str, NDArray[np.float64]]:
        networks = {"n_paths": 48, "n_snapshots": 48, "parameters": START, "n_records": 32}
        step, n_steps = sgd(learning_rate, batch_size=4), int(1000 / learning_rate)
        seen = {"observables": ["norm", "sharpness"], "n_steps": n_steps, "seed": seed}
        found = solve(lab, training(LINEAR, TEACHER, step, **networks, **seen))
        return {name: last_half(found, name) for name in MEASURED}

    with Client.local() as lab:
        coarse, fine = end(lab, 0.02), end(lab, 0.01)
        there = equilibrium(lab, model=LINEAR, data=TEACHER, temperature=0.01, parameters=START)
        still = solve(
            lab, training(LINEAR, {**TEACHER, "n_samples": 4096}, gd(0.02), parameters=START, n_steps=500)
        )
    pairs = {**{f"norm.{name}": pair for name, pair in there.norms.items()}, "sharpness": there.sharpness}
    for name in MEASURED:
        before, after = number(pairs[name])
        # Both the temperature and the step halve, so the first order of the bias cancels; of the second,
        # no more than the square of the first is granted.
        bias = abs(float(coarse[name].mean()) / after - 1.0) ** 2
        assert_mean((2 * fine[name] - coarse[name]) / after, 1.0, resolves=0.05, bias=bias)
        assert abs(before / after - 1.0) > 0.1
    for name in ("W1", "W2"):
        before, after = number(there.norms[name])
        left = float(still.observables[f"norm.{name}"].mean[-1])
        assert abs(left - before) < 0.25 * abs(left - after)


def test_noise_of_both_layers_of_a_relu_network_comes_together(seed: int) -> None:
    """Noise traces of the two layers end equal within 5 % under SGD; GD is left far from its equilibrium."""
    start = {"parameters": {"init": "kaiming", "seed": 1}, "seed": seed}
    with Client.local() as lab:
        found = solve(
            lab,
            training(
                RELU,
                NOISY,
                sgd(0.004),
                **start,
                n_paths=32,
                n_snapshots=32,
                n_records=30,
                n_steps=15_000,
                observables=["noise_trace"],
            ),
        )
        still = solve(lab, training(RELU, NOISY, gd(0.01), **start, n_paths=1, n_steps=200))
        parameters = {name: value.tolist() for name, value in still.parameters.items()}
        away = equilibrium(
            lab, model=RELU, data=NOISY, temperature=0.01, parameters=parameters, curvature=False
        )
    first, second = (last_half(found, f"noise_trace.W{layer}") for layer in (1, 2))
    # A step of this size misses balance by about learning_rate times the curvature, a per cent.
    assert_mean(2 * (first - second) / (first + second), 0.0, resolves=0.05, bias=0.01)
    before, after = number(away.noise_traces["W1"])
    assert after > 2 * before
    assert after == pytest.approx(number(away.noise_traces["W2"])[1], rel=1e-8)


def test_norms_of_scale_invariant_networks_follow_the_noise_at_unit_length(seed: int) -> None:
    """|theta|^4 grows, and under weight decay ends, as predicted; the mean gradient adds half
    learning_rate * curvature: 1.5 % is granted."""
    found = scale_invariance.measure(solved("scale_invariance", seed)).numbers
    for name in ("sgd layer 1 of net A", "sgd layer 2 of net A", "decay net B"):
        error = STANDARD_ERRORS * found[f"{name} error"]
        assert error < 0.1
        assert abs(found[name] - 1.0) < 0.015 + error, name
