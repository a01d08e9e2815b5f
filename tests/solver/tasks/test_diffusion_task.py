"""The task `diffusion`, from spec to solution: each part against a closed form, refusals, what is absent."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise_solver.errors import SolverError
from equipoise_solver.solving import prepare, solve
from equipoise_solver.specs import Diffusion, DiffusionSolution, parse_solution

RATE, NOISE = 1.3, 0.7
ORNSTEIN: dict[str, Any] = {"drift": "k*(m - x)", "noise": "s", "params": {"k": RATE, "m": 0.4, "s": NOISE}}
BROWN: dict[str, Any] = {"drift": "0", "noise": "1", "interval": [0, 1]}
TAKEN = ("absorbing", "absorbing")
WELLS: dict[str, Any] = {"drift": "x - x^3", "noise": "sqrt(2*T)", "params": {"T": 0.05}}


def ask(**fields: Any) -> DiffusionSolution:
    solution = solve({"task": "diffusion", **fields})
    assert isinstance(solution, DiffusionSolution)
    return solution


def test_ornstein_and_uhlenbeck() -> None:
    """Normal law, rates k, 2k, 3k, autocorrelation time 1/k, natural ends."""
    solution = ask(**ORNSTEIN, spectrum={"n": 3})
    law, variance = solution.stationary, NOISE**2 / (2 * RATE)
    assert law is not None
    assert law.outcome == "density"
    assert [end.kind for end in solution.boundaries] == ["natural", "natural"]
    assert law.mean == pytest.approx(0.4, rel=1e-10)
    assert law.variance == pytest.approx(variance, rel=1e-10)
    assert law.modes == pytest.approx([0.4], rel=1e-10)
    assert law.moments_below is None
    z = (law.density.x - 0.4) / math.sqrt(variance)
    np.testing.assert_allclose(
        law.density.p, np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi * variance), rtol=1e-9
    )
    np.testing.assert_allclose(law.density.cdf, [math.erfc(-one / math.sqrt(2)) / 2 for one in z], rtol=1e-9)
    assert law.quantiles.values[5] == pytest.approx(0.4, rel=1e-10)
    assert solution.spectrum is not None
    np.testing.assert_allclose(solution.spectrum.rates, RATE * np.arange(1, 4), rtol=1e-9)
    assert solution.spectrum.gap == pytest.approx(RATE, rel=1e-9)
    assert solution.spectrum.autocorrelation_time == pytest.approx(1 / RATE, rel=1e-9)
    assert solution.spectrum.has_stationary_law


def test_brownian_motion_between_absorbing_ends() -> None:
    """Splitting x, mean time x(1 - x), survivors sin(pi x), rates n^2 pi^2/2, the series in time."""
    starts = [0.2, 0.5, 0.9]
    solution = ask(
        **BROWN,
        end_behaviour=TAKEN,
        stationary={"start": 0.2},
        hitting={"start": starts},
        passage_time={"start": starts, "low": 0, "high": 1, "times": [0.02, 0.1, 0.7]},
        quasi_stationary={},
        spectrum={"n": 3},
    )
    assert solution.hitting is not None
    np.testing.assert_allclose(solution.hitting.high, starts, rtol=1e-12)
    np.testing.assert_allclose(np.exp(solution.hitting.log_low), 1 - np.array(starts), rtol=1e-12)
    assert solution.stationary is not None
    assert [atom.mass for atom in solution.stationary.atoms] == pytest.approx([0.8, 0.2], rel=1e-12)
    passage = solution.passage_time
    assert passage is not None
    x = np.array(starts)
    np.testing.assert_allclose(passage.mean, x * (1 - x), rtol=1e-10)
    np.testing.assert_allclose(passage.variance, (x - 2 * x**3 + x**4) / 3 - (x * (1 - x)) ** 2, rtol=1e-9)
    n = np.arange(1, 400, 2)
    modes = 4 / (math.pi * n) * np.sin(math.pi * np.outer(x, n))
    survival = modes @ np.exp(-(n[:, None] ** 2) * math.pi**2 / 2 * np.array([0.02, 0.1, 0.7]))
    np.testing.assert_allclose(passage.cdf, 1 - survival, atol=1e-10)
    decay = (modes * n**2 * math.pi**2 / 2) @ np.exp(-(n[:, None] ** 2) * math.pi**2 / 2 * passage.time)
    np.testing.assert_allclose(passage.density, decay, rtol=1e-8)
    survivors = solution.quasi_stationary
    assert survivors is not None
    assert survivors.rate == pytest.approx(math.pi**2 / 2, rel=1e-10)
    assert (survivors.lost_low, survivors.lost_high) == pytest.approx((0.5, 0.5), rel=1e-10)
    shape = math.pi / 2 * np.sin(math.pi * survivors.density.x)
    np.testing.assert_allclose(survivors.density.p, shape, rtol=1e-9)
    assert solution.spectrum is not None
    np.testing.assert_allclose(solution.spectrum.rates, math.pi**2 / 2 * np.arange(1, 4) ** 2, rtol=1e-9)
    assert not solution.spectrum.has_stationary_law


def test_an_open_side_is_open() -> None:
    """Brownian motion with drift away from a level reaches it with probability exp(-2 m d/s^2)."""
    solution = ask(drift="m", noise="s", params={"m": 0.6, "s": 0.8}, passage_time={"start": 1.5, "low": 0.2})
    passage = solution.passage_time
    assert passage is not None
    reached = math.exp(-2 * 0.6 * 1.3 / 0.64)
    assert passage.probability[0] == pytest.approx(reached, rel=1e-10)
    assert passage.mean[0] == pytest.approx(1.3 / 0.6, rel=1e-9)
    assert passage.variance[0] == pytest.approx(1.3 * 0.64 / 0.6**3, rel=1e-8)
    assert passage.cdf[0][-1] == pytest.approx(0.9995 * reached, rel=1e-6)
    assert np.all(np.diff(passage.cdf[0]) > 0)


def test_stratonovich_is_converted() -> None:
    """dx = x o dW is Ito with drift x/2: geometric motion with rate 0 in log x, so both ends are alike."""
    both = [
        ask(
            drift=drift,
            noise="x",
            interval=[0, None],
            interpretation=meant,
            hitting={"start": 1, "low": 0.2, "high": 3},
        )
        for drift, meant in (("0", "stratonovich"), ("x/2", "ito"))
    ]
    exact = math.log(5.0) / math.log(15.0)
    for solution in both:
        assert solution.hitting is not None
        assert solution.hitting.high[0] == pytest.approx(exact, rel=1e-10)


@pytest.mark.parametrize(
    ("fields", "outcome", "atoms"),
    [
        ({"drift": "-x", "noise": "x", "interval": [0, None]}, "atoms", [(0.0, 1.0)]),
        ({"drift": "0", "noise": "1"}, "none", []),
        ({**BROWN, "end_behaviour": TAKEN}, "atoms", [(0.0, None), (1.0, None)]),
        ({**BROWN, "end_behaviour": ("reflecting", "absorbing")}, "atoms", [(1.0, 1.0)]),
        (BROWN, "density", []),
    ],
)
def test_a_law_that_does_not_exist_is_an_answer(
    fields: dict[str, Any], outcome: str, atoms: list[tuple[float, float | None]]
) -> None:
    """Atoms, and no law at all, are outcomes with a reason; where the start decides the masses are null."""
    law = ask(**fields).stationary
    assert law is not None
    assert law.outcome == outcome
    assert law.reason
    assert [(atom.at, atom.mass) for atom in law.atoms] == atoms
    assert (law.mean is None) == (outcome != "density")
    assert (law.density.x.size > 0) == (outcome == "density")


def test_moments_that_do_not_exist_are_noted() -> None:
    """Student's law with 2.4 degrees of freedom has a mean and no variance."""
    solution = ask(drift="-0.7*x", noise="sqrt(1 + x^2)")
    law = solution.stationary
    assert law is not None
    assert law.moments_below == pytest.approx(2.4, rel=1e-9)
    assert law.mean == pytest.approx(0.0, abs=1e-12)
    assert law.variance is None or math.isfinite(law.variance)
    assert any("E|x|^k" in note and "2.4" in note for note in solution.notes)


