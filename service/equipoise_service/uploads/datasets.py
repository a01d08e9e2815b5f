"""Datasets: pairs (x, y) under an id made of their content, so that the same numbers are stored once."""

import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from equipoise_service.storage.database import insert_if_absent
from equipoise_service.storage.store import Store, dataset_name
from equipoise_service.storage.tables import dataset_owners, datasets
from equipoise_service.uploads.dataset_arrays import Columns, content_id, load_arrays, pack
from equipoise_service.users.audit import record
from equipoise_service.users.callers import Caller
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
        uploaded = self._stored(columns)
        own = {"owner": caller.user, "x": uploaded.x, "y": uploaded.y, "created_at": uploaded.created_at}
        with self._engine.begin() as connection:
            insert_if_absent(connection, datasets, asdict(uploaded))
            is_new = insert_if_absent(connection, dataset_owners, {"dataset_id": uploaded.id, **own})
            if is_new:
                record(connection, caller, "upload", uploaded.id, detail={"n_rows": uploaded.n_rows})
        return uploaded, is_new

    def get(self, dataset_id: str, caller: Caller) -> Dataset | None:
        """The dataset with this id, if the caller has uploaded it or is an admin; named as the caller did."""
        if not DATASET_ID.fullmatch(dataset_id):
            return None
        mine = sa.and_(dataset_owners.c.dataset_id == datasets.c.id, dataset_owners.c.owner == caller.user)
        # What others called the columns, and when they uploaded them, is theirs; admins see the first one's.
        query = sa.select(
            datasets.c.id,
            datasets.c.n_rows,
            sa.func.coalesce(dataset_owners.c.x, datasets.c.x).label("x"),
            sa.func.coalesce(dataset_owners.c.y, datasets.c.y).label("y"),
            datasets.c.bytes_stored,
            sa.func.coalesce(dataset_owners.c.created_at, datasets.c.created_at).label("created_at"),
        ).select_from(datasets.join(dataset_owners, mine, isouter=caller.is_admin))
        with self._engine.connect() as connection:
            row = connection.execute(query.where(datasets.c.id == dataset_id)).mappings().first()
        return None if row is None else Dataset(**row)

    def loader(self, caller: Caller) -> LoadDataset:
        """What maps the ids of the caller's datasets to their inputs and labels."""

        def load(dataset_id: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            if self.get(dataset_id, caller) is None:
                raise KeyError(dataset_id)
            return load_arrays(self._store, dataset_id)

        return load

    def _stored(self, columns: Columns) -> Dataset:
        """Put the numbers into the store, unless they are there; what is known of them."""
        dataset_id = content_id(columns.x, columns.y)
        query = sa.select(datasets.c.bytes_stored).where(datasets.c.id == dataset_id)
        with self._engine.connect() as connection:
            bytes_stored = connection.scalar(query)
        # A file that was lost comes back with the next upload.
        if bytes_stored is None or not self._store.exists(dataset_name(dataset_id)):
            content = pack(columns.x, columns.y)
            # The file first: a row without a file would be a broken promise, a file without a row is litter.
            self._store.put(dataset_name(dataset_id), content)
            bytes_stored = len(content)
        return Dataset(
            id=dataset_id,
            n_rows=len(columns.x),
            x=listed(columns.x_names),
            y=listed(columns.y_names),
            bytes_stored=bytes_stored,
            created_at=self._clock(),
        )
