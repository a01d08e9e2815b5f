"""The database: its clocks, whatever library Python was built with, its locks, and whose turn it is."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.support.postgres import new_database

from equipoise_service.jobs.patience import AWAY
from equipoise_service.storage import database
from equipoise_service.storage.database import LONGEST_IDLE_S, connect, database_now


def test_sqlite_knows_milliseconds(tmp_path: Path) -> None:
    """What the engine's tables ask on new versions of Python works on old SQLite libraries too."""
    engine = connect(f"sqlite:///{tmp_path / 'clock.db'}")
    with engine.connect() as connection:
        for clock in (sa.text("select unixepoch('subsec')"), sa.select(database_now(engine))):
            assert connection.scalar(clock) == pytest.approx(time.time(), abs=5)
    engine.dispose()


def test_writers_of_a_process_take_turns_on_sqlite(tmp_path: Path) -> None:
    """A writer waits for the end of the other's transaction, however that ends; readers wait for nobody."""
    engine = connect(f"sqlite:///{tmp_path / 'turns.db'}")
    # Without turns, who finds the database locked fails at once.
    sa.event.listen(engine, "connect", lambda opened, _: opened.execute("PRAGMA busy_timeout=0"))
    grow, shown = sa.text("UPDATE place SET n = n + 1"), sa.text("SELECT n FROM place")
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        connection.exec_driver_sql("CREATE TABLE place (n INTEGER)")
        connection.exec_driver_sql("INSERT INTO place VALUES (0)")

    def write() -> None:
        with engine.begin() as connection:
            connection.execute(grow)

    def end_by(ending: Callable[[sa.Connection], None]) -> int:
        with engine.connect() as holder, ThreadPoolExecutor(1) as pool:
            holder.execute(grow)
            waiting = pool.submit(write)
            with engine.connect() as reader:
                before = reader.scalar(shown)
            with pytest.raises(TimeoutError):
                waiting.result(0.2)
            ending(holder)
            waiting.result(5)
        with engine.connect() as reader:
            return int(reader.scalar(shown) or 0) - int(before or 0)

    assert end_by(lambda holder: holder.commit()) == 2
    assert end_by(lambda holder: holder.rollback()) == 1
    assert end_by(lambda holder: holder.close()) == 1
    assert end_by(lambda holder: holder.invalidate()) == 1
    engine.dispose()


@pytest.mark.postgres
@pytest.mark.slow
def test_locks_of_a_frozen_process_are_let_go(postgres_server: str) -> None:
    """Who stays within a transaction and does nothing is ended by the server, and others go on."""
    url = new_database(postgres_server)
    frozen, other = connect(url), connect(url)
    with other.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE place (n INTEGER); INSERT INTO place VALUES (1)")
    with frozen.connect() as holder:
        holder.exec_driver_sql("SET idle_in_transaction_session_timeout = 200")
        holder.commit()
        holder.exec_driver_sql("UPDATE place SET n = 2")
        with other.begin() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '20s'; UPDATE place SET n = 3")
        with pytest.raises(AWAY):
            holder.exec_driver_sql("UPDATE place SET n = 4")
        holder.invalidate()
    with other.connect() as connection:
        assert connection.scalar(sa.text("SELECT n FROM place")) == 3
        shown = connection.scalar(sa.text("SHOW idle_in_transaction_session_timeout"))
    assert shown == f"{LONGEST_IDLE_S}s"
    frozen.dispose()
    other.dispose()


@pytest.mark.postgres
def test_a_session_that_the_server_has_ended_is_replaced(
    postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes back after a while gets a session that lives."""
    monkeypatch.setattr(database, "_FRESH_S", 0.0)
    url = new_database(postgres_server)
    engine, other = connect(url), connect(url)
    with engine.connect() as connection:
        ended = connection.scalar(sa.select(sa.func.pg_backend_pid()))
    with other.connect() as connection:
        assert connection.scalar(sa.select(sa.func.pg_terminate_backend(ended, 5000)))
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.pg_backend_pid())) != ended
    engine.dispose()
    other.dispose()
