"""How long a job may run: the smaller of what was asked for and what the service allows."""

from typing import Any

from equipoise_service.jobs.job_table import Job, TimeoutBy


def time_limit(asked_s: float | None, service_s: float) -> tuple[float, TimeoutBy]:
    """The limit that holds, [s], and whose it is.

    Args:
        asked_s: `timeout_seconds` of the request; None leaves it to the service.
        service_s: the service's own limit, setting `max_job_seconds`.
    """
    if asked_s is not None and asked_s <= service_s:
        return asked_s, "job"
    return service_s, "service"


def out_of_time(job: Job | None) -> dict[str, Any]:
    """Error columns of a job that ran out of time; they name the limit that ended it."""
    if job is None:
        message = "The job ran longer than its time limit. Ask for less, or for more time."
    elif job.timeout_by == "job":
        message = (
            f"The job ran longer than its own limit, timeout_seconds={job.timeout_seconds:g} s. "
            "Ask for less, or raise timeout_seconds."
        )
    else:
        message = (
            f"The job ran longer than the {job.timeout_seconds:g} s that this service gives a job "
            "(max_job_seconds). Ask for less: a larger timeout_seconds does not help."
        )
    return {"error_code": "timed_out", "error_message": message}
