"""What is followed over time: functions of what a scheme shows of a path. To add one: a function and a line.

What is shown is v, |theta|^2 and the imbalance (the largest minus the smallest squared norm of a layer), in
arrays of one shape.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.errors import InvalidModelError, UnsupportedCombinationError
from equipoise_solver.theory.moments import DataMoments

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """What observables may use beside the state: the data's moments, and E[y^2] where it is known."""

    moments: DataMoments
    target_power: float | None


def value(v: Array, norm: Array, imbalance: Array, scene: Scene) -> Array:
    """The model coordinate v."""
    return v


def loss(v: Array, norm: Array, imbalance: Array, scene: Scene) -> Array:
    """Training loss E (v x - y)^2, without weight decay; needs E[y^2]."""
    m = scene.moments
    least = (scene.target_power or 0.0) - m.beta2 * m.minimum
    return m.beta1 * (v - m.minimum) ** 2 + least


def excess_loss(v: Array, norm: Array, imbalance: Array, scene: Scene) -> Array:
    """Training loss above its least value, b1 (v - b2/b1)^2."""
    return scene.moments.beta1 * (v - scene.moments.minimum) ** 2


def imbalance(v: Array, norm: Array, imbalance: Array, scene: Scene) -> Array:
    """Largest minus smallest squared norm of a layer; ||u|^2 - |w|^2| for two layers."""
    return imbalance


def noise(v: Array, norm: Array, imbalance: Array, scene: Scene) -> Array:
    """g(v), a quarter of the variance of the per-sample gradient of v."""
    return scene.moments.noise(v)


def sign(v: Array, norm: Array, imbalance: Array, scene: Scene) -> Array:
    """Sign of v: -1, 0 or 1; the mean tells the sectors' shares."""
    return np.sign(v)


def norm(v: Array, norm: Array, imbalance: Array, scene: Scene) -> Array:
    """|theta|^2."""
    return norm


OBSERVABLES: dict[str, Callable[[Array, Array, Array, Scene], Array]] = {
    "value": value,
    "loss": loss,
    "excess_loss": excess_loss,
    "imbalance": imbalance,
    "noise": noise,
    "sign": sign,
    "norm": norm,
}


def check_observables(names: tuple[str, ...], scene: Scene) -> None:
    """Refuse unknown observables, and the loss where E[y^2] is not known.

    Raises:
        InvalidModelError: a name is unknown.
        UnsupportedCombinationError: "loss" is asked of data known by moments alone.
    """
    for name in names:
        if name not in OBSERVABLES:
            raise InvalidModelError("observables", given=name, allowed=f"one of {sorted(OBSERVABLES)}")
    if "loss" in names and scene.target_power is None:
        raise UnsupportedCombinationError(
            "observables",
            given="loss",
            allowed="observables that moments determine",
            remedy='Moments leave E[y^2] open: ask for "excess_loss".',
        )
