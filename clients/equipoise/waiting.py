"""Wait for a job: follow its events while they come, else ask again and again, till it ends or time is up."""

import itertools
import json
from collections.abc import Callable, Iterator

from equipoise.answers import is_good, read_json, read_model
from equipoise.effects import Emit, Flow, Open, Read, Request, Sleep
from equipoise.errors import OverloadedError, TransportError, UnexpectedAnswerError, WaitTimeoutError
from equipoise.records import JobRecord
from equipoise.retries import RETRIED_STATUSES
from equipoise.server_events import EventParser, ServerEvent

Clock = Callable[[], float]

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
# The service sends a heartbeat every 10 s: three missing in a row mean that the stream is dead.
SILENCE_S = 30.0
# A stream wakes the waiting side at its heartbeats only, so the last stretch before a deadline is polled.
STREAM_MARGIN_S = 12.0
# A restart of the service does not end a wait of hours; an outage longer than this does.
OUTAGE_S = 120.0


def wait(record: JobRecord, *, timeout_s: float, clock: Clock) -> Flow[JobRecord]:
    """Wait until a job has ended, however it ends; emit each state on the way.

    Args:
        record: last known state of the job.
        timeout_s: longest wait, [s].
        clock: seconds of a monotonic clock.

    Raises:
        WaitTimeoutError: it had not ended by then.
        TransportError: the service could not be reached for two minutes, or not at the end.
    """
    started = last_answer = clock()
    give_up = started + timeout_s
    if record.is_final:
        yield Emit(record)
    streams = True
    failure: TransportError | OverloadedError | None = None
    for pause_s in itertools.chain([0.0], _pauses()):
        yield Sleep(max(0.0, min(pause_s, give_up - clock())))
        try:
            if streams and give_up - clock() > STREAM_MARGIN_S and not record.is_final:
                record, streams = yield from _follow(record, until=give_up - STREAM_MARGIN_S, clock=clock)
            if not record.is_final:
                record = yield from _poll(record, max(1.0, min(SILENCE_S, give_up - clock())))
                yield Emit(record)
            last_answer, failure = clock(), None
        except (TransportError, OverloadedError) as error:
            failure = error
            if clock() - last_answer > OUTAGE_S:
                raise
        if record.is_final:
            return record
        if clock() >= give_up:
            break
    raise failure or WaitTimeoutError(record, waited_s=clock() - started)


def _pauses() -> Iterator[float]:
    pause_s = FIRST_PAUSE_S
    while True:
        yield pause_s
        pause_s = min(LONGEST_PAUSE_S, 1.5 * pause_s)


def _poll(record: JobRecord, timeout_s: float) -> Flow[JobRecord]:
    response = yield Request("GET", f"/v1/jobs/{record.id}", timeout_s=timeout_s)
    return read_model(JobRecord, read_json(response))


def _follow(record: JobRecord, *, until: float, clock: Clock) -> Flow[tuple[JobRecord, bool]]:
    """Follow the events; return the last state, and whether streams are worth another attempt.

    A stream that breaks off is no failure: the caller polls then, and so learns whether the service is up.
    """
    headers = {"Accept": "text/event-stream"}
    path = f"/v1/jobs/{record.id}/events"
    parser = EventParser()
    try:
        response = yield Open(Request("GET", path, headers=headers, timeout_s=SILENCE_S))
        if not is_good(response) or "text/event-stream" not in response.headers.get("content-type", ""):
            return record, response.status in RETRIED_STATUSES
        while clock() < until and (piece := (yield Read())) is not None:
            for event in parser.feed(piece):
                state = _applied(record, event)
                if state.is_final and event.name != "end":
                    # Only the last event carries the whole of a finished job, such as why it failed.
                    continue
                record = state
                yield Emit(record)
                if record.is_final:
                    return record, True
    except TransportError:
        pass
    return record, True


def _applied(record: JobRecord, event: ServerEvent) -> JobRecord:
    try:
        content = json.loads(event.data)
        return record.updated(content)
    except (ValueError, AttributeError):
        raise UnexpectedAnswerError(
            f"Event {event.name!r} of job {record.id} cannot be read: {event.data[:80]!r}. "
            "Check that client and service have matching versions."
        ) from None
