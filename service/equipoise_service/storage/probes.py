"""Before the start: the folder, the store and the database can be used, or one line says what to change."""

import logging
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError

from equipoise_service.errors import SettingsError, sentence
from equipoise_service.settings import PREFIX, Settings, shown
from equipoise_service.storage.database import connect
from equipoise_service.storage.migrations import migrate
from equipoise_service.storage.store import Store

logger = logging.getLogger(__name__)


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)


@dataclass(frozen=True)
class Patience:
    """How long a database server that cannot be reached is waited for.

    Attributes:
        total_s: time after which it is given up.
        pause_s: time between two tries.
        clock: seconds, never going back.
        pause: waits for so many seconds.
    """

    total_s: float = 6.0
    pause_s: float = 2.0
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = _pause


def check_places(settings: Settings, *, patience: Patience | None = None) -> None:
    """Use every place of the settings once, the way the service will.

    Raises:
        SettingsError: one cannot be used.
    """
    if settings.database_url is None or settings.store_url is None:
        _check_folder(settings)
    _check_store(settings)
    check_database(settings, patience=patience)


def _check_folder(settings: Settings) -> None:
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.data_dir) as file:
            file.write(b"probe")
    except OSError as error:
        raise _refusal(settings, "data_dir", "made and written", error.strerror or error) from error


def _check_store(settings: Settings) -> None:
    name = f"probe-{uuid.uuid4().hex}"
    try:
        store = Store(settings.store)
        store.put(name, b"probe")
        store.remove(name)
    except Exception as error:  # Each kind of store has errors of its own.
        field = "data_dir" if settings.store_url is None else "store_url"
        raise _refusal(settings, field, "written", error) from error


def check_database(settings: Settings, *, patience: Patience | None = None) -> None:
    """Use the database once, the way the service will; one that is starting is waited for.

    Raises:
        SettingsError: it cannot be used.
    """
    patience = patience or Patience()
    field = "data_dir" if settings.database_url is None else "database_url"
    give_up = patience.clock() + patience.total_s
    while True:
        try:
            _use_database(settings.database)
            return
        except OperationalError as error:
            # A file is there or not; a server may be starting at the same time as this service.
            is_file = settings.database.startswith("sqlite")
            if is_file or patience.clock() + patience.pause_s > give_up:
                raise _refusal(settings, field, "used as database", error.orig or error) from error
            logger.warning("the database does not answer yet: %s", _first_line(error.orig or error))
            patience.pause(patience.pause_s)
        except (DBAPIError, OSError, RuntimeError) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise _refusal(settings, field, "used as database", cause or error) from error


def _use_database(url: str) -> None:
    if url.startswith("sqlite"):
        engine = connect(url)
    else:
        # Addresses that swallow packets are given up sooner than the operating system would.
        engine = sa.create_engine(url, connect_args={"connect_timeout": 3})
    try:
        migrate(engine)
        if url.startswith("sqlite"):
            # Only a lock for writing shows that the file may be written.
            with engine.connect() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        engine.dispose()


_REMEDIES = {
    "data_dir": "Choose a folder that you may write, for example --data-dir ~/equipoise-data",
    "store_url": "Correct the URL, its access rights or the fsspec package that it needs",
    "database_url": "Start the database, or correct host, port, user and password",
}


def _refusal(settings: Settings, field: str, use: str, reason: object) -> SettingsError:
    value = getattr(settings, field)
    given = shown(str(value) if isinstance(value, Path) else value)
    remedy = f"{_REMEDIES[field]}, then start again."
    return SettingsError(
        f"{PREFIX}{field.upper()}={given} cannot be {use}: {sentence(_first_line(reason))} {remedy}"
    )


def _first_line(reason: object) -> str:
    lines = [line.strip() for line in str(reason).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(reason).__name__
