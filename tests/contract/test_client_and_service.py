"""The client against the real service, and in this process: one contract, kept by both."""

import asyncio
import io
import json
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from tests.support.servers import Service, clean_environment

from equipoise import (
    ApiError,
    AsyncClient,
    Client,
    ConflictError,
    InvalidSpecError,
    JobFailedError,
    JobRecord,
    NotFoundError,
    SimulateSolution,
    StationarySolution,
    WaitTimeoutError,
)

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

WAIT_S = 60.0
STATIONARY: dict[str, Any] = {
    "task": "stationary",
    "model": {"kind": "diagonal", "depth": 1, "width": 1},
    "data": {"kind": "gaussian", "slope": 0.7, "noise_std": 1.3},
    "temperature": 0.05,
}
SIMULATE: dict[str, Any] = {
    "task": "simulate",
    "model": {"kind": "diagonal"},
    "data": {"kind": "gaussian", "slope": 0.7, "noise_std": 1.3},
    "dynamics": {"kind": "sgd", "learning_rate": 0.02},
    "n_paths": 128,
    "n_steps": 500,
    "seed": 3,
}
# Far beyond the patience of a test: it is there to be cancelled.
ENDLESS = SIMULATE | {"n_paths": 10_000, "n_steps": 10**9}


def test_quick_specs_are_solved_on_the_spot(client: Client) -> None:
    """A closed form needs no job."""
    solution = client.solve(STATIONARY)
    assert isinstance(solution, StationarySolution)
    assert list(client.jobs(tag="none")) == []


def test_local_and_remote_give_the_same_numbers(remote: Client) -> None:
    """A simulation has the same bits here and there."""
    with Client.local() as here:
        solutions = [each.solve(SIMULATE, timeout_s=WAIT_S) for each in (here, remote)]
    first, second = (solution.model_dump_json(exclude={"seconds"}) for solution in solutions)
    assert first == second


def test_jobs_go_through_their_life(client: Client) -> None:
    """Submit, watch, fetch, resubmit, refuse to cancel, forget."""
    job = client.submit(SIMULATE | {"seed": 11}, tags=["life"], timeout_seconds=WAIT_S)
    states = list(job.watch(timeout_s=WAIT_S))
    assert states[-1].status == "succeeded"
    assert states[-1].progress == 1.0
    solution = job.result(timeout_s=WAIT_S)
    assert isinstance(solution, SimulateSolution)
    assert solution.seconds is not None
    assert solution.spec_hash == job.record.spec_hash
    assert job.arrays()["histogram.counts"].tolist() == solution.histogram.counts.tolist()
    again = client.submit(SIMULATE | {"seed": 11})
    assert (again.id, again.status) == (job.id, "succeeded")
    assert [found.id for found in client.jobs(tag="life")] == [job.id]
    with pytest.raises(ConflictError) as caught:
        job.cancel()
    assert caught.value.code == "job_finished"
    job.delete()
    with pytest.raises(NotFoundError) as missing:
        client.job(job.id)
    assert missing.value.code == "job_not_found"


def test_running_jobs_can_be_cancelled(client: Client) -> None:
    """A job in full swing reports progress, has no result yet, and stops when asked to."""
    job = client.submit(ENDLESS)
    for record in job.watch(timeout_s=WAIT_S):
        if record.status == "running" and record.progress > 0:
            break
    with pytest.raises(WaitTimeoutError):
        job.result(timeout_s=0.2)
    with pytest.raises(ConflictError) as caught:
        job.delete()
    assert caught.value.status == 409
    job.cancel()
    with pytest.raises(JobFailedError) as failed:
        job.result(timeout_s=WAIT_S)
    assert failed.value.status == "cancelled"
    again = client.submit(ENDLESS)
    assert again.id == f"{job.id}-2"
    again.cancel()
    assert again.wait(timeout_s=WAIT_S).status == "cancelled"


def test_jobs_are_timed_out(client: Client) -> None:
    """A job beyond its own limit ends as such, and says so."""
    job = client.submit(ENDLESS | {"seed": 12}, timeout_seconds=0.3)
    with pytest.raises(JobFailedError, match="timeout_seconds") as caught:
        job.result(timeout_s=WAIT_S)
    assert caught.value.status == "timed_out"


