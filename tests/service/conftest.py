"""An API without a server, and databases of both kinds."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.service import fake_solver
from tests.service.asgi_client import AppClient, started
from tests.service.workers import Bench
from tests.support.postgres import new_database

from equipoise_service.http.app import create_app
from equipoise_service.settings import Settings


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("EQUIPOISE_") and name != "EQUIPOISE_CREDENTIALS":
            monkeypatch.delenv(name)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a service that everybody is let into, as the user "local"."""
    return Settings(
        auth="none",
        data_dir=tmp_path,
        heartbeat_seconds=0.1,
        heartbeat_ttl_seconds=2.0,
        chunk_seconds=0.05,
    )


@pytest.fixture
def api(settings: Settings) -> Iterator[AppClient]:
    """The API on the fake solver; nobody runs its jobs."""
    with started(create_app(settings, prepare=fake_solver.prepare)) as client:
        yield client


@pytest.fixture
def real_api(settings: Settings) -> Iterator[AppClient]:
    """The API on the real solver."""
    with started(create_app(settings)) as client:
        yield client


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def engine_settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Settings on either kind of database."""
    if request.param == "sqlite":
        return settings
    url = new_database(request.getfixturevalue("postgres_server"))
    return settings.model_copy(update={"database_url": url})


@pytest.fixture
def bench(engine_settings: Settings) -> Iterator[Bench]:
    """Jobs put straight on the queues."""
    bench = Bench(engine_settings)
    yield bench
    bench.close()
