"""A real service, and the client in all its forms."""

from collections.abc import Iterator

import pytest
from tests.support.servers import Service, running_service

from equipoise import Client


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("contract") / "data", "--log-level", "warning") as running:
        yield running


@pytest.fixture
def remote(service: Service) -> Iterator[Client]:
    with Client(service.url) as client:
        yield client


@pytest.fixture(params=["local", "remote"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """The same calls over HTTP and in this process."""
    if request.param == "remote":
        with Client(request.getfixturevalue("service").url) as over_http:
            yield over_http
    else:
        with Client.local() as here:
            yield here
