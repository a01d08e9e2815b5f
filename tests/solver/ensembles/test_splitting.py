"""The reciprocal splitting of two layers: exact without noise, weak order 2, exact laws, no path lost."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.solver.ensembles.exact import stationary_grid
from tests.solver.ensembles.runs import LAST_SAMPLE_ONLY, final_states, result
from tests.solver.ensembles.test_readout import shown_of
from tests.support.statistics import assert_fraction, assert_same_fraction

from equipoise_solver.ensembles import Balanced, EnsemblePlan, EnsembleResult, GaussianPairs, MomentsOnly, Sgf
from equipoise_solver.errors import UnsupportedCombinationError
from equipoise_solver.theory.moments import DataMoments

DATA = GaussianPairs(1.0, 1.0)
SKEW = GaussianPairs(0.9, 0.6, 1.1)
LEVELS = (0.001, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98)
TAILS = (2.0, 4.0)
BIAS = 1e-3
"""Granted bias of a probability at the default step; measured: 6e-4 at T = 0.05, less elsewhere."""


def plan_of(**parts: Any) -> EnsemblePlan:
    base: dict[str, Any] = {
        "depth": 1,
        "data": SKEW,
        "n_paths": 1,
        "duration": 1.0,
        "n_records": 1,
        "seed": 0,
    }
    return EnsemblePlan(**{**base, **parts})


def values(plan: EnsemblePlan) -> NDArray[np.float64]:
    """What is shown of v at the end, shape (paths,)."""
    assert plan.scheme.name == "reciprocal_splitting"
    y, sign = final_states(plan)
    return np.asarray(sign / np.sqrt(shown_of(y * y, float(plan.scheme.numbers[10]))))


@pytest.mark.parametrize("start", [0.05, 0.4, 3.0])
@pytest.mark.parametrize("step_size", [None, 0.13])
def test_without_noise_the_flow_is_exact(start: float, step_size: float | None) -> None:
    """At T = 0 v follows the logistic curve of b2 - gamma to rounding, whatever the step."""
    gamma, power = 0.2, 1.21
    plan = plan_of(dynamics=Sgf(0.0, gamma, step_size=step_size), init=Balanced(start), duration=0.7)
    k = (0.9 * power - gamma) / power
    exact = k / (1 + (k / start - 1) * math.exp(-4 * power * k * 0.7))
    assert values(plan)[0] == pytest.approx(exact, rel=1e-12)


def test_without_noise_the_wrong_sign_dies_out() -> None:
    """At T = 0 from v < 0, where b2 pushes to 0 and past it no path comes, v = -1/y follows its own curve."""
    power = 1.21
    plan = plan_of(dynamics=Sgf(0.0), init=Balanced(-0.7), duration=0.9)
    rate = 4 * 0.9 * power
    exact = (1 / 0.7 + 1 / 0.9) * math.exp(rate * 0.9) - 1 / 0.9
    assert values(plan)[0] == pytest.approx(-1 / exact, rel=1e-12)


def changes(step_size: float, seed: int) -> NDArray[np.float64]:
    """1/(1 + v) at time 0.5 at twice the step minus at the step, on the same Brownian paths."""
    found = []
    for i in range(16):
        parts: dict[str, Any] = {
            "data": DATA,
            "dynamics": Sgf(0.05, step_size=step_size),
            "n_paths": 65536,
            "duration": 0.5,
            "seed": seed + i,
            "init": Balanced(0.3),
        }
        fine, coarse = plan_of(**parts), plan_of(**parts, coarsening=2)
        assert (coarse.step_size, fine.step_size) == (2 * step_size, step_size)
        found.append(1 / (1 + values(coarse)) - 1 / (1 + values(fine)))
    return np.concatenate(found)


@pytest.mark.slow
def test_weak_order_is_two(seed: int) -> None:
    """The bias of E[1/(1 + v)] falls as the square of the step: by the pairs (1/8, 1/16) and (1/16, 1/32)."""
    wide, narrow = changes(1 / 16, seed), changes(1 / 32, seed + 16)
    errors = [float(x.std()) / math.sqrt(x.size) / abs(float(x.mean())) for x in (wide, narrow)]
    order = math.log2(wide.mean() / narrow.mean())
    error = math.hypot(*errors) / math.log(2)
    # The third order in the step, at 0.8 of the largest step that is accepted, is granted as the bias.
    assert 9.75 * error + 2 * 0.25 < 1
    assert abs(order - 2) <= 0.25 + 5 * error, f"order {order:.2f}, error {error:.2f}"


def stationary(temperature: float, seed: int, *, law_at: float | None = None, **parts: Any) -> EnsembleResult:
    """Late samples, one of each path, counted between exact quantiles and beyond TAILS."""
    gamma = parts.pop("weight_decay", 0.0)
    law = stationary_grid(DATA.moments, depth=1, temperature=law_at or temperature, weight_decay=gamma)
    edges = np.array([*(law.quantile(level) for level in LEVELS), *TAILS])
    plan = plan_of(
        **{"data": DATA, "n_paths": 400_000, "duration": 6.0, "init": Balanced(0.9), **parts},
        dynamics=Sgf(temperature, gamma),
        seed=seed,
        burn_in=LAST_SAMPLE_ONLY,
        edges=np.sort(edges),
    )
    assert plan.scheme.name == "reciprocal_splitting"
    found = result(plan)
    assert found.n_diverged == found.n_absorbed == 0
    exact = np.interp(plan.histogram_edges, law.v, law.cdf)
    below = found.underflow + np.concatenate([[0], np.cumsum(found.counts)])
    for count, share in zip(below.tolist(), exact, strict=True):
        # A tail is compared as such: its bias is granted in proportion.
        bias = min(BIAS, 0.1 * (1 - share), 0.1 * share)
        resolves = 0.012 if share < 0.99 else max(0.8 * (1 - share), 4e-4)
        assert_fraction(count, plan.n_paths, float(share), bias=bias, resolves=resolves)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.05, 0.1])
def test_stationary_laws_and_their_tails(temperature: float, seed: int) -> None:
    """Quantiles and P(v > 2), P(v > 4) are exact at the default step, with no path lost."""
    found = stationary(temperature, seed)
    assert found.n_averaged == 400_000


@pytest.mark.slow
def test_float32_has_the_same_law(seed: int) -> None:
    """So they are with states and arithmetic in float32."""
    stationary(0.1, seed, precision="float32")


@pytest.mark.slow
def test_weight_decay_and_width_have_their_laws(seed: int) -> None:
    """Weight decay 0.1 gives the law of b2 - gamma; the width changes nothing of v for two layers."""
    stationary(0.1, seed, weight_decay=0.1, width=3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["three_point", "two_point"])
def test_weak_increments_have_the_law_of_the_bulk(kind: Any, seed: int) -> None:
    """Three-point increments keep the bulk at the default step, two-point ones at a fifth of it."""
    law = stationary_grid(DATA.moments, depth=1, temperature=0.1)
    step = {"three_point": None, "two_point": 0.0025}[kind]
    plan = plan_of(
        data=DATA,
        dynamics=Sgf(0.1, noise=kind, step_size=step),
        n_paths=100_000,
        duration=5.0,
        seed=seed,
        burn_in=LAST_SAMPLE_ONLY,
        edges=np.array([law.quantile(level) for level in LEVELS[1:]]),
    )
    found = result(plan)
    assert found.n_diverged == found.n_absorbed == 0
    below = found.underflow + np.concatenate([[0], np.cumsum(found.counts)])
    for level, count in zip(LEVELS[1:], below.tolist(), strict=True):
        assert_fraction(count, plan.n_paths, level, bias=2e-3, resolves=0.02)


@pytest.mark.slow
def test_a_wrong_temperature_is_caught(seed: int) -> None:
    """Twin of the laws: a temperature that is off by 4 % fails."""
    with pytest.raises(AssertionError, match="standard errors"):
        stationary(0.104, seed, law_at=0.1)


@pytest.mark.slow
def test_truncated_moments_are_exact(seed: int) -> None:
    """E[min(v, 4)^2] and E[min(v, 4)] of late samples are those of the law, to 2 %."""
    law = stationary_grid(DATA.moments, depth=1, temperature=0.1)
    weight = np.diff(law.cdf, prepend=0.0)
    v = np.concatenate(
        [
            values(
                plan_of(
                    data=DATA,
                    dynamics=Sgf(0.1),
                    n_paths=65536,
                    duration=6.0,
                    init=Balanced(0.9),
                    seed=seed + i,
                )
            )
            for i in range(4)
        ]
    )
    for power in (1, 2):
        sample = np.minimum(v, 4.0) ** power
        exact = float((weight * np.minimum(law.v, 4.0) ** power).sum())
        error = float(sample.std()) / math.sqrt(v.size)
        assert 9.75 * error < 0.03 * exact
        assert abs(float(sample.mean()) - exact) <= 1e-3 * exact + 5 * error


@pytest.mark.slow
@pytest.mark.parametrize(("temperature", "start"), [(0.3, 0.7), (0.1, -0.8), (0.1, 20.0)])
def test_the_law_at_a_time_is_that_of_the_adaptive_scheme(
    temperature: float, start: float, seed: int
) -> None:
    """Near the critical temperature, from v < 0, and from far out, both schemes agree at a finite time."""
    parts: dict[str, Any] = {"data": SKEW, "n_paths": 65536, "duration": 0.6, "init": Balanced(start)}
    plan = plan_of(**parts, dynamics=Sgf(temperature), seed=seed)
    v = values(plan)
    other = plan_of(**parts, dynamics=Sgf(temperature, scheme="taylor"), coordinate="model", seed=seed + 1)
    x, sign = final_states(other)
    peer = sign * np.exp(x)
    assert (np.sign(v) == np.sign(start)).all()
    for level in (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
        threshold = float(np.quantile(peer, level))
        assert_same_fraction(v, peer, threshold, resolves=0.03)


@pytest.mark.slow
def test_no_path_is_lost_near_the_critical_temperature() -> None:
    """At T = 0.3, Tc = 1/3, 20000 paths run for 100 units of time, and none is lost or absorbed."""
    found = result(plan_of(data=DATA, dynamics=Sgf(0.3), n_paths=20_000, duration=100.0, seed=8))
    assert found.n_diverged == found.n_absorbed == 0
    assert not any("come back" in note or "lies below" in note for note in found.notes)
    assert 0.1 < found.mean < 0.3


def test_single_precision_keeps_off_the_critical_temperature() -> None:
    """A sixth of the law at T = 0.3 lies below the numbers of float32: refused; at T = 0.2 hardly any."""
    with pytest.raises(UnsupportedCombinationError) as refused:
        plan_of(data=DATA, dynamics=Sgf(0.3), precision="float32")
    assert refused.value.field == "precision"
    assert "float64" in refused.value.allowed
    assert plan_of(data=DATA, dynamics=Sgf(0.2), precision="float32").share_below_floor < 1e-3


def test_close_to_the_critical_temperature_the_missing_share_is_told() -> None:
    """At T = 0.33 a tenth of the law lies below 1e-140, and the notes say so."""
    found = result(plan_of(data=DATA, dynamics=Sgf(0.33), n_paths=200, duration=5.0, seed=8))
    assert any("lies below |v|" in note for note in found.notes)


@pytest.mark.slow
@pytest.mark.parametrize("step", [None, 0.004])
def test_first_passages_are_not_missed(step: float | None, seed: int) -> None:
    """The mean time from 1 to 0.5 at T = 0.05 is 2 int_{1/2}^1 s(x) int_x^inf m(y) dy dx, by quadrature.

    Watched only at its steps the default run would find 2.5 and more.
    """
    found = result(
        plan_of(
            data=DATA,
            dynamics=Sgf(0.05, step_size=step),
            n_paths=16_384,
            duration=60.0,
            n_records=1,
            seed=seed,
            first_passage=0.5,
        )
    )
    assert found.passages is not None
    assert found.passages.n_passed == 16_384
    exact = mean_passage_time(start=1.0, level=0.5, temperature=0.05)
    assert abs(found.passages.mean - exact) < 5 * found.passages.standard_error + 0.03 * exact


def mean_passage_time(*, start: float, level: float, temperature: float) -> float:
    """Mean time from `start` down to `level` for y = x + noise, by scale and speed on a grid in ln v."""
    x = np.linspace(math.log(level), math.log(1e8), 200_001)
    v, moments = np.exp(x), DATA.moments
    heat = temperature * moments.noise(v)
    drift = -4 * v * (moments.beta1 * v - moments.beta2) + 4 * v * heat
    square = 16 * v * v * heat
    exponent = np.concatenate([[0.0], np.cumsum(_middles(2 * drift / square * v) * np.diff(x))])
    scale, speed = np.exp(-exponent), 2 / square * np.exp(exponent)
    beyond = np.concatenate([np.cumsum((_middles(speed * v) * np.diff(x))[::-1])[::-1], [0.0]])
    inside = _middles(scale * beyond * v) * np.diff(x)
    return float(inside[v[1:] <= start].sum())


def _middles(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return (values[1:] + values[:-1]) / 2


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_a_start_at_the_level_has_passed_it(precision: Any) -> None:
    """Whatever rounding makes of the start."""
    for level in (0.1, 1 / 3, 0.7, 1.3):
        found = result(
            plan_of(
                data=DATA,
                dynamics=Sgf(0.05),
                n_paths=20,
                init=Balanced(level),
                first_passage=level,
                precision=precision,
            )
        )
        assert found.passages is not None
        assert found.passages.n_passed == 20
        assert found.passages.mean == 0


def test_mirrored_data_give_mirrored_paths() -> None:
    """y -> -y and a start at -v give the same v with the other sign, bit for bit."""
    plus, minus = (
        final_states(
            plan_of(
                data=GaussianPairs(sign * 0.9, 0.8),
                dynamics=Sgf(0.1),
                n_paths=600,
                duration=2.0,
                seed=3,
                init=Balanced(sign * 0.6),
            )
        )
        for sign in (1, -1)
    )
    np.testing.assert_array_equal(plus[0], minus[0])
    assert (plus[1] == 1).all()
    assert (minus[1] == -1).all()


def test_single_precision_follows_double() -> None:
    """On the same increments float32 and float64 differ by rounding: 1e-4 for 99 % of the paths."""
    double, single = (
        values(plan_of(data=DATA, dynamics=Sgf(0.1), n_paths=4000, duration=2.0, seed=5, precision=precision))
        for precision in ("float64", "float32")
    )
    change = np.abs(single / double - 1)
    assert np.quantile(change, 0.99) < 1e-4
    assert change.max() > 1e-8


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_above_the_critical_temperature_paths_are_absorbed(precision: Any) -> None:
    """At T > Tc every path dies out: it is absorbed at 0, counted, and stays in the averages as 0."""
    found = result(
        plan_of(
            data=DATA,
            dynamics=Sgf(2.0),
            n_paths=300,
            duration=100.0,
            seed=5,
            n_records=20,
            observables=("value", "sign", "norm"),
            precision=precision,
        )
    )
    assert found.n_absorbed == 300
    assert found.n_diverged == 0
    assert found.n_averaged == 300
    for name in ("value", "sign", "norm"):
        assert found.observables[name].mean[0] > 0
        assert found.observables[name].mean[-1] == 0
    assert "absorbed" in found.notes[0]


@pytest.mark.parametrize("start", [0.0, 1e-200, 5e-324])
def test_a_start_at_zero_stays_there(start: float) -> None:
    """From v = 0, or closer than numbers reach, paths are absorbed at once."""
    found = result(plan_of(data=DATA, dynamics=Sgf(0.1), n_paths=5, init=Balanced(start)))
    assert found.n_absorbed == 5
    assert found.mean == 0


@pytest.mark.parametrize("start", [1e-6, 0.3, 5.0, 30.0, -100.0])
def test_the_start_is_shown_as_given(start: float) -> None:
    """The first record is the start itself, also where no step of the scheme could end."""
    plan = plan_of(data=DATA, dynamics=Sgf(0.1), n_paths=5, init=Balanced(start), observables=("value",))
    assert result(plan).observables["value"].mean[0] == pytest.approx(start, rel=1e-6)


def test_constant_noise_is_the_bessel_process(seed: int) -> None:
    """With a2 = a3 = b = 0 the reciprocal is a Bessel process of dimension 2.5, whose mean square is exact.

    y^2 grows by 2.5 * 16 T a1 t on the average, and its variance is that of a squared Bessel process.
    """
    temperature, alpha1, time = 0.07, 1.7, 0.8
    data = MomentsOnly(DataMoments.from_values(alpha1, 0.0, 1e-300, 1e-300, 0.0))
    plan = plan_of(
        data=data,
        dynamics=Sgf(temperature, step_size=time / 64),
        n_paths=65536,
        duration=time,
        init=Balanced(1.0),
        seed=seed,
    )
    square = final_states(plan)[0] ** 2
    rate = 16 * temperature * alpha1 * time
    error = float(square.std()) / math.sqrt(square.size)
    assert abs(square.mean() - (1 + 2.5 * rate)) < 5 * error
    exact = 4 * rate + 2 * 2.5 * rate**2
    deviation = (square - 1 - 2.5 * rate) ** 2
    assert abs(deviation.mean() - exact) < 5 * deviation.std() / math.sqrt(square.size)
