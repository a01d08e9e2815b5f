"""Places in the queues: which jobs start before a job, and when it is expected to start.

A free slot takes the next job of the user whose turn it is (see `slots.in_turn`): the k-th job of a user
waits for k - 1 of its own and for at most k jobs of each other user. All is counted in the database, by two
queries for any number of jobs.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from equipoise_service.jobs.fleet import Fleet, FleetWatch
from equipoise_service.jobs.job_table import Job
from equipoise_service.jobs.queues import CPU, GPU, URGENT
from equipoise_service.storage.tables import jobs

# What a job is taken to need where the solver gives no estimate, [s].
UNKNOWN_SECONDS = 60.0
# Queues whose jobs wait for the urgent ones, because both take slots of the same devices.
DEVICE_QUEUES = frozenset({CPU, GPU})


@dataclass(frozen=True)
class Line:
    """The jobs of one user on one queue.

    Attributes:
        n_waiting: jobs that wait.
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
        waits_s = (seconds + sum(line.running_s for line in held)) / slots
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
            lines = _lines(connection)
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
            lines = _lines(connection)
            before = _before(queue, user, priority, now)
            rank = _rank(connection.execute(_counted(before)).one())
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


_SECONDS = sa.func.coalesce(jobs.c.cost_seconds, UNKNOWN_SECONDS)


def _lines(connection: sa.Connection) -> Lines:
    """All unfinished jobs, added up by queue and user."""
    users = (jobs.c.queue, jobs.c.owner)
    counted = (sa.func.count().label("n"), sa.func.min(jobs.c.submitted_at).label("since"))
    # Two parts: what the waiting ones need is in the index, and the running ones are few.
    waiting = sa.select(
        *users, sa.literal(True).label("waits"), *counted, sa.func.sum(_SECONDS).label("seconds")
    )
    left_s = sa.func.sum(_SECONDS * (1.0 - jobs.c.progress)).label("seconds")
    running = sa.select(*users, sa.literal(False).label("waits"), *counted, left_s)
    query = sa.union_all(
        waiting.where(jobs.c.status == "queued").group_by(*users),
        running.where(jobs.c.status.in_(("running", "cancelling"))).group_by(*users),
    )
    lines: dict[str, dict[str, Line]] = {}
    for row in connection.execute(query):
        users_of_queue = lines.setdefault(row.queue, {})
        line = users_of_queue.get(row.owner, Line())
        if row.waits:
            line = Line(row.n, row.seconds, row.since, line.n_running, line.running_s)
        else:
            line = Line(line.n_waiting, line.waiting_s, line.since, row.n, row.seconds)
        users_of_queue[row.owner] = line
    return lines


def _ranks(connection: sa.Connection, waiting: Sequence[Job]) -> dict[str, Rank]:
    """Where some waiting jobs stand among their users' own, by id."""
    if len(waiting) == 1:
        job = waiting[0]
        before = _before(job.queue, job.owner, job.priority, job.submitted_at)
        return {job.id: _rank(connection.execute(_counted(before)).one())}
    users, order = (jobs.c.queue, jobs.c.owner), (-jobs.c.priority, jobs.c.submitted_at)
    number = sa.func.row_number().over(partition_by=users, order_by=order)
    so_far_s = sa.func.sum(_SECONDS).over(partition_by=users, order_by=order, rows=(None, 0))
    numbered = (
        sa.select(jobs.c.id, (number - 1).label("n"), (so_far_s - _SECONDS).label("seconds"))
        .where(
            jobs.c.status == "queued",
            jobs.c.queue.in_({job.queue for job in waiting}),
            jobs.c.owner.in_({job.owner for job in waiting}),
        )
        .subquery()
    )
    query = sa.select(numbered).where(numbered.c.id.in_([job.id for job in waiting]))
    return {row.id: _rank(row) for row in connection.execute(query)}


def _before(queue: str, user: str, priority: int, submitted_at: float) -> sa.ColumnElement[bool]:
    """The user's waiting jobs that start before one of that priority and time."""
    earlier = sa.and_(jobs.c.priority == priority, jobs.c.submitted_at < submitted_at)
    return sa.and_(
        jobs.c.status == "queued",
        jobs.c.queue == queue,
        jobs.c.owner == user,
        sa.or_(jobs.c.priority > priority, earlier),
    )


def _counted(condition: sa.ColumnElement[bool]) -> sa.Select[tuple[int, float]]:
    return sa.select(sa.func.count().label("n"), sa.func.sum(_SECONDS).label("seconds")).where(condition)


def _rank(row: sa.Row[tuple[int, float]] | sa.Row[tuple[str, int, float]]) -> Rank:
    return Rank(row.n, max(0.0, row.seconds or 0.0))
