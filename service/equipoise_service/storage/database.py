"""The database: SQLite or PostgreSQL through SQLAlchemy core; its clock, and inserts that may find a row."""

import functools
import sqlite3
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite

# A session that was in use so short ago is taken to live, [s]: asking it costs as much as a query.
_FRESH_S = 0.5
# So long a writer waits for others on SQLite, [s].
_BUSY_S = 30
# How statements begin that take the lock of writers on SQLite.
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "BEGIN "})
LONGEST_IDLE_S = 10
"""Time after which PostgreSQL ends a session that stays within a transaction and does nothing, [s]."""


def connect(url: str) -> sa.Engine:
    """Open a pool of connections; creates the folder of a SQLite file."""
    if url.startswith("sqlite"):
        Path(sa.make_url(url).database or "").parent.mkdir(parents=True, exist_ok=True)
        factory = functools.partial(_TurnTaker, turn=threading.Lock())
        arguments = {"factory": factory}
        # The last used first: each connection holds pages of its own, 2 MB of them.
        engine = sa.create_engine(
            url, pool_size=20, max_overflow=20, pool_use_lifo=True, connect_args=arguments
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "before_cursor_execute", _wait_for_turn)
        return engine
    engine = sa.create_engine(url, pool_size=10, max_overflow=10, pool_use_lifo=True)
    event.listen(engine, "connect", _prepare_postgresql)
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", functools.partial(_ask_if_alive, engine.dialect))
    return engine


class _TurnTaker(sqlite3.Connection):
    """A connection of SQLite on which writers of one process take turns.

    SQLite itself lets them try again after pauses that grow to 0.1 s; so it does those of other processes.
    """

    def __init__(self, *args: Any, turn: threading.Lock, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turn = turn
        self._has_turn = False

    def wait_for_turn(self) -> None:
        """Wait until no other connection of this process is in a transaction that writes."""
        if not (self._has_turn or self.in_transaction):
            # Who does not get it waits as SQLite does, and fails after as long again.
            self._has_turn = self._turn.acquire(timeout=_BUSY_S)

    def commit(self) -> None:
        """End the transaction, and the turn."""
        super().commit()
        self._end_turn()

    def rollback(self) -> None:
        """End the transaction, and the turn."""
        super().rollback()
        self._end_turn()

    def close(self) -> None:
        """Close the connection; a turn ends with it."""
        super().close()
        self._end_turn()

    def _end_turn(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self._turn.release()


def _wait_for_turn(
    connection: sa.Connection, _cursor: Any, statement: str, _parameters: Any, _context: Any, _many: bool
) -> None:
    if statement.lstrip()[:6].upper() in _WRITES:
        connection.connection.dbapi_connection.wait_for_turn()  # type: ignore[union-attr]


def _prepare_postgresql(connection: Any, record: Any) -> None:
    # A process that is frozen within a transaction holds its locks: the server lets go of them in its stead.
    with connection.cursor() as cursor:
        cursor.execute(f"SET idle_in_transaction_session_timeout = {1000 * LONGEST_IDLE_S}")
    connection.commit()
    _note_use(connection, record)


def _note_use(_connection: Any, record: Any) -> None:
    record.info["used_at"] = time.monotonic()


def _ask_if_alive(dialect: sa.Dialect, connection: Any, record: Any, _proxy: Any) -> None:
    """Replace a session that the server has ended meanwhile; one used this moment is hardly ever ended."""
    if time.monotonic() - record.info.get("used_at", 0.0) > _FRESH_S:
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            raise sa.exc.InvalidatePoolError from error


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # Writers take the lock at once and wait for each other, instead of failing when a reader wants to write.
    connection.isolation_level = "IMMEDIATE"
    connection.execute(f"PRAGMA busy_timeout={1000 * _BUSY_S}")
    connection.execute("PRAGMA foreign_keys=ON")
    # With a write-ahead log a commit survives the death of the process without waiting for the disk.
    connection.execute("PRAGMA synchronous=NORMAL")
    if sqlite3.sqlite_version_info < (3, 42):
        # From Python 3.12 on the engine takes milliseconds from a modifier that older libraries do not know.
        connection.create_function("unixepoch", 1, _unixepoch)


def _unixepoch(modifier: str) -> float | None:
    """SQLite's unixepoch('subsec'), [s] with milliseconds; null for other modifiers, as SQLite answers."""
    return round(time.time(), 3) if modifier == "subsec" else None


def database_now(engine: sa.Engine) -> sa.ColumnElement[float]:
    """The database's own clock, [s] since 1970, so that workers on many machines agree."""
    if engine.dialect.name == "sqlite":
        return sa.literal_column("((julianday('now') - 2440587.5) * 86400.0)", sa.Float)
    return sa.literal_column("extract(epoch from clock_timestamp())::double precision", sa.Float)


def become_writer(connection: sa.Connection) -> None:
    """On SQLite, keep all others from writing until this transaction ends; PostgreSQL locks rows instead.

    SQLite's driver begins a transaction only before the first change: what was read earlier may be changed
    by others in between.
    """
    if connection.dialect.name == "sqlite" and not connection.connection.in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def insert_if_absent(connection: sa.Connection, table: sa.Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless one with the same key exists; whether it was inserted."""
    worked_out = {name: value for name, value in row.items() if isinstance(value, sa.ColumnElement)}
    query = _inserting(table, connection.dialect.name)
    if worked_out:
        query = query.values(worked_out)
    plain = {name: value for name, value in row.items() if name not in worked_out}
    return connection.execute(query, plain).first() is not None


@functools.cache
def _inserting(table: sa.Table, dialect: str) -> Any:
    """The insert without its row, so that it is built and compiled once."""
    query = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    # Row counts of such inserts differ between drivers; a returned key does not lie.
    return query.on_conflict_do_nothing().returning(*table.primary_key.columns)
