"""Pictures name the dynamics and the model, and say what v is."""

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import pytest
from tests.clients.examples import SIMULATE, simulate_content

from equipoise.solutions import read_solution
from equipoise_solver import specs

mpl.use("Agg")

from matplotlib import pyplot as plt

SGD = {"kind": "sgd", "learning_rate": 0.1, "label_noise": 0.25}
UPDATES: dict[str, Any] = {"n_steps": 10, "duration": None}


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.mark.parametrize(
    ("changes", "words", "coordinate"),
    [
        ({"dynamics": {"kind": "langevin", "temperature": 0.3}}, ["Langevin, T = 0.3"], "model coordinate"),
        ({**UPDATES, "dynamics": SGD}, ["SGD", "label noise 0.25"], "model coordinate"),
        (
            {**UPDATES, "dynamics": SGD, "model": {"kind": "tanh1d"}, "observables": ["value"]},
            ["tanh(v x)"],
            "slope",
        ),
        (
            {**UPDATES, "dynamics": SGD, "model": {"kind": "tanh1d", "hidden": True}},
            ["w tanh(u x)"],
            "slope",
        ),
    ],
)
def test_titles_and_coordinates(changes: dict[str, Any], words: list[str], coordinate: str) -> None:
    """The title holds the dynamics and the model; only models linear in x show the least-squares slope."""
    spec = specs.parse_spec({**SIMULATE, **changes})
    solution = read_solution(simulate_content() | {"spec": spec.model_dump(mode="json")})
    ax = solution.plot()
    assert all(word in ax.get_title(loc="left") for word in words)
    assert coordinate in ax.get_xlabel()
    labels = ax.get_legend_handles_labels()[1]
    assert any("minimum" in label for label in labels) == (coordinate != "slope")
