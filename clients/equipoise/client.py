"""The synchronous client and its handle on a job."""

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

from numpy.typing import NDArray

from equipoise.connection import resolve
from equipoise.drivers import Driver
from equipoise.operations import DEFAULT_WAIT_S, Operations, Submission
from equipoise.progress import Reporter, reporter
from equipoise.records import Dataset, Estimate, JobRecord
from equipoise.retries import RetryPolicy
from equipoise.solutions import AnySolution

if TYPE_CHECKING:
    import httpx


class Client:
    """A connection to an Equipoise service; use it in a `with` block, or call `close`.

    Args:
        base_url: address of the service; EQUIPOISE_URL, else http://127.0.0.1:8000, if not given.
        token: what to authenticate with; EQUIPOISE_TOKEN, else what `equipoise serve` stored, if not given.
        timeout_s: longest silence of the service to bear in one request, [s].
        retries: how often and how patiently requests that may be repeated are.
        transport: an httpx transport to use in place of the network, for example `httpx.MockTransport`.

    Raises:
        InvalidArgumentError: an argument makes no sense.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        token: str | None = None,
        timeout_s: float = 30.0,
        retries: RetryPolicy | None = None,
        transport: "httpx.BaseTransport | None" = None,
    ) -> None:
        connection = resolve(base_url, token, timeout_s)
        # Imported here because httpx is slow to import, and `import equipoise` is not to be.
        from equipoise.http_transport import HttpTransport

        self._label = connection.base_url
        self._driver = Driver(HttpTransport(connection, wire=transport))
        self._operations = Operations(retries or RetryPolicy(), time.monotonic)

    @classmethod
    def local(cls, *, threads: int | None = None) -> Self:
        """Make a client that solves in this process: the same calls, no server.

        Jobs run one after another in a thread of their own; they and the datasets are kept in memory, and
        `close` stops them.

        Args:
            threads: threads of the computation; all cores if not given. Numbers do not depend on it.

        Raises:
            MissingExtraError: the solver is not installed (extra "solver").
        """
        from equipoise.local import LocalTransport

        client = cls.__new__(cls)
        client._label = "local"
        client._driver = Driver(LocalTransport(threads))
        client._operations = Operations(RetryPolicy(), time.monotonic)
        return client

    def submit(
        self,
        spec: Any,
        *,
        priority: int | None = None,
        timeout_seconds: float | None = None,
        tags: Sequence[str] = (),
        wait_s: float | None = None,
        device: str | None = None,
        urgent: bool = False,
    ) -> "Job":
        """Make a job that solves a spec; the same spec solved before gives the finished job.

        Args:
            spec: a dictionary, or a model of `equipoise.specs`.
            priority: jobs of a higher priority go first.
            timeout_seconds: longest computation; beyond it the job ends "timed_out".
            tags: words to find it by.
            wait_s: let the service wait this long for the end before it answers.
            device: kind of device to compute on: "cpu", "gpu", or "auto", which the service chooses.
            urgent: start before the jobs of everybody else; for one short job at a time.

        Raises:
            InvalidSpecError: the spec makes no sense; nothing was sent if the client could tell.
        """
        submission = Submission(spec, priority, timeout_seconds, tags, wait_s, device, urgent)
        return self._job(self._driver.run(self._operations.submit(submission)))

    def estimate(
        self,
        spec: Any,
        *,
        priority: int | None = None,
        timeout_seconds: float | None = None,
        device: str | None = None,
        urgent: bool = False,
    ) -> Estimate:
        """Foretell what a spec would take, where it would wait and when it would start; nothing is submitted.

        Args:
            spec: a dictionary, or a model of `equipoise.specs`.
            priority: as for `submit`.
            timeout_seconds: as for `submit`.
            device: as for `submit`.
            urgent: as for `submit`.

        Raises:
            InvalidSpecError: the spec makes no sense.
        """
        submission = Submission(spec, priority, timeout_seconds, device=device, urgent=urgent)
        return self._driver.run(self._operations.estimate(submission))

    def solve(
        self, spec: Any, *, timeout_s: float = DEFAULT_WAIT_S, progress: bool | Reporter | None = None
    ) -> AnySolution:
        """Solve a spec: on the spot if the service does so, else submit it and wait.

        Args:
            spec: a dictionary, or a model of `equipoise.specs`.
            timeout_s: longest wait for a job, [s].
            progress: show a bar (default: in a terminal or notebook only), or a function of each `JobRecord`.

        Raises:
            InvalidSpecError: the spec makes no sense.
            JobFailedError: the job ended without a solution.
            WaitTimeoutError: the job goes on beyond `timeout_s`.
        """
        with reporter(progress) as report:
            return self._driver.run(self._operations.solve(spec, timeout_s=timeout_s), report)

    def job(self, job_id: str) -> "Job":
        """Handle on a job by its id.

        Raises:
            NotFoundError: there is none.
        """
        return self._job(self._driver.run(self._operations.job(job_id)))

    def jobs(
        self, *, status: str | None = None, tag: str | None = None, limit: int | None = None
    ) -> Iterator["Job"]:
        """Yield the caller's jobs, newest first, fetched page by page.

        Args:
            status: only those with this status.
            tag: only those with this tag.
            limit: at most so many in all; None for all.
        """
        flow = self._operations.jobs(status=status, tag=tag, limit=limit)
        return map(self._job, self._driver.iterate(flow))

    def result(
        self, job_id: str, *, timeout_s: float = DEFAULT_WAIT_S, progress: bool | Reporter | None = None
    ) -> AnySolution:
        """Wait for a job by its id and return its solution; see `Job.result`."""
        return self.job(job_id).result(timeout_s=timeout_s, progress=progress)

    def cancel(self, job_id: str) -> "Job":
        """Ask a job to stop at its next chunk."""
        return self._job(self._driver.run(self._operations.cancel(job_id)))

    def delete(self, job_id: str) -> None:
        """Forget a finished job and its solution."""
        self._driver.run(self._operations.delete(job_id))

    def upload(self, source: Any = None, *, x: Any = None, y: Any = None) -> Dataset:
        """Upload the pairs (x, y) of a dataset; the same numbers get the same id.

        Args:
            source: path of a CSV, NPZ or Parquet file; a pair of columns; or a mapping of columns, such as a
                data frame. Without it, x and y are the columns themselves.
            x: name of the column of inputs, or a list of names for vectors.
            y: likewise for labels. Left out, it is the column y, or the columns y1, y2, ...; x as well.

        Returns:
            The dataset; use `{"kind": "dataset", "id": dataset.id}` as a spec's data.

        Raises:
            InvalidArgumentError: there is no such file or column, or it holds no finite numbers.
            ApiError: the service refused it; the message says which row and column.
        """
        return self._driver.run(self._operations.upload(source, x=x, y=y))

    def dataset(self, dataset_id: str) -> Dataset:
        """What the service says about a dataset uploaded before."""
        return self._driver.run(self._operations.dataset(dataset_id))

    def limits(self) -> dict[str, Any]:
        """What the service takes at most."""
        return self._driver.run(self._operations.limits())

    def workers(self) -> list[dict[str, Any]]:
        """The service's workers and what they are doing."""
        return self._driver.run(self._operations.workers())

    def queues(self) -> list[dict[str, Any]]:
        """The service's queues: what waits and runs, and what of it is yours."""
        return self._driver.run(self._operations.queues())

    def health(self) -> dict[str, Any]:
        """What the service says about itself; raises a `ClientError` if it is not well."""
        return self._driver.run(self._operations.health())

    def close(self) -> None:
        """Close the connections; a local client stops its jobs."""
        self._driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._label!r})"

    def _job(self, record: JobRecord) -> "Job":
        return Job(record, self._driver, self._operations)


