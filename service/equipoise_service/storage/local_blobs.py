"""Blobs as files of a folder, written under a temporary name, forced to the disk, then renamed."""

import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

from equipoise_service.storage.blobs import Blob

TEMPORARY = ".tmp"
"""Ending of the names of unfinished writes."""


class LocalBlobs:
    """Files of a folder of this machine, or of one that several machines share.

    Args:
        root: the folder; made when something is written.
    """

    def __init__(self, root: str) -> None:
        self._root = Path(root)

    def put(self, name: str, content: bytes, *, is_durable: bool) -> None:
        """Write a file whole or not at all; see `Blobs.put`."""
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}{TEMPORARY}")
        try:
            _write(temporary, content, is_durable=is_durable)
            temporary.replace(path)
            if is_durable:
                _force_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def get(self, name: str) -> bytes:
        """Bytes of a file."""
        return (self._root / name).read_bytes()

    def stat(self, name: str) -> Blob | None:
        """What is known of a file."""
        try:
            found = (self._root / name).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Blob(name, found.st_size, found.st_mtime) if stat.S_ISREG(found.st_mode) else None

    def remove(self, name: str) -> None:
        """Remove a file."""
        (self._root / name).unlink(missing_ok=True)

    def remove_folder(self, folder: str) -> None:
        """Remove a folder; another process may be removing it at the same time."""
        shutil.rmtree(self._root / folder, ignore_errors=True)

    def names(self, folder: str) -> list[str]:
        """Names in a folder."""
        try:
            paths = list((self._root / folder).iterdir())
        except FileNotFoundError:
            return []
        return [path.name for path in paths if not path.name.endswith(TEMPORARY)]

    def all(self, folder: str) -> Iterator[Blob]:
        """All files below a folder."""
        for parent, _folders, files in os.walk(self._root / folder):
            for file in files:
                blob = self.stat(str((Path(parent) / file).relative_to(self._root)))
                if blob is not None:
                    yield blob


def _write(path: Path, content: bytes, *, is_durable: bool) -> None:
    with path.open("wb") as file:
        file.write(content)
        if is_durable:
            file.flush()
            os.fsync(file.fileno())


def _force_folder(path: Path) -> None:
    """Force a folder's list of names to the disk: only then does a rename outlive a loss of power."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError:
        # Some network file systems refuse to do so for folders; they write names through by themselves.
        return
    finally:
        os.close(number)
