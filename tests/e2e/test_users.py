"""A real service that asks for tokens: nothing to set up on this machine, and users kept apart on it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.support.servers import Service, clean_environment, descendants, running_service, wait_until

from equipoise import AccessDeniedError, Client, StationarySolution
from equipoise_service.users.access import CACHE_S
from equipoise_service.users.tokens import TOKEN

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SPEC = {
    "task": "stationary",
    "model": {"kind": "diagonal", "depth": 1},
    "data": {"kind": "gaussian", "slope": 1.0, "noise_std": 1.0},
    "temperature": 0.05,
}
TWO_APIS = {"EQUIPOISE_AUTH": "tokens", "EQUIPOISE_API_PROCESSES": "2"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("users") / "data"


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Service]:
    with running_service(folder, environment=TWO_APIS) as running:
        yield running


def command(*arguments: str, folder: Path) -> str:
    """What `equipoise` prints."""
    call = [sys.executable, "-m", "equipoise.commands", *arguments]
    done = subprocess.run(
        call, capture_output=True, text=True, timeout=60, env=clean_environment(), cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def mean_of(solution: object) -> float:
    assert isinstance(solution, StationarySolution)
    assert solution.mean is not None
    return solution.mean


def test_the_client_needs_no_set_up(service: Service, folder: Path) -> None:
    """Python and the command line find the token that `serve` stored; without one it is 401."""
    assert httpx.get(f"{service.url}/v1/me").status_code == 401
    with Client(service.url) as client:
        assert mean_of(client.submit(SPEC, wait_s=30).result()) == pytest.approx(0.9376, abs=1e-3)
    assert "stationary" in command("jobs", "--url", service.url, folder=folder)
    shown = command("token", "show", "--url", service.url, folder=folder).strip()
    me = httpx.get(f"{service.url}/v1/me", headers={"Authorization": f"Bearer {shown}"}).json()
    assert (me["user"], me["scopes"]) == ("local", ["submit", "read", "admin"])
    with Client(service.url, token="wrong") as client, pytest.raises(AccessDeniedError):
        client.job("job_" + "0" * 32).refresh()


def test_the_secret_is_nowhere_but_in_its_file(service: Service, folder: Path) -> None:
    """Not in the log, not in the arguments or variables of a process, not in the data folder."""
    shown = command("token", "show", "--url", service.url, folder=folder).strip()
    parts = TOKEN.fullmatch(shown)
    assert parts is not None
    httpx.get(f"{service.url}/v1/jobs", headers={"Authorization": f"Bearer {shown}"})
    httpx.get(f"{service.url}/v1/jobs/{shown}", headers={"Authorization": f"Basic {shown}"})
    secret = parts[2].encode()
    assert Path(os.environ["EQUIPOISE_CREDENTIALS"]).read_bytes().count(secret) >= 2
    for path in folder.rglob("*"):
        # The second request has the token in its path, and paths are logged.
        assert not path.is_file() or secret not in path.read_bytes(), path
    for process in [service.pid, *(child.pid for child in descendants(service.pid))]:
        for name in ("cmdline", "environ"):
            assert secret not in Path(f"/proc/{process}/{name}").read_bytes()


def test_users_are_kept_apart_and_let_go(service: Service, folder: Path) -> None:
    """A token made beside the running service works at once; revoked, it is refused within seconds."""
    place = ["--data-dir", str(folder)]
    text = command("token", "create", "--user", "ana", *place, folder=folder).strip()
    with Client(service.url, token=text) as ana, Client(service.url) as local:
        job = local.submit(SPEC, wait_s=30)
        assert list(ana.jobs()) == []
        mine = ana.submit(SPEC, wait_s=30)
        assert mine.id != job.id
        assert mean_of(mine.result()) == mean_of(job.result())
        parts = TOKEN.fullmatch(text)
        assert parts is not None
        command("token", "revoke", parts[1], *place, folder=folder)
        headers = {"Authorization": f"Bearer {text}"}

        def is_refused() -> bool:
            # Each request on a connection of its own, so that both processes are asked.
            answers = {httpx.get(f"{service.url}/v1/me", headers=headers).status_code for _ in range(8)}
            return answers == {401}

        wait_until(is_refused, what="the token is refused", deadline_s=CACHE_S + 20)
    log = command("audit", "--user", "ana", *place, folder=folder)
    assert "submit" in log


def test_it_listens_beyond_this_machine_with_tokens(tmp_path: Path) -> None:
    """With tokens no secret need be set to listen everywhere; this machine's client still finds its own."""
    environment = {"EQUIPOISE_AUTH": "tokens"}
    with running_service(tmp_path, "--host", "0.0.0.0", environment=environment) as service:
        url = service.url.replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{url}/v1/me").status_code == 401
        with Client(url) as client:
            assert mean_of(client.solve(SPEC)) == pytest.approx(0.9376, abs=1e-3)
