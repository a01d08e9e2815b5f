"""What a store needs of the place where its bytes are: a folder, or any other file system of fsspec."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Blob:
    """A stored blob.

    Attributes:
        name: its name, with its folders.
        size: its length, [bytes].
        modified_at: when it was written, seconds since 1970 by the clock of the place.
    """

    name: str
    size: int
    modified_at: float


class Blobs(Protocol):
    """Blobs by name. Names are safe: they were checked before."""

    def put(self, name: str, content: bytes, *, is_durable: bool) -> None:
        """Write a blob whole or not at all; a durable one outlives a loss of power."""
        ...

    def get(self, name: str) -> bytes:
        """Bytes of a blob; FileNotFoundError if there is none."""
        ...

    def stat(self, name: str) -> Blob | None:
        """What is known of a blob; None if there is none."""
        ...

    def remove(self, name: str) -> None:
        """Remove a blob; none of that name is fine."""
        ...

    def remove_folder(self, folder: str) -> None:
        """Remove all blobs of a folder; no such folder is fine."""
        ...

    def names(self, folder: str) -> list[str]:
        """Names directly in a folder, in any order, unfinished writes left out."""
        ...

    def all(self, folder: str) -> Iterator[Blob]:
        """All blobs below a folder, unfinished writes among them."""
        ...
