"""Pictures and summaries of equilibria, symmetries and ensembles of networks hold what was asked for."""

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from tests.clients.examples import (
    equilibrium_content,
    family_content,
    networks_content,
    solved,
    symmetries_content,
)

from equipoise.solutions import (
    EquilibriumSolution,
    SimulateNetworkSolution,
    SymmetriesSolution,
    read_solution,
)
from equipoise.summaries import summary

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

MODELS = [
    ({"kind": "linear", "widths": [2, 3, 1]}, "linear network 2-3-1"),
    ({"kind": "mlp", "widths": [2, 3, 1], "activation": "gelu"}, "gelu network 2-3-1"),
    ({"kind": "matrix_factorization", "widths": [3, 2, 3]}, "matrix factorisation 3-2-3"),
    ({"kind": "normalized_mlp", "widths": [2, 3, 1]}, "normalised by layer"),
    ({"kind": "attention", "tokens": 3, "dim": 2, "heads": 2, "head_dim": 4}, "2 heads of 4"),
    ({"kind": "diagonal", "depth": 2, "width": 5}, "D = 2, d = 5"),
]


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    yield
    plt.close("all")


def equilibrium(**changes: Any) -> EquilibriumSolution:
    solution = read_solution(equilibrium_content(**changes))
    assert isinstance(solution, EquilibriumSolution)
    return solution


def symmetries(**changes: Any) -> SymmetriesSolution:
    solution = read_solution(symmetries_content(**changes))
    assert isinstance(solution, SymmetriesSolution)
    return solution


def networks(**changes: Any) -> SimulateNetworkSolution:
    solution = read_solution(networks_content(**changes))
    assert isinstance(solution, SimulateNetworkSolution)
    return solution


