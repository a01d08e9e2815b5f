"""The page /metrics: gauges of the present and counters of the past, in the text format of Prometheus."""

from collections.abc import Iterable, Iterator
from itertools import accumulate, product

from prometheus_client import generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.core import (
    Metric as Family,
)
from prometheus_client.registry import Collector

from equipoise_service.jobs.job_table import FINAL
from equipoise_service.jobs.queues import QUEUES
from equipoise_service.telemetry import metric_table as table
from equipoise_service.telemetry.metric_table import METRICS, Metric
from equipoise_service.telemetry.service_state import ServiceState, WorkerState
from equipoise_solver.version import __version__

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Samples = dict[tuple[str, ...], float]
# Counters that exist from the start, so that the first event already shows as an increase.
_FROM_THE_START: dict[str, tuple[tuple[str, ...], ...]] = {
    table.SUBMITTED.name: tuple(product(QUEUES, ("no", "yes"))),
    table.FINISHED.name: tuple(product(QUEUES, sorted(FINAL))),
}


def page(state: ServiceState | None) -> str:
    """The page.

    Args:
        state: the service now; None if the database does not answer.
    """
    return generate_latest(_Page(state)).decode()


class _Page(Collector):
    def __init__(self, state: ServiceState | None) -> None:
        self._state = state

    def collect(self) -> Iterable[Family]:
        """Every metric; those of the database only while it answers."""
        gauges = _gauges(self._state)
        for metric in METRICS:
            if metric.kind == "gauge":
                if metric.name in gauges:
                    yield _gauge(metric, gauges[metric.name])
            elif self._state is not None:
                make = _counter if metric.kind == "counter" else _histogram
                yield make(metric, self._state)


def _gauges(state: ServiceState | None) -> dict[str, Samples]:
    always: dict[str, Samples] = {
        table.BUILD.name: {(__version__,): 1.0},
        table.DATABASE_UP.name: {(): 0.0 if state is None else 1.0},
    }
    if state is None:
        return always
    queues = state.queues
    return {
        **always,
        table.JOBS.name: {(status,): float(n) for status, n in state.jobs.items()},
        table.QUEUE_DEPTH.name: {(queue.name,): float(queue.queued) for queue in queues},
        table.QUEUE_RUNNING.name: {(queue.name,): float(queue.running) for queue in queues},
        table.QUEUE_SLOTS.name: {(queue.name,): float(queue.slots) for queue in queues},
        table.QUEUE_WAIT.name: {(queue.name,): queue.oldest_wait_s(state.now) or 0.0 for queue in queues},
        table.WORKERS.name: _workers(state.workers),
        table.WORKER_SPEED.name: _of_workers(state.workers, "path_steps_per_second"),
        table.WORKER_BUSY.name: _of_workers(state.workers, "busy_fraction"),
        table.DATASET_BYTES.name: {(): state.dataset_bytes},
    }


def _workers(workers: list[WorkerState]) -> Samples:
    samples: Samples = {("cpu", "ready"): 0.0}
    for worker in workers:
        key = (worker.device, worker.status)
        samples[key] = samples.get(key, 0.0) + 1.0
    return samples


def _of_workers(workers: list[WorkerState], name: str) -> Samples:
    """What the workers report under a name; those that report no number are left out."""
    return {
        (worker.host, worker.device, str(worker.number)): float(worker.health[name])
        for worker in workers
        if isinstance(worker.health.get(name), int | float)
    }


def _gauge(metric: Metric, samples: Samples) -> Family:
    family = GaugeMetricFamily(metric.name, metric.text, labels=metric.labels)
    for labels, value in samples.items():
        family.add_metric(labels, value)
    return family


def _counter(metric: Metric, state: ServiceState) -> Family:
    family = CounterMetricFamily(metric.name, metric.text, labels=metric.labels)
    samples = dict.fromkeys(_FROM_THE_START.get(metric.name, ()), 0.0)
    samples |= state.counters.get(metric.name, {})
    if not metric.labels:
        samples.setdefault((), 0.0)
    for labels, value in samples.items():
        family.add_metric(labels, value)
    return family


def _histogram(metric: Metric, state: ServiceState) -> Family:
    family = HistogramMetricFamily(metric.name, metric.text, labels=metric.labels)
    bins = state.counters.get(f"{metric.name}_bucket", {})
    sums = state.counters.get(f"{metric.name}_sum", {})
    edges = [*(f"{edge:g}" for edge in metric.edges), "+Inf"]
    series = {labels[:-1] for labels in bins}
    if metric.labels == ("queue",):
        series |= {(queue,) for queue in QUEUES}
    for labels in sorted(series):
        counts = accumulate(_counts(bins, labels, edges))
        shown = [edge if edge == "+Inf" else str(float(edge)) for edge in edges]
        family.add_metric(labels, list(zip(shown, counts, strict=True)), sums.get(labels, 0.0))
    return family


def _counts(bins: Samples, labels: tuple[str, ...], edges: list[str]) -> Iterator[float]:
    return (bins.get((*labels, edge), 0.0) for edge in edges)
