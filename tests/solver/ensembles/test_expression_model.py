"""Diffusions given by expressions: kernels agree with the tree, moments with closed forms of the scheme."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.statistics import assert_mean, assert_variance

from equipoise_solver.ensembles.compiled import LANES, compiled, key_of, noise_signature, step_signature
from equipoise_solver.ensembles.models.expression import model_of
from equipoise_solver.ensembles.noise import increments
from equipoise_solver.ensembles.schemes import expression_euler
from equipoise_solver.ensembles.streams import stream_words
from equipoise_solver.errors import InvalidModelError
from equipoise_solver.expressions import parse

Name = Literal["euler", "tamed_euler"]


def simulated(
    drift: str,
    noise: str,
    parameters: Mapping[str, float],
    *,
    start: float,
    step_size: float,
    n_steps: int,
    n_blocks: int,
    seed: int,
    name: Name = "euler",
    precision: Literal["float64", "float32"] = "float64",
) -> NDArray[np.float64]:
    """Values of x after n_steps, a multiple of 4, shape (n_blocks * LANES,)."""
    scheme = expression_euler.scheme(name, model_of(drift, noise, parameters=parameters), step_size=step_size)
    source = increments.source("gaussian")
    draw = compiled(source.fill, noise_signature(source.precision))
    step = compiled(scheme.step, step_signature(precision, source.precision))
    words = stream_words(seed, first_path=0, n_blocks=n_blocks, lanes=LANES, purpose=source.purpose)
    ones, rows = np.ones(LANES, dtype=np.uint8), np.empty((source.rows, LANES), dtype=np.float32)
    nothing, since = np.zeros((1, 1), dtype=np.int32), np.zeros(LANES, dtype=np.int32)
    state = np.full((n_blocks, 1, LANES), start, dtype=precision)
    for block in range(n_blocks):
        for at in range(0, n_steps, source.steps):
            draw(
                words[block], ones, rows, LANES, at, 0, key_of(seed), 0, source.numbers, source.table, nothing
            )
            step(state[block], rows, 0, since, scheme.numbers, np.zeros((1, LANES)))
    return np.asarray(state.ravel(), dtype=np.float64)


def test_ornstein_and_uhlenbeck(seed: int) -> None:
    """Mean and variance are those of x' = x + k (m - x) h + s sqrt(h) z, in closed form."""
    k, m, s, start, h, n = 1.3, 0.4, 0.8, 2.0, 0.05, 60
    x = simulated(
        "k*(m - x)",
        "s",
        {"k": k, "m": m, "s": s},
        start=start,
        step_size=h,
        n_steps=n,
        n_blocks=80,
        seed=seed,
    )
    keep = 1 - k * h
    variance = s**2 * h * (1 - keep ** (2 * n)) / (1 - keep**2)
    assert_mean(x, m + (start - m) * keep**n, resolves=0.1 * variance**0.5)
    assert_variance(x, variance, resolves=0.1 * variance)


def test_geometric_brownian_motion(seed: int) -> None:
    """Mean and variance are those of x' = x (1 + a h + s sqrt(h) z), in closed form."""
    a, s, start, h, n = 0.3, 0.4, 1.5, 0.02, 40
    x = simulated("a*x", "s*x", {"a": a, "s": s}, start=start, step_size=h, n_steps=n, n_blocks=80, seed=seed)
    mean = start * (1 + a * h) ** n
    second = start**2 * ((1 + a * h) ** 2 + s**2 * h) ** n
    assert_mean(x, mean, resolves=0.1 * (second - mean**2) ** 0.5)
    assert_variance(x, second - mean**2, resolves=0.25 * (second - mean**2))


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("name", ["euler", "tamed_euler"])
def test_kernels_follow_the_trees(name: Name, precision: Literal["float64", "float32"]) -> None:
    """Every function and operation has its value, in both precisions: four steps by hand, without noise."""
    drift = (
        "exp(-x/2) - tanh(a*x) + sin(x)*cos(2*x) + x**3/9 - x^-2 + abs(x - 1)**1.5 + sign(x - 2)*sqrt(x)"
        " + log(x) - min(x, a, 3) + max(-x, -a) + 2**x - (x - 1)**0"
    )
    model = model_of(drift, "0", parameters={"a": 0.8})
    x, h = 1.7, 0.01
    for _ in range(4):
        m = float(model.drift.evaluate({"x": x, "a": 0.8}))
        x += m * h / (1 + abs(m) * h if name == "tamed_euler" else 1)
    found = simulated(
        drift,
        "0",
        {"a": 0.8},
        start=1.7,
        step_size=h,
        n_steps=4,
        n_blocks=1,
        seed=1,
        name=name,
        precision=precision,
    )
    np.testing.assert_allclose(found, x, rtol=1e-13 if precision == "float64" else 1e-5)


