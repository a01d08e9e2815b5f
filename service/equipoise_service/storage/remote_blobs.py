"""Blobs at any location that fsspec knows: object stores such as S3, whose writes are whole, and others."""

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import fsspec

from equipoise_service.storage.blobs import Blob
from equipoise_service.storage.local_blobs import TEMPORARY

T = TypeVar("T")
logger = logging.getLogger(__name__)

# Object stores show a blob when all of its bytes are there, and have no rename (theirs is copy and delete).
WHOLE_WRITES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "oss", "memory"})
# Pauses before the next tries of a call that failed for a reason that may pass, [s].
PAUSES_S = (0.1, 0.4, 1.6, 5.0)
# These do not pass by themselves; everything else that a file system raises as OSError may.
_LASTING = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)
_OPTIONS: dict[str, dict[str, Any]] = {
    # Waiting and trying again are botocore's own; endpoint and credentials come from the AWS_* variables.
    "s3": {
        "config_kwargs": {
            "retries": {"max_attempts": 5, "mode": "standard"},
            "connect_timeout": 5,
            "read_timeout": 60,
        }
    }
}


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)


class RemoteBlobs:
    """Blobs below a URL of fsspec.

    Args:
        url: for example s3://bucket/equipoise.
        pause: waits for so many seconds.
    """

    def __init__(self, url: str, *, pause: Callable[[float], None] = _pause) -> None:
        protocol = fsspec.utils.get_protocol(url)
        # Other processes write here too: a remembered listing would hide what they wrote.
        options = {"use_listings_cache": False, **_OPTIONS.get(protocol, {})}
        self._files, self._root = fsspec.core.url_to_fs(url, **options)
        self._has_whole_writes = protocol in WHOLE_WRITES
        self._pause = pause

    def put(self, name: str, content: bytes, *, is_durable: bool) -> None:
        """Write a blob; how durable it is, is the affair of the place."""
        path = self._path(name)
        if self._has_whole_writes:
            self._patiently(lambda: self._files.pipe_file(path, content))
            return
        self._patiently(lambda: self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True))
        temporary = f"{path}.{uuid.uuid4().hex}{TEMPORARY}"
        try:
            self._patiently(lambda: self._files.pipe_file(temporary, content))
            self._patiently(lambda: self._files.mv(temporary, path))
        except BaseException:
            self._discard(temporary)
            raise

    def get(self, name: str) -> bytes:
        """Bytes of a blob."""
        content: bytes = self._patiently(lambda: self._files.cat_file(self._path(name)))
        return content

    def stat(self, name: str) -> Blob | None:
        """What is known of a blob."""
        try:
            info = self._patiently(lambda: self._files.info(self._path(name)))
        except FileNotFoundError:
            return None
        return None if info["type"] != "file" else self._blob(info)

    def remove(self, name: str) -> None:
        """Remove a blob."""
        self._patiently(lambda: self._discard(self._path(name)))

    def remove_folder(self, folder: str) -> None:
        """Remove all blobs of a folder."""
        self._patiently(lambda: self._discard_all(self._path(folder)))

    def names(self, folder: str) -> list[str]:
        """Names in a folder."""
        try:
            found = self._patiently(lambda: self._files.ls(self._path(folder), detail=False))
        except FileNotFoundError:
            return []
        names = [str(path).rstrip("/").rsplit("/", 1)[-1] for path in found]
        return [name for name in names if not name.endswith(TEMPORARY)]

    def all(self, folder: str) -> Iterator[Blob]:
        """All blobs below a folder."""
        try:
            found = self._patiently(lambda: self._files.find(self._path(folder), detail=True))
        except FileNotFoundError:
            return
        for info in found.values():
            yield self._blob(info)

    def _blob(self, info: Any) -> Blob:
        name = str(info["name"]).lstrip("/").removeprefix(self._root.strip("/")).strip("/")
        written = info.get("LastModified") or info.get("mtime") or info.get("created")
        if written is None:
            written = self._files.modified(info["name"])
        at = written.timestamp() if hasattr(written, "timestamp") else float(written)
        return Blob(name, int(info["size"] or 0), at)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}".rstrip("/")

    def _discard(self, path: str) -> None:
        try:
            self._files.rm_file(path)
        except FileNotFoundError:
            return

    def _discard_all(self, path: str) -> None:
        try:
            self._files.rm(path, recursive=True)
        except FileNotFoundError:
            return

    def _patiently(self, call: Callable[[], T]) -> T:
        """Call, and call again after errors that may pass: every call here may be repeated without harm."""
        for pause_s in PAUSES_S:
            try:
                return call()
            except _LASTING:
                raise
            except OSError as error:
                logger.warning("the store failed, trying again in %g s: %r", pause_s, error)
                self._pause(pause_s)
        return call()
