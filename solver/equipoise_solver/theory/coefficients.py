"""Drift and noise of the model coordinate v for every depth and width, in one place.

On the balanced manifold and for v > 0 (the sector v < 0 is its mirror image; depth 0 lives on the whole line)

    dv = [-2 a v^q force(v) + 2 (D/(D+1)) a^2 v^(2q-1) T g(v)] dt + 2 a v^q sqrt(T g(v)) dW,
    force(v) = beta1*v - beta2 + pull*v^e,     q = 2D/(D+1),   e = 1 - q,   a = (D+1) d^(2/(D+1)-1),
    pull = (D+1)*weight_decay/a,

so that the logarithm of the formal stationary density has the derivative

    -power/v - g'(v)/g(v) - stiffness * force(v)/(v^q g(v)),     power = 3D/(D+1),   stiffness = 1/(a T).

Depth 0 has v^e = v and depth 1 has v^e = 1: there the pull is folded into beta1 or beta2 and set to 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.theory.moments import DataMoments

Array = NDArray[np.float64]

# A force at the wall this small relative to its terms cannot be told from 0.
_INTERPOLATES = 64.0 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Coefficients:
    """The reduced diffusion of n parameter points of one depth; every array has shape (n,).

    Attributes:
        depth: D, or None for the limit of infinite depth.
        power: 3D/(D+1).
        exponent: e = 1 - 2D/(D+1), in [-1, 1].
        amplitude: a.
        temperature: T, >= 0.
        alpha1, root, floor: g(v) = alpha1*(v - root)**2 + floor, mirrored to the sector v > 0 if depth >= 1.
        beta1, beta2: the linear part of the force, weight decay included for depths 0 and 1.
        pull: coefficient of v**exponent in the force, >= 0.
    """

    depth: int | None
    power: float
    exponent: float
    amplitude: Array
    temperature: Array
    alpha1: Array
    root: Array
    floor: Array
    beta1: Array
    beta2: Array
    pull: Array

    @property
    def size(self) -> int:
        """The number n of parameter points."""
        return int(self.alpha1.size)

    @property
    def stiffness(self) -> Array:
        """1/(a*T), the factor of the force in the exponent of the density."""
        result: Array = 1.0 / (self.amplitude * self.temperature)
        return result

    @property
    def alpha2(self) -> Array:
        """Cov[x**2, x*y] in the sector, alpha1*root."""
        return self.alpha1 * self.root

    @property
    def alpha3(self) -> Array:
        """g(0)."""
        return self.alpha1 * self.root**2 + self.floor

    def take(self, index: NDArray[np.bool_] | NDArray[np.intp]) -> Coefficients:
        """The points selected by a mask or by indices."""
        names = ("amplitude", "temperature", "alpha1", "root", "floor", "beta1", "beta2", "pull")
        return Coefficients(
            self.depth, self.power, self.exponent, *(getattr(self, name)[index] for name in names)
        )

    def noise(self, v: Array) -> Array:
        """g(v), broadcast over the points."""
        return self.alpha1 * (v - self.root) * (v - self.root) + self.floor

    def force(self, v: Array) -> Array:
        """beta1*v - beta2 + pull*v**exponent, broadcast over the points."""
        linear = self.beta1 * v - self.beta2
        return linear + self.pull * v**self.exponent if np.any(self.pull) else linear

    def wall_force(self) -> float | None:
        """The force where g vanishes inside the line or sector, None if it does not vanish; one point (n =
        1).

        0 if the force cannot be told from rounding: then the data interpolate. A wall at v = 0 of depth >=
        1 has the force of beta2 alone, as a pull of v**exponent says nothing there.
        """
        if not (self.alpha1[0] > 0 and self.floor[0] == 0 and (self.depth == 0 or self.root[0] >= 0)):
            return None
        wall, pull = float(self.root[0]), float(self.pull[0])
        if wall == 0 and self.depth != 0:
            return -float(self.beta2[0]) or None
        terms = (
            float(self.beta1[0]) * wall,
            -float(self.beta2[0]),
            pull * wall**self.exponent if pull else 0.0,
        )
        force = sum(terms)
        return 0.0 if abs(force) <= _INTERPOLATES * sum(map(abs, terms)) else force

    def drift(self, v: Array) -> Array:
        """The drift of dv (Ito), [state/time]."""
        q = 1.0 - self.exponent
        mean = -2.0 * self.amplitude * v**q * self.force(v)
        if self.power == 0.0:
            return mean
        induced = (2.0 / 3.0) * self.power * self.amplitude**2 * v ** (2.0 * q - 1.0)
        return mean + induced * self.temperature * self.noise(v)

    def diffusion(self, v: Array) -> Array:
        """The factor of dW in dv, [state/time**0.5]."""
        scale: Array = np.sqrt(self.temperature * self.noise(v))
        return 2.0 * self.amplitude * v ** (1.0 - self.exponent) * scale


def network_coefficients(
    moments: dict[str, Array], *, depth: int, width: Array, temperature: Array, weight_decay: Array
) -> Coefficients:
    """The reduced diffusion of diagonal networks of one depth, in the sector that has the sign of beta2.

    Args:
        moments: arrays alpha1, root, floor, beta1, beta2, shape (n,), as in DataMoments.
        depth: D >= 0.
        width: d >= 1, shape (n,).
        temperature: T >= 0, shape (n,).
        weight_decay: gamma >= 0, shape (n,).

    References:
        [P1] arXiv 2308.06671, eq. 16 and appendix; re-derived and tested against the parameter dynamics.
    """
    amplitude = (depth + 1.0) * width ** (2.0 / (depth + 1.0) - 1.0)
    pull = (depth + 1.0) * weight_decay / amplitude
    sign = np.where(moments["beta2"] < 0, -1.0, 1.0) if depth else np.ones_like(width)
    beta1, beta2 = moments["beta1"], sign * moments["beta2"]
    if depth == 0:
        beta1, pull = beta1 + pull, np.zeros_like(pull)
    elif depth == 1:
        beta2, pull = beta2 - pull, np.zeros_like(pull)
    return Coefficients(
        depth=depth,
        power=3.0 * depth / (depth + 1.0),
        exponent=(1.0 - depth) / (1.0 + depth),
        amplitude=amplitude,
        temperature=temperature,
        alpha1=moments["alpha1"],
        root=sign * moments["root"] + 0.0,  # No negative zero.
        floor=moments["floor"],
        beta1=beta1,
        beta2=beta2,
        pull=pull,
    )


def deep_limit_coefficients(
    moments: DataMoments, *, width_per_depth: float, temperature: float
) -> Coefficients:
    """The reduced diffusion as depth and width go to infinity with width/depth fixed, per unit of depth.

    q -> 2, power -> 3 and a -> 1/width_per_depth.
    """
    sign = -1.0 if moments.beta2 < 0 else 1.0

    def one(value: float) -> Array:
        return np.array([value], dtype=np.float64)

    return Coefficients(
        depth=None,
        power=3.0,
        exponent=-1.0,
        amplitude=one(1.0 / width_per_depth),
        temperature=one(temperature),
        alpha1=one(moments.alpha1),
        root=one(sign * moments.root + 0.0),
        floor=one(moments.floor),
        beta1=one(moments.beta1),
        beta2=one(sign * moments.beta2),
        pull=one(0.0),
    )


def moment_arrays(moments: DataMoments) -> dict[str, Array]:
    """The moments of one data distribution as arrays of shape (1,)."""
    names = ("alpha1", "root", "floor", "beta1", "beta2")
    return {name: np.array([getattr(moments, name)], dtype=np.float64) for name in names}
