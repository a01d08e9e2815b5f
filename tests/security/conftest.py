"""The API on the real solver, asked with the shared token."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.service.asgi_client import AppClient, started

from equipoise_service.app import create_app
from equipoise_service.settings import Settings

TOKEN = "a-token-of-tests-only"
BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("EQUIPOISE_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppClient]:
    """The API with its default limits and a shared token."""
    folder: Path = tmp_path_factory.mktemp("guarded")
    with started(create_app(Settings(data_dir=folder, token=SecretStr(TOKEN)))) as api:
        yield api
