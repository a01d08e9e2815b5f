"""Each row of the table of hostile requests gets its answer, in bounded time and memory, with all headers."""

import time
from pathlib import Path

import pytest
from tests.security.conftest import BEARER
from tests.security.hostile_requests import TABLE, Hostile
from tests.service.asgi_client import AppClient
from tests.service.test_problems import assert_problem

from equipoise_service.http.security_headers import SECURITY_HEADERS

MOST_MEMORY = 160 * 2**20
"""Most memory that answering may take beyond what the body itself takes several times, [bytes]."""
MOST_CPU_S = 10.0
"""Most processor time of an answer, [s]: far above what any takes, far below what a bomb does."""


def peak_memory() -> int:
    """Largest memory of this process since the mark was last reset, [bytes]."""
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return 1024 * int(line.split()[1])


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


@pytest.mark.parametrize("hostile", TABLE, ids=lambda hostile: hostile.id)
def test_a_hostile_request_gets_its_answer(
    guarded: AppClient, hostile: Hostile, words: dict[str, str]
) -> None:
    """The answer is as the table says, and costs little."""
    body, path, headers = hostile.body(), hostile.path, {**BEARER, **hostile.headers}
    if hostile.group == "tokens":
        path, body = path.format_map(words), body.replace(b"{dataset}", words["dataset"].encode())
        headers = {name: value.format_map(words) for name, value in hostile.headers.items()}
    guarded.get("/healthz")  # What is made at the first request is no part of the cost.
    reset_peak()
    memory, cpu_s = peak_memory(), time.process_time()
    answer = guarded.request(hostile.method, path, content=body, headers=headers)
    cpu_s, memory = time.process_time() - cpu_s, peak_memory() - memory
    assert answer.status_code == hostile.status, answer.text[:500]
    if hostile.code and hostile.method != "HEAD":
        assert_problem(answer, hostile.status, hostile.code)
    assert "Traceback" not in answer.text
    assert "/equipoise_service/" not in answer.text
    assert len(answer.content) < 200_000
    assert set(SECURITY_HEADERS) <= {name.title() for name in answer.headers} | set(answer.headers)
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert memory <= MOST_MEMORY + 4 * len(body), f"{memory / 2**20:.0f} MB"
    assert cpu_s <= MOST_CPU_S


def test_rows_are_told_apart() -> None:
    """No two rows have one name."""
    assert len({hostile.id for hostile in TABLE}) == len(TABLE)
