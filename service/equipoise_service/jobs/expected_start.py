"""Places in the queues: which jobs start before a job, and when it is expected to start.

A free slot takes the next job of the user whose turn it is (see `slots.in_turn`): the k-th job of a user
waits for k - 1 of its own and for at most k jobs of each other user. All is counted in the database, by two
queries for any number of jobs. A job that was cut counts by its shards.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from equipoise_service.jobs.fleet import Fleet, FleetWatch
from equipoise_service.jobs.job_table import Job
from equipoise_service.jobs.pieces import CUT, SECONDS, unfinished
from equipoise_service.jobs.queues import CPU, GPU, QUICK, URGENT
from equipoise_service.storage.tables import jobs

# Queues whose jobs wait for the urgent ones, because both take slots of the same devices.
DEVICE_QUEUES = frozenset({CPU, GPU})


@dataclass(frozen=True)
class Line:
    """The jobs of one user on one queue.

    Attributes:
        n_waiting: jobs that wait; one that was cut counts by its shards, here and below.
        waiting_s: seconds that they are expected to take, [s].
        since: when the oldest of them was submitted, [s] since 1970.
        n_running: jobs that run.
        running_s: seconds that they are expected to take yet, [s].
    """

    n_waiting: int = 0
    waiting_s: float = 0.0
    since: float = 0.0
    n_running: int = 0
    running_s: float = 0.0


Lines = Mapping[str, Mapping[str, Line]]
"""The lines of all users by queue, then by user."""


@dataclass(frozen=True)
class Rank:
    """Where a job stands among its user's own on its queue.

    Attributes:
        n_before: own jobs that start before it.
        before_s: seconds that these are expected to take, [s].
    """

    n_before: int
    before_s: float


@dataclass(frozen=True)
class Outlook:
    """What a waiting job may expect.

    Attributes:
        position: how many jobs start before it.
        starts_at: when it is expected to start, [s] since 1970; None while no worker serves its queue.
    """

    position: int
    starts_at: float | None


def turn_order(lines: Mapping[str, Line], user: str) -> tuple[int, float, str]:
    """Sorts the users by whose turn is next: few jobs running first, then who waits longest."""
    line = lines[user]
    return line.n_running, line.since, user


def ahead(lines: Mapping[str, Line], user: str, rank: Rank) -> tuple[int, float]:
    """Jobs of a queue that start before a job of a user, and the seconds they are expected to take.

    In the k-th round, each user who has that many jobs starts one; a job of another user counts with the mean
    of that user's waiting ones.
    """
    n_ahead, seconds = rank.n_before, rank.before_s
    mine = turn_order(lines, user)
    for other, line in lines.items():
        if other != user and line.n_waiting:
            is_before_me = turn_order(lines, other) < mine
            n_theirs = min(rank.n_before + is_before_me, line.n_waiting)
            n_ahead += n_theirs
            seconds += n_theirs * line.waiting_s / line.n_waiting
    return n_ahead, seconds


def outlook(
    lines: Lines, *, queue: str, user: str, rank: Rank, fleet: Fleet, now: float, most_running: int | None
) -> Outlook:
    """What a waiting job may expect.

    Args:
        lines: the lines of all users.
        queue: queue of the job.
        user: its user.
        rank: where it stands among the user's own.
        fleet: the workers that are there.
        now: time, [s] since 1970.
        most_running: cap on the jobs of a user that run at a time.
    """
    own_lines = lines[queue]
    n_ahead, seconds = ahead(own_lines, user, rank)
    held = [*own_lines.values()]
    if queue in DEVICE_QUEUES:
        urgent = lines.get(URGENT, {}).values()
        n_ahead += sum(line.n_waiting for line in urgent)
        seconds += sum(line.waiting_s for line in urgent)
        held += urgent
    elif queue == URGENT:
        held += [line for name in DEVICE_QUEUES for line in lines.get(name, {}).values()]
    slots = fleet.slots(queue)
    if slots == 0:
        return Outlook(n_ahead, None)
    n_running = sum(line.n_running for line in held)
    waits_s = 0.0
    if n_running + n_ahead >= slots:
        waits_s = (seconds + sum(line.running_s for line in held)) / fleet.workers(queue)
    own = own_lines[user]
    if most_running is not None and own.n_running + rank.n_before >= most_running:
        waits_s = max(waits_s, (own.running_s + rank.before_s) / min(most_running, slots))
    return Outlook(n_ahead, now + waits_s)


class Outlooks:
    """Places in the queues, read from the database.

    Args:
        engine: database of the service.
        fleet: watches the workers.
        most_running: cap on the jobs of a user that run at a time.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        engine: sa.Engine,
        fleet: FleetWatch,
        *,
        most_running: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._fleet = fleet
        self._most_running = most_running
        self._clock = clock

    def of(self, found: Iterable[Job]) -> dict[str, Outlook]:
        """What the waiting ones among some jobs may expect, by id; nothing is read if none waits."""
        waiting = [job for job in found if job.status == "queued"]
        if not waiting:
            return {}
        with self._engine.connect() as connection:
            lines = _lines(connection, is_quick=all(job.queue == QUICK for job in waiting))
            ranks = _ranks(connection, waiting)
        return {
            job.id: self._outlook(lines, job.queue, job.owner, ranks[job.id])
            for job in waiting
            # One that has been taken up since it was read has no place any more.
            if job.id in ranks and job.owner in lines.get(job.queue, {})
        }

    def of_new(self, *, queue: str, user: str, priority: int) -> Outlook:
        """What a job that is submitted now may expect."""
        now = self._clock()
        with self._engine.connect() as connection:
            lines = _lines(connection, is_quick=queue == QUICK)
            rank = _before(connection, queue, user, priority, now)
        users = dict(lines.get(queue, {}))
        users.setdefault(user, Line(since=now))
        return self._outlook({**lines, queue: users}, queue, user, rank)

    def _outlook(self, lines: Lines, queue: str, user: str, rank: Rank) -> Outlook:
        return outlook(
            lines,
            queue=queue,
            user=user,
            rank=rank,
            fleet=self._fleet.now(),
            now=self._clock(),
            most_running=self._most_running,
        )


