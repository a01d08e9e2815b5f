"""Which package may import which, read from the sources."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("solver/equipoise_solver", "service/equipoise_service", "clients/equipoise")
OURS = ("equipoise", "equipoise_solver", "equipoise_service")
ENGINE = "service/equipoise_service/jobs/engine"
HEAVY = ("torch", "numba", "scipy", "fastapi", "sqlalchemy", "uvicorn")


@dataclass(frozen=True)
class Import:
    """One imported name, and whether the import runs only when a function is called."""

    name: str
    is_lazy: bool


def imports_of(source: str) -> Iterator[Import]:
    def visit(node: ast.AST, is_lazy: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (Import(alias.name, is_lazy) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                prefix = "." * child.level + (child.module or "")
                yield from (Import(f"{prefix}.{alias.name}", is_lazy) for alias in child.names)
            inside = is_lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from visit(child, inside)

    return visit(ast.parse(source), False)


def is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def is_allowed(path: str, found: Import) -> bool:
    """Whether the file at `path` may import that."""
    name = found.name
    if name.startswith("."):
        return False
    if is_in(name, "dbos"):
        return path.startswith(ENGINE)
    if path.startswith("clients/"):
        if any(is_in(name, heavy) for heavy in HEAVY):
            return False
        allowed = [
            "equipoise",
            "equipoise_solver.specs",
            *(["equipoise_solver.solving"] if found.is_lazy else []),
        ]
    elif path.startswith("solver/equipoise_solver/specs/"):
        allowed = ["equipoise_solver.specs"]
    elif path.startswith("solver/"):
        allowed = ["equipoise_solver"]
    else:
        allowed = ["equipoise_service", "equipoise_solver"]
    is_ours = any(is_in(name, package) for package in OURS)
    return not is_ours or any(is_in(name, package) for package in allowed)


def files() -> list[str]:
    found = [path for source in SOURCES for path in (ROOT / source).rglob("*.py")]
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def test_every_import_follows_the_arrows() -> None:
    """No file imports what its package may not."""
    wrong = [
        f"{path} imports {found.name}"
        for path in files()
        for found in imports_of((ROOT / path).read_text(encoding="utf-8"))
        if not is_allowed(path, found)
    ]
    assert wrong == []


def test_all_three_packages_are_read() -> None:
    """The files of every package are among those read."""
    assert all(any(path.startswith(source) for path in files()) for source in SOURCES)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("clients/equipoise/x.py", "import equipoise_service"),
        ("clients/equipoise/x.py", "from equipoise_solver.solving import prepare"),
        ("clients/equipoise/x.py", "from equipoise_solver import theory"),
        ("clients/equipoise/x.py", "def f():\n    import equipoise_solver.theory.laws"),
        ("clients/equipoise/x.py", "def f():\n    import numba"),
        ("clients/equipoise/x.py", "from . import specs"),
        ("solver/equipoise_solver/specs/x.py", "from equipoise_solver.errors import SolverError"),
        ("solver/equipoise_solver/x.py", "from equipoise import Client"),
        ("solver/equipoise_solver/x.py", "if True:\n    import equipoise_service.http.app"),
        ("service/equipoise_service/x.py", "import equipoise"),
        ("service/equipoise_service/x.py", "from dbos import DBOS"),
    ],
)
def test_planted_arrows_are_found(path: str, source: str) -> None:
    """Each kind of wrong import is recognised."""
    assert not all(is_allowed(path, found) for found in imports_of(source))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("clients/equipoise/x.py", "from equipoise_solver import specs\nimport equipoise.client"),
        ("clients/equipoise/x.py", "def f():\n    from equipoise_solver.solving import prepare"),
        ("service/equipoise_service/x.py", "import equipoise_solver.theory"),
        ("service/equipoise_service/jobs/engine.py", "from dbos import DBOS"),
        ("solver/equipoise_solver/x.py", "import numpy"),
    ],
)
def test_right_arrows_pass(path: str, source: str) -> None:
    """Imports along the arrows are not refused."""
    assert all(is_allowed(path, found) for found in imports_of(source))
