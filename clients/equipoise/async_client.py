"""The asyncio client and its handle on a job: the calls of the synchronous one, each to be awaited."""

import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Self

from numpy.typing import NDArray

from equipoise.client import both
from equipoise.connection import resolve
from equipoise.drivers import AsyncDriver
from equipoise.operations import DEFAULT_WAIT_S, Operations, Submission
from equipoise.progress import Reporter, reporter
from equipoise.records import Dataset, Estimate, JobRecord
from equipoise.retries import RetryPolicy
from equipoise.solutions import AnySolution

if TYPE_CHECKING:
    import httpx


class AsyncClient:
    """A connection to an Equipoise service on asyncio; use it in an `async with` block, or await `close`.

    Arguments and errors are those of `Client`.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        token: str | None = None,
        timeout_s: float = 30.0,
        retries: RetryPolicy | None = None,
        transport: "httpx.AsyncBaseTransport | None" = None,
    ) -> None:
        connection = resolve(base_url, token, timeout_s)
        # Imported here because httpx is slow to import, and `import equipoise` is not to be.
        from equipoise.http_transport import AsyncHttpTransport

        self._label = connection.base_url
        self._driver = AsyncDriver(AsyncHttpTransport(connection, wire=transport))
        self._operations = Operations(retries or RetryPolicy(), time.monotonic)

    @classmethod
    def local(cls, *, threads: int | None = None) -> Self:
        """Make a client that solves in this process; see `Client.local`."""
        from equipoise.local import AsyncLocalTransport

        client = cls.__new__(cls)
        client._label = "local"
        client._driver = AsyncDriver(AsyncLocalTransport(threads))
        client._operations = Operations(RetryPolicy(), time.monotonic)
        return client

    async def submit(
        self,
        spec: Any,
        *,
        priority: int | None = None,
        timeout_seconds: float | None = None,
        tags: Sequence[str] = (),
        wait_s: float | None = None,
        device: str | None = None,
        urgent: bool = False,
    ) -> "AsyncJob":
        """Make a job that solves a spec; see `Client.submit`."""
        submission = Submission(spec, priority, timeout_seconds, tags, wait_s, device, urgent)
        return self._job(await self._driver.run(self._operations.submit(submission)))

    async def estimate(
        self,
        spec: Any,
        *,
        priority: int | None = None,
        timeout_seconds: float | None = None,
        device: str | None = None,
        urgent: bool = False,
    ) -> Estimate:
        """Foretell what a spec would take and when it would start; see `Client.estimate`."""
        submission = Submission(spec, priority, timeout_seconds, device=device, urgent=urgent)
        return await self._driver.run(self._operations.estimate(submission))

    async def solve(
        self, spec: Any, *, timeout_s: float = DEFAULT_WAIT_S, progress: bool | Reporter | None = None
    ) -> AnySolution:
        """Solve a spec: on the spot if the service does so, else submit it and wait; see `Client.solve`."""
        with reporter(progress) as report:
            return await self._driver.run(self._operations.solve(spec, timeout_s=timeout_s), report)

    async def job(self, job_id: str) -> "AsyncJob":
        """Handle on a job by its id."""
        return self._job(await self._driver.run(self._operations.job(job_id)))

    async def jobs(
        self, *, status: str | None = None, tag: str | None = None, limit: int | None = None
    ) -> AsyncIterator["AsyncJob"]:
        """Yield the caller's jobs, newest first, fetched page by page; see `Client.jobs`."""
        flow = self._operations.jobs(status=status, tag=tag, limit=limit)
        async for record in self._driver.iterate(flow):
            yield self._job(record)

    async def result(
        self, job_id: str, *, timeout_s: float = DEFAULT_WAIT_S, progress: bool | Reporter | None = None
    ) -> AnySolution:
        """Wait for a job by its id and return its solution; see `AsyncJob.result`."""
        return await (await self.job(job_id)).result(timeout_s=timeout_s, progress=progress)

    async def cancel(self, job_id: str) -> "AsyncJob":
        """Ask a job to stop at its next chunk."""
        return self._job(await self._driver.run(self._operations.cancel(job_id)))

    async def delete(self, job_id: str) -> None:
        """Forget a finished job and its solution."""
        await self._driver.run(self._operations.delete(job_id))

    async def upload(self, source: Any = None, *, x: Any = None, y: Any = None) -> Dataset:
        """Upload the pairs (x, y) of a dataset; see `Client.upload`."""
        return await self._driver.run(self._operations.upload(source, x=x, y=y))

    async def dataset(self, dataset_id: str) -> Dataset:
        """What the service says about a dataset uploaded before."""
        return await self._driver.run(self._operations.dataset(dataset_id))

    async def limits(self) -> dict[str, Any]:
        """What the service takes at most."""
        return await self._driver.run(self._operations.limits())

    async def workers(self) -> list[dict[str, Any]]:
        """The service's workers and what they are doing."""
        return await self._driver.run(self._operations.workers())

    async def queues(self) -> list[dict[str, Any]]:
        """The service's queues: what waits and runs, and what of it is yours."""
        return await self._driver.run(self._operations.queues())

    async def health(self) -> dict[str, Any]:
        """What the service says about itself; raises a `ClientError` if it is not well."""
        return await self._driver.run(self._operations.health())

    async def close(self) -> None:
        """Close the connections; a local client stops its jobs."""
        await self._driver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._label!r})"

    def _job(self, record: JobRecord) -> "AsyncJob":
        return AsyncJob(record, self._driver, self._operations)


