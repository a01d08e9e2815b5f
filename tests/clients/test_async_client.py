"""The asyncio client: the same calls, awaited."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest
from tests.clients.examples import SIMULATE, STATIONARY
from tests.clients.fake_service import AT_ONCE, HEALTH, JOB_ID, FakeService, event, job_state

from equipoise import AsyncClient, ClosedClientError, JobRecord, TransportError


def run_with(fake: FakeService, body: Callable[[AsyncClient], Awaitable[None]]) -> None:
    async def main() -> None:
        wire = httpx.MockTransport(fake.asynchronously)
        async with AsyncClient("http://fake", retries=AT_ONCE, transport=wire) as client:
            await body(client)

    asyncio.run(main())


def test_calls_are_those_of_the_sync_client(fake: FakeService) -> None:
    """Every call of the client can be awaited."""
    fake.pages = {"": {"jobs": [job_state()], "next_cursor": None}}

    async def body(client: AsyncClient) -> None:
        assert (await client.solve(STATIONARY)).task == "stationary"
        job = await client.submit(SIMULATE, tags=["a"])
        assert (job.id, job.status, job.progress, job.live) == (JOB_ID, "succeeded", 1.0, {})
        assert (await job.result()) is (await job.result())
        assert (await job.wait()).status == "succeeded"
        assert (await job.refresh()).status == "succeeded"
        assert list(await job.arrays()) == ["density.v"]
        assert (await job.cancel()).status == "cancelling"
        await job.delete()
        assert (await client.job(JOB_ID)).id == JOB_ID
        assert (await client.result(JOB_ID)).task == "stationary"
        assert (await client.cancel(JOB_ID)).status == "cancelling"
        await client.delete(JOB_ID)
        assert [found.status async for found in client.jobs(limit=5)] == ["queued"]
        assert (await client.upload(([1, 2, 3], [1, 2, 4]))).n_rows == 3
        assert await client.limits() == {"max_paths": 7}
        assert await client.workers() == [{"id": "w"}]
        assert await client.health() == HEALTH

    run_with(fake, body)


def test_public_calls_match() -> None:
    """Both clients, and both handles, offer the same names."""
    from equipoise import AsyncJob, Client, Job

    for sync, asynchronous in ((Client, AsyncClient), (Job, AsyncJob)):
        names = [{name for name in dir(kind) if not name.startswith("_")} for kind in (sync, asynchronous)]
        assert names[0] == names[1]


def test_events_are_followed(fake: FakeService) -> None:
    """`watch` yields each state as it comes."""
    fake.states = [job_state("queued")]
    fake.events = [event("progress", {"progress": 0.5}), event("end", job_state("succeeded"))]
    seen: list[JobRecord] = []

    async def body(client: AsyncClient) -> None:
        job = await client.job(JOB_ID)
        async for record in job.watch():
            seen.append(record)
        assert job.status == "succeeded"

    run_with(fake, body)
    assert [record.progress for record in seen][:2] == [0.5, 1.0]


def test_failures_are_retried_and_translated(fake: FakeService) -> None:
    """Lost connections are tried again, and in the end an error of the client."""

    async def body(client: AsyncClient) -> None:
        fake.faults = [httpx.ConnectError("refused")]
        assert await client.health() == HEALTH
        fake.faults = [httpx.ConnectError("refused")] * 9
        with pytest.raises(TransportError):
            await client.health()
        await client.close()
        with pytest.raises(ClosedClientError):
            await client.health()

    run_with(fake, body)


def test_broken_streams_fall_back(fake: FakeService) -> None:
    """A stream that breaks is an interruption, not the end."""
    fake.states = [job_state("running"), job_state("succeeded")]
    fake.events = [event("progress", {"progress": 0.3}), httpx.ReadError("reset")]

    async def body(client: AsyncClient) -> None:
        assert (await (await client.submit(STATIONARY)).wait()).status == "succeeded"

    run_with(fake, body)
