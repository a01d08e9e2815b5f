"""Fixtures of the tests of the client."""

from collections.abc import Iterator

import httpx
import pytest
from tests.clients.fake_service import AT_ONCE, FakeService

from equipoise import Client


@pytest.fixture
def fake() -> FakeService:
    return FakeService()


@pytest.fixture
def client(fake: FakeService, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    for name in ("EQUIPOISE_URL", "EQUIPOISE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with Client("http://fake", retries=AT_ONCE, transport=httpx.MockTransport(fake)) as client:
        yield client
