"""The database's clocks, whatever library Python was built with."""

import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from equipoise_service.storage.database import connect, database_now


def test_sqlite_knows_milliseconds(tmp_path: Path) -> None:
    """What the engine's tables ask on new versions of Python works on old SQLite libraries too."""
    engine = connect(f"sqlite:///{tmp_path / 'clock.db'}")
    with engine.connect() as connection:
        for clock in (sa.text("select unixepoch('subsec')"), sa.select(database_now(engine))):
            assert connection.scalar(clock) == pytest.approx(time.time(), abs=5)
    engine.dispose()
