"""Pictures and summaries of sweeps hold what was asked for."""

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import pytest

from equipoise import Client, InvalidArgumentError, SweepSolution
from equipoise.summaries import summary

mpl.use("Agg")

from matplotlib import pyplot as plt

LAW: dict[str, Any] = {
    "task": "stationary",
    "model": {"kind": "diagonal", "depth": 1, "width": 1},
    "data": {"kind": "gaussian", "slope": 1.0, "noise_std": 1.0},
    "temperature": 0.05,
}


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    yield
    plt.close("all")


def sweep(axes: dict[str, Any], *outputs: str) -> SweepSolution:
    with Client.local() as lab:
        solution = lab.solve({"task": "sweep", "base": LAW, "axes": axes, "outputs": outputs})
    assert isinstance(solution, SweepSolution)
    return solution


def test_one_field_is_a_curve_and_words_have_colours() -> None:
    found = sweep({"temperature": {"start": 0.01, "stop": 1.0, "num": 5, "scale": "log"}}, "mean", "phase")
    ax = found.plot()
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_xscale()) == ("temperature", "mean", "log")
    assert ax.lines[0].get_ydata() == pytest.approx(found.outputs["mean"])
    assert "5 points" in ax.get_title(loc="left")
    words = found.plot(output="phase")
    assert [label.get_text() for label in words.get_yticklabels()] == ["learning", "sparse"]


def test_two_fields_are_a_map_with_the_names_of_its_axes() -> None:
    found = sweep({"weight_decay": [0.0, 0.5, 1.0], "temperature": [0.05, 0.2]}, "phase", "mean")
    for output in ("phase", "mean"):
        ax = found.plot(output=output)
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("temperature", "weight_decay")
        assert len(ax.collections) == 1


def test_a_field_of_one_value_is_no_axis_of_a_picture() -> None:
    ax = sweep({"weight_decay": [0.1], "temperature": [0.05, 0.2]}, "mean").plot()
    assert ax.get_xlabel() == "temperature"


def test_what_cannot_be_drawn_is_refused_by_name() -> None:
    found = sweep({"temperature": [0.05, 0.2], "weight_decay": [0.0, 0.1], "data.slope": [1.0, 2.0]}, "mean")
    with pytest.raises(InvalidArgumentError, match="axes"):
        found.plot()
    with pytest.raises(InvalidArgumentError, match=r"output.*mean"):
        sweep({"temperature": [0.05, 0.2]}, "mean").plot(output="men")


def test_a_summary_tells_ranges_words_and_refusals() -> None:
    text = summary(sweep({"model.depth": [0.0, 0.5, 1.0]}, "mean", "phase"))
    for what in ("3 of task stationary, 1 refused", "3 values, 0 .. 1", "learning 2", "model.depth=0.5"):
        assert what in text
