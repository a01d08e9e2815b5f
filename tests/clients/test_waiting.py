"""Waiting for a job: events, polling, deadlines, outages."""

import httpx
import pytest
from tests.clients.fake_service import JOB_ID, Clock, FakeService, driven, event, job_state

from equipoise import JobRecord, TransportError, UnexpectedAnswerError, WaitTimeoutError
from equipoise.server_events import EventParser, ServerEvent
from equipoise.waiting import OUTAGE_S

QUEUED = JobRecord.model_validate(job_state())
POLL, EVENTS = f"GET /v1/jobs/{JOB_ID}", f"GET /v1/jobs/{JOB_ID}/events"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def waited(fake: FakeService, clock: Clock, timeout_s: float = 3600.0) -> list[JobRecord]:
    """States seen while waiting for the job; the last one is what `wait` returned."""
    driver, operations = driven(fake, clock)
    seen: list[JobRecord] = []
    last = driver.run(operations.wait(QUEUED, timeout_s=timeout_s), seen.append)
    assert seen[-1] == last
    return seen


def test_events_are_followed(fake: FakeService, clock: Clock) -> None:
    """With a stream of events nothing is polled, and each state is seen."""
    fake.events = [
        event("status", job_state("running")),
        b": heartbeat\n\n",
        event("progress", {"progress": 0.5, "live": {"mean": 0.7}}),
        event("end", job_state("succeeded")),
    ]
    seen = waited(fake, clock)
    assert [record.progress for record in seen[:3]] == [0.0, 0.5, 1.0]
    assert seen[1].live == {"mean": 0.7}
    assert seen[-1].status == "succeeded"
    assert fake.calls == [EVENTS]


def test_the_last_event_says_why_a_job_failed(fake: FakeService, clock: Clock) -> None:
    """A bare status that is final is not yet the end: the reason comes with the last event."""
    reason = {"code": "internal_error", "message": "Broken."}
    end = event("end", job_state("failed", error=reason))
    fake.events = [event("status", {"status": "failed"}), end]
    last = waited(fake, clock)[-1]
    assert last.error is not None
    assert last.error.message == "Broken."


def test_a_stream_without_end_is_no_end(fake: FakeService, clock: Clock) -> None:
    """If the stream stops after a bare final status, the job itself is asked."""
    fake.events = [event("status", {"status": "succeeded"})]
    assert waited(fake, clock)[-1].status == "succeeded"
    assert fake.calls == [EVENTS, POLL]


def test_without_events_the_job_is_polled(fake: FakeService, clock: Clock) -> None:
    """A service without streams is asked again and again, less and less often, and once for a stream."""
    fake.states = [job_state("running")] * 30 + [job_state("succeeded")]
    waited(fake, clock)
    assert fake.calls == [EVENTS] + [POLL] * 31
    pauses = [pause for pause in clock.slept if pause]
    assert pauses[0] == 0.1
    assert pauses == sorted(pauses)
    assert pauses[-1] == 5.0


def test_a_broken_stream_is_taken_up_again(fake: FakeService, clock: Clock) -> None:
    """A stream that breaks off is opened again after a pause."""
    fake.states = [job_state("running"), job_state("running"), job_state("succeeded")]
    fake.events = [event("progress", {"progress": 0.3}), httpx.ReadError("reset")]
    assert waited(fake, clock)[-1].status == "succeeded"
    assert EVENTS in fake.calls[1:]


def test_a_deadline_ends_the_wait(fake: FakeService, clock: Clock) -> None:
    """At the deadline the wait ends, not before and not much later, and the job goes on."""
    fake.states = [job_state("running", progress=0.25)]
    driver, operations = driven(fake, clock)
    with pytest.raises(WaitTimeoutError, match="still running") as caught:
        driver.run(operations.wait(QUEUED, timeout_s=8.0))
    assert caught.value.job.progress == 0.25
    assert clock.now == pytest.approx(1008.0)
    assert "POST" not in " ".join(fake.calls)


def test_short_waits_do_not_open_streams(fake: FakeService, clock: Clock) -> None:
    """A stream could not be left in time, so a short wait polls."""
    fake.events = [event("end", job_state("succeeded"))]
    waited(fake, clock, timeout_s=5.0)
    assert fake.calls == [POLL]


def test_a_restart_of_the_service_is_survived(fake: FakeService, clock: Clock) -> None:
    """An outage shorter than two minutes does not end a wait."""
    fake.faults = [httpx.ConnectError("refused")] * 24
    waited(fake, clock)
    assert 10 < sum(clock.slept) < OUTAGE_S


def test_a_long_outage_ends_the_wait(fake: FakeService, clock: Clock) -> None:
    """A service that stays away is reported."""
    fake.faults = [httpx.ConnectError("refused")] * 999
    driver, operations = driven(fake, clock)
    with pytest.raises(TransportError):
        driver.run(operations.wait(QUEUED, timeout_s=36000.0))
    assert OUTAGE_S < sum(clock.slept) < OUTAGE_S + 10


def test_an_unreachable_service_is_not_called_slow(fake: FakeService, clock: Clock) -> None:
    """If nothing answered until the deadline, that is the error."""
    fake.faults = [httpx.ConnectError("refused")] * 999
    driver, operations = driven(fake, clock)
    with pytest.raises(TransportError):
        driver.run(operations.wait(QUEUED, timeout_s=5.0))


def test_garbled_events_are_an_error(fake: FakeService, clock: Clock) -> None:
    """An event that is no state of a job is said to be so."""
    fake.events = [b"event: progress\ndata: [1\n\n"]
    driver, operations = driven(fake, clock)
    with pytest.raises(UnexpectedAnswerError, match="progress"):
        driver.run(operations.wait(QUEUED, timeout_s=100.0))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_events_do_not_depend_on_how_they_are_cut(size: int, line_end: str) -> None:
    """Any split of the bytes gives the same events."""
    text = ": hello\n\nid: 4\nevent: progress\ndata: {\ndata: }\n\ndata:é\n\nevent: lost\n\n"
    raw = text.replace("\n", line_end).encode()
    parser = EventParser()
    pieces = [raw[start : start + size] for start in range(0, len(raw), size)]
    events = [found for piece in pieces for found in parser.feed(piece)]
    assert events == [ServerEvent("progress", "{\n}"), ServerEvent("message", "é")]
