"""Specs of networks in training, and what the figures read from their runs."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipoise import specs
from examples.gallery.figure import Spec


class Level(NamedTuple):
    """A number at the end of a run.

    Attributes:
        mean: over networks, and over the last records.
        error: its standard error, as if all records of a network were one; of a single network the
            standard deviation of the records.
    """

    mean: float
    error: float


def training(model: Spec, data: Spec, dynamics: Spec, **fields: Any) -> Spec:
    """A spec of networks that train side by side."""
    return {"task": "simulate", "model": model, "data": data, "dynamics": dynamics, **fields}


def sgd(learning_rate: float, *, batch_size: int = 1, weight_decay: float = 0.0) -> Spec:
    """Dynamics with minibatches."""
    return {
        "kind": "sgd",
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "weight_decay": weight_decay,
    }


def gd(learning_rate: float) -> Spec:
    """Dynamics without noise."""
    return {"kind": "gd", "learning_rate": learning_rate}


def diagonal(values: Sequence[float]) -> list[list[float]]:
    """A diagonal matrix, by rows."""
    rows: list[list[float]] = np.diag(np.asarray(values, dtype=np.float64)).tolist()
    return rows


def level(found: specs.SimulateNetworkSolution, name: str, *, share: float = 0.25) -> Level:
    """An observable over the last part of a run.

    Args:
        found: the run.
        name: of the observable, as "norm.W1".
        share: of the records that count as the last.
    """
    series = found.observables[name]
    n_last = max(2, int(share * series.mean.size))
    mean = float(series.mean[-n_last:].mean())
    if found.n_paths == 1:
        return Level(mean, float(series.mean[-n_last:].std()))
    return Level(mean, float(series.standard_error[-n_last:].mean()))


def each(found: specs.SimulateNetworkSolution, name: str) -> NDArray[np.float64]:
    """An observable of each network that is returned one by one, shape (networks, records)."""
    return np.asarray(found.snapshots[name])


def relative(measured: Level, predicted: float) -> Level:
    """How far a number is from what was predicted, as a part of it."""
    return Level(measured.mean / predicted - 1.0, measured.error / predicted)
