"""No code from data: what could run what others send is not in our packages, but for a list with reasons."""

import ast
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.service.asgi_client import started
from tests.service.test_problems import STATIONARY

from equipoise_service.http.app import create_app
from equipoise_service.settings import Settings

ROOT = Path(__file__).parents[2]
SOURCES = ("solver/equipoise_solver", "service/equipoise_service", "clients/equipoise")
MODULES = {
    "pickle", "cPickle", "_pickle", "cloudpickle", "dill", "marshal", "shelve", "jsonpickle", "joblib",
    "code", "codeop", "xmlrpc", "pty",
}  # fmt: skip
CALLS = {"eval", "exec", "compile", "__import__", "execfile"}
METHODS = {
    "yaml.load", "yaml.unsafe_load", "yaml.full_load", "torch.load", "torch.jit.load", "os.system",
    "os.popen",
    "ctypes.CDLL", "importlib.import_module", "os.execv", "subprocess.run", "subprocess.Popen",
    "subprocess.call", "subprocess.check_output", "np.load", "numpy.load", "pd.read_pickle", "sa.PickleType",
    "np.fromregex", "np.genfromtxt", "socket.fromfd", "logging.config.listen", "tempfile.mktemp",
}  # fmt: skip
ALLOWED = {
    (
        "service/equipoise_service/workers/devices.py",
        "ctypes.CDLL",
    ): "asks the driver for the names of graphics cards",
    (
        "clients/equipoise/actions.py",
        "os.execv",
    ): "becomes the service, by the user's own command line",
    ("clients/equipoise/local/tables.py", "np.load"): "reads the user's own file, with allow_pickle=False",
    ("clients/equipoise/operations.py", "np.load"): "reads what the service sent, with allow_pickle=False",
    (
        "service/equipoise_service/storage/backup.py",
        "subprocess.run",
    ): "runs PostgreSQL's own tools, without a shell",
    (
        "service/equipoise_service/workers/chunks.py",
        "importlib.import_module",
    ): "imports the solver that our code names",
    (
        "service/equipoise_service/uploads/dataset_arrays.py",
        "np.load",
    ): "reads what we stored, with allow_pickle=False",
    (
        "service/equipoise_service/workers/processes.py",
        "ctypes.CDLL",
    ): "has the kernel end children with their parent",
    (
        "service/equipoise_service/workers/supervisor.py",
        "subprocess.Popen",
    ): "starts this program, without a shell",
    ("solver/equipoise_solver/ensembles/devices.py", "ctypes.CDLL"): "asks whether there is a graphics card",
}
"""Each with its reason. anyio.to_process pickles too, between two processes of ours: see docs/security.md."""


@dataclass(frozen=True)
class Finding:
    """A name that could run code, and the line it is on."""

    name: str
    line: int


def dotted(node: ast.expr) -> str:
    """Name of what is called, as it is written: "np.load"."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def findings(source: str) -> Iterator[Finding]:
    """What could run code in a source."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (
                Finding(alias.name, node.lineno)
                for alias in node.names
                if alias.name.split(".")[0] in MODULES
            )
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            yield Finding(str(node.module), node.lineno)
        elif isinstance(node, ast.Call):
            name = dotted(node.func)
            if name in CALLS | METHODS:
                yield Finding(name, node.lineno)
            for keyword in node.keywords:
                is_true = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
                if keyword.arg in ("shell", "allow_pickle") and is_true:
                    yield Finding(f"{keyword.arg}=True", node.lineno)
            if name in ("np.load", "numpy.load") and "allow_pickle" not in {one.arg for one in node.keywords}:
                yield Finding("np.load without allow_pickle=False", node.lineno)


def found() -> dict[tuple[str, str], int]:
    paths = [path for source in SOURCES for path in (ROOT / source).rglob("*.py")]
    return {
        (path.relative_to(ROOT).as_posix(), finding.name): finding.line
        for path in paths
        for finding in findings(path.read_text(encoding="utf-8"))
    }


def test_nothing_runs_what_others_send() -> None:
    """Every place that could is in the list."""
    assert {place: line for place, line in found().items() if place not in ALLOWED} == {}


def test_the_list_holds_nothing_else() -> None:
    """Every entry of the list is still there."""
    assert set(ALLOWED) - set(found()) == set()


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from marshal import loads",
        "import a, shelve",
        "def f():\n    return eval('1')",
        "exec(x)",
        "yaml.load(x)",
        "torch.load(x)",
        "np.load(x, allow_pickle=False)",
        "f(x, allow_pickle=True)",
        "f(x, shell=True)",
        "os.system(x)",
    ],
)
def test_planted_dangers_are_found(source: str) -> None:
    assert list(findings(source))


@pytest.mark.parametrize("source", ["json.loads(x)", "re.compile(x)", "yaml.safe_load(x)", "'eval(x)'"])
def test_harmless_lines_are_not(source: str) -> None:
    assert not list(findings(source))


def test_the_engine_writes_json_alone(tmp_path: Path) -> None:
    """Every row of the engine says that it is JSON, and what it holds is."""
    settings = Settings(data_dir=tmp_path, auth="none")
    slow = {**STATIONARY, "task": "simulate", "n_paths": 10, "n_steps": 10}
    slow["dynamics"] = {"kind": "sgd", "learning_rate": 0.01, "batch_size": 1}
    del slow["temperature"]
    with started(create_app(settings)) as api:
        assert api.post("/v1/jobs", json={"spec": slow, "priority": 7}).status_code == 202
    engine = sa.create_engine(settings.database)
    names = sa.inspect(engine).get_table_names()
    engine.dispose()
    rows = 0
    with sqlite3.connect(tmp_path / "equipoise.db") as connection:
        connection.row_factory = sqlite3.Row
        for name in names:
            for row in connection.execute(f'SELECT * FROM "{name}"'):
                content = dict(row)
                if "serialization" in content:
                    rows += 1
                    assert content["serialization"] == "portable_json"
                for column in ("inputs", "output", "error", "message", "value"):
                    if isinstance(content.get(column), str) and "serialization" in content:
                        json.loads(content[column])
                assert not any(isinstance(value, bytes) for value in content.values()), (name, content)
    connection.close()
    assert rows
