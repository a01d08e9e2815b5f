"""The frame of the gallery, and every claim that its page makes, by runs of reduced size."""

from pathlib import Path

import pytest
from examples.gallery.__main__ import DOCS, main
from examples.gallery.figure import Findings, Solutions
from examples.gallery.inversion import RATES
from examples.gallery.page import VERDICTS, section, update
from examples.gallery.registry import FIGURES
from examples.gallery.style import picture
from tests.examples.runs import solved

from equipoise_solver.specs import parse_spec

PAGE = DOCS / "gallery.md"
DEFECTS = {
    "dynamics": {"sgd": "gd"},
    "laws": {"D = 1, T = 0.25": "D = 0, T = 0.25"},
    "tanh_units": {"one 0.02": "two 0.02", "two 0.02": "one 0.02"},
    "regimes": {"ensemble learned": "ensemble spike_only"},
    "tails": {"law 1": "law 2"},
    "inversion": {f"two {rate}": f"one {rate}" for rate in RATES[::3]},
    "digits": {"scaled 6": "fixed 6"},
}
"""Runs that take the place of others, by figure: what they show is wrong. Figures with tests of their own
have theirs there."""


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_small_runs_say_what_the_page_says(name: str, seed: int, tmp_path: Path) -> None:
    """Runs of reduced size come to the verdict of the page and can be drawn; exchanged ones fail."""
    figure, solutions = FIGURES[name], solved(name, seed)
    with picture(tmp_path / f"{name}.png", figure.PANELS) as axes:
        figure.draw(solutions, axes)
    assert (tmp_path / f"{name}.png").stat().st_size > 10_000
    findings = figure.measure(solutions)
    said = PAGE.read_text(encoding="utf-8").split(f"## {figure.TITLE}\n")[1].split("\n## ")[0]
    assert f"**{VERDICTS[findings.verdict]}**" in said, findings
    if name in DEFECTS:
        exchanged = {part: solutions.by_name[other] for part, other in DEFECTS[name].items()}
        assert figure.measure(Solutions({**solutions.by_name, **exchanged})).verdict == "not shown"


@pytest.mark.parametrize("name", FIGURES)
def test_the_page_has_every_figure(name: str) -> None:
    """Every figure's claim and picture are there, and its specs at full size make sense."""
    text = PAGE.read_text(encoding="utf-8")
    assert FIGURES[name].CLAIM in text
    assert (DOCS / "gallery" / f"{name}.png").stat().st_size > 10_000
    assert all(parse_spec(spec) for spec in FIGURES[name].specs("full", 1).values())


def test_a_section_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    """Drawing one figure again changes its own section of the page and no other."""
    page = tmp_path / "gallery.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    name, figure = next(iter(FIGURES.items()))
    update(page, FIGURES, {name: section(name, figure, Findings({}, "not shown", "Nothing was measured."))})
    before, after = (path.read_text(encoding="utf-8").split("\n## ") for path in (PAGE, page))
    assert len(before) == len(after) == 1 + len(FIGURES)
    assert [part for part in after if part.strip() not in map(str.strip, before)] == [after[1]]
    assert "**Not shown.** Nothing was measured." in after[1]


def test_an_unknown_figure_is_refused_with_the_choices(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is none is told apart before anything is solved."""
    with pytest.raises(SystemExit):
        main(["dynamic"])
    assert "dynamics" in capsys.readouterr().err
