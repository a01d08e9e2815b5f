"""The API on the real solver, asked with the shared token."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.service.asgi_client import AppClient, started
from tests.service.test_problems import STATIONARY

from equipoise_service.http.app import create_app
from equipoise_service.settings import Settings
from equipoise_service.storage.database import connect
from equipoise_service.users.callers import LOCAL, Scope
from equipoise_service.users.tokens import Token, TokenTable

TOKEN = "a-token-of-tests-only"
BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("EQUIPOISE_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def guarded_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Default limits and a shared token."""
    folder: Path = tmp_path_factory.mktemp("guarded")
    return Settings(data_dir=folder, token=SecretStr(TOKEN))


@pytest.fixture(scope="module")
def guarded(guarded_settings: Settings) -> Iterator[AppClient]:
    """The API with these settings."""
    with started(create_app(guarded_settings)) as api:
        yield api


@pytest.fixture(scope="module")
def words(guarded: AppClient, guarded_settings: Settings) -> Iterator[dict[str, str]]:
    """Tokens of several kinds, and ids of what belongs to ana."""
    engine = connect(guarded_settings.database)
    tokens = TokenTable(engine)

    def made(owner: str, *scopes: Scope, lifetime_s: float | None = None) -> tuple[Token, str]:
        return tokens.create(LOCAL, owner=owner, scopes=scopes or ("submit", "read"), lifetime_s=lifetime_s)

    stored, ana = made("ana")
    revoked, revoked_text = made("ana")
    assert tokens.revoke(LOCAL, revoked.id)
    as_ana = {"authorization": f"Bearer {ana}"}
    csv = {**as_ana, "content-type": "text/csv"}
    dataset = guarded.post("/v1/datasets", content=b"x,y\n1,2\n2,5\n3,1\n", headers=csv).json()["id"]
    job = guarded.post("/v1/jobs", json={"spec": {**STATIONARY, "temperature": 0.031}}, headers=as_ana)
    yield {
        "shared": TOKEN,
        "shared_cut": TOKEN[:-1],
        "forged": ana[:-1] + ("A" if ana[-1] != "A" else "B"),
        "hash": f"eq_{stored.id}_{stored.secret_hash[:43]}",
        "expired": made("ana", lifetime_s=-1.0)[1],
        "revoked": revoked_text,
        "reader": made("olga", "read")[1],
        "submitter": made("olga", "submit")[1],
        "olga": made("olga")[1],
        "job": job.json()["id"],
        "dataset": dataset,
    }
    engine.dispose()