def test_a_submit_can_wait(client: Client) -> None:
    """`wait_s` gives a finished job at once."""
    assert client.submit(STATIONARY | {"temperature": 0.07}, wait_s=WAIT_S).status == "succeeded"


def test_pages_are_followed(client: Client) -> None:
    """More jobs than fit one page are listed, newest first."""
    specs = [STATIONARY | {"temperature": 0.01 + 0.001 * number} for number in range(103)]
    ids = [client.submit(spec, tags=["pages"]).id for spec in specs]
    assert [job.id for job in client.jobs(tag="pages")] == ids[::-1]
    assert [job.id for job in client.jobs(tag="pages", limit=2)] == ids[:-3:-1]


def uploads(client: Client, folder: Path) -> set[str]:
    x, y = np.array([1.0, -2.0, 0.5, 3.0]), np.array([0.5, -1.5, 1.0, 2.0])
    table, archive = folder / "data.csv", folder / "data.npz"
    table.write_text("a,b\n" + "\n".join(f"{a!r},{b!r}" for a, b in zip(x.tolist(), y.tolist(), strict=True)))
    np.savez(archive, x=x, y=y)
    sources = ((x, y), {"x": x, "y": y}, table, archive)
    return {client.upload(source).id for source in sources} | {client.upload(table, x="a", y="b").id}


def test_datasets_have_one_id_everywhere(remote: Client, tmp_path: Path) -> None:
    """The same numbers in any format have the same id, here and there, and specs may name it."""
    with Client.local() as here:
        ids = uploads(here, tmp_path) | uploads(remote, tmp_path)
        assert len(ids) == 1
        named = STATIONARY | {"data": {"kind": "dataset", "id": ids.pop()}}
        first, second = (each.solve(named) for each in (here, remote))
    exclude = {"seconds"}
    assert first.model_dump_json(exclude=exclude) == second.model_dump_json(exclude=exclude)


def test_vectors_have_one_id_everywhere(remote: Client, tmp_path: Path) -> None:
    """Rows of vectors in any format have the same id, here and there."""
    x, y = np.array([[1.0, -2.0], [0.5, 3.0], [2.0, 0.1]]), np.array([0.5, -1.5, 1.0])
    rows = "\n".join(f"{a!r},{b!r},{c!r}" for (a, b), c in zip(x.tolist(), y.tolist(), strict=True))
    named, numbered, archived = tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "c.npz"
    named.write_text(f"a,b,c\n{rows}")
    numbered.write_text(f"x1,x2,y1\n{rows}")
    np.savez(archived, x=x, y=y)
    listed = tmp_path / "d.parquet"
    listed.write_bytes(table(x=x.tolist(), y=y))
    frame = {"a": x[:, 0], "b": x[:, 1], "c": y}
    with Client.local() as here:
        for each in (here, remote):
            ids = {
                each.upload(source).id for source in ((x, y), {"x": x, "y": y}, numbered, archived, listed)
            }
            ids |= {each.upload(source, x=["a", "b"], y="c").id for source in (named, frame)}
            ids.add(each.upload(named, x="a,b", y="c").id)
            assert len(ids) == 1
            with pytest.raises(ApiError) as caught:
                each.solve(STATIONARY | {"data": {"kind": "dataset", "id": ids.pop()}})
            (error,) = caught.value.errors
            assert (error.field, error.given) == ("data.id", "inputs of 2 numbers")


@pytest.mark.parametrize("text", ["x,y\n1,2\n3,oops\n", "x,y\n1,2\n1,3\n", "", "a,b,c\n1,2,3\n4,5,6\n"])
def test_useless_uploads_are_refused(client: Client, tmp_path: Path, text: str) -> None:
    """What cannot be learned from is refused with a reason."""
    path = tmp_path / "data.csv"
    path.write_text(text)
    with pytest.raises(ApiError) as caught:
        client.upload(path)
    assert 400 <= caught.value.status < 500
    assert caught.value.code


def table(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def twice_named_table(*names: str) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_arrays([pa.array(X)] * len(names), names=list(names)), buffer)
    return buffer.getvalue()