class Job:
    """Handle on a job: its last known state, and what can be done with it. Made by a client."""

    def __init__(self, record: JobRecord, driver: Driver, operations: Operations) -> None:
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

    def refresh(self) -> Self:
        """Ask for the state of the job."""
        self.record = self._driver.run(self._operations.job(self.id))
        return self

    def wait(self, *, timeout_s: float = DEFAULT_WAIT_S, progress: bool | Reporter | None = None) -> Self:
        """Wait until the job has ended, however it ends.

        Args:
            timeout_s: longest wait, [s].
            progress: show a bar (default: in a terminal or notebook only), or a function of each `JobRecord`.

        Raises:
            WaitTimeoutError: it goes on beyond `timeout_s`.
        """
        if not self.record.is_final:
            with reporter(progress) as report:
                flow = self._operations.wait(self.record, timeout_s=timeout_s)
                self._driver.run(flow, both(self._keep, report))
        return self

    def watch(self, *, timeout_s: float = DEFAULT_WAIT_S) -> Iterator[JobRecord]:
        """Yield the states of the job as they change, the last one being final.

        Raises:
            WaitTimeoutError: it goes on beyond `timeout_s`.
        """
        for record in self._driver.iterate(self._operations.wait(self.record, timeout_s=timeout_s)):
            self._keep(record)
            yield record

    def result(
        self, *, timeout_s: float = DEFAULT_WAIT_S, progress: bool | Reporter | None = None
    ) -> AnySolution:
        """Wait for the solution and return it.

        Args:
            timeout_s: longest wait, [s].
            progress: show a bar (default: in a terminal or notebook only), or a function of each `JobRecord`.

        Raises:
            JobFailedError: the job ended without a solution.
            WaitTimeoutError: it goes on beyond `timeout_s`.
        """
        if self._solution is None:
            with reporter(progress) as report:
                flow = self._operations.result(self.record, timeout_s=timeout_s)
                self._solution = self._driver.run(flow, both(self._keep, report))
        return self._solution

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays of the finished job by flat name, for example "histogram.counts"."""
        return self._driver.run(self._operations.arrays(self.id))

    def cancel(self) -> Self:
        """Ask the job to stop at its next chunk."""
        self.record = self._driver.run(self._operations.cancel(self.id))
        return self

    def delete(self) -> None:
        """Forget the finished job and its solution."""
        self._driver.run(self._operations.delete(self.id))

    def __repr__(self) -> str:
        return f"Job({self.id!r}, {self.status}, {self.progress:.0%})"

    def _keep(self, record: JobRecord) -> None:
        self.record = record


def both(first: Reporter, second: Reporter | None) -> Reporter:
    """Report to the first and, if there is one, to the second."""

    def report(record: JobRecord) -> None:
        first(record)
        if second is not None:
            second(record)

    return report
