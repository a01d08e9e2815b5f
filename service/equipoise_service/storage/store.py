"""The store: results and datasets by content, checkpoints by job, in a folder or at any fsspec location."""

import hashlib
import re
from collections.abc import Iterator

import fsspec

from equipoise_service.storage.blobs import Blob, Blobs
from equipoise_service.storage.local_blobs import TEMPORARY, LocalBlobs
from equipoise_service.storage.remote_blobs import RemoteBlobs

RESULTS, DATASETS, CHECKPOINTS = "results", "datasets", "checkpoints"
# Parts of names: no empty part, none that starts with a dot (and so no ".."), nothing a shell or URL reads.
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_LONGEST_NAME = 512


class Store:
    """Named blobs. A name exists with all of its bytes or not at all.

    In a folder, results and datasets are forced to the disk before their name is given: a row of the database
    never outlives its file. Checkpoints are not: losing one with the power costs its computing time.

    Args:
        url: any fsspec URL, for example file:///var/lib/equipoise/store or s3://bucket/equipoise.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._blobs: Blobs = _open(url)

    def put(self, name: str, content: bytes) -> None:
        """Write a blob, over the one that has this name.

        Raises:
            ValueError: the name is not safe.
        """
        if not isinstance(content, bytes):
            raise TypeError(f"a blob is made of bytes, not of {type(content).__name__}")
        self._blobs.put(_safe(name), content, is_durable=not name.startswith(f"{CHECKPOINTS}/"))

    def put_content(self, folder: str, content: bytes, suffix: str) -> str:
        """Write a blob under the SHA-256 of its bytes; returns those 64 hexadecimal digits."""
        digest = hashlib.sha256(content).hexdigest()
        self.put(f"{folder}/{digest}{suffix}", content)
        return digest

    def get(self, name: str) -> bytes:
        """Bytes of a blob.

        Raises:
            FileNotFoundError: there is none of that name.
        """
        return self._blobs.get(_safe(name))

    def exists(self, name: str) -> bool:
        """Whether there is a blob of that name."""
        return self.stat(name) is not None

    def stat(self, name: str) -> Blob | None:
        """Size and age of a blob; None if there is none of that name."""
        return self._blobs.stat(_safe(name))

    def remove(self, name: str) -> None:
        """Remove a blob; none of that name is fine."""
        self._blobs.remove(_safe(name))

    def remove_folder(self, folder: str) -> None:
        """Remove all blobs of a folder; no such folder is fine."""
        self._blobs.remove_folder(_safe(folder))

    def names(self, folder: str) -> list[str]:
        """Names directly in a folder, without the folder's own, sorted; "" is the store itself."""
        return sorted(self._blobs.names(_safe(folder) if folder else ""))

    def all(self, folder: str = "") -> Iterator[Blob]:
        """All blobs below a folder, in any order, unfinished writes among them; foreign names left out."""
        found = self._blobs.all(_safe(folder) if folder else "")
        return (blob for blob in found if _NAME.fullmatch(blob.name))


def is_unfinished(blob: Blob) -> bool:
    """Whether a blob is a write that did not come to its end, or not yet."""
    return blob.name.endswith(TEMPORARY)


def result_name(digest: str) -> str:
    """Name of a result by the SHA-256 of its bytes."""
    return f"{RESULTS}/{digest}.json"


def dataset_name(dataset_id: str) -> str:
    """Name of a dataset by its id."""
    return f"{DATASETS}/{dataset_id}.npz"


def checkpoint_folder(job_id: str) -> str:
    """Folder of the checkpoints of a job."""
    return f"{CHECKPOINTS}/{job_id}"


def _open(url: str) -> Blobs:
    if fsspec.utils.get_protocol(url) in ("file", "local"):
        _files, root = fsspec.core.url_to_fs(url)
        return LocalBlobs(root)
    return RemoteBlobs(url)


def _safe(name: str) -> str:
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise ValueError(
            f"{name[:100]!r} is no name of a blob: need parts of letters, digits, '.', '_' and '-', none of "
            f"which starts with a dot, joined by '/', at most {_LONGEST_NAME} characters in all."
        )
    return name
