"""Pictures of solutions: they hold what they promise, in every regime."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from tests.clients.examples import (
    compare_content,
    compare_sgd_content,
    ensemble_content,
    finite_step_content,
    law_content,
    simulate_content,
    sparse_content,
    stationary_content,
)

from equipoise import Client, specs
from equipoise.plots.bars import bars_of, ceiling, joint_range, n_samples, range_of_histogram
from equipoise.solutions import StationarySolution, read_solution

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import StepPatch

NOWHERE: dict[str, Any] = {"v": [], "p": [], "cdf": []}
TWO_ATOMS = [{"at": 0.0, "mass": None}, {"at": 0.7, "mass": None}]


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    yield
    plt.close("all")


def words(ax: Axes) -> str:
    """All text that a reader finds around a picture."""
    legend = ax.get_legend()
    labels = [text.get_text() for text in legend.get_texts()] if legend else []
    return "\n".join([ax.get_title(loc="left"), ax.get_xlabel(), ax.get_ylabel(), *labels])


def test_a_law_shows_density_marks_and_temperatures() -> None:
    """Density, mean, mode, least squares, T, Tc and T* are in the picture; axes have units."""
    ax = read_solution(stationary_content()).plot()
    for what in ("exact density", "mean = 0.75", "mode = 0.6667", "loss minimum β₂/β₁ = 0.7"):
        assert what in words(ax)
    for what in ("learning phase", "T = 0.05", "Tc = 0.25", "T* = 0.2", "D = 1", "[1/v]"):
        assert what in words(ax)
    figure = ax.get_figure(root=True)
    assert figure is not None
    assert len(figure.axes) == 2


def test_tails_can_be_left_out() -> None:
    """Without tails, and into given axes, there is one picture."""
    solution = read_solution(stationary_content())
    assert isinstance(solution, StationarySolution)
    figure = solution.plot(tails=False).get_figure(root=True)
    assert figure is not None
    assert len(figure.axes) == 1
    figure, given = plt.subplots()
    assert solution.plot(given) is given
    assert len(figure.axes) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"phase": "sparse", "atoms": [{"at": 0.0, "mass": 1.0}], "mode": None, "density": NOWHERE},
        {"phase": "interpolating", "atoms": TWO_ATOMS, "mean": None, "mode": None, "density": NOWHERE},
        {"phase": "metastable", "atoms": [{"at": 0.0, "mass": 1.0}]},
        {"critical_temperature": None, "mode_vanishes_at": None, "mean": None, "mode": None},
        {"tail_exponent": -3.5},
    ],
    ids=["sparse", "interpolating", "metastable", "bare", "tail"],
)
def test_every_phase_can_be_drawn(changes: dict[str, Any]) -> None:
    """Atoms are spikes with their mass; what does not exist is left out."""
    ax = read_solution(stationary_content(**changes)).plot()
    for atom in changes.get("atoms", []):
        assert f"atom at {atom['at']:.4g}" in words(ax)
    assert ("no density" in words(ax)) == (changes.get("density") is NOWHERE)


def test_a_simulation_shows_histogram_and_observables() -> None:
    """The histogram is above, one panel for each observable below."""
    ax = read_solution(simulate_content()).plot()
    figure = ax.get_figure(root=True)
    assert figure is not None
    assert len(figure.axes) == 3
    assert "simulated mean = 0.7" in words(ax)
    assert "64 paths" in words(ax)
    _, given = plt.subplots()
    assert read_solution(simulate_content()).plot(given) is given


def test_paths_and_passages_have_panels_of_their_own() -> None:
    """What was asked for beside observables is drawn: the first paths and the first passages."""
    snapshots = {"time": [0.0, 1.0, 2.0], "values": [[1.0, 0.8, 0.7], [1.0, 2.0, None]]}
    histogram = {"edges": [0.0, 1.0, 2.0], "counts": [5, 2], "below": 0, "above": 0}
    passage = {"level": 0.75, "n_passed": 7, "mean": 0.6, "standard_error": 0.1, "histogram": histogram}
    ax = read_solution(simulate_content(snapshots=snapshots, first_passage=passage)).plot()
    figure = ax.get_figure(root=True)
    assert figure is not None
    titles = [panel.get_title(loc="left") for panel in figure.axes]
    assert "v of the first 2 paths" in titles
    assert "first passage of v = 0.75: 7 of 64 paths" in titles
    assert len(figure.axes) == 5


def test_an_ensemble_without_samples_can_be_drawn() -> None:
    """If all paths diverged the picture says so."""
    empty = ensemble_content()["histogram"] | {"counts": [0] * 1200}
    empty["counts"] = [0] * (len(empty["edges"]) - 1)
    solution = read_solution(simulate_content(histogram=empty, mean=None, n_diverged=64))
    ax = solution.plot()
    assert "no finite samples" in [text.get_text() for text in ax.texts]
    assert "64 diverged" in words(ax)


@pytest.mark.parametrize("law", [law_content(), sparse_content()], ids=["learning", "sparse"])
def test_a_comparison_shows_both_and_their_distance(law: dict[str, Any]) -> None:
    """Law, histogram, temperatures and the distance with its bound are in the picture."""
    ax = read_solution(compare_content(law)).plot()
    for what in ("simulated", "T = 0.05", "Tc = 0.25", "KS distance 0.012 < 0.337 (sampling error)"):
        assert what in words(ax)


def test_a_distance_beyond_the_bound_is_called_so() -> None:
    """A distance that chance does not explain is not called chance."""
    content = compare_content()
    content["distance"]["ks"] = 0.5
    assert "KS distance 0.5 > 0.337 (sampling error)" in words(read_solution(content).plot())


def test_the_law_at_finite_step_is_drawn_beside_the_limit() -> None:
    """With SGD the picture has the outline of its own law over the bars, and both distances."""
    ax = read_solution(compare_sgd_content()).plot()
    for what in (
        "KS distance 0.4 > 0.337",
        "KS distance at finite step 0.021 < 0.337",
        "exact law at finite step",
        "exact density of the SDE limit",
    ):
        assert what in words(ax)
    (outline,) = [patch for patch in ax.patches if patch.get_label() == "exact law at finite step"]
    assert isinstance(outline, StepPatch)
    values, edges, _ = outline.get_data()
    density = finite_step_content()["density"]
    expected = np.interp(0.5 * (edges[1:] + edges[:-1]), density["v"], density["p"])
    assert np.asarray(values) == pytest.approx(expected, abs=0.05)


def test_legends_cover_no_data() -> None:
    """In an own figure the legend lies below the axes."""
    for content in (stationary_content(), simulate_content(), compare_content()):
        ax = read_solution(content).plot()
        figure = ax.get_figure(root=True)
        assert figure is not None
        figure.draw_without_rendering()
        legend = ax.get_legend()
        assert legend is not None
        assert legend.get_window_extent().y1 < ax.get_window_extent().y0


def test_bars_keep_the_samples() -> None:
    """Merging bins loses none of the samples in them, and leaves about 80 bars."""
    histogram = specs.Histogram.model_validate(ensemble_content()["histogram"])
    shown = (float(histogram.edges[0]), float(histogram.edges[-1]))
    bars = bars_of(histogram, shown)
    mass = float((bars.heights * np.diff(bars.edges)).sum())
    assert mass == pytest.approx(histogram.counts.sum() / n_samples(histogram), rel=1e-12)
    shown = range_of_histogram(histogram) or shown
    assert 40 <= bars_of(histogram, shown).heights.size <= 80


def test_the_range_holds_nearly_all_samples() -> None:
    """The range runs from the 0.1 % to the 99.5 % quantile."""
    histogram = specs.Histogram.model_validate(ensemble_content()["histogram"])
    low, high = range_of_histogram(histogram) or (0.0, 0.0)
    samples = np.random.default_rng(5).gamma(9.0, 1 / 12.0, 50_000)
    assert low == pytest.approx(np.quantile(samples, 0.001), abs=0.02)
    assert high == pytest.approx(np.quantile(samples, 0.995), abs=0.02)


def test_far_points_do_not_stretch_the_range() -> None:
    """A point of interest is shown if it is near, or if the law is a spike at its scale."""
    assert joint_range((10.0, 11.0), points=(0.0,))[0] > 9
    assert joint_range((0.2, 1.2), points=(0.0,))[0] <= 0
    assert joint_range((0.0, 1e-6), points=(0.0, 0.7))[1] > 0.7


def test_poles_stick_out_and_maxima_do_not() -> None:
    """A density that is infinite at 0 is cut off; an ordinary maximum is not."""
    v = np.geomspace(1e-12, 3.0, 4000)
    assert ceiling((v, v**-0.7), shown=(0.0, 3.0)) < 100
    bell = np.exp(-(((v - 1) / 0.02) ** 2))
    assert ceiling((v, bell), shown=(0.0, 3.0)) >= 1.0


def test_a_missing_matplotlib_is_explained() -> None:
    """Without matplotlib, `plot` says what to install."""
    program = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from equipoise.solutions import read_solution\n"
        "from tests.clients.examples import stationary_content\n"
        "from equipoise import MissingExtraError\n"
        "try: read_solution(stationary_content()).plot()\n"
        "except MissingExtraError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert "pip install 'equipoise[plot]'" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("part", [0.6, 0.9, 0.99, 0.999, 0.9999])
def test_laws_near_the_critical_temperature_can_be_drawn(part: float) -> None:
    """The pole at 0 that comes near Tc is named and does not set the scale of the picture."""
    spec = specs.Stationary(
        model=specs.Diagonal(depth=1), data=specs.GaussianData(slope=1.0, noise_std=1.0), temperature=part / 3
    )
    with Client.local() as lab:
        solution = lab.solve(spec)
    ax = solution.plot()
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    assert ax.get_ylim()[1] < 10
    assert "pole at v = 0" in words(ax)
