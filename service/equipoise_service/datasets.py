"""Datasets: pairs (x, y) under an id made of their content, so that the same numbers are stored once."""

import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from equipoise_service.callers import Caller
from equipoise_service.database import insert_if_absent
from equipoise_service.dataset_arrays import Columns, content_id, load_arrays, pack
from equipoise_service.store import Store, dataset_name
from equipoise_service.tables import dataset_owners, datasets
from equipoise_solver.solving import LoadDataset
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

    def add(self, columns: Columns, caller: Caller) -> tuple[Dataset, bool]:
        """Store inputs and labels; the dataset, named as uploaded, and whether it is new to the owner."""
        dataset_id = content_id(columns.x, columns.y)
        x, y = listed(columns.x_names), listed(columns.y_names)
        known = self._find(dataset_id)
        if known is None:
            content = pack(columns.x, columns.y)
            # The file first: a row without a file would be a broken promise, a file without a row is litter.
            self._store.put(dataset_name(dataset_id), content)
            known = Dataset(
                id=dataset_id,
                n_rows=len(columns.x),
                bytes_stored=len(content),
                created_at=self._clock(),
                x=x,
                y=y,
            )
        owned = {"dataset_id": dataset_id, "owner": caller.user, "created_at": self._clock()}
        with self._engine.begin() as connection:
            insert_if_absent(connection, datasets, asdict(known))
            is_new = insert_if_absent(connection, dataset_owners, owned)
        return replace(known, x=x, y=y), is_new

    def get(self, dataset_id: str, caller: Caller) -> Dataset | None:
        """The dataset with this id, if the caller has uploaded it or is an admin."""
        if not DATASET_ID.fullmatch(dataset_id) or not self._is_owned(dataset_id, caller):
            return None
        return self._find(dataset_id)

    def loader(self, caller: Caller) -> LoadDataset:
        """What maps the ids of the caller's datasets to their inputs and labels."""

        def load(dataset_id: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            if self.get(dataset_id, caller) is None:
                raise KeyError(dataset_id)
            return load_arrays(self._store, dataset_id)

        return load

    def _find(self, dataset_id: str) -> Dataset | None:
        columns = [datasets.c[field.name] for field in fields(Dataset)]
        query = sa.select(*columns).where(datasets.c.id == dataset_id)
        with self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else Dataset(**row)

    def _is_owned(self, dataset_id: str, caller: Caller) -> bool:
        if caller.is_admin:
            return True
        query = sa.select(dataset_owners.c.owner).where(
            dataset_owners.c.dataset_id == dataset_id, dataset_owners.c.owner == caller.user
        )
        with self._engine.connect() as connection:
            return connection.execute(query).first() is not None
