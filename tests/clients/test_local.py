"""The local client: the same calls, in this process."""

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.clients.examples import SIMULATE, STATIONARY, stationary_content

from equipoise import (
    ApiError,
    AsyncClient,
    Client,
    ConflictError,
    InvalidArgumentError,
    InvalidSpecError,
    NotFoundError,
    specs,
)
from equipoise.local.jobs import JobBoard
from equipoise_solver.solving import solve

DEADLINE_S = 20.0


class Steps:
    """Checkpoint of `Stepwise`."""

    def __init__(self, done: int, of: int) -> None:
        self.fraction = done / of
        self.is_done = done >= of
        self.done = done
        self.live = {"mean": float(done)}


class Stepwise:
    """Work in four chunks, each of which waits to be let through."""

    cost = SimpleNamespace(path_steps=400.0, memory_bytes=1e6, is_quick=False, seconds=6.0)

    def __init__(self, temperature: float = 0.1, *, is_broken: bool = False) -> None:
        self.spec = specs.parse_spec(STATIONARY | {"temperature": temperature})
        self.gate = threading.Semaphore(0)
        self.is_broken = is_broken

    def begin(self) -> Steps:
        return Steps(0, 4)

    def advance(self, checkpoint: Steps, budget: int, *, threads: int) -> Steps:
        assert budget > 0
        assert threads == 2
        assert self.gate.acquire(timeout=DEADLINE_S)
        if self.is_broken:
            raise RuntimeError("out of luck")
        return Steps(checkpoint.done + 1, 4)

    def finish(self, _: Steps) -> specs.StationarySolution:
        return specs.StationarySolution.model_validate(stationary_content())


@pytest.fixture
def board() -> JobBoard:
    return JobBoard(2, lambda error: {"code": "broken", "message": str(error)})


def submitted(board: JobBoard, work: Stepwise, **options: Any) -> str:
    defaults: dict[str, Any] = {"priority": 0, "timeout_seconds": None, "tags": ()}
    state, _ = board.submit(work, **(defaults | options))
    job_id: str = state["id"]
    return job_id


def until_running(board: JobBoard, job_id: str) -> None:
    """Return once the job runs: then it holds the thread of the board until its gate lets it go."""
    states = board.follow(job_id)
    while (state := next(states)) is None or state["status"] != "running":
        pass


def test_jobs_show_what_they_are_expected_to_take(board: JobBoard) -> None:
    """The solver's estimate is divided by the threads of this process."""
    cost = board.state(submitted(board, Stepwise()))["cost"]
    assert (cost["seconds"], cost["path_steps"], cost["memory_bytes"]) == (3.0, 400.0, 1e6)
    board.close()


def test_progress_is_seen_chunk_by_chunk(board: JobBoard) -> None:
    """Each chunk changes progress and live numbers; the end gives the solution and its time."""
    work = Stepwise()
    job_id = submitted(board, work)
    seen: dict[float, dict[str, Any]] = {}
    for state in board.follow(job_id):
        if state is not None:
            seen[state["progress"]] = state
            work.gate.release()
    assert set(seen) >= {0.0, 1.0}
    assert board.state(job_id)["status"] == "succeeded"
    assert board.state(job_id)["live"] == {"mean": 4.0}
    assert board.solution(job_id).seconds is not None
    board.close()


def test_a_running_job_stops_at_the_next_chunk(board: JobBoard) -> None:
    """Cancelling takes effect between chunks."""
    work = Stepwise()
    job_id = submitted(board, work)
    until_running(board, job_id)
    assert board.cancel(job_id)["status"] == "cancelling"
    work.gate.release()
    assert board.wait(job_id, DEADLINE_S)["status"] == "cancelled"
    with pytest.raises(ConflictError, match="no result"):
        board.solution(job_id)
    board.close()


def test_queued_jobs_wait_by_priority(board: JobBoard) -> None:
    """One job runs at a time; of the others the one of higher priority goes first."""
    first, second, third = Stepwise(0.1), Stepwise(0.2), Stepwise(0.3)
    running = submitted(board, first)
    until_running(board, running)
    low, high = submitted(board, second), submitted(board, third, priority=5)
    assert board.state(low)["queue_position"] == 1
    assert board.state(high)["queue_position"] == 0
    assert board.cancel(low)["status"] == "cancelled"
    for work in (first, third):
        for _ in range(4):
            work.gate.release()
    assert board.wait(high, DEADLINE_S)["status"] == "succeeded"
    assert [state["status"] for state in board.newest(status=None, tag=None)] == [
        "succeeded",
        "cancelled",
        "succeeded",
    ]
    board.close()


def test_a_failure_is_the_job_s_own(board: JobBoard) -> None:
    """A job that breaks is failed with its reason, and the next one runs."""
    broken, whole = Stepwise(0.1, is_broken=True), Stepwise(0.2)
    for work in (broken, whole):
        for _ in range(4):
            work.gate.release()
    first, second = submitted(board, broken), submitted(board, whole)
    assert board.wait(first, DEADLINE_S)["error"] == {"code": "broken", "message": "out of luck"}
    assert board.wait(second, DEADLINE_S)["status"] == "succeeded"
    board.close()


def test_a_job_beyond_its_time_is_timed_out(board: JobBoard) -> None:
    """`timeout_seconds` ends a job at the next chunk."""
    work = Stepwise()
    job_id = submitted(board, work, timeout_seconds=1e-9)
    for _ in range(4):
        work.gate.release()
    assert board.wait(job_id, DEADLINE_S)["status"] == "timed_out"
    board.close()