ALL_MOMENTS: list[tuple[str, str, float, float]] = [
    # log x is normal with mean -1/2 and variance 1/2.
    ("-log(x)*x", "x", math.exp(-0.25), -math.expm1(-0.5)),
    # Quadrature of exp(2*(integral of the drift)) with 20 digits.
    ("-x/(1 + x^2)*log(2 + x^2)", "1", 0.87470939269383708, 0.58816935843752861),
]


@pytest.mark.parametrize(("drift", "noise", "mean", "variance"), ALL_MOMENTS)
def test_tails_beyond_all_powers_have_all_moments(
    drift: str, noise: str, mean: float, variance: float
) -> None:
    """Where the exponent of a tail grows without bound, as a logarithm, no power is the last."""
    solution = ask(drift=drift, noise=noise, interval=[0, None])
    law = solution.stationary
    assert law is not None
    assert law.mean == pytest.approx(mean, rel=1e-10)
    assert law.variance == pytest.approx(variance, rel=1e-10)
    assert law.moments_below is None
    assert not any("E|x|^k" in note for note in solution.notes)


def test_the_continuous_spectrum_is_noted() -> None:
    """Geometric Brownian motion has no rates but those from (m - s^2/2)^2/(2 s^2) on."""
    solution = ask(drift="-x", noise="x", interval=[0, None], spectrum={"n": 4})
    assert solution.spectrum is not None
    assert solution.spectrum.rates.size == 0
    assert solution.spectrum.continuum == pytest.approx(1.5**2 / 2, rel=1e-9)
    assert solution.spectrum.gap == solution.spectrum.continuum
    assert any("continuous from 1.125" in note for note in solution.notes)


