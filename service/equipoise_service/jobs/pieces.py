"""What waits for slots and what holds them: jobs in one piece, and the shards of the others.

A job that was cut into shards holds no slot itself and waits for none: its shards do.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from equipoise_service.jobs.job_table import UNFINISHED
from equipoise_service.jobs.queues import QUICK
from equipoise_service.storage.tables import job_shards, jobs

# What a job is taken to need where the solver gives no estimate, [s].
UNKNOWN_SECONDS = 60.0
SECONDS = sa.func.coalesce(jobs.c.cost_seconds, UNKNOWN_SECONDS)
"""What a job is expected to take on one slot, [s]."""


@dataclass(frozen=True)
class Pieces:
    """What a user has on a queue that waits, or that runs.

    Attributes:
        queue: the queue.
        owner: the user.
        waits: whether these wait; else they run.
        n: how many jobs in one piece and shards.
        seconds: what they are expected to take yet, [s].
        since: when the oldest of their jobs was submitted, [s] since 1970.
    """

    queue: str
    owner: str
    waits: bool
    n: int
    seconds: float
    since: float


def unfinished(connection: sa.Connection, *, is_quick: bool = False) -> Iterator[Pieces]:
    """All that waits or runs, added up by queue and user, by one query.

    Args:
        connection: connection of the service's database.
        is_quick: only the quick jobs, which are never cut.
    """
    found: dict[tuple[str, str, bool], list[sa.Row[tuple[str, str, bool, int, float, float]]]] = {}
    for row in connection.execute(_QUICK_ONES if is_quick else _ALL):
        found.setdefault((row.queue, row.owner, bool(row.waits)), []).append(row)
    for (queue, owner, waits), rows in found.items():
        n = sum(row.n for row in rows)
        if n > 0:
            seconds = max(0.0, sum(row.seconds for row in rows))
            since = min(row.since for row in rows if row.since is not None)
            yield Pieces(queue, owner, waits, n, seconds, since)


def _n(status: str) -> sa.Function[int]:
    return sa.func.count(sa.case((job_shards.c.status == status, 1)))


def _cut() -> sa.CTE:
    """The unfinished jobs whose shards are there: what these add to a job that is counted as one piece."""
    is_queued = sa.case((jobs.c.status == "queued", 1), else_=0)
    n_waiting = sa.case((jobs.c.status == "cancelling", 0), else_=_n("queued"))
    share_s = SECONDS / jobs.c.n_shards
    to_do = sa.case((job_shards.c.status == "running", 1.0 - job_shards.c.progress), else_=0.0)
    whole_s = SECONDS * (1.0 - jobs.c.progress)
    return (
        sa.select(
            jobs.c.queue,
            jobs.c.owner,
            jobs.c.priority,
            jobs.c.submitted_at,
            n_waiting.label("n_waiting"),
            (n_waiting - is_queued).label("more_waiting"),
            (n_waiting * share_s - is_queued * SECONDS).label("more_waiting_s"),
            (_n("running") - (1 - is_queued)).label("more_running"),
            (sa.func.sum(to_do) * share_s - (1 - is_queued) * whole_s).label("more_running_s"),
        )
        .join(job_shards, job_shards.c.job_id == jobs.c.id)
        .where(jobs.c.status.in_(UNFINISHED))
        .group_by(jobs.c.id)
        .cte("cut")
    )


CUT = _cut()


def _whole(*, waits: bool) -> sa.Select[tuple[str, str, bool, int, float, float]]:
    """Every job as one piece."""
    left = SECONDS if waits else SECONDS * (1.0 - jobs.c.progress)
    return (
        sa.select(
            jobs.c.queue,
            jobs.c.owner,
            sa.literal(waits).label("waits"),
            sa.func.count().label("n"),
            sa.func.sum(left).label("seconds"),
            sa.func.min(jobs.c.submitted_at).label("since"),
        )
        .where(jobs.c.status.in_(("queued",) if waits else ("running", "cancelling")))
        .group_by(jobs.c.queue, jobs.c.owner)
    )


def _more(*, waits: bool) -> sa.Select[tuple[str, str, bool, int, float, float]]:
    """What shards add to that."""
    n, seconds = (
        (CUT.c.more_waiting, CUT.c.more_waiting_s) if waits else (CUT.c.more_running, CUT.c.more_running_s)
    )
    since = sa.case((CUT.c.n_waiting > 0, CUT.c.submitted_at)) if waits else CUT.c.submitted_at
    return sa.select(
        CUT.c.queue,
        CUT.c.owner,
        sa.literal(waits),
        sa.cast(sa.func.sum(n), sa.Integer),
        sa.func.sum(seconds),
        sa.func.min(since),
    ).group_by(CUT.c.queue, CUT.c.owner)


# The waiting ones apart: all they need is in an index. One statement, so that all is of one moment.
_ALL = sa.union_all(_whole(waits=True), _whole(waits=False), _more(waits=True), _more(waits=False))
_QUICK_ONES = sa.union_all(*(_whole(waits=waits).where(jobs.c.queue == QUICK) for waits in (True, False)))
