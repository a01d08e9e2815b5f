"""Every failure becomes an error of the client that says what to do."""

import httpx
import pytest
from tests.clients.examples import STATIONARY
from tests.clients.fake_service import JOB_ID, FakeService, job_state, problem

import equipoise
from equipoise import Client, ClientError, TransportError, UnexpectedAnswerError


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "malformed_json", equipoise.ApiError),
        (401, "unauthorized", equipoise.AccessDeniedError),
        (403, "forbidden", equipoise.AccessDeniedError),
        (404, "job_not_found", equipoise.NotFoundError),
        (409, "job_not_finished", equipoise.ConflictError),
        (413, "body_too_large", equipoise.ApiError),
        (422, "invalid_spec", equipoise.InvalidSpecError),
        (422, "limit_exceeded", equipoise.InvalidSpecError),
        (422, "invalid_dataset", equipoise.ApiError),
        (429, "overloaded", equipoise.OverloadedError),
        (500, "internal_error", equipoise.ApiError),
        (503, "not_ready", equipoise.OverloadedError),
    ],
)
def test_each_refusal_has_its_error(
    client: Client, fake: FakeService, status: int, code: str, expected: type[equipoise.ApiError]
) -> None:
    """Status and code decide the class; the error carries both and the request's id."""
    fake.faults = [problem(status, code, detail="Because.")] * 9
    with pytest.raises(ClientError) as caught:
        client.job(JOB_ID)
    error = caught.value
    assert type(error) is expected
    assert (error.status, error.code, error.request_id) == (status, code, "req_1")
    assert "Because." in str(error)


def test_field_errors_are_carried_and_shown(client: Client, fake: FakeService) -> None:
    """The refused fields are in the error and in its message."""
    field = {"field": "data.id", "message": "there is none", "given": "ds_9", "allowed": "an uploaded id"}
    fake.faults = [problem(422, "invalid_model", errors=[field])]
    with pytest.raises(equipoise.InvalidSpecError) as caught:
        client.solve(STATIONARY)
    assert caught.value.errors == (
        equipoise.FieldError("data.id", "there is none", "ds_9", "an uploaded id"),
    )
    assert "data.id: there is none. Given: 'ds_9'. Allowed: an uploaded id." in str(caught.value)


def test_nothing_is_said_twice(client: Client, fake: FakeService) -> None:
    """The service's detail repeats what is wrong with the fields; the message says it once."""
    said = "column 'x' is constant (1.0): need two different values."
    field = {"field": "x", "message": said, "given": "1.0 in every row", "allowed": "two different values"}
    fake.faults = [
        problem(422, "invalid_dataset", title="The dataset is useless", detail=said, errors=[field])
    ]
    with pytest.raises(equipoise.ApiError) as caught:
        client.job(JOB_ID)
    assert str(caught.value) == f"The dataset is useless.\n  x: {said} Given: '1.0 in every row'."
    detail = "n_paths: Input should be at least 1; n_steps: Input should be at least 1"
    fields = [{"field": name, "message": "Input should be at least 1"} for name in ("n_paths", "n_steps")]
    fake.faults = [problem(422, "invalid_request", title="No", detail=detail, errors=fields)]
    with pytest.raises(equipoise.ApiError) as caught:
        client.job(JOB_ID)
    assert str(caught.value).count("Input should be at least 1") == 2
    fake.faults = [problem(422, "invalid_request", title="No", detail="Try less.", errors=fields)]
    with pytest.raises(equipoise.ApiError, match="Try less"):
        client.job(JOB_ID)


def subclasses(parent: type[Exception]) -> list[type[Exception]]:
    return [parent, *(below for child in parent.__subclasses__() for below in subclasses(child))]


@pytest.mark.parametrize("kind", subclasses(httpx.TransportError), ids=lambda kind: kind.__name__)
def test_no_error_of_the_http_library_leaks(client: Client, fake: FakeService, kind: type[Exception]) -> None:
    """Whatever httpx raises on the way becomes an error of the client."""
    fake.faults = [kind("broken")] * 9
    with pytest.raises(ClientError) as caught:
        client.health()
    is_url = kind is httpx.UnsupportedProtocol
    assert type(caught.value) is (UnexpectedAnswerError if is_url else TransportError)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>hello</html>"),
        httpx.Response(200, json=[1, 2]),
        httpx.Response(200, json={"id": JOB_ID, "status": "dancing"}),
        httpx.Response(302, headers={"location": "http://elsewhere"}),
        httpx.Response(404, text="nginx"),
        httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip")),
    ],
    ids=["html", "list", "status", "redirect", "proxy", "gzip"],
)
def test_foreign_answers_are_recognised(client: Client, fake: FakeService, answer: httpx.Response) -> None:
    """What Equipoise does not answer is said to be so, with a hint at the URL."""
    fake.faults = [answer]
    with pytest.raises(UnexpectedAnswerError, match="URL"):
        client.job(JOB_ID)


def test_unknown_solutions_ask_for_an_upgrade(client: Client, fake: FakeService) -> None:
    """A task that this version does not know is no crash."""
    fake.result = {"task": "dream"}
    with pytest.raises(UnexpectedAnswerError, match="Upgrade"):
        client.solve(STATIONARY)


@pytest.mark.parametrize("status", ["failed", "cancelled", "timed_out"])
def test_jobs_without_solution_raise(client: Client, fake: FakeService, status: str) -> None:
    """`result` of a job that ended otherwise raises what the job says."""
    reason = {"code": "worker_crashed", "message": "No memory."}
    fake.states = [job_state(status, error=reason)]
    with pytest.raises(equipoise.JobFailedError, match=r"No memory\.") as caught:
        client.job(JOB_ID).result()
    assert (caught.value.status, caught.value.code) == (status, "worker_crashed")
    assert caught.value.job.id == JOB_ID


def test_closed_clients_say_so(client: Client) -> None:
    """Calls after `close` raise an error of the client; closing twice is harmless."""
    client.close()
    client.close()
    with pytest.raises(equipoise.ClosedClientError):
        client.health()


def test_every_error_is_a_client_error() -> None:
    """One `except` catches all errors of the public surface."""
    named = [getattr(equipoise, name) for name in equipoise.__all__ if name.endswith("Error")]
    errors = [kind for kind in named if kind is not equipoise.FieldError]
    assert len(errors) > 10
    assert all(issubclass(kind, ClientError) for kind in errors)


def test_long_values_are_cut_in_messages(client: Client) -> None:
    """A message never repeats megabytes."""
    with pytest.raises(equipoise.InvalidSpecError) as caught:
        client.solve(STATIONARY | {"temperature": "x" * 10_000, "grid": {"v": [None] * 5000}})
    assert len(str(caught.value)) < 3000
