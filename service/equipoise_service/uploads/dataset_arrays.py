"""Arrays of datasets: their id, their stored form, how to read it. Imports little: workers need it."""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise_service.storage.store import Store, dataset_name


@dataclass(frozen=True)
class Columns:
    """Inputs and labels, each of shape (n,), or (n, k) for vectors; with the names they had in the file."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    x_names: tuple[str, ...]
    y_names: tuple[str, ...]


def content_id(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """Id of a pair of columns, from their little-endian bytes, and their widths where they are vectors."""
    digest = hashlib.sha256(x.astype("<f8").tobytes())
    digest.update(y.astype("<f8").tobytes())
    if x.ndim > 1 or y.ndim > 1:
        digest.update(f"{x.shape[1:]}{y.shape[1:]}".encode())
    return f"ds_{digest.hexdigest()[:32]}"


def pack(x: NDArray[np.float64], y: NDArray[np.float64]) -> bytes:
    """The stored form of two columns, an NPZ file."""
    buffer = io.BytesIO()
    np.savez(buffer, x=x.astype("<f8"), y=y.astype("<f8"))
    return buffer.getvalue()


def load_arrays(store: Store, dataset_id: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Inputs and labels of a stored dataset, each of shape (n,), or (n, k) for vectors.

    Raises:
        KeyError: there is no such dataset.
    """
    try:
        content = store.get(dataset_name(dataset_id))
    except FileNotFoundError:
        raise KeyError(dataset_id) from None
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return arrays["x"], arrays["y"]
