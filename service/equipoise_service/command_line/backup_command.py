"""The commands `backup` and `restore`."""

import argparse
import sys
from pathlib import Path

from equipoise_service.command_line.command import Command
from equipoise_service.settings import Settings


def _back_up(settings: Settings, options: argparse.Namespace) -> int:
    from equipoise_service.storage.backup import BackupError, back_up, verify
    from equipoise_service.storage.probes import check_places
    from equipoise_service.storage.store import Store

    try:
        if options.verify:
            manifest = verify(options.folder)
        else:
            check_places(settings)
            manifest = back_up(settings.database, Store(settings.store), options.folder)
            _note(settings, "backup", options.folder)
    except BackupError as error:
        return _say(error)
    print(  # noqa: T201
        f"{options.folder} holds the {manifest.kind} database and {len(manifest.files)} files of the store"
        + ("" if options.verify else f", {manifest.n_copied} of them new")
    )
    for name in manifest.missing:
        print(f"equipoise: the store has lost {name}", file=sys.stderr)  # noqa: T201
    return 0


def _restore(settings: Settings, options: argparse.Namespace) -> int:
    from equipoise_service.storage.backup import BackupError, restore
    from equipoise_service.storage.database import connect
    from equipoise_service.storage.migrations import migrate
    from equipoise_service.storage.store import Store

    try:
        manifest = restore(options.folder, settings.database, Store(settings.store))
    except BackupError as error:
        return _say(error)
    database = connect(settings.database)
    migrate(database)
    database.dispose()
    _note(settings, "restore", options.folder)
    print(f"restored the {manifest.kind} database and {len(manifest.files)} files of the store")  # noqa: T201
    return 0


def _note(settings: Settings, action: str, folder: Path) -> None:
    from equipoise_service.storage.database import connect
    from equipoise_service.users import audit
    from equipoise_service.users.callers import LOCAL

    database = connect(settings.database)
    with database.begin() as connection:
        audit.record(connection, LOCAL, "backup" if action == "backup" else "restore", str(folder))
    database.dispose()


def _say(error: Exception) -> int:
    print(f"equipoise: {error}", file=sys.stderr)  # noqa: T201
    return 1


def _declare_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder of the backup")


def _declare_backup(parser: argparse.ArgumentParser) -> None:
    _declare_folder(parser)
    parser.add_argument(
        "--verify", action="store_true", help="only read a backup and compare it with its hashes"
    )


BACKUP = Command(
    "backup",
    "back up the database and the store of a service that runs",
    run=_back_up,
    declare=_declare_backup,
)
RESTORE = Command(
    "restore",
    "put a backup where there is no database and no store yet",
    run=_restore,
    declare=_declare_folder,
)