def test_closing_stops_the_jobs(board: JobBoard) -> None:
    """`close` cancels what waits, stops what runs at its next chunk, and returns."""
    work = Stepwise()
    running, waiting = submitted(board, work), submitted(board, Stepwise(0.2))
    until_running(board, running)
    closing = threading.Thread(target=board.close)
    closing.start()
    # The first job holds the thread of the board at its gate, so the second one cannot have begun.
    assert board.wait(waiting, DEADLINE_S)["status"] == "cancelled"
    assert board.state(running)["status"] == "cancelling"
    work.gate.release()
    closing.join(DEADLINE_S)
    assert not closing.is_alive()
    assert board.state(running)["status"] == "cancelled"


def test_a_spec_is_solved_in_this_process() -> None:
    """`solve` gives the law of the theory."""
    with Client.local() as here:
        solution = here.solve(STATIONARY)
    assert isinstance(solution, specs.StationarySolution)
    assert solution.mean == solve(STATIONARY).mean  # type: ignore[union-attr]


def test_jobs_behave_as_over_http() -> None:
    """Submit, find, fetch, resubmit, refuse, forget."""
    with Client.local(threads=1) as here:
        job = here.submit(STATIONARY, tags=["a"], wait_s=DEADLINE_S)
        solution = job.result(timeout_s=DEADLINE_S)
        assert solution.spec_hash == job.record.spec_hash
        assert here.submit(STATIONARY).id == job.id
        assert job.arrays()["density.v"].tolist() == job.result().density.v.tolist()  # type: ignore[union-attr]
        assert [found.id for found in here.jobs(tag="a", status="succeeded")] == [job.id]
        assert list(here.jobs(tag="b")) == []
        with pytest.raises(ConflictError) as caught:
            job.cancel()
        assert caught.value.code == "job_finished"
        job.delete()
        with pytest.raises(NotFoundError):
            here.job(job.id)
        assert here.health()["status"] == "ok"
        assert here.limits()["threads"] == 1
        assert here.workers()[0]["id"] == "local"


def test_an_estimate_of_a_local_client_submits_nothing() -> None:
    """`estimate` gives the cost and the place, and leaves the list of jobs empty."""
    with Client.local(threads=1) as here:
        found = here.estimate(SIMULATE)
        assert found.cost.path_steps >= SIMULATE["n_paths"]
        assert (found.queue, found.queue_position, found.refusal) == ("local", 0, None)
        assert list(here.jobs()) == []


def test_pages_of_local_jobs_are_followed() -> None:
    """More jobs than fit a page are all listed."""
    with Client.local() as here:
        jobs = [here.submit(STATIONARY | {"temperature": 0.01 * (i + 1)}) for i in range(105)]
        assert [found.id for found in here.jobs()] == [job.id for job in reversed(jobs)]


def test_uploaded_data_are_used(tmp_path: Path) -> None:
    """A dataset given as arrays, CSV or NPZ has one id, and specs may name it."""
    x, y = np.array([1.0, -2.0, 0.5, 3.0]), np.array([0.5, -1.5, 1.0, 2.0])
    table = tmp_path / "data.csv"
    table.write_text("a,b\n" + "\n".join(f"{a!r},{b!r}" for a, b in zip(x.tolist(), y.tolist(), strict=True)))
    with Client.local() as here:
        dataset = here.upload((x, y))
        assert here.upload(table, x="a", y="b").id == here.upload(table).id == dataset.id
        assert here.dataset(dataset.id).n_rows == 4
        named = here.solve(STATIONARY | {"data": {"kind": "dataset", "id": dataset.id}})
        inline = here.solve(STATIONARY | {"data": {"kind": "samples", "x": x, "y": y}})
        assert named.mean == inline.mean  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n3,x\n", "line 3, column 'b' is 'x'"),
        ("a,b\n1,2\n3\n", "line 3 has 1 cells"),
        ("a,b\n1,2\n1,3\n", "column 'a' is constant"),
        ("", "empty"),
        ("a,b,c\n1,2,3\n4,5,6\n", "cannot tell which of the columns 'a', 'b', 'c' are x and y"),
        ("x,x,y\n1,2,3\n4,5,6\n", "2 columns are named 'x', and x is one of them"),
        ("a,a\n1,2\n4,5\n", "2 columns are named 'a'"),
    ],
)
def test_bad_uploads_say_where(tmp_path: Path, text: str, says: str) -> None:
    """A refused table names the row and column."""
    path = tmp_path / "data.csv"
    path.write_text(text)
    with Client.local() as here, pytest.raises(ApiError, match=says):
        here.upload(path)


def test_refusals_of_the_solver_are_errors_of_the_client() -> None:
    """An unknown dataset is refused with the field's path; unknown ids are not found."""
    with Client.local() as here:
        with pytest.raises(InvalidSpecError) as caught:
            here.solve(STATIONARY | {"data": {"kind": "dataset", "id": "ds_" + "0" * 32}})
        assert caught.value.errors[0].field == "data.id"
        with pytest.raises(NotFoundError):
            here.dataset("ds_" + "0" * 32)
        with pytest.raises(NotFoundError):
            here.job("job_" + "0" * 32)


def test_threads_must_be_positive() -> None:
    """A number of threads below one is a mistake."""
    with pytest.raises(InvalidArgumentError, match="threads"):
        Client.local(threads=0)


def test_the_async_client_is_local_too() -> None:
    """`AsyncClient.local` solves beside the event loop, and follows its jobs."""

    async def main() -> None:
        async with AsyncClient.local() as here:
            job = await here.submit(STATIONARY)
            solution = await job.result(timeout_s=DEADLINE_S)
            assert solution.task == "stationary"
            assert (await here.solve(STATIONARY)).spec_hash == solution.spec_hash

    asyncio.run(main())
