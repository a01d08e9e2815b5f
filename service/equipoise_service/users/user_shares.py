"""How much of what a user may have is in use."""

import sqlalchemy as sa

from equipoise_service.jobs.job_table import UNFINISHED
from equipoise_service.storage.tables import jobs


def unfinished_by_status(engine: sa.Engine, owner: str) -> dict[str, int]:
    """Number of a user's jobs of each status that is not final; a status without jobs is left out."""
    query = (
        sa.select(jobs.c.status, sa.func.count())
        .where(jobs.c.status.in_(UNFINISHED), jobs.c.owner == owner)
        .group_by(jobs.c.status)
    )
    with engine.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}
