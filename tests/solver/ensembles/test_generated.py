"""Generated kernels: one file per text, found again by other processes, and a folder where one can write."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from equipoise_solver.ensembles import generated

PART = "equipoise_solver.ensembles.device"
PROGRAM = """
import json, sys
from equipoise_solver.ensembles import EnsemblePlan, GaussianPairs, Sgf, advance, begin, finish
from equipoise_solver.ensembles.compiled import compiled, step_signature
from equipoise_solver.ensembles.generated import cache_folder

plan = EnsemblePlan(
    depth=1, data=GaussianPairs(1.0, 1.0), dynamics=Sgf(0.05, scheme="log_euler"), n_paths=10, duration=0.1,
    n_records=1, seed=3,
)
step = compiled(plan.scheme.step, step_signature("float64", "float32"))
stats = step.stats
mean = finish(plan, advance(plan, begin(plan), budget=1e9)).mean
print(json.dumps({
    "folder": str(cache_folder()), "hits": sum(stats.cache_hits.values()),
    "misses": sum(stats.cache_misses.values()), "mean": mean, "module": plan.scheme.step.__module__,
}))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of this test."""
    monkeypatch.setenv(generated.CACHE_VARIABLE, str(tmp_path))
    generated.cache_folder.cache_clear()
    generated.module_of.cache_clear()
    return tmp_path


@pytest.fixture(autouse=True)
def _clear_after() -> Any:
    yield
    generated.cache_folder.cache_clear()
    generated.module_of.cache_clear()


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".py")


def test_one_text_is_one_file(folder: Path) -> None:
    """The same text and parts give one module and one file; another text or part gives another."""
    text = "def answer():\n    return 42\n"
    first = generated.module_of(text, (PART,))
    assert generated.module_of(text, (PART,)) is first
    assert first.answer() == 42
    assert len(files(folder)) == 1
    other = generated.module_of(text.replace("42", "43"), (PART,))
    assert other.answer() == 43
    generated.module_of(text, (PART, "equipoise_solver.ensembles.normals"))
    assert len(files(folder)) == 3
    assert not list(folder.glob("*.partial"))


def test_a_damaged_file_is_written_again(folder: Path) -> None:
    """A file that does not hold its text is replaced before it is imported."""
    text = "def answer():\n    return 42\n"
    generated.module_of(text, (PART,))
    path = folder / files(folder)[0]
    path.write_text("def answer():\n    return 41\n")
    generated.module_of.cache_clear()
    assert generated.module_of(text, (PART,)).answer() == 42
    assert text in path.read_text()


def test_without_a_folder_to_write_in_there_is_a_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the cache folder cannot be made, kernels go to a folder of this process."""
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv(generated.CACHE_VARIABLE, str(blocked / "kernels"))
    generated.cache_folder.cache_clear()
    found = generated.cache_folder()
    assert found.is_dir()
    assert blocked not in found.parents
    generated.module_of.cache_clear()
    assert generated.module_of("def answer():\n    return 7\n", (PART,)).answer() == 7
    assert len(files(found)) == 1
    found.joinpath(files(found)[0]).unlink()


def run_program(folder: Path) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    environment[generated.CACHE_VARIABLE] = str(folder)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.slow
def test_another_process_finds_the_compiled_kernel(tmp_path: Path) -> None:
    """The first process compiles the generated kernel, the second loads it from the index beside the file."""
    first, second = run_program(tmp_path), run_program(tmp_path)
    assert first["folder"] == second["folder"] == str(tmp_path)
    assert first["module"] == second["module"]
    assert (first["hits"], first["misses"]) == (0, 1)
    assert (second["hits"], second["misses"]) == (1, 0)
    assert first["mean"] == second["mean"]
    assert len(files(tmp_path)) == 1
    assert len(list(tmp_path.glob("__pycache__/*.nbi"))) >= 1