def archive(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def twice_named_archive(*names: str) -> bytes:
    buffer, member = io.BytesIO(), io.BytesIO()
    np.save(member, np.array(X))
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as file:
        warnings.simplefilter("ignore")  # The archive warns of the repeated name that is wanted here.
        for name in names:
            file.writestr(f"{name}.npy", member.getvalue())
    return buffer.getvalue()


X = [0.5, -1.25, 3.0]
BAD_UPLOADS: list[tuple[str, bytes, dict[str, str]]] = [
    ("csv", b"x,x,y\n1,2,3\n2,3,4\n", {}),
    ("csv", b"a,a\n1,2\n2,3\n", {}),
    ("csv", b"a,a,y\n1,2,3\n2,3,4\n", {"x": "a"}),
    ("csv", b"x,y\n1,2\n2,3\n", {"x": "x", "y": "x"}),
    ("csv", b"x,y,z\n1,2,3\n2,3,4\n", {"x": "y"}),
    ("csv", b"a,b,c\n1,2,3\n2,3,4\n", {}),
    ("csv", b"a,b,c\n1,2,3\n2,3,4\n", {"y": "b"}),
    ("csv", b"x,y\n1,2\n2,3\n", {"x": "z"}),
    ("csv", b"a\0,b\n1,2\n2,3\n", {}),
    ("csv", b"a" * 201 + b",b\n1,2\n2,3\n", {}),
    ("csv", b"", {}),
    ("csv", b"x,y\n", {}),
    ("csv", b"x,y\n1,2\n", {}),
    ("csv", b"x,y\n1,2\n1,3\n", {}),
    ("csv", b"x;y\n1;2\n2;3\n", {}),
    ("csv", b"1,2\n3,4\n", {}),
    ("csv", b"x,y\n1,2\n2,much\n", {}),
    ("csv", b"x,y\n1,2\n\n1_0,2\n", {}),
    ("csv", b"x,y\n1,2\n1e300,2\n", {}),
    ("csv", b"x,y\n1,2\n3", {}),
    ("csv", b"\xff\xfe\x00", {}),
    ("csv", b'x,y\n"1,2\n', {}),
    ("npz", twice_named_archive("x", "x", "y"), {}),
    ("npz", archive(x=X, y=X, z=X), {"x": "y"}),
    ("npz", archive(x=X, y=X[:2]), {}),
    ("npz", archive(x=np.ones((2, 2)), y=X), {}),
    ("npz", archive(x=np.ones((3, 2)), y=X), {}),
    ("npz", archive(x=np.ones((3, 2, 2)), y=X), {}),
    ("npz", archive(x=np.ones((3, 0)), y=X), {}),
    ("npz", archive(x=[[1, 2], [3, 1e12], [5, 6]], y=X), {}),
    ("csv", b"x1,x2,y\n1,2,3\n4,inf,6\n", {}),
    ("csv", b"x1,x2,y\n1,2,3\n4,1e12,6\n", {}),
    ("csv", b"a,b,c\n1,2,3\n4,5,6\n", {"x": "a,d", "y": "c"}),
    ("csv", b"a,b,c\n1,2,3\n4,5,6\n", {"x": "a,a", "y": "c"}),
    ("csv", b"a,b,c\n1,2,3\n4,5,6\n", {"x": "a,b", "y": "b,c"}),
    ("parquet", table(x=[[1.0, 2.0], [3.0], [4.0, 5.0]], y=X), {}),
    ("parquet", table(x=[[1.0, 2.0], [3.0, None], [4.0, 5.0]], y=X), {}),
    ("parquet", table(x=[[1.0, 2.0], None, [4.0, 5.0]], y=X), {}),
    ("npz", archive(x=np.array(["a", "b"]), y=X), {}),
    ("npz", archive(x=np.array([1, None], dtype=object), y=X), {}),
    ("npz", archive(x=[1.0, np.inf, 2.0], y=X), {}),
    ("npz", b"x,y\n1,2\n", {}),
    ("parquet", twice_named_table("x", "x", "y"), {}),
    ("parquet", table(x=X, y=X), {"x": "y", "y": "y"}),
    ("parquet", table(x=X, y=["a", "b", "c"]), {}),
    ("parquet", table(x=[1.0, None, 2.0], y=X), {}),
    ("parquet", b"x,y\n1,2\n", {}),
]


@pytest.mark.parametrize(("kind", "content", "names"), BAD_UPLOADS)
def test_bad_uploads_are_refused_alike(
    remote: Client, tmp_path: Path, kind: str, content: bytes, names: dict[str, str]
) -> None:
    """An upload is refused in this process with the very error of the service."""
    path = tmp_path / f"data.{kind}"
    path.write_bytes(content)
    refusals: list[ApiError] = []
    with Client.local() as here:
        for each in (here, remote):
            with pytest.raises(ApiError) as caught:
                each.upload(path, **names)
            refusals.append(caught.value)
    first, second = refusals
    assert (first.status, first.code, first.errors) == (second.status, second.code, second.errors)
    assert str(first) == str(second)


def test_refusals_of_the_solver_name_the_field(client: Client) -> None:
    """A dataset that nobody uploaded is the fault of data.id; an unknown id is not found."""
    unknown = "ds_" + "0" * 32
    with pytest.raises(ApiError) as caught:
        client.solve(STATIONARY | {"data": {"kind": "dataset", "id": unknown}})
    assert [error.field for error in caught.value.errors] == ["data.id"]
    with pytest.raises(NotFoundError) as missing:
        client.dataset(unknown)
    assert missing.value.code == "dataset_not_found"
    with pytest.raises(NotFoundError):
        client.job("job_" + "0" * 32)


@pytest.mark.parametrize(
    "spec",
    [
        STATIONARY | {"temperature": -1, "model": {"kind": "diagonal", "dept": 2}, "data": {"kind": "g"}},
        STATIONARY | {"data": {"kind": "samples", "x": [1, "a"], "y": [1, 2]}, "grid": {"n_points": 1}},
        STATIONARY | {"data": {"kind": "samples", "x": [1, 2], "y": [1]}},
        STATIONARY | {"data": {}, "temprature": 1},
        {name: value for name, value in STATIONARY.items() if name != "temperature"},
        {"task": "stationery"},
        {},
        {name: value for name, value in SIMULATE.items() if name != "n_steps"},
        SIMULATE | {"noise": "two_point"},
        SIMULATE | {"dynamics": {"kind": "sgd", "learning_rate": 0.1, "sampling": "epoch"}},
    ],
)
def test_the_service_and_the_client_refuse_the_same_fields(
    remote: Client, service: Service, spec: dict[str, Any]
) -> None:
    """A spec that the client refuses is refused by the service with the same paths."""
    with pytest.raises(InvalidSpecError) as caught:
        remote.solve(spec)
    answer = httpx.post(f"{service.url}/v1/solve", json={"spec": spec}).json()
    assert {error.field for error in caught.value.errors} == {error["field"] for error in answer["errors"]}


def test_what_is_shown_about_the_service(client: Client) -> None:
    """Limits, workers and health."""
    assert client.limits()
    assert client.workers()
    assert client.health()["status"] == "ok"


def test_the_async_client_does_the_same(service: Service) -> None:
    """Submit and follow on asyncio, several jobs at once."""

    async def main() -> list[JobRecord]:
        async with AsyncClient(service.url) as client:
            jobs = [await client.submit(SIMULATE | {"seed": 20 + number}) for number in range(3)]
            solutions = await asyncio.gather(*(job.result(timeout_s=WAIT_S) for job in jobs))
            assert len({solution.spec_hash for solution in solutions}) == 3
            return [job.record async for job in client.jobs(limit=2)]

    assert len(asyncio.run(main())) == 2


def equipoise(*arguments: str, url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "equipoise.commands", *arguments]
    environment = clean_environment(EQUIPOISE_URL=url)
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, env=environment)


def test_the_command_line_does_the_same(service: Service, tmp_path: Path) -> None:
    """Submit, watch, result and jobs from a shell."""
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(SIMULATE | {"seed": 30}))
    submitted = equipoise("submit", str(spec), "--tag", "shell", url=service.url)
    assert submitted.returncode == 0, submitted.stderr
    job_id = submitted.stdout.strip()
    watched = equipoise("watch", job_id, "--json", url=service.url)
    assert json.loads(watched.stdout.splitlines()[-1])["status"] == "succeeded"
    result = equipoise("result", job_id, "--json", url=service.url)
    assert json.loads(result.stdout)["seed"] == 30
    assert job_id in equipoise("jobs", "--tag", "shell", url=service.url).stdout


def test_serve_hands_its_arguments_on() -> None:
    """`equipoise serve --help` is the help of the service."""
    done = equipoise("serve", "--help", url="http://127.0.0.1:1")
    assert done.returncode == 0
    assert "--data-dir" in done.stdout
