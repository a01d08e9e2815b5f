"""The numbers by which scalar regression data (x, y) enter the theory, with g(v) free of cancellation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise_solver.errors import InvalidModelError

# Relative size below which delta cannot be told from the rounding of alpha1, alpha2, alpha3 themselves.
_ROUNDING = 8.0 * np.finfo(float).eps
# How far alpha2**2 may exceed alpha1*alpha3, relative to alpha2**2, in moments that were rounded first:
# what the specs accept, with room for the rounding of their own arithmetic.
_GIVEN_ROUNDED = 1e-9 * (1.0 + 1e-6)


@dataclass(frozen=True, slots=True)
class DataMoments:
    """Moments of scalar regression data for the loss (v*x - y)**2.

    The gradient noise of the model coordinate v is 4*g(v), g(v) = alpha1*v**2 - 2*alpha2*v + alpha3, kept as
    g(v) = alpha1*(v - root)**2 + floor, which is precise near its least value.

    Attributes:
        alpha1: Var[x**2], >= 0.
        alpha2: Cov[x**2, x*y].
        alpha3: Var[x*y], >= 0.
        beta1: E[x**2], > 0.
        beta2: E[x*y].
        delta: alpha1*alpha3 - alpha2**2, >= 0; 0 means that g vanishes somewhere or is constant.
        root: alpha2/alpha1, where g is least (0 when alpha1 = 0).

    References:
        [P1] arXiv 2308.06671, section 4 (alpha, beta, Delta).
    """

    alpha1: float
    alpha2: float
    alpha3: float
    beta1: float
    beta2: float
    delta: float
    root: float

    @property
    def floor(self) -> float:
        """The least value of g, delta/alpha1; alpha3 when g is constant."""
        return self.delta / self.alpha1 if self.alpha1 > 0 else self.alpha3

    @property
    def minimum(self) -> float:
        """The least-squares solution beta2/beta1."""
        return self.beta2 / self.beta1

    @overload
    def noise(self, v: float) -> float: ...

    @overload
    def noise(self, v: NDArray[np.float64]) -> NDArray[np.float64]: ...

    def noise(self, v: float | NDArray[np.float64]) -> float | NDArray[np.float64]:
        """g(v), a quarter of the variance of the per-sample gradient at v."""
        return self.alpha1 * (v - self.root) * (v - self.root) + self.floor

    def mirrored(self) -> DataMoments:
        """The same data with y -> -y, which maps v to -v."""
        return DataMoments(
            self.alpha1, -self.alpha2, self.alpha3, self.beta1, -self.beta2, self.delta, -self.root
        )

    def with_label_noise(self, std: float) -> DataMoments:
        """The same data with fresh N(0, std**2) on every label, which raises Var[x*y] by std**2 E[x**2]."""
        more = std**2 * self.beta1
        return replace(self, alpha3=self.alpha3 + more, delta=self.delta + self.alpha1 * more)

    @classmethod
    def from_gaussian(cls, slope: float, noise_std: float, input_std: float = 1.0) -> DataMoments:
        """Moments of x ~ N(0, input_std**2), y = slope*x + N(0, noise_std**2).

        Raises:
            InvalidModelError: input_std <= 0, noise_std < 0, or a number that is not finite.
        """
        _require_finite({"slope": slope, "noise_std": noise_std, "input_std": input_std})
        if noise_std < 0:
            raise InvalidModelError("data.noise_std", given=noise_std, allowed="a number >= 0")
        if input_std <= 0:
            raise InvalidModelError("data.input_std", given=input_std, allowed="a number > 0")
        power = input_std**2
        alpha1 = 2.0 * power**2
        alpha3 = slope**2 * alpha1 + noise_std**2 * power
        delta = alpha1 * noise_std**2 * power
        return cls(alpha1, slope * alpha1, alpha3, power, slope * power, delta, float(slope))

    @classmethod
    def from_values(
        cls, alpha1: float, alpha2: float, alpha3: float, beta1: float, beta2: float
    ) -> DataMoments:
        """Moments given as numbers; delta is formed exactly and counts as 0 within the rounding of its terms.

        A negative delta down to -1e-9*alpha2**2 is taken for rounding of the numbers given, and counts as 0.
        Then root, where g vanishes, is as uncertain: it is put at beta2/beta1 if within 1e-9 of it, so
        that rounded moments of y = k*x interpolate. A positive delta that is no rounding of 64-bit numbers
        stands as given.

        Raises:
            InvalidModelError: a negative variance, beta1 <= 0, alpha2**2 > alpha1*alpha3 beyond rounding,
                which no data have, or a number that is not finite.
        """
        _require_finite(
            {"alpha1": alpha1, "alpha2": alpha2, "alpha3": alpha3, "beta1": beta1, "beta2": beta2}
        )
        for name, value in (("alpha1", alpha1), ("alpha3", alpha3)):
            if value < 0:
                raise InvalidModelError(f"data.{name}", given=value, allowed="a variance, >= 0")
        if beta1 <= 0:
            raise InvalidModelError("data.beta1", given=beta1, allowed="a second moment, > 0")
        product = Fraction(alpha1) * Fraction(alpha3)
        exact = product - Fraction(alpha2) ** 2
        if abs(exact) <= Fraction(_ROUNDING) * product:
            exact = Fraction(0)
        is_rounded = -Fraction(_GIVEN_ROUNDED) * Fraction(alpha2) ** 2 <= exact < 0
        if is_rounded:
            exact = Fraction(0)
        if exact < 0:
            bound = math.sqrt(alpha1) * math.sqrt(alpha3)
            raise InvalidModelError(
                "data.alpha2", given=alpha2, allowed=f"|alpha2| <= sqrt(alpha1*alpha3) = {bound:.6g}"
            )
        root = float(alpha2) / float(alpha1) if alpha1 > 0 else 0.0
        if is_rounded and math.isclose(root, beta2 / beta1, rel_tol=_GIVEN_ROUNDED):
            root = float(beta2) / float(beta1)
        return cls(
            float(alpha1),
            float(alpha2),
            float(alpha3),
            float(beta1),
            float(beta2),
            float(exact),
            root,
        )

    @classmethod
    def from_samples(cls, x: ArrayLike, y: ArrayLike) -> DataMoments:
        """Population moments of the empirical distribution of the pairs (x_i, y_i).

        Args:
            x: inputs, shape (n,), n >= 1, finite, not all zero.
            y: targets, shape (n,), finite.

        Raises:
            InvalidModelError: shapes that differ, no samples, inputs all zero, numbers that are not finite.
        """
        inputs, targets = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        if inputs.ndim != 1 or inputs.size == 0:
            raise InvalidModelError(
                "data.x", given=list(inputs.shape), allowed="a list of at least one number"
            )
        if targets.shape != inputs.shape:
            raise InvalidModelError(
                "data.y", given=list(targets.shape), allowed=f"the shape of x, {list(inputs.shape)}"
            )
        squares, products = inputs * inputs, inputs * targets
        for name, values in (("x", squares), ("y", products)):
            if not np.all(np.isfinite(values)):
                raise InvalidModelError(
                    f"data.{name}", given="values that overflow or are not finite", allowed="finite numbers"
                )
        beta1, beta2 = float(squares.mean()), float(products.mean())
        if beta1 <= 0:
            raise InvalidModelError("data.x", given=0.0, allowed="inputs that are not all zero")
        a, b = _settle(squares - beta1, squares), _settle(products - beta2, products)
        alpha1, alpha2, alpha3 = float(np.mean(a * a)), float(np.mean(a * b)), float(np.mean(b * b))
        if alpha1 == 0:
            return cls(0.0, 0.0, alpha3, beta1, beta2, 0.0, 0.0)
        root = alpha2 / alpha1
        residual = _settle(b - root * a, np.abs(products) + np.abs(root) * squares)
        return cls(alpha1, alpha2, alpha3, beta1, beta2, alpha1 * float(np.mean(residual**2)), root)


def _settle(deviation: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Deviations, or zeros if none stands out of the rounding of the numbers that it was formed from."""
    threshold = _ROUNDING * float(np.max(np.abs(scale)))
    return deviation if float(np.max(np.abs(deviation))) > threshold else np.zeros_like(deviation)


def _require_finite(values: dict[str, float]) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise InvalidModelError(f"data.{name}", given=str(value), allowed="a finite number")
