"""Database and store of the version before users, as `tests.golden.write_database_v1` wrote them."""

import sqlite3
import zipfile
from pathlib import Path

import psycopg

GOLDEN = Path(__file__).parents[1] / "golden"


def load_sqlite(path: Path) -> None:
    """Make the old database as a file."""
    with sqlite3.connect(path) as connection:
        connection.executescript((GOLDEN / "database_v1_sqlite.sql").read_text(encoding="utf-8"))
    connection.close()


def load_postgresql(url: str) -> None:
    """Make the old database in an empty one of a server."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute((GOLDEN / "database_v1_postgresql.sql").read_bytes())


def load_store(kind: str, folder: Path) -> None:
    """Make the old store as a folder.

    Args:
        kind: "sqlite" or "postgresql", the database that it belongs to.
        folder: the store.
    """
    with zipfile.ZipFile(GOLDEN / f"store_v1_{kind}.zip") as archive:
        archive.extractall(folder)


def old_results(kind: str) -> dict[str, bytes]:
    """Results of the old store by their SHA-256."""
    with zipfile.ZipFile(GOLDEN / f"store_v1_{kind}.zip") as archive:
        names = [name for name in archive.namelist() if name.startswith("results/")]
        return {Path(name).stem: archive.read(name) for name in names}
