"""The datasets of a local client: uploads read into memory, addressed by their content."""

import hashlib
from typing import Any

from equipoise.effects import Request
from equipoise.errors import NotFoundError
from equipoise.local.tables import read_table
from equipoise_solver.specs.dataset_columns import listed
from equipoise_solver.specs.dataset_values import Values


class DatasetShelf:
    """All datasets of a local client."""

    def __init__(self) -> None:
        self._columns: dict[str, tuple[Values, Values]] = {}
        self._contents: dict[str, dict[str, Any]] = {}

    def add(self, request: Request) -> tuple[dict[str, Any], bool]:
        """Keep an upload; return what the API says about it, and whether it is new."""
        kind = request.headers.get("Content-Type", "")
        columns = read_table(request.body or b"", kind, request.query)
        x, y = columns.x, columns.y
        stored = x.astype("<f8").tobytes() + y.astype("<f8").tobytes()
        widths = f"{x.shape[1:]}{y.shape[1:]}".encode() if x.ndim > 1 or y.ndim > 1 else b""
        dataset_id = f"ds_{hashlib.sha256(stored + widths).hexdigest()[:32]}"
        is_new = dataset_id not in self._columns
        self._columns[dataset_id] = x, y
        named = {"x": listed(columns.chosen.x), "y": listed(columns.chosen.y)}
        content = {"id": dataset_id, "n_rows": len(x), **named, "bytes_stored": len(stored)}
        # The same numbers are one dataset, shown under the names of this upload.
        return {**self._contents.setdefault(dataset_id, content), **named}, is_new

    def content(self, dataset_id: str) -> dict[str, Any]:
        """What the API says about a dataset."""
        if dataset_id not in self._contents:
            message = f"There is no dataset {dataset_id!r}: upload it with this client first."
            raise NotFoundError(message, status=404, code="dataset_not_found")
        return self._contents[dataset_id]

    def load(self, dataset_id: str) -> tuple[Values, Values]:
        """Inputs and labels of a dataset, each of shape (n,), or (n, k) for vectors.

        Raises:
            KeyError: there is none with this id.
        """
        return self._columns[dataset_id]
