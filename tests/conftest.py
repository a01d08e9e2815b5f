"""Seeds of the statistical tests, and tables that tests show.

Each seed comes from the test's own id, and --seed N changes all. A property "table: TITLE" of a test
is shown as a row of that table at the end of the run.
"""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from tests.support import postgres
from tests.support.s3 import S3Server, s3_server


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=0, help="changes the seed of every statistical test")


def pytest_configure(config: pytest.Config) -> None:
    """Keep tokens of test services out of the user's own file, and the user's own out of the tests."""
    folder = TemporaryDirectory(prefix="equipoise-credentials-")
    config.add_cleanup(folder.cleanup)
    os.environ["EQUIPOISE_CREDENTIALS"] = str(Path(folder.name) / "credentials.json")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    tables: dict[str, list[str]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in report.user_properties:
                if name.startswith("table: "):
                    tables.setdefault(name.removeprefix("table: "), []).append(str(value))
    for title, rows in tables.items():
        terminalreporter.section(title)
        for row in sorted(rows):
            terminalreporter.write_line(row)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Seed made of the test's id and --seed, 0 <= seed < 2**63."""
    sequence = np.random.SeedSequence(
        [request.config.getoption("--seed"), zlib.crc32(request.node.nodeid.encode())]
    )
    return int(sequence.generate_state(1, np.uint64)[0]) >> 1


@pytest.fixture
def rng(seed: int) -> np.random.Generator:
    """NumPy generator from the test's own seed."""
    return np.random.default_rng(seed)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a throw-away PostgreSQL cluster of this session."""
    with postgres.cluster() as server:
        yield server


@pytest.fixture(scope="session")
def s3_service() -> Iterator[S3Server]:
    """A throw-away S3-compatible server of this session."""
    with s3_server() as server:
        yield server
