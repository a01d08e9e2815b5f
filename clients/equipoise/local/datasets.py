"""The datasets of a local client: uploads read into memory, addressed by their content."""

import hashlib
from typing import Any

from equipoise.effects import Request
from equipoise.errors import NotFoundError
from equipoise.local.tables import Column, read_table


class DatasetShelf:
    """All datasets of a local client."""

    def __init__(self) -> None:
        self._columns: dict[str, tuple[Column, Column]] = {}
        self._contents: dict[str, dict[str, Any]] = {}

    def add(self, request: Request) -> tuple[dict[str, Any], bool]:
        """Keep an upload; return what the API says about it, and whether it is new."""
        kind = request.headers.get("Content-Type", "")
        names, x, y = read_table(request.body or b"", kind, request.query)
        stored = x.astype("<f8").tobytes() + y.astype("<f8").tobytes()
        dataset_id = f"ds_{hashlib.sha256(stored).hexdigest()[:32]}"
        is_new = dataset_id not in self._columns
        self._columns[dataset_id] = x, y
        named = {"x": names[0], "y": names[1]}
        content = {"id": dataset_id, "n_rows": x.size, **named, "bytes_stored": len(stored)}
        # The same numbers are one dataset, shown under the names of this upload.
        return {**self._contents.setdefault(dataset_id, content), **named}, is_new

    def content(self, dataset_id: str) -> dict[str, Any]:
        """What the API says about a dataset."""
        if dataset_id not in self._contents:
            message = f"There is no dataset {dataset_id!r}: upload it with this client first."
            raise NotFoundError(message, status=404, code="dataset_not_found")
        return self._contents[dataset_id]

    def load(self, dataset_id: str) -> tuple[Column, Column]:
        """Columns x and y of a dataset, each of shape (n,).

        Raises:
            KeyError: there is none with this id.
        """
        return self._columns[dataset_id]
