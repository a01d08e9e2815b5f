"""The version of the solver that the service runs: the newest that started; older processes step aside.

Two versions may give different bytes for one spec, and their checkpoints may differ. So a database serves
one version at a time: whoever starts with a newer one records it, an older worker is refused from then on,
and one that runs hands its jobs back and ends.
"""

import re

import sqlalchemy as sa

from equipoise_service.errors import SettingsError
from equipoise_service.storage.database import connect, insert_if_absent
from equipoise_service.storage.migrations import migrate
from equipoise_service.storage.tables import properties
from equipoise_solver.version import __version__

_NAME = "solver_version"


def claim_version(engine: sa.Engine, *, version: str = __version__) -> None:
    """Record the version of this process, if no newer one is recorded.

    Args:
        engine: the database, migrated.
        version: version of the solver in this process.

    Raises:
        SettingsError: the service runs a newer version.
    """
    with engine.begin() as connection:
        if insert_if_absent(connection, properties, {"name": _NAME, "value": version}):
            return
        row = sa.select(properties.c.value).where(properties.c.name == _NAME).with_for_update()
        recorded = connection.execute(row).scalar_one()
        if _key(recorded) > _key(version):
            raise SettingsError(
                f"This process has version {version} of the solver, and the service runs {recorded}: two "
                f"versions may give different results. Upgrade this one, for example by "
                f"pip install --upgrade 'equipoise=={recorded}', then start it again."
            )
        connection.execute(sa.update(properties).where(properties.c.name == _NAME).values(value=version))


def claim_version_at(url: str) -> None:
    """Record the version of this process in a database, migrated or not; see `claim_version`.

    Args:
        url: URL of the database.

    Raises:
        SettingsError: the service runs a newer version.
    """
    engine = connect(url)
    try:
        migrate(engine)
        claim_version(engine)
    finally:
        engine.dispose()


def newer_version(engine: sa.Engine, *, version: str = __version__) -> str | None:
    """The version that the service runs, if it is newer than that of this process; else None."""
    with engine.connect() as connection:
        recorded = connection.scalar(sa.select(properties.c.value).where(properties.c.name == _NAME))
    return recorded if recorded is not None and _key(recorded) > _key(version) else None


def _key(version: str) -> tuple[tuple[int, ...], bool]:
    """Orders versions: 0.2.0rc1 < 0.2.0 < 0.10.0."""
    numbers = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    released = tuple(int(part) for part in numbers[0].split(".")) if numbers else ()
    rest = version[len(numbers[0]) :] if numbers else version
    return released, not re.match(r"[.-]?(?:a|b|rc|dev)", rest)
