"""Counters that only grow, kept in the database: every API process shows the same ones, and no restart
or removal of old jobs sets them back."""

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from equipoise_service.errors import JOB_ERRORS, REASONS
from equipoise_service.storage.tables import counters
from equipoise_service.telemetry.metric_table import (
    BUSY,
    CHUNKS,
    FAILED,
    FINISHED,
    OTHER,
    PATH_STEPS,
    RUN,
    SUBMITTED,
    WAIT,
    Metric,
)

# On PostgreSQL a row is locked until its transaction ends: with several rows per counter, transactions that
# count at the same time seldom wait for each other. SQLite has one writer at a time anyway.
_ROWS_PER_COUNTER = 8
ENDED = frozenset({"succeeded", "failed", "cancelled", "timed_out"})


@dataclass(frozen=True)
class Increment:
    """By how much a counter grows.

    Attributes:
        name: name of the counter, or of a part of a histogram.
        labels: values of its labels.
        by: how much, >= 0.
    """

    name: str
    labels: tuple[str, ...]
    by: float = 1.0


def observation(metric: Metric, labels: tuple[str, ...], value: float) -> list[Increment]:
    """What an observation adds to a histogram: one to its bin, and the value to its sum."""
    edge = next((f"{edge:g}" for edge in metric.edges if value <= edge), "+Inf")
    return [
        Increment(f"{metric.name}_bucket", (*labels, edge)),
        Increment(f"{metric.name}_sum", labels, max(value, 0.0)),
    ]


def add(connection: sa.Connection, increments: Iterable[Increment]) -> None:
    """Let counters grow, within the caller's transaction; at most one call per transaction.

    The rows are taken in one order by everybody, so that two transactions cannot wait for each other.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    slot = 0 if is_sqlite else random.randrange(_ROWS_PER_COUNTER)  # nosec B311 # spreads load
    totals: dict[tuple[str, str], float] = {}
    for increment in increments:
        key = (increment.name, json.dumps([slot, *increment.labels], separators=(",", ":")))
        totals[key] = totals.get(key, 0.0) + increment.by
    rows = [{"name": key[0], "labels": key[1], "value": totals[key]} for key in sorted(totals)]
    if rows:
        connection.execute(_GROWING[connection.dialect.name], rows)


def _growing(insert: Any) -> Any:
    query = insert(counters)
    grown = counters.c.value + query.excluded.value
    return query.on_conflict_do_update(index_elements=["name", "labels"], set_={"value": grown})


# Without the rows, so that it is compiled once.
_GROWING = {"sqlite": _growing(sqlite.insert), "postgresql": _growing(postgresql.insert)}


def read(connection: sa.Connection) -> dict[str, dict[tuple[str, ...], float]]:
    """Every counter by name and labels."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for row in connection.execute(sa.select(counters)):
        _slot, *labels = json.loads(row.labels)
        series = found.setdefault(row.name, {})
        series[tuple(labels)] = series.get(tuple(labels), 0.0) + row.value
    return found


def count_submission(connection: sa.Connection, *, queue: str, is_answered: bool) -> None:
    """Count a job that was taken."""
    add(connection, [Increment(SUBMITTED.name, (queue, "yes" if is_answered else "no"))])


def of_move(job: Any, to: str, now: float) -> list[Increment]:
    """What a move of a job is counted as: its first start, or its end.

    Args:
        job: has what MOVE_COLUMNS names, after the move.
        to: its new status.
        now: time of the move, [s] since 1970.
    """
    if to == "running" and job.started_at == now:
        return observation(WAIT, (job.queue,), now - job.submitted_at)
    if to not in ENDED:
        return []
    increments = [Increment(FINISHED.name, (job.queue, to))]
    if job.started_at is not None:
        increments += observation(RUN, (job.queue,), now - job.started_at)
    if job.error_code is not None:
        increments.append(Increment(FAILED.name, (_known_code(job.error_code),)))
    return increments


def of_chunk(*, device: str, path_steps: float, seconds: float) -> Sequence[Increment]:
    """What a chunk that was computed is counted as.

    Args:
        device: what it was computed on.
        path_steps: how many steps of paths it took.
        seconds: how long, [s].
    """
    labels = (device,)
    return (
        Increment(CHUNKS.name, labels),
        Increment(PATH_STEPS.name, labels, max(path_steps, 0.0)),
        Increment(BUSY.name, labels, max(seconds, 0.0)),
    )


MOVE_COLUMNS: Sequence[str] = ("queue", "submitted_at", "started_at", "error_code")
"""What `of_move` needs to know of a job."""


def _known_code(code: str) -> str:
    return code if code in REASONS or code in JOB_ERRORS or code == "timed_out" else OTHER
