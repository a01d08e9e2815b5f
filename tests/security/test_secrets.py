"""Secrets stay secret: not in logs, in the list of processes, in answers, or in the files that are kept."""

import json
import re
import stat
import subprocess
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from tests.support.servers import Service, descendants, processes, running_service

from equipoise_service.http.app import create_app
from equipoise_service.settings import Settings

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
SHARED = "shared-secret-0123456789abcdef"
TOKEN = re.compile(r"eq_[0-9a-f]{16}_[A-Za-z0-9_-]{43}")
WRONG = "wrong-secret-0123456789abcdef"


def tell(service: Service, token: str) -> list[httpx.Response]:
    """Requests that carry a token in all the wrong places, and in the right one."""
    header = {"authorization": f"Bearer {token}"}
    with httpx.Client(base_url=service.url, timeout=60) as api:
        return [
            api.get("/v1/limits", headers=header),
            api.get("/v1/limits", params={"token": token}),
            api.get("/v1/nothing", headers={**header, "x-request-id": "a b"}),
            api.post("/v1/solve", headers=header, content=b"{", params={"access_token": token}),
            api.post("/v1/solve", headers={**header, "content-type": "application/json"}, content=b"{"),
            api.get("/v1/limits", headers={"authorization": f"Basic {token}"}),
            api.get("/v1/limits", headers={"cookie": f"token={token}"}),
        ]


@pytest.mark.parametrize("kind", ["shared", "own"])
def test_tokens_are_nowhere_but_where_they_belong(tmp_path: Path, kind: str) -> None:
    """A server that logs all it can tells nobody a token: neither the right one nor a wrong one."""
    credentials = tmp_path / "home" / "credentials.json"
    environment = {
        "EQUIPOISE_CREDENTIALS": str(credentials),
        "EQUIPOISE_LOG_LEVEL": "debug",
        **({"EQUIPOISE_TOKEN": SHARED} if kind == "shared" else {"EQUIPOISE_AUTH": "tokens"}),
    }
    with running_service(tmp_path / "data", environment=environment) as service:
        token = SHARED
        if kind == "own":
            assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
            (token,) = set(TOKEN.findall(credentials.read_text()))
        answers = [answer for given in (token, WRONG) for answer in tell(service, given)]
        assert {answer.status_code for answer in answers} >= {200, 400, 401, 404}
        ours = {service.pid, *(child.pid for child in descendants(service.pid))}
        commands = " ".join(process.command for process in processes() if process.pid in ours)
        log = service.log.read_text()
    assert "/v1/nothing" in log
    secrets = (token.rpartition("_")[2], WRONG)
    for secret in secrets:
        assert secret not in log
        assert secret not in commands
        assert not [answer for answer in answers if secret in answer.text or secret in str(answer.headers)]
    for file in (tmp_path / "data").rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        assert not [secret for secret in secrets if secret.encode() in content], file


def test_the_document_of_the_api_holds_no_token(tmp_path: Path) -> None:
    document = json.dumps(create_app(Settings(data_dir=tmp_path, token=SecretStr(SHARED))).openapi())
    assert SHARED not in document
    assert not TOKEN.search(document)


def test_files_of_secrets_are_not_committed() -> None:
    """No .env, no credentials, no key, and no token of a real service is in the repository."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    names = listed.split() or [str(path.relative_to(ROOT)) for path in ROOT.glob("*")]
    assert not [name for name in names if re.search(r"(^|/)\.env$|credentials\.json$|\.(pem|key|p12)$", name)]
    ignored = (ROOT / ".gitignore").read_text().split()
    assert ".env" in ignored


def test_settings_do_not_show_the_token() -> None:
    settings = Settings(token=SecretStr(SHARED))
    assert SHARED not in repr(settings)
    assert SHARED not in str(settings.token)