@pytest.mark.parametrize("scale", [1.0, 1e-8, 1e-12, 1e-50])
def test_the_unit_of_x_does_not_matter(scale: float) -> None:
    """Student's law with 3 degrees of freedom, of variance c^2 and rate 1, at any scale c of the noise."""
    solution = ask(
        drift="-x",
        noise="sqrt(c*c + x^2)",
        params={"c": scale},
        passage_time={"start": 0, "high": 4 * scale, "times": [300]},
        spectrum={},
    )
    law, passage, spectrum = solution.stationary, solution.passage_time, solution.spectrum
    assert law is not None
    assert passage is not None
    assert spectrum is not None
    assert law.variance == pytest.approx(scale**2, rel=1e-9)
    np.testing.assert_allclose(spectrum.rates, [1.0], rtol=1e-9)
    assert spectrum.continuum == pytest.approx(1.125, rel=1e-9)
    # At c = 1, where the coordinate is another one.
    assert passage.mean[0] == pytest.approx(77.76981664, rel=1e-9)
    assert passage.cdf[0, 0] == pytest.approx(0.97944364, rel=1e-8)


def test_the_continuous_spectrum_does_not_pose_as_rates() -> None:
    """Free on one side, lost in finite time on the other: there are no rates, and a note says so."""
    solution = ask(drift="exp(x)", noise="1", stationary=None, spectrum={"n": 2})
    assert solution.spectrum is not None
    assert solution.spectrum.rates.size == 0
    assert not solution.spectrum.gap
    assert solution.notes


def test_a_distribution_beyond_the_solver_leaves_the_moments() -> None:
    """Over a barrier of exp(10^6) the distribution is left out; log mean is 10^6 + log(sqrt(pi)/10^7)."""
    solution = ask(drift="-1e4*x", noise="0.1", stationary=None, passage_time={"start": 0.0, "high": 1.0})
    passage = solution.passage_time
    assert passage is not None
    assert passage.time.size == len(passage.cdf) == 0
    assert any("left out" in note for note in solution.notes)
    assert passage.mean[0] == math.inf
    # sqrt(pi)/k times the integral of exp(z^2) (1 + erf z) over (0, b), b = 1000,
    # is exp(b^2) sqrt(pi)/(k b) (1 + 1/(2 b^2)).
    exact = 1e6 + math.log(math.sqrt(math.pi) / (1e4 * 1e3)) + 0.5e-6
    assert passage.log_mean[0] == pytest.approx(exact, rel=1e-13)


