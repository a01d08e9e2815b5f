"""Every metric of the service: its name, kind, labels and meaning, in one table."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["gauge", "counter", "histogram"]

JOB_SECONDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 24 * 3600.0)
"""Edges of the histograms of jobs, [s]: from a closed form to an ensemble of a day."""
REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
"""Edges of the histogram of requests, [s]."""
OTHER = "other"
"""Label of everything outside the known values, so that no caller can make up new ones."""


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: as Prometheus sees it, without the suffix that it gives to the parts of a histogram.
        kind: what may be done with it.
        labels: names of its labels; the values of each come from a short list.
        text: what it means, one sentence.
        edges: upper edges of the bins of a histogram.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    text: str
    edges: tuple[float, ...] = ()


BUILD = Metric("equipoise_build_info", "gauge", ("version",), "1, with the version of this process.")
DATABASE_UP = Metric("equipoise_database_up", "gauge", (), "1 if the database answers this process, else 0.")
JOBS = Metric("equipoise_jobs", "gauge", ("status",), "Jobs that are known, by status.")
QUEUE_DEPTH = Metric("equipoise_queue_depth", "gauge", ("queue",), "Jobs that wait to start.")
QUEUE_RUNNING = Metric("equipoise_queue_running", "gauge", ("queue",), "Jobs that run or are being stopped.")
QUEUE_SLOTS = Metric(
    "equipoise_queue_slots", "gauge", ("queue",), "Jobs that the workers alive run at a time."
)
QUEUE_WAIT = Metric(
    "equipoise_queue_oldest_wait_seconds", "gauge", ("queue",), "Time since the oldest waiting job came."
)
WORKERS = Metric(
    "equipoise_workers", "gauge", ("device", "state"), "Workers that are alive, by device and state."
)
WORKER_SPEED = Metric(
    "equipoise_worker_path_steps_per_second",
    "gauge",
    ("host", "device", "number"),
    "Path-steps per second of a worker while it computed last.",
)
WORKER_BUSY = Metric(
    "equipoise_worker_busy_ratio",
    "gauge",
    ("host", "device", "number"),
    "Share of the last minute or so that a worker computed.",
)
DATASET_BYTES = Metric("equipoise_dataset_bytes", "gauge", (), "Size of the datasets in the store.")
SUBMITTED = Metric(
    "equipoise_jobs_submitted_total",
    "counter",
    ("queue", "answered"),
    'Jobs that were taken; answered is "yes" if the answer was at hand.',
)
FINISHED = Metric(
    "equipoise_jobs_finished_total",
    "counter",
    ("queue", "status"),
    "Jobs that ended, without those answered at once.",
)
FAILED = Metric(
    "equipoise_jobs_failed_total", "counter", ("code",), "Jobs that ended with an error, by its code."
)
WAIT = Metric(
    "equipoise_job_wait_seconds",
    "histogram",
    ("queue",),
    "Time from the submission of a job to its first start.",
    JOB_SECONDS,
)
RUN = Metric(
    "equipoise_job_run_seconds",
    "histogram",
    ("queue",),
    "Time from the first start of a job to its end.",
    JOB_SECONDS,
)
PATH_STEPS = Metric("equipoise_path_steps_total", "counter", ("device",), "Path-steps computed.")
CHUNKS = Metric("equipoise_chunks_total", "counter", ("device",), "Chunks computed.")
BUSY = Metric("equipoise_worker_busy_seconds_total", "counter", ("device",), "Time that workers computed.")
REQUESTS = Metric(
    "equipoise_http_requests_total",
    "counter",
    ("route", "method", "status"),
    "Requests answered, by the pattern of their path; probes are left out.",
)
REQUEST_TIME = Metric(
    "equipoise_http_request_duration_seconds",
    "histogram",
    ("route", "method"),
    "Time from a request to the last byte of its answer; waits that were asked for count.",
    REQUEST_SECONDS,
)

METRICS: tuple[Metric, ...] = (
    BUILD,
    DATABASE_UP,
    JOBS,
    QUEUE_DEPTH,
    QUEUE_RUNNING,
    QUEUE_SLOTS,
    QUEUE_WAIT,
    WORKERS,
    WORKER_SPEED,
    WORKER_BUSY,
    DATASET_BYTES,
    SUBMITTED,
    FINISHED,
    FAILED,
    WAIT,
    RUN,
    PATH_STEPS,
    CHUNKS,
    BUSY,
    REQUESTS,
    REQUEST_TIME,
)
"""All of them, in the order in which they are shown."""
