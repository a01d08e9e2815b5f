"""What a worker does for a job, as lines of the log and spans: one id finds the request and the run."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from equipoise_service.jobs.job_table import Job
from equipoise_service.telemetry import logs, tracing

logger = logging.getLogger(__name__)


@contextmanager
def watched(job_id: str, job: Job | None, *, worker: str) -> Iterator[None]:
    """Within this block a worker runs a job, or a shard of it.

    Args:
        job_id: the job.
        job: its row; None if it was forgotten meanwhile.
        worker: the worker.
    """
    request_id, user, parent, kind = None, None, None, {}
    if job is not None:
        request_id, user, parent = job.request_id, job.owner, job.trace_parent
        kind = {"equipoise.queue": job.queue, "equipoise.task": job.task}
    ids = {"equipoise.job_id": job_id, "equipoise.worker": worker}
    with (
        logs.about(job_id=job_id, request_id=request_id, user=user, worker=worker),
        tracing.span("job", parent=parent, kind="CONSUMER", **ids, **kind),
    ):
        logger.info("the job is taken up")
        yield


def ended(status: str, error_code: str | None) -> None:
    """Record that the job that is run here has ended."""
    span = tracing.current()
    span.set(**{"equipoise.status": status})
    if error_code is not None:
        span.fail(error_code)
    logger.info("the job ended: %s%s", status, f" ({error_code})" if error_code else "")
