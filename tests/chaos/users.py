"""The users: they submit, follow, stop and fetch, and repeat what was cut off under the same name."""

import hashlib
import random
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from tests.chaos.plan import Errand
from tests.e2e.jobs import FINAL

_AT_ONCE = 8
_TIMEOUT_S = 6.0
_SECONDS = re.compile(rb'"seconds":[0-9.e+-]+')


def without_seconds(content: bytes) -> bytes:
    """A solution as it was computed: its field `seconds`, the last of that name, is added on the way out."""
    *_, last = _SECONDS.finditer(content)
    return content[: last.start()] + b'"seconds":null' + content[last.end() :]


@dataclass
class Outcome:
    """What became of an errand.

    Attributes:
        errand: what was asked.
        job: the job as last seen.
        job_id: its id, once a submission was answered.
        digest: SHA-256 of the result's bytes without their seconds, if there is one.
        etag: ETag that came with them.
        wrong: what a user found wrong.
    """

    errand: Errand
    job: dict[str, Any] = field(default_factory=dict)
    job_id: str = ""
    digest: str | None = None
    etag: str | None = None
    wrong: list[str] = field(default_factory=list)
    submitted_at: float = 0.0
    is_cancel_sent: bool = False
    is_over: bool = False


class User(threading.Thread):
    """One user with errands of their own.

    Args:
        url: where the service is.
        errands: what this user wants, in this order.
        n_over: called whenever an errand is over.
        deadline_s: silence after which the user gives up on what is open, [s].
    """

    def __init__(
        self, url: str, errands: Sequence[Errand], *, n_over: Callable[[], None], deadline_s: float, seed: int
    ) -> None:
        super().__init__(name="user", daemon=True)
        self._http = httpx.Client(base_url=url, timeout=_TIMEOUT_S)
        self._count = n_over
        self._deadline_s = deadline_s
        self._rng = random.Random(seed)
        self._give_up = time.monotonic() + deadline_s
        self.outcomes = [Outcome(errand) for errand in errands]
        self.n_repeats = 0
        self.failures: list[str] = []

    def run(self) -> None:
        """See every errand to its end."""
        waiting = list(self.outcomes)
        under_way: list[Outcome] = []
        with self._http:
            while (waiting or under_way) and time.monotonic() < self._give_up:
                while waiting and len(under_way) < _AT_ONCE:
                    under_way.append(waiting.pop(0))
                    self._submit(under_way[-1])
                for outcome in under_way:
                    self._look_after(outcome)
                under_way = [outcome for outcome in under_way if not outcome.is_over]
                time.sleep(0.1)  # How often a patient user looks, not a guess at how long something takes.

    def _submit(self, outcome: Outcome) -> None:
        errand = outcome.errand
        body = {"spec": errand.spec, "tags": [f"errand-{errand.number}"], **errand.options}
        key = {"Idempotency-Key": f"errand-{errand.number}"}
        answer = self._insist("POST", "/v1/jobs", json=body, headers=key)
        if answer is None:
            return
        if answer.status_code not in (200, 202):
            outcome.wrong.append(f"submission: {answer.status_code} {answer.text[:300]}")
            self._end(outcome)
            return
        outcome.job, outcome.job_id = answer.json(), answer.json()["id"]
        outcome.submitted_at = time.monotonic()

    def _look_after(self, outcome: Outcome) -> None:
        if outcome.is_over or not outcome.job_id:
            return
        wait_s = outcome.errand.cancel_after_s
        if wait_s is not None and not outcome.is_cancel_sent:
            if time.monotonic() - outcome.submitted_at < wait_s:
                return
            answer = self._insist("POST", f"/v1/jobs/{outcome.job_id}/cancel")
            outcome.is_cancel_sent = answer is not None
            if answer is not None and answer.status_code != 202:
                outcome.wrong.append(f"cancel: {answer.status_code} {answer.text[:300]}")
        answer = self._insist("GET", f"/v1/jobs/{outcome.job_id}")
        if answer is None:
            return
        if answer.status_code != 200:
            outcome.wrong.append(f"look: {answer.status_code} {answer.text[:300]}")
            self._end(outcome)
            return
        last, outcome.job = outcome.job, answer.json()
        if outcome.job["progress"] < last["progress"]:
            outcome.wrong.append(f"progress fell from {last['progress']} to {outcome.job['progress']}")
        if outcome.job["status"] in FINAL:
            if outcome.job["status"] == "succeeded":
                self._fetch(outcome)
            self._end(outcome)

    def _fetch(self, outcome: Outcome) -> None:
        answer = self._insist("GET", f"/v1/jobs/{outcome.job_id}/result")
        if answer is None or answer.status_code != 200:
            outcome.wrong.append(f"result: {answer and (answer.status_code, answer.text[:300])}")
            return
        outcome.digest = hashlib.sha256(without_seconds(answer.content)).hexdigest()
        outcome.etag = answer.headers["etag"].strip('"')

    def _end(self, outcome: Outcome) -> None:
        outcome.is_over = True
        self._give_up = time.monotonic() + self._deadline_s
        self._count()

    def _insist(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        """The answer to a request, repeated while the service cannot be reached, fails or says so."""
        while time.monotonic() < self._give_up:
            try:
                answer = self._http.request(method, path, **options)
            except httpx.TransportError:
                self.n_repeats += 1
            else:
                if answer.status_code < 500:
                    return answer
                if answer.status_code != 503:
                    self.failures.append(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
                self.n_repeats += 1
            time.sleep(self._rng.uniform(0.05, 0.3))
        return None