def _lines(connection: sa.Connection, *, is_quick: bool) -> Lines:
    """All that waits or runs, by queue and user; only the quick jobs, if that is enough."""
    lines: dict[str, dict[str, Line]] = {}
    for found in unfinished(connection, is_quick=is_quick):
        users = lines.setdefault(found.queue, {})
        line = users.get(found.owner, Line())
        if found.waits:
            line = Line(found.n, found.seconds, found.since, line.n_running, line.running_s)
        else:
            line = Line(line.n_waiting, line.waiting_s, line.since, found.n, found.seconds)
        users[found.owner] = line
    return lines


def _ranks(connection: sa.Connection, waiting: Sequence[Job]) -> dict[str, Rank]:
    """Where some waiting jobs stand among their users' own, by id."""
    if len(waiting) == 1:
        job = waiting[0]
        return {job.id: _before(connection, job.queue, job.owner, job.priority, job.submitted_at)}
    users, order = (jobs.c.queue, jobs.c.owner), (-jobs.c.priority, jobs.c.submitted_at)
    number = sa.func.row_number().over(partition_by=users, order_by=order)
    so_far_s = sa.func.sum(SECONDS).over(partition_by=users, order_by=order, rows=(None, 0))
    numbered = (
        sa.select(
            jobs.c.id,
            *users,
            jobs.c.priority,
            jobs.c.submitted_at,
            (number - 1).label("n"),
            (so_far_s - SECONDS).label("seconds"),
        )
        .where(
            jobs.c.status == "queued",
            jobs.c.queue.in_({job.queue for job in waiting}),
            jobs.c.owner.in_({job.owner for job in waiting}),
        )
        .subquery()
    )
    mine = numbered.c
    more, more_s = _more_before(mine.queue, mine.owner, mine.priority, mine.submitted_at)
    columns = (mine.id, (mine.n + more).label("n"), (mine.seconds + more_s).label("seconds"))
    places: sa.Select[Any] = sa.select(*columns).where(mine.id.in_([job.id for job in waiting]))
    return {row.id: _rank(row) for row in connection.execute(places)}


def _before(connection: sa.Connection, queue: str, user: str, priority: int, submitted_at: float) -> Rank:
    """What starts before a job of that priority and time among its user's own."""
    place = {"queue": queue, "user": user, "priority": priority, "submitted_at": submitted_at}
    return _rank(connection.execute(_QUICK_BEFORE if queue == QUICK else _ALL_BEFORE, place).one())


def _all_before(*, may_be_cut: bool) -> sa.Select[Any]:
    place: list[Any] = [sa.bindparam(name) for name in ("queue", "user", "priority", "submitted_at")]
    more, more_s = _more_before(*place) if may_be_cut else (sa.literal(0), sa.literal(0.0))
    seconds = sa.func.coalesce(sa.func.sum(SECONDS), 0.0)
    return sa.select((sa.func.count() + more).label("n"), (seconds + more_s).label("seconds")).where(
        jobs.c.status == "queued", *_goes_first(jobs.c, *place)
    )


def _more_before(
    queue: Any, user: Any, priority: Any, submitted_at: Any
) -> tuple[sa.ScalarSelect[int], sa.ScalarSelect[float]]:
    """What shards add to that: how many, and their seconds."""
    goes_first = _goes_first(CUT.c, queue, user, priority, submitted_at)
    n = sa.cast(sa.func.coalesce(sa.func.sum(CUT.c.more_waiting), 0), sa.Integer)
    seconds = sa.func.coalesce(sa.func.sum(CUT.c.more_waiting_s), 0.0)
    return (
        sa.select(n).where(*goes_first).scalar_subquery(),
        sa.select(seconds).where(*goes_first).scalar_subquery(),
    )


def _goes_first(
    columns: Any, queue: Any, user: Any, priority: Any, submitted_at: Any
) -> tuple[sa.ColumnElement[bool], ...]:
    """Whether a job, given by its columns, starts before one of its user of that priority and time."""
    earlier = sa.and_(columns.priority == priority, columns.submitted_at < submitted_at)
    return (
        columns.queue == queue,
        columns.owner == user,
        sa.or_(columns.priority > priority, earlier),
    )


def _rank(row: Any) -> Rank:
    return Rank(max(0, row.n), max(0.0, row.seconds))


# Built once: building it takes longer than executing it.
_ALL_BEFORE, _QUICK_BEFORE = _all_before(may_be_cut=True), _all_before(may_be_cut=False)
