"""What `stationary` answers besides the law, against closed forms, quadrature and simulation."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import cumulative_simpson, simpson
from scipy.special import betainc
from tests.solver.tasks.test_stationary_task import ask

from equipoise_solver.solving import prepare
from equipoise_solver.specs import StationarySolution, canonical_json, parse_solution

SLOPE, NOISE = 1.3, 0.7
DATA = {"kind": "gaussian", "slope": SLOPE, "noise_std": NOISE}
CLEAN = {"kind": "gaussian", "slope": SLOPE, "noise_std": 0.0}
NOISELESS = {"kind": "samples", "x": [1.0, 1.0], "y": [0.7, 0.7]}
WALL = {"kind": "moments", "alpha1": 0.5, "alpha2": 0.25, "alpha3": 0.125, "beta1": 1.2, "beta2": 0.9}


def deep(depth: int) -> dict[str, Any]:
    return {"kind": "diagonal", "depth": depth}


def survives_the_wire(solution: StationarySolution) -> None:
    again = parse_solution(solution.model_dump(mode="json"))
    assert again.model_dump_json() == solution.model_dump_json()
    assert "NaN" not in solution.model_dump_json()


@pytest.mark.parametrize("width", [1, 3])
def test_linear_regression_relaxes_like_gradient_flow(width: int) -> None:
    """Depth 0: the gap and 1/(autocorrelation time) are 2 (d beta1 + gamma), and time is 1/gap."""
    model = {"kind": "diagonal", "depth": 0, "width": width}
    solution = ask(model=model, data=DATA, weight_decay=0.2, relaxation=True)
    found, rate = solution.relaxation, 2.0 * (width + 0.2)
    assert found is not None
    assert (found.gap, found.time) == pytest.approx((rate, 1.0 / rate), rel=1e-7)
    assert found.autocorrelation_time == pytest.approx(1.0 / rate, rel=1e-7)
    survives_the_wire(solution)


def test_two_layers_slow_down_critically() -> None:
    """Near Tc the gap is where the continuous spectrum begins, alpha3 (Tc - T)^2/(2 T)."""
    alpha3 = 2.0 * SLOPE**2 + NOISE**2
    temperature = 0.9 * SLOPE / alpha3
    found = ask(data=DATA, temperature=temperature, relaxation=True).relaxation
    edge = alpha3 * (0.1 * SLOPE / alpha3) ** 2 / (2.0 * temperature)
    assert found is not None
    assert (found.gap, found.continuum) == pytest.approx((edge, edge), rel=1e-6)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_collapse_time_agrees_with_simpsons_rule(sign: float) -> None:
    """E T = int_target^well s(y) int_y^inf m(z) dz dy for D = 2 in log v, to 1e-6, in both signs of v."""
    decay, t = 0.35, 0.05
    data = {**DATA, "slope": sign * SLOPE}
    solution = ask(model=deep(2), data=data, temperature=t, weight_decay=decay, escape=True)
    found = solution.escape
    assert solution.phase == "metastable"
    assert found is not None
    assert found.mean is not None
    log_v = np.linspace(math.log(sign * found.target), math.log(200.0), 200_001)
    v = np.exp(log_v)
    g = 2.0 * (v - SLOPE) ** 2 + NOISE**2
    q = 4.0 / 3.0
    variance = 36.0 * v ** (2.0 * q) * t * g
    drift = -6.0 * v**q * (v - SLOPE) + 12.0 * v ** (2.0 * q - 1.0) * t * g - 6.0 * decay * v
    log_scale = cumulative_simpson(-2.0 * drift / variance * v, x=log_v, initial=0.0)
    mass = cumulative_simpson(2.0 / variance * np.exp(-log_scale) * v, x=log_v, initial=0.0)
    inner = np.exp(log_scale) * (mass[-1] - mass) * v
    below = log_v <= math.log(sign * found.well)
    mean = float(simpson(inner[below], x=log_v[below]))
    assert found.mean == pytest.approx(mean, rel=1e-6)
    assert found.log_mean == pytest.approx(math.log(mean), rel=1e-6)
    assert found.kramers is not None
    assert found.ratio == pytest.approx(found.mean / found.kramers, rel=1e-12)
    # The natural drift is drift - (noise^2)'/4; its integral against 2/noise^2 is the barrier.
    between = (log_v >= math.log(sign * found.saddle)) & below
    slope = np.gradient(variance, log_v) / v
    climb = (2.0 * drift - 0.5 * slope) / variance * v
    assert found.barrier == pytest.approx(float(simpson(climb[between], x=log_v[between])), rel=1e-4)
    assert sign * found.well > sign * found.saddle > sign * found.target > 0.0
    assert found.survivors_mean is not None
    assert sign * found.survivors_mean > 0.0
    survives_the_wire(solution)


def test_survivors_of_cold_networks_collapse_at_one_over_the_mean() -> None:
    """Behind a high barrier rate * mean = 1, the survivors' mean is the law's, and Kramers is close."""
    solution = ask(model=deep(2), data=DATA, temperature=0.01, weight_decay=0.35, escape=True)
    found = solution.escape
    assert found is not None
    assert found.rate is not None
    assert found.mean is not None
    assert found.rate * found.mean == pytest.approx(1.0, rel=1e-6)
    assert found.survivors_mean == pytest.approx(solution.mean, rel=1e-6)
    assert found.ratio == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_the_gibbs_posterior_by_simpsons_rule(depth: int) -> None:
    """T', both divergences, total variation and the mass outside agree with Simpson's rule, to 1e-6."""
    t = 0.05
    solution = ask(model=deep(depth), data=DATA, temperature=t, bayes=True)
    found = solution.bayes
    assert found is not None
    power, a = 2.0 * depth / (depth + 1.0), depth + 1.0
    gibbs = 2.0 * a * SLOPE**power * t * NOISE**2
    std = math.sqrt(gibbs / 2.0)
    # The coordinate y is v or log v; every integral is one over y.
    y = np.linspace(-300.0, 300.0, 800_001) if depth == 0 else np.linspace(-32.0, 46.0, 800_001)
    v = y if depth == 0 else np.exp(y)
    jacobian = np.ones(y.shape) if depth == 0 else v
    g = 2.0 * (v - SLOPE) ** 2 + NOISE**2
    pull = cumulative_simpson((v - SLOPE) / (np.abs(v) ** power * g) * jacobian, x=y, initial=0.0)
    log_p = -1.5 * power * np.log(np.abs(v) if depth else jacobian) - np.log(g)
    log_p -= (pull - np.interp(SLOPE, v, pull)) / (a * t)
    log_q = -0.5 * ((v - SLOPE) / std) ** 2

    def integral(values: NDArray[np.float64]) -> float:
        return float(simpson(values * jacobian, x=y))

    inside = integral(np.exp(log_q))
    log_p -= math.log(integral(np.exp(log_p)))
    log_q -= math.log(inside)
    p, q = np.exp(log_p), np.exp(log_q)
    assert found.gibbs_temperature == pytest.approx(gibbs, rel=1e-12)
    assert found.outside == pytest.approx(1.0 - inside / (std * math.sqrt(2.0 * math.pi)), abs=1e-9)
    assert found.kl_law_gibbs == pytest.approx(integral(p * (log_p - log_q)), rel=1e-6)
    assert found.kl_gibbs_law == pytest.approx(integral(q * (log_q - log_p)), rel=1e-6)
    assert found.total_variation == pytest.approx(0.5 * integral(np.abs(p - q)), rel=1e-5)
    assert (found.parameter_space is None) == (depth == 0)
    survives_the_wire(solution)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_start_splits_two_atoms_by_an_incomplete_beta_function(sign: float) -> None:
    """y = k x, T > beta1/(alpha1 k): the mass at k from v is I_{v/k}(1/2 - c, 1 + c), c = 1/(4 T k)."""
    t, share = 0.8, 0.3
    c = 1.0 / (4.0 * t * SLOPE)
    at = sign * SLOPE
    solution = ask(data={**CLEAN, "slope": at}, temperature=t, start=share * at)
    upper = float(betainc(0.5 - c, 1.0 + c, share))
    masses = {atom.at: atom.mass for atom in solution.atoms}
    assert masses == pytest.approx({0.0: 1.0 - upper, at: upper}, rel=1e-7)
    assert solution.mean == pytest.approx(upper * at, rel=1e-7)
    assert solution.variance == pytest.approx(upper * (1.0 - upper) * SLOPE**2, rel=1e-7)
    assert solution.phase == "interpolating"
    below = masses[min(masses)]
    assert below is not None
    expected = np.where(solution.quantiles.levels <= below, min(masses), max(masses))
    np.testing.assert_array_equal(solution.quantiles.values, expected)
    survives_the_wire(solution)


def test_a_wall_gives_an_atom_beside_a_density() -> None:
    """Between 0 and a wall that is crossed outwards the start weighs an atom against the law beyond."""
    model, t, start = deep(1), 20.0, 0.2
    learned = ask(model=model, data=WALL, temperature=t)
    solution = ask(model=model, data=WALL, temperature=t, start=start)
    # dv = drift dt + noise dW, so s(v) = exp(-int 2 drift/noise^2); P(0 first) = int_v^wall s / int_0^wall s.
    log_v = np.linspace(math.log(1e-30), math.log(0.5 * (1 - 1e-4)), 400_001)
    v = np.exp(log_v)
    g = 0.5 * (v - 0.5) ** 2
    tilt = (4.0 * v * (1.2 * v - 0.9) - 4.0 * v * t * g) / (16.0 * v**2 * t * g) * 2.0 * v
    scale = np.exp(cumulative_simpson(tilt, x=log_v, initial=0.0))
    height = cumulative_simpson(scale * v, x=log_v, initial=0.0)
    at_start = float(np.interp(math.log(start), log_v, height))
    zero = 1.0 - at_start / height[-1]
    assert [atom.at for atom in solution.atoms] == [0.0]
    assert solution.atoms[0].mass == pytest.approx(zero, rel=1e-6)
    mass = solution.atoms[0].mass
    assert mass is not None
    assert learned.mean is not None
    assert learned.variance is not None
    assert solution.mean == pytest.approx((1 - mass) * learned.mean, rel=1e-12)
    second = (1 - mass) * (learned.variance + learned.mean**2)
    assert solution.second_moment == pytest.approx(second, rel=1e-12)
    assert any("does not end in an atom" in note for note in solution.notes)


@pytest.mark.parametrize("start", [0.0, -0.4])
def test_a_start_of_the_wrong_sign_ends_at_zero(start: float) -> None:
    """All mass is at 0, with no density left, whatever the law of the other sector."""
    solution = ask(data=DATA, start=start)
    assert (solution.phase, solution.mean, solution.variance) == ("sparse", 0.0, 0.0)
    assert [(atom.at, atom.mass) for atom in solution.atoms] == [(0.0, 1.0)]
    assert np.all(solution.density.p == 0.0)
    np.testing.assert_array_equal(solution.quantiles.values, 0.0)


def test_a_start_that_learns_changes_nothing() -> None:
    """A start of the right sign leaves the law as it is."""
    plain, started = ask(data=DATA), ask(data=DATA, start=0.2)
    same = ("phase", "mean", "variance", "atoms", "mode", "notes")
    assert [getattr(plain, name) for name in same] == [getattr(started, name) for name in same]
    np.testing.assert_array_equal(plain.density.p, started.density.p)


LEFT_OUT: list[tuple[str, dict[str, Any]]] = [
    ("relaxation", {"temperature": 0.5}),
    ("relaxation", {"temperature": 0.0}),
    ("relaxation", {"model": {"kind": "diagonal_limit", "width_per_depth": 1.0}}),
    ("relaxation", {"model": deep(2), "weight_decay": 0.02}),
    ("relaxation", {"model": deep(2), "temperature": 1e-6}),
    ("escape", {}),
    ("escape", {"model": deep(2), "weight_decay": 50.0}),
    ("escape", {"temperature": 0.0}),
    ("bayes", {"weight_decay": 0.1}),
    ("bayes", {"data": CLEAN}),
    ("bayes", {"temperature": 0.0}),
    ("bayes", {"model": {"kind": "diagonal_limit", "width_per_depth": 1.0}}),
    ("start", {"temperature": 0.0}),
    ("start", {"data": NOISELESS, "model": deep(2), "weight_decay": 0.02}),
    ("relaxation", {"data": NOISELESS}),
    ("start", {"model": {"kind": "diagonal_limit", "width_per_depth": 1.0}}),
]


@pytest.mark.parametrize(("part", "changes"), LEFT_OUT, ids=lambda value: str(value))
def test_parts_that_do_not_exist_are_left_out_with_the_reason(part: str, changes: dict[str, Any]) -> None:
    """The law is answered as without the part, which is null, and one more note says why."""
    plain, asked = ask(**changes), ask(**changes, **{part: 0.5 if part == "start" else True})
    assert getattr(asked, part, None) is None
    assert (asked.phase, asked.mean, asked.atoms) == (plain.phase, plain.mean, plain.atoms)
    assert asked.notes[:-1] == plain.notes
    assert asked.notes[-1].startswith(f"`{part}` is left out: ")


def test_parts_enter_the_canonical_text_only_where_they_are_asked_for() -> None:
    """Specs that ask for the law alone keep their text, and others differ from them."""
    plain = ask().spec
    assert "bayes" not in canonical_json(plain)
    assert canonical_json(plain.model_copy(update={"bayes": True})) != canonical_json(plain)
    assert canonical_json(plain.model_copy(update={"start": 0.0})) != canonical_json(plain)


def test_only_the_relaxation_takes_a_job() -> None:
    """What is asked is answered on the spot, but for rates, which may take seconds."""
    spec = ask().spec.model_dump()
    assert prepare({**spec, "bayes": True, "escape": True, "start": 0.5}).cost.is_quick
    assert not prepare({**spec, "relaxation": True}).cost.is_quick


def test_a_metastable_state_is_lost_from_every_start() -> None:
    """With weight decay a deep network ends at 0 from everywhere: the start changes a note alone."""
    plain = ask(model=deep(2), data=DATA, weight_decay=0.2)
    started = ask(model=deep(2), data=DATA, weight_decay=0.2, start=1.0)
    assert started.phase == "metastable"
    assert (started.mean, started.atoms) == (plain.mean, plain.atoms)
    assert started.notes == (*plain.notes, started.notes[-1])
    assert "changes nothing" in started.notes[-1]
