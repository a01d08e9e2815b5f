"""What a noise source is: a kernel that fills rows of numbers for a block, with the tables it reads."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray


def _no_table() -> NDArray[np.float64]:
    return np.zeros((2, 1))


@dataclass(frozen=True, eq=False)
class NoiseSource:
    """A source of randomness, ready to be compiled.

    Attributes:
        name: as in the registry.
        fill: the kernel, of `compiled.noise_signature`.
        purpose: purpose number of its stream.
        weak_order: highest weak order that its increments support; None for minibatches, whose law is the
            model.
        numbers: parameters, shape (n,).
        table: data it reads, shape (2, n).
        work_columns: int32 columns of working memory per lane.
        rows: numbers per lane and call.
        steps: steps that a call serves.
        precision: of the numbers.
    """

    name: str
    fill: Callable[..., None]
    purpose: int
    weak_order: int | None
    numbers: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))
    table: NDArray[np.float64] = field(default_factory=_no_table)
    work_columns: int = 1
    rows: int = 2
    steps: int = 1
    precision: Literal["float64", "float32"] = "float64"
