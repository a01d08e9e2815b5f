"""Retries: what is tried again, how often, and after which pause."""

import httpx
import pytest
from tests.clients.examples import STATIONARY
from tests.clients.fake_service import HEALTH, JOB_ID, Clock, FakeService, driven, problem

from equipoise import ApiError, NotFoundError, OverloadedError, RetryPolicy, TransportError
from equipoise.effects import Finished, Request, Response, Sleep, advance
from equipoise.operations import Submission
from equipoise.retries import send

NO_JITTER = RetryPolicy(jitter=lambda: 1.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_temporary_refusals_are_tried_again(fake: FakeService, clock: Clock, status: int) -> None:
    """A busy service is asked again, with doubled pauses."""
    fake.faults = [problem(status, "overloaded")] * 3
    driver, operations = driven(fake, clock, NO_JITTER)
    assert driver.run(operations.health()) == HEALTH
    assert clock.slept == [0.2, 0.4, 0.8]


def test_lost_connections_are_tried_again(fake: FakeService, clock: Clock) -> None:
    """A connection that breaks is made anew."""
    fake.faults = [httpx.ConnectError("refused"), httpx.ReadError("reset")]
    driver, operations = driven(fake, clock)
    assert driver.run(operations.health()) == HEALTH


def test_retries_end(fake: FakeService, clock: Clock) -> None:
    """After the last retry the failure is raised."""
    fake.faults = [httpx.ConnectError("refused")] * 99
    driver, operations = driven(fake, clock, RetryPolicy(n_retries=2))
    with pytest.raises(TransportError, match="refused"):
        driver.run(operations.health())
    assert len(fake.requests) == 3


@pytest.mark.parametrize("status", [400, 404, 409, 422, 500])
def test_final_refusals_are_not_tried_again(fake: FakeService, clock: Clock, status: int) -> None:
    """What will not change is not asked twice."""
    fake.faults = [problem(status, "no")]
    driver, operations = driven(fake, clock)
    with pytest.raises(ApiError):
        driver.run(operations.health())
    assert len(fake.requests) == 1


def test_retry_after_is_honoured(fake: FakeService, clock: Clock) -> None:
    """The service's own wish is the least pause; the clients that were told the same come spread after it."""
    answer = problem(503, "overloaded")
    answer.headers["retry-after"] = "7"
    fake.faults = [answer]
    driver, operations = driven(fake, clock, NO_JITTER)
    driver.run(operations.health())
    assert clock.slept == [7.2]


@pytest.mark.parametrize(("status", "n_requests"), [(429, 3), (503, 1), (502, 1)])
def test_what_was_turned_away_at_the_door_is_sent_again(status: int, n_requests: int) -> None:
    """A request that may not be done twice is repeated after 429 alone: then it was not done at all."""
    flow = send(Request("POST", "/v1/x", is_idempotent=False), NO_JITTER)
    answers = iter([Response(status, {"retry-after": "2"}, b"")] * 2 + [Response(200, {}, b"")])
    slept: list[float] = []
    reply: Response | None = None
    n_sent = 0
    while not isinstance(effect := advance(flow, reply), Finished):
        if isinstance(effect, Sleep):
            slept.append(effect.delay_s)
            reply = None
        else:
            n_sent += 1
            reply = next(answers)
    assert effect.value.status == (200 if status == 429 else status)
    assert n_sent == n_requests
    assert slept == [2.2, 2.4][: n_requests - 1]


def test_a_long_retry_after_is_handed_on(fake: FakeService, clock: Clock) -> None:
    """Nobody waits an hour in silence."""
    answer = problem(503, "overloaded")
    answer.headers["retry-after"] = "3600"
    fake.faults = [answer]
    driver, operations = driven(fake, clock)
    with pytest.raises(OverloadedError):
        driver.run(operations.health())
    assert clock.slept == []


def test_a_retried_submit_keeps_its_key(fake: FakeService, clock: Clock) -> None:
    """All attempts of one submit carry one key, so that one job is made."""
    fake.faults = [httpx.ReadTimeout("slow"), problem(502, "gateway")]
    driver, operations = driven(fake, clock)
    driver.run(operations.submit(Submission(STATIONARY)))
    assert len(fake.requests) == 3
    assert len({request.headers["idempotency-key"] for request in fake.requests}) == 1
    assert len({request.content for request in fake.requests}) == 1


def test_deleting_survives_a_lost_answer(fake: FakeService, clock: Clock) -> None:
    """If the first attempt did it and its answer got lost, the second one's 404 is success."""
    fake.faults = [httpx.ReadTimeout("slow"), problem(404, "job_not_found")]
    driver, operations = driven(fake, clock)
    driver.run(operations.delete(JOB_ID))
    fake.faults = [problem(404, "job_not_found")]
    with pytest.raises(NotFoundError):
        driver.run(operations.delete(JOB_ID))


def test_requests_that_may_not_be_repeated_are_not() -> None:
    """A request that is not idempotent is sent once."""
    flow = send(Request("POST", "/v1/x", is_idempotent=False), RetryPolicy())
    assert isinstance(next(flow), Request)
    with pytest.raises(StopIteration) as stop:
        flow.send(Response(503, {}, b""))
    assert stop.value.value.status == 503


def test_jitter_stays_within_half_of_the_pause() -> None:
    """Pauses lie between half and all of the backoff, which has a cap."""
    low = list(RetryPolicy(n_retries=8, jitter=lambda: 0.0).pauses())
    high = list(RetryPolicy(n_retries=8, jitter=lambda: 1.0).pauses())
    assert high == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    assert low == [pause / 2 for pause in high]
