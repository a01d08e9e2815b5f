"""The store: results and datasets by content, checkpoints by job, in a folder or at any fsspec location."""

import hashlib
import uuid
from typing import Any

import fsspec


class Store:
    """Named blobs. A name exists with all of its bytes or not at all.

    Args:
        url: any fsspec URL, for example file:///var/lib/equipoise/store or s3://bucket/equipoise.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        options: dict[str, Any] = {"auto_mkdir": True} if url.startswith("file:") else {}
        self._files, self._root = fsspec.core.url_to_fs(url, **options)

    def put(self, name: str, content: bytes) -> None:
        """Write a blob under a temporary name, then give it its own."""
        temporary = self._path(f"{name}.{uuid.uuid4().hex}.tmp")
        try:
            self._files.pipe_file(temporary, content)
            self._files.mv(temporary, self._path(name))
        except BaseException:
            self._discard(temporary)
            raise

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
        content: bytes = self._files.cat_file(self._path(name))
        return content

    def exists(self, name: str) -> bool:
        """Whether there is a blob of that name."""
        return bool(self._files.exists(self._path(name)))

    def remove(self, name: str) -> None:
        """Remove a blob; none of that name is fine."""
        self._discard(self._path(name))

    def remove_folder(self, folder: str) -> None:
        """Remove all blobs of a folder; no such folder is fine."""
        try:
            self._files.rm(self._path(folder), recursive=True)
        except FileNotFoundError:
            return

    def names(self, folder: str) -> list[str]:
        """Names directly in a folder, without the folder's own, sorted."""
        try:
            found = self._files.ls(self._path(folder), detail=False, refresh=True)
        except FileNotFoundError:
            return []
        return sorted(str(path).rstrip("/").rsplit("/", 1)[-1] for path in found)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _discard(self, path: str) -> None:
        try:
            self._files.rm_file(path)
        except FileNotFoundError:
            return


def result_name(digest: str) -> str:
    """Name of a result by the SHA-256 of its bytes."""
    return f"results/{digest}.json"


def dataset_name(dataset_id: str) -> str:
    """Name of a dataset by its id."""
    return f"datasets/{dataset_id}.npz"


def checkpoint_folder(job_id: str) -> str:
    """Folder of the checkpoints of a job."""
    return f"checkpoints/{job_id}"
