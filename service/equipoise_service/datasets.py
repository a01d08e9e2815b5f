"""Datasets: pairs (x, y) under an id made of their content, so that the same numbers are stored once."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from equipoise_service.database import datasets, insert_if_absent
from equipoise_service.dataset_arrays import Columns, content_id, load_arrays, pack
from equipoise_service.store import Store, dataset_name
from equipoise_solver.specs.dataset_columns import listed

DATASET_ID = re.compile(r"ds_[0-9a-f]{32}")


@dataclass(frozen=True)
class Dataset:
    """What is known of a stored dataset."""

    id: str
    n_rows: int
    x: str
    y: str
    bytes_stored: int
    created_at: float


class DatasetLibrary:
    """Stored datasets.

    Args:
        engine: database of the service.
        store: where the numbers are.
        clock: seconds since 1970.
    """

    def __init__(self, engine: sa.Engine, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._store = store
        self._clock = clock

    def add(self, columns: Columns) -> tuple[Dataset, bool]:
        """Store inputs and labels; the dataset under the names of this upload, and whether it is new."""
        dataset_id = content_id(columns.x, columns.y)
        known = self.get(dataset_id)
        if known is not None:
            return replace(known, x=listed(columns.x_names), y=listed(columns.y_names)), False
        content = pack(columns.x, columns.y)
        # The file first: a row without a file would be a broken promise, a file without a row is only litter.
        self._store.put(dataset_name(dataset_id), content)
        row: dict[str, Any] = {
            "id": dataset_id,
            "n_rows": len(columns.x),
            "x": listed(columns.x_names),
            "y": listed(columns.y_names),
            "bytes_stored": len(content),
            "created_at": self._clock(),
        }
        with self._engine.begin() as connection:
            is_new = insert_if_absent(connection, datasets, row)
        return self.get(dataset_id) or Dataset(**row), is_new

    def get(self, dataset_id: str) -> Dataset | None:
        """The dataset with this id."""
        if not DATASET_ID.fullmatch(dataset_id):
            return None
        with self._engine.connect() as connection:
            row = (
                connection.execute(sa.select(datasets).where(datasets.c.id == dataset_id)).mappings().first()
            )
        return None if row is None else Dataset(**row)

    def load(self, dataset_id: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Inputs and labels, each of shape (n,), or (n, k) for vectors.

        Raises:
            KeyError: there is no such dataset.
        """
        return load_arrays(self._store, dataset_id)
