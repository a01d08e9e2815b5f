"""The calls of the client against a fake service."""

import io
import json
from pathlib import Path

import httpx
import numpy as np
import pytest
from tests.clients.examples import SIMULATE, STATIONARY
from tests.clients.fake_service import HEALTH, JOB_ID, FakeService, job_state

from equipoise import Client, InvalidArgumentError, InvalidSpecError, JobRecord, NotFoundError, specs


def test_quick_specs_are_solved_on_the_spot(client: Client, fake: FakeService) -> None:
    """`solve` of a quick spec is one request."""
    solution = client.solve(STATIONARY)
    assert isinstance(solution, specs.StationarySolution)
    assert isinstance(solution.density.v, np.ndarray)
    assert fake.calls == ["POST /v1/solve"]


def test_other_specs_are_solved_as_jobs(client: Client, fake: FakeService) -> None:
    """`solve` submits and waits where the service says so."""
    fake.needs_job = True
    client.solve(STATIONARY)
    assert fake.calls == ["POST /v1/solve", "POST /v1/jobs", f"GET /v1/jobs/{JOB_ID}/result"]


def test_the_spec_is_sent_with_defaults(client: Client, fake: FakeService) -> None:
    """A dictionary and a model of the same spec are the same request."""
    client.solve(STATIONARY)
    client.solve(specs.parse_spec(STATIONARY))
    first, second = (json.loads(request.content) for request in fake.requests)
    assert first == second
    assert first["spec"]["weight_decay"] == 0.0


def test_options_of_submit_are_sent(client: Client, fake: FakeService) -> None:
    """Priority, time limit, tags, wait, device and urgency reach the service."""
    client.submit(
        SIMULATE, priority=2, timeout_seconds=9, tags=["a", "b"], wait_s=4, device="gpu", urgent=True
    )
    request = fake.requests[0]
    content = json.loads(request.content)
    assert (content["priority"], content["timeout_seconds"], content["tags"]) == (2, 9.0, ["a", "b"])
    assert (content["device"], content["urgent"]) == ("gpu", True)
    assert request.headers["prefer"] == "wait=4"
    assert len(request.headers["idempotency-key"]) == 32


def test_an_estimate_is_asked_without_submitting(client: Client, fake: FakeService) -> None:
    """`estimate` sends the spec and how it is to be run, and gives what the service foretells."""
    found = client.estimate(SIMULATE, priority=2, timeout_seconds=9, device="cpu", urgent=True)
    assert fake.calls == ["POST /v1/estimate"]
    content = json.loads(fake.requests[0].content)
    assert {name: content[name] for name in content if name != "spec"} == {
        "priority": 2,
        "timeout_seconds": 9.0,
        "device": "cpu",
        "urgent": True,
    }
    assert (found.cost.seconds, found.queue, found.queue_position, found.n_shards) == (4.5, "cpu", 2, 3)
    assert found.expected_start is not None
    assert found.refusal is None


def test_a_device_that_there_is_not_is_refused_before_anything_is_sent(
    client: Client, fake: FakeService
) -> None:
    """The kinds of device are known to the client."""
    with pytest.raises(InvalidArgumentError, match="one of auto, cpu, gpu"):
        client.submit(SIMULATE, device="tpu")
    assert fake.requests == []


def test_two_submits_have_two_keys(client: Client, fake: FakeService) -> None:
    """A key belongs to one submit."""
    client.submit(STATIONARY)
    client.submit(STATIONARY)
    assert len({request.headers["idempotency-key"] for request in fake.requests}) == 2


def test_bad_specs_are_not_sent(client: Client, fake: FakeService) -> None:
    """A spec that makes no sense is refused before anything is sent."""
    with pytest.raises(InvalidSpecError) as caught:
        client.submit(STATIONARY | {"temperature": -1})
    assert [error.field for error in caught.value.errors] == ["temperature"]
    assert fake.requests == []


def test_the_token_is_sent_and_not_shown(fake: FakeService) -> None:
    """The token goes into the header and nowhere else."""
    client = Client("http://fake", token="s3cret", transport=httpx.MockTransport(fake))
    client.health()
    assert fake.requests[0].headers["authorization"] == "Bearer s3cret"
    assert "s3cret" not in repr(client)