BEYOND: list[tuple[dict[str, Any], str]] = [
    ({"drift": "-x", "noise": "0.005", "spectrum": {}}, "spectrum is left out: barriers"),
    ({"drift": "x - x^3", "noise": "sqrt(2*5e-4)", "spectrum": {"n": 3}}, "spectrum is left out: "),
    ({"drift": "x*sin(log(x*x + 1))", "noise": "x*x + 1", "spectrum": {"n": 2}}, "spectrum is left out: "),
    (
        {"drift": "x - x^3", "noise": "sqrt(2e-4)", "passage_time": {"start": -1, "high": 1}},
        "The distribution of the passage time is left out: ",
    ),
]


@pytest.mark.parametrize(("fields", "says"), BEYOND)
def test_a_part_beyond_the_solver_leaves_the_others(fields: dict[str, Any], says: str) -> None:
    """What one part cannot resolve makes that part null, with the reason and a remedy, whatever breaks."""
    solution = ask(**fields)
    assert solution.spectrum is None
    [note] = [note for note in solution.notes if note.startswith(says)]
    assert "noise" in note
    if fields["drift"] == "-x":
        assert solution.stationary is not None
        assert solution.stationary.variance == pytest.approx(0.005**2 / 2, rel=1e-10)
    if "passage_time" in fields:
        assert solution.passage_time is not None
        # Kramers to leading orders: 2 pi/sqrt(2) exp(2500), corrected by about 1e-4.
        kramers = math.log(math.pi * math.sqrt(2.0)) + 2500.0
        assert solution.passage_time.log_mean[0] == pytest.approx(kramers, abs=1e-3)


def test_an_explosion_ends_in_an_answer_or_a_note() -> None:
    """A drift that overflows where paths explode does not run for ever."""
    solution = ask(drift="exp(x)", noise="1", stationary=None, evolve={"start": 0.0, "times": [1.0]})
    if solution.evolve is None:
        assert any(note.startswith("evolve is left out: ") for note in solution.notes)
    else:
        assert np.all(np.isfinite(solution.evolve.mean))


def test_escape_stands_beside_kramers() -> None:
    """The mean time out of a deep well is that of Kramers, 2 pi/sqrt(V''(w)|V''(s)|) exp(barrier)."""
    found = ask(**WELLS, escape={"well": -0.9, "direction": "high"}).escape
    assert found is not None
    assert (found.well, found.saddle, found.target) == pytest.approx((-1.0, 0.0, 1.0), abs=1e-10)
    assert found.barrier == pytest.approx(0.25 / 0.05, rel=1e-10)
    assert found.kramers == pytest.approx(2 * math.pi / math.sqrt(2.0) * math.exp(5.0), rel=1e-10)
    assert found.ratio == pytest.approx(1.0, abs=0.2)
    assert found.ratio is not None
    assert found.kramers is not None
    assert found.mean == pytest.approx(found.ratio * found.kramers, rel=1e-10)


def test_escape_from_between_two_wells_is_noted() -> None:
    """The mean time over one saddle counts the stays behind the other; a well at the side has none there."""
    three: dict[str, Any] = {"drift": "-(x^5 - 5*x^3 + 4*x)", "noise": "sqrt(0.5)", "stationary": None}
    solution = ask(**three, escape={"well": 0.0, "direction": "high"})
    assert any("x = -2" in note and "Kramers" in note for note in solution.notes)
    assert not ask(**three, escape={"well": -2.0, "direction": "high"}).notes


def test_both_wells_are_modes() -> None:
    """The density of a double well has its maxima at the two wells."""
    law = ask(**WELLS).stationary
    assert law is not None
    assert law.modes == pytest.approx([-1.0, 1.0], rel=1e-9)


def test_without_loss_there_are_no_survivors() -> None:
    """Where nothing kills, the quasi-stationary part is null and a note says what it needs."""
    solution = ask(**ORNSTEIN, quasi_stationary={})
    assert solution.quasi_stationary is None
    assert any("quasi-stationary" in note and "absorbs" in note for note in solution.notes)


TIMES = np.array([0.05, 0.4, 3.0])