class AsyncJob:
    """Handle on a job: its last known state, and what can be done with it. Made by a client."""

    def __init__(self, record: JobRecord, driver: AsyncDriver, operations: Operations) -> None:
        self.record = record
        self._driver = driver
        self._operations = operations
        self._solution: AnySolution | None = None

    @property
    def id(self) -> str:
        """Id of the job."""
        return self.record.id

    @property
    def status(self) -> str:
        """Status when last heard of; `refresh` asks again."""
        return self.record.status

    @property
    def progress(self) -> float:
        """Fraction done when last heard of, 0 to 1."""
        return self.record.progress

    @property
    def live(self) -> dict[str, Any]:
        """Small numbers of the running computation when last heard of."""
        return self.record.live

    async def refresh(self) -> Self:
        """Ask for the state of the job."""
        self.record = await self._driver.run(self._operations.job(self.id))
        return self

    async def wait(
        self, *, timeout_s: float = DEFAULT_WAIT_S, progress: bool | Reporter | None = None
    ) -> Self:
        """Wait until the job has ended, however it ends; see `Job.wait`."""
        if not self.record.is_final:
            with reporter(progress) as report:
                flow = self._operations.wait(self.record, timeout_s=timeout_s)
                await self._driver.run(flow, both(self._keep, report))
        return self

    async def watch(self, *, timeout_s: float = DEFAULT_WAIT_S) -> AsyncIterator[JobRecord]:
        """Yield the states of the job as they change, the last one being final; see `Job.watch`."""
        async for record in self._driver.iterate(self._operations.wait(self.record, timeout_s=timeout_s)):
            self._keep(record)
            yield record

    async def result(
        self, *, timeout_s: float = DEFAULT_WAIT_S, progress: bool | Reporter | None = None
    ) -> AnySolution:
        """Wait for the solution and return it; see `Job.result`."""
        if self._solution is None:
            with reporter(progress) as report:
                flow = self._operations.result(self.record, timeout_s=timeout_s)
                self._solution = await self._driver.run(flow, both(self._keep, report))
        return self._solution

    async def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays of the finished job by flat name, for example "histogram.counts"."""
        return await self._driver.run(self._operations.arrays(self.id))

    async def cancel(self) -> Self:
        """Ask the job to stop at its next chunk."""
        self.record = await self._driver.run(self._operations.cancel(self.id))
        return self

    async def delete(self) -> None:
        """Forget the finished job and its solution."""
        await self._driver.run(self._operations.delete(self.id))

    def __repr__(self) -> str:
        return f"AsyncJob({self.id!r}, {self.status}, {self.progress:.0%})"

    def _keep(self, record: JobRecord) -> None:
        self.record = record
