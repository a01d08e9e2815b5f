"""The data that SGD at finite step is solved for: Gaussian, or an empirical distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.theory.moments import DataMoments

Array = NDArray[np.float64]
_ROUNDING = 1e-14


@dataclass(frozen=True, slots=True)
class GaussianData:
    """x ~ N(0, input_std**2), y = slope*x + N(0, noise_std**2).

    Raises:
        InvalidModelError: input_std <= 0, noise_std < 0, or a number that is not finite.
    """

    slope: float
    noise_std: float
    input_std: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what describes no data."""
        self.moments()

    def moments(self) -> DataMoments:
        """The moments by which the data enter the SDE limit."""
        return DataMoments.from_gaussian(self.slope, self.noise_std, self.input_std)

    def mirrored(self) -> GaussianData:
        """The same data with y -> -y."""
        return GaussianData(-self.slope, self.noise_std, self.input_std)

    def exact_slope(self) -> float | None:
        """k if y = k*x for every sample, else None."""
        return self.slope if self.noise_std == 0 else None


@dataclass(frozen=True, slots=True, eq=False)
class SampleData:
    """The empirical distribution of pairs (x_i, y_i), from which minibatches are drawn with replacement.

    Attributes:
        x: inputs, shape (n,).
        y: targets, shape (n,).
    """

    x: Array
    y: Array

    @classmethod
    def from_lists(cls, x: ArrayLike, y: ArrayLike) -> SampleData:
        """Checked copies of x and y.

        Raises:
            InvalidModelError: shapes that differ, no samples, inputs all zero, numbers that are not finite.
        """
        DataMoments.from_samples(x, y)
        return cls(np.array(x, dtype=np.float64), np.array(y, dtype=np.float64))

    def moments(self) -> DataMoments:
        """The moments by which the data enter the SDE limit."""
        return DataMoments.from_samples(self.x, self.y)

    def mirrored(self) -> SampleData:
        """The same data with y -> -y."""
        return SampleData(self.x, -self.y)

    def exact_slope(self) -> float | None:
        """k if y = k*x within rounding for every sample that has a gradient, x != 0; else None."""
        x, y = self.x[self.x != 0], self.y[self.x != 0]
        slope = float(np.sum(x * y) / np.sum(x * x))
        off = np.abs(y - slope * x)
        return slope if np.all(off <= _ROUNDING * np.max(np.abs(y), initial=0.0)) else None


Data = GaussianData | SampleData


@dataclass(frozen=True, slots=True)
class Training:
    """How SGD is run: theta <- theta - eta*(mean gradient of the minibatch + 2*gamma*theta).

    Attributes:
        learning_rate: eta > 0.
        batch_size: S >= 1, drawn independently.
        weight_decay: gamma >= 0.
    """

    learning_rate: float
    batch_size: int
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        """Refuse numbers that describe no run."""
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise InvalidModelError("learning_rate", given=str(self.learning_rate), allowed="a number > 0")
        if not isinstance(self.batch_size, int) or isinstance(self.batch_size, bool) or self.batch_size < 1:
            raise InvalidModelError("batch_size", given=str(self.batch_size), allowed="an integer >= 1")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise InvalidModelError("weight_decay", given=str(self.weight_decay), allowed="a number >= 0")

    @property
    def retention(self) -> float:
        """delta = 1 - 2 eta gamma, the factor of a parameter that sees no gradient of the data."""
        return 1.0 - 2.0 * self.learning_rate * self.weight_decay

    @property
    def temperature(self) -> float:
        """T = eta/S."""
        return self.learning_rate / self.batch_size