def normal_cdf(z: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([[math.erfc(-one / math.sqrt(2)) / 2 for one in row] for row in z])


@pytest.mark.parametrize(
    ("start", "width"), [({"start": 1.1}, 0.0), ({"density": "exp(-(x - 1.1)^2/0.18)"}, 0.3)]
)
def test_the_law_over_time(start: dict[str, Any], width: float) -> None:
    """Ornstein and Uhlenbeck from a point or from a normal law: the normal law of every time."""
    evolution = ask(**ORNSTEIN, evolve={**start, "times": TIMES}).evolve
    assert evolution is not None
    keep = np.exp(-RATE * TIMES)
    mean = 0.4 + 0.7 * keep
    std = np.sqrt(NOISE**2 * (1 - keep**2) / (2 * RATE) + (width * keep) ** 2)
    np.testing.assert_allclose(evolution.mean, mean, rtol=2e-5)
    z = (evolution.x - mean[:, None]) / std[:, None]
    gap = np.abs(evolution.cdf - normal_cdf(z)).max(axis=1)
    assert np.all(gap < 2e-5)
    assert np.all(gap < 5 * (evolution.grid_error + evolution.time_error))
    density = np.exp(-(z**2) / 2) / (std[:, None] * math.sqrt(2 * math.pi))
    np.testing.assert_allclose(evolution.density, density, atol=1e-4 * density.max())
    assert evolution.density.min() >= 0
    assert evolution.mass_error < 1e-12
    assert np.all(evolution.lost_low + evolution.lost_high < 1e-12)


def test_what_is_lost_over_time() -> None:
    """Brownian motion between a reflecting 0 and a level at 1: the series of its survival."""
    solution = ask(**BROWN | {"interval": [0, None]}, evolve={"start": 0.3, "times": TIMES, "high": 1.0})
    evolution = solution.evolve
    assert evolution is not None
    n = np.arange(0, 60) + 0.5
    modes = 2 * (-1.0) ** np.arange(0, 60) / (math.pi * n) * np.cos(math.pi * n * 0.3)
    survival = modes @ np.exp(-np.outer((math.pi * n) ** 2 / 2, TIMES))
    gap = np.abs(evolution.lost_high - (1 - survival))
    assert np.all(gap < 5e-5)
    assert np.all(gap < 5 * (evolution.grid_error + evolution.time_error))
    np.testing.assert_allclose(evolution.cdf[:, -1], survival, atol=1e-4)
    assert np.all(evolution.x < 1)


def test_laws_that_the_grid_does_not_resolve_are_noted_or_left_out() -> None:
    """From far away the grid is too coarse for the way: a note says so, and worse is no answer."""
    linear: dict[str, Any] = {"drift": "-x", "noise": "sqrt(2)", "stationary": None}
    near = ask(**linear, evolve={"start": 3.0, "times": [1.0]})
    assert near.evolve is not None
    assert not near.notes
    late = ask(**linear, evolve={"start": 100.0, "times": [3.0]})
    assert late.evolve is None or any("not resolved" in note for note in late.notes)
    far = ask(**linear, evolve={"start": 1e4, "times": [1.0]})
    assert far.evolve is None
    assert any(note.startswith("evolve is left out: a law that the grid") for note in far.notes)


def test_parts_that_were_not_asked_for_are_null() -> None:
    """Without wishes there are the ends and the law; `stationary: null` leaves that out too."""
    solution = ask(**ORNSTEIN, stationary=None)
    parts = ("stationary", "hitting", "passage_time", "escape", "quasi_stationary", "spectrum", "evolve")
    assert [getattr(solution, part) for part in parts] == [None] * len(parts)
    assert all(end.reason for end in solution.boundaries)


def test_the_density_is_given_where_it_is_wanted() -> None:
    """Explicit values of x are used as they are, a number of points is not exceeded."""
    law = ask(**ORNSTEIN, stationary={"x": [0.4, -0.5, 0.4]}).stationary
    assert law is not None
    np.testing.assert_array_equal(law.density.x, [-0.5, 0.4])
    law = ask(**ORNSTEIN, stationary={"n_points": 64}).stationary
    assert law is not None
    assert 32 < law.density.x.size <= 64


def test_solution_survives_the_wire() -> None:
    """The JSON of a solution is read back to the same solution, without a NaN."""
    solution = ask(
        **WELLS,
        hitting={"start": [0.1, 0.3], "low": -1.0, "high": 1.0},
        passage_time={"start": -1.0, "high": 0.0},
        quasi_stationary={"high": 0.0},
    )
    text = solution.model_dump_json()
    assert "NaN" not in text
    again = parse_solution(solution.model_dump(mode="json"))
    assert again.model_dump_json() == text
    assert isinstance(again, DiffusionSolution)
    assert again.passage_time is not None
    assert again.passage_time.cdf.shape == (1, again.passage_time.time.size)
    assert isinstance(again.spec, Diffusion)
    assert again.spec == solution.spec


def test_it_is_answered_on_the_spot() -> None:
    """A diffusion is quick to solve, unless many rates are wanted, and has no work for a card."""
    spec = {"task": "diffusion", **ORNSTEIN, "spectrum": {}}
    assert prepare(spec).cost.is_quick
    assert not prepare({**spec, "spectrum": {"n": 32}}).cost.is_quick
    with pytest.raises(SolverError, match="device"):
        prepare(spec, device="cuda:0")


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"drift": "k*x + q"}, "drift", "character 7"),
    ({"drift": "x.real"}, "drift", "character 2"),
    ({"noise": "0 < x"}, "noise", "first argument of where"),
    ({"drift": "x" * 1001}, "drift", "1000 characters"),
    ({"drift": "1/(x - 0.5)"}, "drift", "0.5"),
    ({"noise": "x"}, "noise", "0"),
    ({"params": {"k": 1.0, "x": 2.0}}, "params", "names"),
    ({"params": {"k": math.inf}}, "params.k", "finite"),
    ({"interval": [2, 1]}, "interval", "below the upper end"),
    ({"interval": [0]}, "interval.1", "a value"),
    ({"hitting": {"start": 2.0, "low": 0.0, "high": 1.0}}, "hitting.start", "between"),
    ({"interval": [-1, 1], "hitting": {"start": 0.5, "low": -3.0}}, "hitting.low", "between -1 and 1"),
    ({"interval": [-1, 1], "hitting": {"start": [0.5, 1.5]}}, "hitting.start", "between -1 and 1"),
    ({"interval": [-1, 1], "stationary": {"x": [0.5, 1.5]}}, "stationary.x", "inside"),
    ({"passage_time": {"start": 0.5}}, "passage_time.low", "at least one level"),
    ({"passage_time": {"start": 0.5, "high": 1.0, "times": [0.0]}}, "passage_time.times.0", "> 0"),
    ({"escape": {"well": 0.0, "direction": "high"}}, "escape.direction", "saddle"),
    ({"quasi_stationary": {"low": 1.0, "high": 0.0}}, "quasi_stationary.high", "above 1"),
    ({"spectrum": {"n": 0}}, "spectrum.n", ">= 1"),
    ({"end_behaviour": ["sticky", "reflecting"]}, "end_behaviour.0", "reflecting"),
    ({"evolution": {}}, "evolution", "only fields that exist"),
    ({"evolve": {"times": [1.0]}}, "evolve.start", "either start"),
    ({"evolve": {"start": 1.0, "density": "1", "times": [1.0]}}, "evolve.start", "either start"),
    ({"evolve": {"start": 1.0, "times": [2.0, 1.0]}}, "evolve.times", "increasing"),
    ({"evolve": {"start": 1.0, "times": [2.0], "low": 3.0}}, "evolve.start", "between the levels"),
    ({"evolve": {"density": "exp(-y)", "times": [2.0]}}, "evolve.density", "character 6"),
    ({"evolve": {"density": "x", "times": [2.0]}}, "evolve.density", "never negative"),
    ({"evolve": {"density": "0*x", "times": [2.0]}}, "evolve.density", "never negative"),
    ({"evolve": {"density": "1/(1 + abs(x))", "times": [2.0]}}, "evolve.density", "integrated"),
]


@pytest.mark.parametrize(("fields", "field", "says"), REFUSED)
def test_refusals_name_the_field(fields: dict[str, Any], field: str, says: str) -> None:
    """What does not fit is refused by its path, with what is allowed."""
    spec = {"drift": "-k*x", "noise": "1", "params": {"k": 1.3}, **fields}
    with pytest.raises(SolverError) as refused:
        solve({"task": "diffusion", **spec})
    assert refused.value.field == field
    assert says in str(refused.value)
