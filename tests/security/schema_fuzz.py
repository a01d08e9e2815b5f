"""Requests made from the API's own document, right and wrong ones: every answer must fit the document.

    python -m tests.security.schema_fuzz --cases 10000 [--seed 1]

Each answer is checked: no 5xx, a documented status, media type, headers and body, and no acceptance of what
the document forbids. The application runs in this process on the real solver, with authentication.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import requests
import schemathesis
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from pydantic import SecretStr
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.service.asgi_client import AppClient, started

from equipoise_service.http.app import create_app
from equipoise_service.jobs.job_table import JobTable
from equipoise_service.settings import Settings
from equipoise_service.storage.database import connect
from equipoise_service.storage.store import Store

TOKEN = "a-token-for-fuzzing-only"
SPEC: dict[str, Any] = {
    "task": "stationary",
    "model": {"kind": "diagonal", "depth": 1, "width": 1},
    "data": {"kind": "gaussian", "slope": 1.0, "noise_std": 1.0},
    "temperature": 0.05,
}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
PER_ROUND = 25
"""Cases of one kind that are sent to an operation before the next has its turn."""


@dataclass
class Report:
    """What was sent, and what was wrong with the answers."""

    n_cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    slowest_s: float = 0.0
    failures: dict[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """The report for a person."""
        statuses = ", ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        head = f"{self.n_cases} cases, slowest {self.slowest_s:.2f} s, statuses {statuses}"
        failures = [f"\n--- {name}\n{example}" for name, example in self.failures.items()]
        return "\n".join([head, f"{len(failures)} failures", *failures])


class Fuzzer:
    """Sends cases to an application, and collects what is wrong with its answers."""

    def __init__(
        self, api: AppClient, document: Mapping[str, Any], headers: Mapping[str, str], settings: Settings
    ) -> None:
        self._api = api
        self._settings = settings
        self._schema: Any = schemathesis.openapi.from_dict(dict(document))
        self._headers = dict(headers)
        self.report = Report()

    def run(self, n_cases: int, seed: int, *, per_round: int = PER_ROUND) -> Report:
        """Send at least so many cases, taking turns between the operations."""
        operations = [result.ok() for result in self._schema.get_all_operations()]
        round_number = 0
        while self.report.n_cases < n_cases:
            round_number += 1
            for operation in operations:
                for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                    for known in ({}, self._known(operation)):
                        if known or not round_number % 2 or "{" not in operation.path:
                            cases = operation.as_strategy(generation_mode=mode, path_parameters=known or None)
                            self._send_some(cases, seed + round_number, per_round)
        return self.report

    def _known(self, operation: Any) -> dict[str, str]:
        """Ids of things that exist, for the parameters in an operation's path."""
        known = {}
        if "{job_id}" in operation.path:
            known["job_id"] = self._finished_job()
        if "{dataset_id}" in operation.path:
            headers = {**self._headers, "content-type": "text/csv"}
            known["dataset_id"] = self._api.post(
                "/v1/datasets", content=b"x,y\n1,2\n2,5\n", headers=headers
            ).json()["id"]
        return known

    def _finished_job(self) -> str:
        """Id of a finished job. Nobody works here: a job that was not answered at once is ended by hand."""
        body = {"spec": SPEC}
        job = self._api.post("/v1/jobs", json=body, headers=self._headers).json()
        if job["status"] == "queued":
            solution = self._api.post("/v1/solve", json=body, headers=self._headers).content
            digest = Store(self._settings.store).put_content("results", solution, ".json")
            table = JobTable(connect(self._settings.database))
            assert table.move(job["id"], "running")
            assert table.move(job["id"], "succeeded", result=digest, progress=1.0)
        return str(job["id"])

    def _send_some(self, cases: "SearchStrategy[Case[Any]]", seed: int, n: int) -> None:
        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=n,
            database=None,
            deadline=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=cases)
        def send(case: "Case[Any]") -> None:
            self._send(case)

        try:
            send()
        except Unsatisfiable:  # Nothing about this operation can be wrong in this way.
            return

    def _send(self, case: "Case[Any]") -> None:
        case.headers.update(self._headers)
        prepared = requests.Request(**case.as_transport_kwargs(base_url="http://test")).prepare()
        start = time.perf_counter()
        try:
            answer = self._api.request(
                str(prepared.method), str(prepared.url), headers=dict(prepared.headers), content=prepared.body
            )
        except httpx.InvalidURL:  # Longer than the client sends.
            hypothesis.reject()
        report = self.report
        report.slowest_s = max(report.slowest_s, time.perf_counter() - start)
        report.n_cases += 1
        report.statuses[answer.status_code] += 1
        try:
            case.validate_response(answer, checks=[*CHECKS])
        except FailureGroup as group:
            for failure in group.exceptions:
                name = f"{case.operation.label}: {type(failure).__name__} {answer.status_code}"
                sent = f"{prepared.method} {prepared.url}\n{str(prepared.body)[:600]}"
                example = f"{failure}\n{sent}\n{answer.text[:600]}"
                report.failures.setdefault(name, example)


@contextmanager
def fuzzer(folder: Path) -> Iterator[Fuzzer]:
    """A fuzzer of the application on the real solver, which asks for a token."""
    settings = Settings(
        data_dir=folder,
        token=SecretStr(TOKEN),
        max_requests_per_second=1e9,
        max_request_burst=10**9,
        max_wait_seconds=0,
    )
    app = create_app(settings)
    with started(app) as api:
        yield Fuzzer(api, app.openapi(), {"Authorization": f"Bearer {TOKEN}"}, settings)


def main(arguments: list[str], show: Callable[[str], None]) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=10_000, help="number of requests (10000)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (1)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, fuzzer(Path(folder)) as one:
        report = one.run(options.cases, options.seed)
    show(report.text())
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], print))