SAMPLES = (-2.3, -1.0, -0.4, 0.0, 0.25, 0.9, 1.0, 3.7)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize(
    "text",
    [
        "where(x < a, atan(x), x**3) * where(x <= -1, 1/3, where(x > 1, x*a, where(x >= 1, 7, x - a)))",
        "where(x == 0, a, sin(x)/x) + where(x != 1, (x*x - 1)/(x - 1), 2) + min(x, a, 1) * max(x, -a)",
        "where(x > 0, log(x), where(x < 0, sqrt(-x), a))",
        "log(x)",
        "tanh(log(x))",
        "sign(sqrt(x))",
        "min(x, log(x)) + max(sqrt(x), x)",
        "where(log(x) < 1, a, x) + where(sqrt(x) != 1, 1, 2)",
    ],
)
def test_kernels_agree_with_arrays(text: str, precision: Literal["float64", "float32"]) -> None:
    """Branches choose as on arrays, and what has no value has none in the kernel, after one step."""
    scheme = expression_euler.scheme("euler", model_of(text, "0", parameters={"a": 0.9}), step_size=1.0)
    step = compiled(scheme.single, step_signature(precision, "float64"))
    x = np.resize(np.array(SAMPLES, dtype=precision), LANES)
    state = x[np.newaxis].copy()
    noise, since = np.zeros((1, LANES)), np.zeros(LANES, dtype=np.int32)
    step(state, noise, 0, since, scheme.numbers, np.zeros((1, LANES)))
    exact = x + parse(text, parameters=("a",)).evaluate({"x": x, "a": np.array(0.9, dtype=precision)})
    rtol = 1e-14 if precision == "float64" else 1e-6
    np.testing.assert_allclose(state[0], exact, rtol=rtol, atol=rtol)


def test_taming_keeps_a_cubic_from_exploding(seed: int) -> None:
    """From far out plain Euler explodes under a cubic drift, tamed steps come home."""
    options: dict[str, Any] = {"start": 30.0, "step_size": 0.05, "n_steps": 2000, "n_blocks": 1, "seed": seed}
    tamed = simulated("x - x**3", "0.5", {}, name="tamed_euler", **options)
    assert np.all(np.abs(tamed) < 3)
    assert not np.any(np.isfinite(simulated("x - x**3", "0.5", {}, **options)))


def test_the_same_text_is_the_same_module() -> None:
    """Values of parameters are numbers of the kernel, not part of it: nothing is compiled again for them."""
    first, second = (model_of("k*x", "1", parameters={"k": k}) for k in (0.3, 0.7))
    assert first.module == second.module
    assert first.numbers != second.numbers


@pytest.mark.parametrize(
    ("drift", "noise", "parameters", "field"),
    [
        ("k*x", "1", {}, "drift"),
        ("x", "s", {}, "noise"),
        ("x", "1", {"k": float("nan")}, "params.k"),
        ("x", "1", {"exp": 1.0}, "params"),
    ],
)
def test_refusals(drift: str, noise: str, parameters: dict[str, float], field: str) -> None:
    """The refused field is named."""
    with pytest.raises(InvalidModelError) as refused:
        model_of(drift, noise, parameters=parameters)
    assert refused.value.field == field
