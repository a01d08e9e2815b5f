"""The use of results: when one was last asked for, and which are gone."""

import time

import sqlalchemy as sa

from equipoise_service.jobs.job_table import Job
from equipoise_service.storage.tables import jobs

# Uses are noted this coarsely, so that reading a result again and again writes nothing.
NOTED_EVERY_S = 3600.0


def note_use(engine: sa.Engine, job: Job, *, now: float | None = None) -> None:
    """Record that the result of a job was asked for."""
    now = time.time() if now is None else now
    if now - (job.used_at or job.finished_at or 0.0) < NOTED_EVERY_S:
        return
    with engine.begin() as connection:
        connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(used_at=now))


def note_loss(engine: sa.Engine, digest: str, *, now: float | None = None) -> None:
    """Record that a result is no longer there, so that its specs are computed again."""
    query = sa.update(jobs).where(jobs.c.result == digest, jobs.c.result_expired_at.is_(None))
    with engine.begin() as connection:
        connection.execute(query.values(result_expired_at=time.time() if now is None else now))
