"""The documentation is true: its code runs, its links lead somewhere, and nothing is missing from it."""

import re
from argparse import _SubParsersAction
from pathlib import Path
from typing import Any

import pytest
from docs.build import PAGE, reference

from equipoise.commands import parser
from equipoise_service.errors import JOB_ERRORS, REASONS
from equipoise_service.settings import PREFIX, Settings
from equipoise_solver import errors
from equipoise_solver.specs import json_schema

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def python_blocks(page: Path) -> str:
    """All Python code of a page, in order."""
    return "\n".join(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if python_blocks(page)], ids=lambda page: page.name)
def test_python_code_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python code of a page runs from top to bottom."""
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}
    exec(compile(python_blocks(page), str(page), "exec"), scope)
    assert scope["solution"] is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page is a file or folder of the repository."""
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_reference_is_up_to_date() -> None:
    """docs/reference.md is what `python -m docs.build` writes."""
    assert PAGE.read_text(encoding="utf-8") == reference()


def test_everything_is_documented() -> None:
    """Every setting, command, error code, model and data kind is found in the documentation."""
    commands = next(action for action in parser()._actions if isinstance(action, _SubParsersAction))
    solver_codes = {error.code for error in errors.SolverError.__subclasses__()}
    kinds = {
        str(content["const"])
        for definition in json_schema()["$defs"].values()
        for name, content in definition.get("properties", {}).items()
        if name in ("kind", "task")
    }
    wanted = {
        *(f"{PREFIX}{name.upper()}" for name in Settings.model_fields),
        *(f"equipoise {name}" for name in commands.choices),
        *REASONS,
        *JOB_ERRORS,
        *solver_codes,
        *kinds,
    }
    assert not {name for name in wanted if name not in TEXT}


def test_the_readme_is_short_and_shows_both_commands() -> None:
    """The README stays under 150 lines and shows the two commands that do everything."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) < 150
    assert "make demo" in readme
    assert "make test" in readme


@pytest.mark.parametrize(
    "folder",
    [
        "clients/equipoise",
        "service/equipoise_service",
        "solver/equipoise_solver",
        "solver/equipoise_solver/ensembles",
        "solver/equipoise_solver/networks",
        "solver/equipoise_solver/networks/training",
        "solver/equipoise_solver/specs",
        "solver/equipoise_solver/symmetry",
        "solver/equipoise_solver/tasks",
        "solver/equipoise_solver/theory",
    ],
)
def test_the_readme_repeats_the_purpose_of_each_folder(folder: str) -> None:
    """The first line of a folder's __init__.py stands in the README."""
    first = (ROOT / folder / "__init__.py").read_text(encoding="utf-8").splitlines()[0]
    assert first.strip('"') in (ROOT / "README.md").read_text(encoding="utf-8")
