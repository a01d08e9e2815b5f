"""The database of a service, for a command that acts on it beside the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from equipoise_service.errors import SettingsError
from equipoise_service.settings import PREFIX, Settings
from equipoise_service.storage.database import connect
from equipoise_service.storage.probes import check_database


@contextmanager
def opened_database(settings: Settings) -> Iterator[sa.Engine]:
    """The database that the settings name, with the tables of this version; closed at the end.

    Raises:
        SettingsError: there is none, or it cannot be used.
    """
    url = sa.make_url(settings.database)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        # A new one in some other folder would answer that all is well, and help nobody.
        raise SettingsError(
            f"There is no database {url.database!r}: start the service once, or name its folder "
            f"by --data-dir (or {PREFIX}DATA_DIR), or its database by --database-url."
        )
    check_database(settings)
    engine = connect(settings.database)
    try:
        yield engine
    finally:
        engine.dispose()