def drawn(ax: Axes) -> tuple[list[str], str]:
    """Titles of the panels, and all words of the picture."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.canvas.draw()
    legends = [
        text.get_text() for one in figure.axes if (box := one.get_legend()) for text in box.get_texts()
    ]
    titles = [one.get_title(loc="left") for one in figure.axes]
    return titles, "\n".join([figure.get_suptitle(), *titles, *legends])


def test_an_equilibrium_shows_both_sides_and_the_way() -> None:
    """Norms and noise have bars before and after; the charges of the flow go to where they end."""
    titles, words = drawn(equilibrium().plot())
    assert titles == [
        "squared norm of each block",
        "trace of the gradient noise of each block",
        "Noether charges; dotted: equilibrium",
    ]
    for what in ("linear network 2-2-1", "T = 0.02", "Tr H 19 → 8.5", "before", "after", "[0,1]", "12.5"):
        assert what in words


def test_heights_of_bars_are_the_norms() -> None:
    """Each block has a bar for its norm before and one for that after."""
    ax = equilibrium(flow=None).plot()
    heights = [bar.get_height() for bar in ax.patches]  # type: ignore[attr-defined]
    assert heights == [2.5, 0.5, 1.5, 1.5]
    figure = ax.get_figure(root=True)
    assert figure is not None
    assert len(figure.axes) == 2


def test_an_equilibrium_can_be_drawn_into_given_axes() -> None:
    """Given axes get the norms alone."""
    _, given = plt.subplots()
    assert equilibrium().plot(given) is given
    assert drawn(given)[0] == ["squared norm of each block"]


def test_without_an_equilibrium_the_reason_is_told() -> None:
    """The title of what has no equilibrium says why; numbers that were not computed have no bars."""
    nothing = {"before": 1.0, "after": None}
    reason = "W1 grows for ever"
    changes = {"converged": False, "outcome": "NO_EQUILIBRIUM", "reason": reason, "flow": None}
    solution = equilibrium(**changes, norms={"W1": nothing}, noise_traces={"W1": nothing}, sharpness=nothing)
    _, words = drawn(solution.plot())
    assert reason in words
    assert "after" not in words.split("\n")
    assert f"NO_EQUILIBRIUM: {reason}" in summary(solution)


def test_wide_layers_are_drawn_in_part() -> None:
    """Of very many blocks and charges the first, or those that change most, are drawn, and this is said."""
    pairs = {f"W{i}": {"before": 10.0**i, "after": 1.0} for i in range(20)}
    time = [0.0, 1.0, 2.0]
    flat = {"temperature": [0.1] * 3, "residual": [0.5] * 3}
    flow: dict[str, Any] = {
        "time": time,
        "charges": np.outer(np.ones(3), np.arange(40.0)).tolist(),
        "exponents": [],
    } | flat
    names = [f"neuron {i}" for i in range(40)]
    charges = {"names": names, "before": [0.0] * 40, "after": [1.0] * 40}
    solution = equilibrium(norms=pairs, flow=flow | {"time_to_equilibrium": None}, charges=charges)
    titles, _ = drawn(solution.plot())
    assert titles[0].endswith("the first 12 of 20")
    assert titles[2].startswith("Noether charges, 12 of 40")


def test_a_spectrum_shows_its_gap() -> None:
    """Symmetries stand apart from conditions, with the gap between them and their names above."""
    titles, words = drawn(symmetries().plot())
    assert "relu network 3-2-1, diagonal generators" in titles[0]
    assert "rescaling of neurons of layer 1 (2)" in titles[0]
    for what in ("no symmetry", "symmetries, 2 dimensions", "gap, a factor of 5e+15"):
        assert what in words
    _, given = plt.subplots()
    assert symmetries().plot(given) is given


@pytest.mark.parametrize(
    ("spectrum", "dimension"), [([1.0, 0.5, 0.1], 0), ([0.0, 0.0], 2)], ids=["none", "all"]
)
def test_a_spectrum_without_a_gap_can_be_drawn(spectrum: list[float], dimension: int) -> None:
    """Where nothing or everything is a symmetry there is no gap to shade."""
    found = [] if dimension == 0 else [family_content(dimension=dimension)]
    solution = symmetries(spectrum=spectrum, dimension=dimension, gap=None, families=found)
    assert "gap" not in drawn(solution.plot())[1]


def test_an_ensemble_has_a_panel_for_each_observable() -> None:
    """The parts of an observable share its panel; the dynamics and losses stand above."""
    solution = networks(n_diverged=2, outcome="DIVERGED")
    titles, words = drawn(solution.plot())
    assert titles == ["mean loss ± 2 standard errors", "mean norm ± 2 standard errors"]
    for what in ("tanh network 2-3-1", "SGD, learning rate 0.05", "8 networks, 2 diverged", "W2", "all"):
        assert what in words.replace("\n", " ")
    _, given = plt.subplots()
    assert solution.plot(given) is given
    assert drawn(given)[0] == titles[:1]


@pytest.mark.parametrize(("model", "says"), MODELS)
def test_every_network_has_a_name(model: dict[str, Any], says: str) -> None:
    """The picture names the network."""
    content = symmetries_content() | solved({"task": "symmetries", "model": model})
    solution = read_solution(content)
    assert says in drawn(solution.plot())[1]


def test_summaries_say_it_in_words() -> None:
    """A terminal shows what was found, before and after, and notes."""
    asked = " ".join(summary(equilibrium()).split())
    for what in (
        "outcome CONVERGED",
        "along double_rotation layers 1-2, dimension 3",
        "sharpness 19 before, 8.5 after",
        "squared norm of W2 0.5 before, 1.5 after",
        "alignment of layer 1 0.6 before, 1 after",
        "time to equilibrium 12.5",
        "note an example",
    ):
        assert what in asked
    asked = " ".join(summary(symmetries()).split())
    for what in ("dimension 2", "rescaling neurons of layer 1, dimension 2", "gap 5e+15", "an example"):
        assert what in asked
    asked = " ".join(summary(networks()).split())
    for what in ("networks 8, 0 diverged", "loss at the end 0.01831564 +- 0.02", "updates 1600", "seed 3"):
        assert what in asked
