"""Seeds of the statistical tests: each comes from its own test id, and --seed N changes all."""

import zlib

import numpy as np
import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=0, help="changes the seed of every statistical test")


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
