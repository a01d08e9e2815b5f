"""A real service on the real solver, shared by the tests that do no harm to it."""

from collections.abc import Iterator

import httpx
import pytest
from tests.support.servers import Service, running_service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service") / "data", "--log-level", "warning") as running:
        yield running


@pytest.fixture
def api(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=60) as client:
        yield client