def test_address_and_token_come_from_the_environment(
    fake: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EQUIPOISE_URL and EQUIPOISE_TOKEN are used where nothing is given."""
    monkeypatch.setenv("EQUIPOISE_URL", "http://lab:81/base/")
    monkeypatch.setenv("EQUIPOISE_TOKEN", "t0ken")
    with Client(transport=httpx.MockTransport(fake)) as client, pytest.raises(NotFoundError):
        client.health()
    assert str(fake.requests[0].url) == "http://lab:81/base/healthz"
    assert fake.requests[0].headers["authorization"] == "Bearer t0ken"


@pytest.mark.parametrize("url", ["lab:8000", "ftp://lab", "http://", "http://lab:99999"])
def test_bad_addresses_are_refused(url: str) -> None:
    """What is no http(s) URL is refused when the client is made."""
    with pytest.raises(InvalidArgumentError, match="base_url"):
        Client(url)


@pytest.mark.parametrize("timeout_s", [0, -1, float("inf"), float("nan"), "5", True])
def test_bad_timeouts_are_refused(timeout_s: float) -> None:
    """Durations are positive, finite numbers."""
    with pytest.raises(InvalidArgumentError, match="timeout_s"):
        Client("http://fake", timeout_s=timeout_s)


def test_jobs_are_fetched_page_by_page(client: Client, fake: FakeService) -> None:
    """`jobs` follows the cursors, and no further than asked."""
    fake.pages = {
        "": {"jobs": [job_state(), job_state("running")], "next_cursor": "c1"},
        "c1": {"jobs": [job_state("succeeded")], "next_cursor": None},
    }
    assert [job.status for job in client.jobs()] == ["queued", "running", "succeeded"]
    fake.requests.clear()
    assert [job.status for job in client.jobs(status="queued", tag="t", limit=2)] == ["queued", "running"]
    assert dict(fake.requests[0].url.params) == {"status": "queued", "tag": "t", "limit": "2"}
    assert len(fake.requests) == 1


@pytest.mark.parametrize(("options", "name"), [({"status": "lost"}, "status"), ({"limit": 0}, "limit")])
def test_bad_filters_are_refused(client: Client, options: dict[str, object], name: str) -> None:
    """Filters that select nothing are mistakes."""
    with pytest.raises(InvalidArgumentError, match=name):
        list(client.jobs(**options))  # type: ignore[arg-type]


def test_job_handles_know_their_job(client: Client, fake: FakeService) -> None:
    """A handle shows the last state, asks again, cancels, fetches arrays and forgets."""
    fake.states = [job_state("running", progress=0.25, live={"mean": 0.5}), job_state("succeeded")]
    job = client.job(JOB_ID)
    assert (job.id, job.status, job.progress, job.live) == (JOB_ID, "running", 0.25, {"mean": 0.5})
    assert job.refresh().status == "succeeded"
    assert job.arrays()["density.v"].tolist() == [0.0, 1.0, 2.0]
    assert job.cancel().status == "cancelling"
    assert client.cancel(JOB_ID).status == "cancelling"
    job.delete()
    assert fake.calls[-1] == f"DELETE /v1/jobs/{JOB_ID}"
    assert "cancelling" in repr(job)


def test_results_are_fetched_once(client: Client, fake: FakeService) -> None:
    """The second `result` of a handle asks nobody."""
    job = client.submit(STATIONARY)
    assert job.result() is job.result()
    assert fake.calls.count(f"GET /v1/jobs/{JOB_ID}/result") == 1


def test_results_by_id(client: Client) -> None:
    """`Client.result` takes an id."""
    assert client.result(JOB_ID).task == "stationary"


def test_job_ids_cannot_reach_other_paths(client: Client, fake: FakeService) -> None:
    """An id with a slash is no id."""
    with pytest.raises(NotFoundError, match="no job id"):
        client.job("../limits")
    assert fake.requests == []


def test_progress_can_be_reported_to_a_function(client: Client, fake: FakeService) -> None:
    """`progress` may be a function of each state."""
    fake.states = [job_state("running", progress=0.5), job_state("succeeded")]
    seen: list[JobRecord] = []
    client.submit(STATIONARY).result(progress=seen.append)
    assert [record.status for record in seen] == ["running", "succeeded"]


def test_what_a_shared_service_shows(client: Client) -> None:
    """Limits, workers and health are plain content."""
    assert client.limits() == {"max_paths": 7}
    assert client.workers() == [{"id": "w"}]
    assert client.health() == HEALTH


@pytest.mark.parametrize(
    ("source", "names"),
    [
        (([1, 2, 3], [4, 5, 6]), {}),
        (None, {"x": [1, 2, 3], "y": [4, 5, 6]}),
        ({"x": [1, 2, 3], "y": [4, 5, 6], "z": "no numbers"}, {}),
        ({"a": [1, 2, 3], "b": [4, 5, 6]}, {}),
        ({"a": [1, 2, 3], "b": [4, 5, 6], "c": [7, 8, 9]}, {"x": "a", "y": "b"}),
        ({"a": [4, 5, 6], "b": [1, 2, 3]}, {"x": "b"}),
    ],
)
def test_arrays_are_uploaded_as_npz(
    client: Client, fake: FakeService, source: object, names: dict[str, object]
) -> None:
    """Columns given in any form arrive as x and y."""
    dataset = client.upload(source, **names)
    assert (dataset.id, dataset.n_rows) == ("ds_" + "1" * 32, 3)
    request = fake.requests[0]
    assert request.headers["content-type"] == "application/x-npz"
    with np.load(io.BytesIO(request.content), allow_pickle=False) as archive:
        assert archive["x"].tolist() == [1.0, 2.0, 3.0]
        assert archive["y"].tolist() == [4.0, 5.0, 6.0]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        (([[1, 2], [3, 4]], [5, 6]), {}),
        ({"x": [[1, 2], [3, 4]], "y": [5, 6]}, {}),
        ({"x1": [1, 3], "x2": [2, 4], "y": [5, 6]}, {}),
        ({"a": [1, 3], "b": [2, 4], "c": [5, 6]}, {"x": ["a", "b"], "y": "c"}),
        ({"a": [1, 3], "b": [2, 4], "c": [5, 6]}, {"x": "a,b", "y": "c"}),
    ],
)
def test_vectors_are_uploaded_as_npz(
    client: Client, fake: FakeService, source: object, names: dict[str, object]
) -> None:
    """Rows of vectors given in any form arrive as x, shape (n, k), and y."""
    client.upload(source, **names)
    with np.load(io.BytesIO(fake.requests[0].content), allow_pickle=False) as archive:
        assert archive["x"].tolist() == [[1.0, 2.0], [3.0, 4.0]]
        assert archive["y"].tolist() == [5.0, 6.0]


def test_names_of_vectors_are_sent_with_commas(client: Client, fake: FakeService, tmp_path: Path) -> None:
    """The columns of a vector in a file are named in one parameter."""
    path = tmp_path / "data.csv"
    path.write_text("a,b,c\n1,2,3\n3,4,5\n")
    client.upload(path, x=["a", "b"], y="c")
    assert dict(fake.requests[0].url.params) == {"x": "a,b", "y": "c"}


def test_files_are_uploaded_as_they_are(client: Client, fake: FakeService, tmp_path: Path) -> None:
    """A file keeps its bytes, its content type and the names of its columns."""
    path = tmp_path / "data.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    client.upload(path, x="b", y="a")
    request = fake.requests[0]
    assert request.content == path.read_bytes()
    assert request.headers["content-type"] == "text/csv"
    assert dict(request.url.params) == {"x": "b", "y": "a"}


@pytest.mark.parametrize(
    ("source", "names", "wrong"),
    [
        ("nowhere.csv", {}, "source"),
        ("data.xlsx", {}, "source"),
        (None, {}, "source"),
        (42, {}, "source"),
        (([1, 2], [1, 2, 3]), {}, "y"),
        (([1, float("nan")], [1, 2]), {}, "x"),
        (([1, 2], ["a", "b"]), {}, "y"),
        ({"a": [1, 2], "b": [1, 2]}, {"x": "c", "y": "b"}, "x"),
        ({"a": [1, 2], "b": [1, 2]}, {"x": "a", "y": "a"}, "y"),
        ({"x": [1, 2], "y": [1, 2], "z": [1, 2]}, {"y": "x"}, "y"),
        ({"a": [1, 2], "b": [1, 2], "c": [1, 2]}, {}, "source"),
        ({"a": [1, 2], "b": [1, 2]}, {"x": [1, 2]}, "x"),
        ({"a": [1, 2], "b": [1, 2]}, {"x": ["a", "a"], "y": "b"}, "x"),
        ({"a": [1, 2], "b": [1, 2], "c": [1]}, {"x": ["a", "c"], "y": "b"}, "x"),
        ("data.csv", {"x": ["a,b"], "y": "c"}, "x"),
        ("data.csv", {"x": ["a", 3], "y": "c"}, "x"),
        (None, {"x": [[1, 2], [3, 4]], "y": [[1], [2], [3]]}, "y"),
        (None, {"x": [[[1]], [[2]]], "y": [1, 2]}, "x"),
    ],
)
def test_bad_uploads_are_not_sent(
    client: Client, fake: FakeService, source: object, names: dict[str, object], wrong: str
) -> None:
    """What cannot be a dataset is refused before anything is sent, naming the argument."""
    with pytest.raises(InvalidArgumentError) as caught:
        client.upload(source, **names)
    assert caught.value.argument == wrong
    assert fake.requests == []
