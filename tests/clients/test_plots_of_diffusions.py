"""Pictures and summaries of diffusions hold what was asked for."""

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import pytest
from tests.clients.examples import diffusion_content

from equipoise.solutions import DiffusionSolution, read_solution
from equipoise.summaries import summary

mpl.use("Agg")

from matplotlib import pyplot as plt

PARTS = ("hitting", "passage_time", "escape", "quasi_stationary", "spectrum", "evolve")
NOWHERE: dict[str, list[float]] = {"x": [], "p": [], "cdf": []}


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    yield
    plt.close("all")


def solution_of(**changes: Any) -> DiffusionSolution:
    solution = read_solution(diffusion_content(**changes))
    assert isinstance(solution, DiffusionSolution)
    return solution


def drawn(solution: DiffusionSolution) -> tuple[list[str], str]:
    """Titles of the panels, and all other words of the picture."""
    figure = solution.plot().get_figure(root=True)
    assert figure is not None
    figure.canvas.draw()
    legends = [text.get_text() for ax in figure.axes if (box := ax.get_legend()) for text in box.get_texts()]
    words = [text.get_text() for ax in figure.axes for text in ax.texts]
    return [ax.get_title(loc="left") for ax in figure.axes], "\n".join(
        [figure.get_suptitle(), *legends, *words]
    )


def test_every_part_has_a_panel() -> None:
    """The equation with its numbers and ends stands above, one panel below for each part."""
    titles, words = drawn(solution_of())
    first = ["In the long run", "Over time, from x = 0.2", "Which level is reached first"]
    assert titles == [*first, "First passage", "Relaxation rates"]
    for what in ("dx = (x - x^3) dt + (s) dW", "s = 0.6", "∞ is entrance", "mean 12.5, 1.25 times Kramers'"):
        assert what in words
    for what in ("stationary density", "survivors, lost at rate 0.16", "from -1, mean 12.5", "mean infinite"):
        assert what in words
    assert "gap 0.03: relaxation time 33.33" in words
    assert "t = 10, 50% lost" in words


def test_parts_that_were_not_asked_for_have_none() -> None:
    """With the law alone there is one panel; it can be drawn into given axes."""
    solution = solution_of(**dict.fromkeys(PARTS))
    assert drawn(solution)[0] == ["In the long run"]
    _, given = plt.subplots()
    assert solution.plot(given) is given
    assert len(solution_of(stationary=None, **dict.fromkeys(PARTS)).plot().figure.axes) == 1


@pytest.mark.parametrize(
    ("outcome", "atoms", "says"),
    [
        ("none", [], "spread without end"),
        ("undecided", [], "undecided"),
        ("atoms", [{"at": None, "mass": 1.0}], "probability 1 at infinity"),
        ("atoms", [{"at": 0.0, "mass": None}, {"at": 2.0, "mass": None}], "mass set by the start at 2"),
    ],
)
@pytest.mark.parametrize("has_survivors", [True, False])
def test_a_law_without_density_is_put_in_words(
    outcome: str, atoms: list[dict[str, Any]], says: str, has_survivors: bool
) -> None:
    """Atoms, and that there is no law, are said, also beside the law of survivors."""
    content = diffusion_content()
    law = content["stationary"] | {"outcome": outcome, "atoms": atoms, "density": NOWHERE, "mean": None}
    changes = {} if has_survivors else {"quasi_stationary": None}
    assert says in drawn(solution_of(stationary=law, **changes))[1]


def test_a_continuous_spectrum_is_shaded() -> None:
    """Where no rates are left there is the continuous spectrum."""
    nothing: dict[str, Any] = {"rates": [], "errors": [], "continuum": 0.5, "gap": 0.5}
    solution = solution_of(spectrum=diffusion_content()["spectrum"] | nothing)
    assert "continuous spectrum" in drawn(solution)[1]


def test_a_distribution_that_is_left_out_leaves_the_means() -> None:
    """Without its distribution the first passage shows the means."""
    nothing: dict[str, Any] = {"time": [], "cdf": [], "density": []}
    words = drawn(solution_of(passage_time=diffusion_content()["passage_time"] | nothing))[1]
    assert "from -1, mean 12.5" in words


def test_a_time_at_which_nothing_is_left_can_be_drawn() -> None:
    """The curve of a time at which all is lost is flat, and leaves the range to the others."""
    evolve = diffusion_content()["evolve"]
    nothing = [0.0] * len(evolve["x"])
    gone = {"density": [evolve["density"][0]] + 2 * [nothing], "cdf": [evolve["cdf"][0]] + 2 * [nothing]}
    titles, _ = drawn(solution_of(evolve=evolve | gone | {"mean": [0.2, None, None]}))
    assert "Over time, from x = 0.2" in titles
    every = {"density": 3 * [nothing], "cdf": 3 * [nothing]}
    assert drawn(solution_of(evolve=evolve | every))[0] == titles


def test_the_summary_says_it_in_words() -> None:
    """A terminal shows ends, law, splitting, passage, escape, survivors, rates and notes."""
    text = summary(solution_of())
    for what in ("entrance", "density", "from -0.5: 0.1", "from -1: 12.5", "12.5, 1.25 of Kramers'", "0.16"):
        assert what in text
    for what in ("0.03, 1, 1.7", "t = 10: 0", "an example"):
        assert what in text
