"""Backup and restore: a snapshot of the database, then every file of the store that its rows need.

A backup is a folder:
    manifest.json       what belongs to the backup, with sizes and SHA-256; written last, by a rename
    database-HASH       a SQLite file, or a dump of pg_dump in its custom format
    store/              results, datasets and checkpoints under their names in the store

The snapshot comes first: files are named by content and never change, so those of an older snapshot are still
there, whatever the service does meanwhile. Collections of garbage wait. A second backup into the same folder
copies what is new and forgets what is no longer needed.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess  # nosec B404 # runs the tools of PostgreSQL, without a shell
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from equipoise_service.storage.database import connect
from equipoise_service.storage.garbage import Needed, needs
from equipoise_service.storage.migrations import NEWEST, schema_version
from equipoise_service.storage.retention import alone
from equipoise_service.storage.store import Store, checkpoint_folder
from equipoise_service.storage.tables import workers

FORMAT = 1
MANIFEST = "manifest.json"


class BackupError(Exception):
    """A backup cannot be made, read or restored; the message says why and what to do."""


@dataclass(frozen=True)
class Manifest:
    """What a backup holds.

    Attributes:
        made_at: seconds since 1970.
        database: name of the file of the database.
        kind: "sqlite" or "postgresql".
        schema: version of the tables.
        sha256: of the file of the database.
        files: files of the store: name to size and SHA-256.
        missing: results and datasets that rows need and that the store has lost.
        n_copied: how many files this backup had to copy.
    """

    made_at: float
    database: str
    kind: str
    schema: int
    sha256: str
    files: Mapping[str, tuple[int, str]]
    missing: tuple[str, ...]
    n_copied: int = 0


def back_up(
    database_url: str, store: Store, folder: Path, *, clock: Callable[[], float] = time.time
) -> Manifest:
    """Back up a service that runs.

    Args:
        database_url: SQLAlchemy URL of its database.
        store: its store.
        folder: where the backup goes; an older one there is brought up to date.
        clock: seconds since 1970.

    Raises:
        BackupError: the folder holds something else, or a tool is missing.
    """
    _check_target(folder)
    (folder / "store").mkdir(parents=True, exist_ok=True)
    engine = connect(database_url)
    try:
        with alone(engine, waits=True):
            take = _snapshot_sqlite if engine.dialect.name == "sqlite" else _snapshot_postgresql
            name, schema, needed = take(engine, folder)
            files, missing, n_copied = _copy_files(store, folder / "store", needed)
    finally:
        engine.dispose()
    digest = _hash(folder / name)
    final = f"database-{digest[:16]}"
    (folder / name).replace(folder / final)
    manifest = Manifest(clock(), final, engine.dialect.name, schema, digest, files, missing, n_copied)
    _write_manifest(folder, manifest)
    _forget_others(folder, manifest)
    return manifest


def verify(folder: Path) -> Manifest:
    """Read every byte of a backup and compare it with the manifest.

    Raises:
        BackupError: a file is missing or differs.
    """
    manifest = read_manifest(folder)
    if not (folder / manifest.database).is_file() or _hash(folder / manifest.database) != manifest.sha256:
        raise BackupError(f"{folder / manifest.database} is not what was written: take another backup.")
    for name, (size, digest) in manifest.files.items():
        path = folder / "store" / name
        if not path.is_file() or path.stat().st_size != size or _hash(path) != digest:
            raise BackupError(
                f"{path} is not what was written: take another backup, or back up again into {folder}."
            )
    return manifest


def restore(folder: Path, database_url: str, store: Store) -> Manifest:
    """Put a backup where there is nothing yet.

    Raises:
        BackupError: the backup is damaged or of another kind, or the place is not empty.
    """
    manifest = verify(folder)
    kind = "sqlite" if database_url.startswith("sqlite") else "postgresql"
    if manifest.kind != kind:
        raise BackupError(
            f"the backup is one of {manifest.kind}: restore it to {manifest.kind}, not to {kind}."
        )
    if manifest.schema > NEWEST:
        raise BackupError(
            f"the backup has schema version {manifest.schema}: this service knows up to {NEWEST}. "
            "Upgrade it first."
        )
    if next(iter(store.all()), None) is not None:
        raise BackupError(f"the store {store.url} is not empty: restore to an empty one.")
    put = _restore_sqlite if kind == "sqlite" else _restore_postgresql
    put(
        folder / manifest.database, database_url, before=lambda: _put_files(folder / "store", manifest, store)
    )
    _end_workers(database_url)
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """What a backup holds.

    Raises:
        BackupError: the folder is no backup.
    """
    try:
        content: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT:
            raise BackupError(f"{folder} was written by a newer version: upgrade first.")
        files = {str(name): (int(size), str(digest)) for name, (size, digest) in content.pop("files").items()}
        manifest = Manifest(**{**content, "files": files, "missing": tuple(content["missing"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{folder} holds no backup: {MANIFEST} cannot be read ({error}).") from error
    if Path(manifest.database).name != manifest.database or any(".." in name for name in manifest.files):
        raise BackupError(f"{folder / MANIFEST} names files outside of the backup.")
    return manifest


def _check_target(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise BackupError(f"{folder} is no folder: choose another one.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).exists():
        names = {path.name for path in folder.iterdir()}
        # What a backup leaves that was killed before its manifest was written.
        if not all(name == "store" or name.startswith("database") for name in names):
            raise BackupError(f"{folder} holds something else: choose an empty folder, or one with a backup.")


def _snapshot_sqlite(engine: sa.Engine, folder: Path) -> tuple[str, int, Needed]:
    target = folder / "database.new"
    target.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(str(engine.url.database))) as source,
        closing(sqlite3.connect(target)) as copy,
    ):
        source.execute("PRAGMA busy_timeout=30000")
        # All pages in one step are one transaction's view; writers go on beside it.
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
    snapshot = sa.create_engine(f"sqlite:///{target}")
    try:
        with snapshot.connect() as connection:
            return target.name, _schema(connection), needs(connection)
    finally:
        snapshot.dispose()


def _snapshot_postgresql(engine: sa.Engine, folder: Path) -> tuple[str, int, Needed]:
    target = folder / "database.new"
    with engine.connect() as connection:
        connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            # The dump sees what this transaction sees, so that the files are those of the dumped rows.
            snapshot = connection.scalar(sa.select(sa.func.pg_export_snapshot()))
            _run("pg_dump", engine.url, f"--snapshot={snapshot}", "--format=custom", f"--file={target}")
            return target.name, _schema(connection), needs(connection)


def _schema(connection: sa.Connection) -> int:
    return connection.scalar(sa.select(sa.func.max(schema_version.c.version))) or 0


def _copy_files(
    store: Store, target: Path, needed: Needed
) -> tuple[dict[str, tuple[int, str]], tuple[str, ...], int]:
    files: dict[str, tuple[int, str]] = {}
    missing: list[str] = []
    n_copied = 0
    for name in sorted(needed.results | needed.datasets | set(_checkpoints(store, needed))):
        path = target / name
        if not path.exists():
            try:
                content = store.get(name)
            except FileNotFoundError:
                if name in needed.results or name in needed.datasets:
                    missing.append(name)
                continue  # A checkpoint that the job has left behind.
            _write(path, content)
            n_copied += 1
        files[name] = (path.stat().st_size, _hash(path))
    return files, tuple(missing), n_copied


def _checkpoints(store: Store, needed: Needed) -> Iterator[str]:
    for job_id in needed.jobs:
        for blob in store.all(checkpoint_folder(job_id)):
            yield blob.name


def _put_files(source: Path, manifest: Manifest, store: Store) -> None:
    for name in manifest.files:
        store.put(name, (source / name).read_bytes())


def _restore_sqlite(dump: Path, url: str, *, before: Callable[[], None]) -> None:
    target = Path(sa.make_url(url).database or "")
    if target.exists() and target.stat().st_size > 0:
        raise BackupError(f"there is a database at {target}: restore to an empty place.")
    before()
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{target.name}.restoring")
    shutil.copyfile(dump, temporary)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(target)


def _restore_postgresql(dump: Path, url: str, *, before: Callable[[], None]) -> None:
    engine = connect(url)
    try:
        inspector = sa.inspect(engine)
        if inspector.get_table_names() or "dbos" in inspector.get_schema_names():
            raise BackupError(f"the database {engine.url.database} is not empty: restore to an empty one.")
    finally:
        engine.dispose()
    before()
    parsed = sa.make_url(url)
    _run(
        "pg_restore",
        parsed,
        "--no-owner",
        "--no-privileges",
        "--single-transaction",
        "--exit-on-error",
        str(dump),
    )


def _run(tool: str, url: sa.URL, *arguments: str) -> None:
    """Run a tool of PostgreSQL; the password goes by the environment, where no other user sees it."""
    plain = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    environment = {**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})}
    try:
        subprocess.run(  # nosec B603 # the tool is ours to name, the rest are options
            [tool, f"--dbname={plain}", *arguments],
            check=True,
            env=environment,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        raise BackupError(
            f"{tool} is not on the PATH: install PostgreSQL's client, or dump the database where it runs "
            "and copy the store afterwards (docs/operations.md)."
        ) from None
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["it said nothing"]
        raise BackupError(f"{tool} failed: {lines[-1]}") from None


def _end_workers(url: str) -> None:
    """Let the workers of the snapshot count as ended: new ones take over their jobs at once."""
    engine = connect(url)
    try:
        with engine.begin() as connection:
            connection.execute(sa.update(workers).values(stopped_at=workers.c.seen_at))
    finally:
        engine.dispose()


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    content = {
        "format": FORMAT,
        "made_at": manifest.made_at,
        "database": manifest.database,
        "kind": manifest.kind,
        "schema": manifest.schema,
        "sha256": manifest.sha256,
        "files": manifest.files,
        "missing": manifest.missing,
    }
    _write(folder / MANIFEST, json.dumps(content, indent=1, sort_keys=True).encode())


def _forget_others(folder: Path, manifest: Manifest) -> None:
    """Remove what an older backup in the same folder needed."""
    for path in folder.glob("database*"):
        if path.name != manifest.database:
            path.unlink()
    for path in (folder / "store").rglob("*"):
        if path.is_file() and path.relative_to(folder / "store").as_posix() not in manifest.files:
            path.unlink()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
