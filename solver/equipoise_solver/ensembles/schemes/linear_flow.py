"""The SDE of v for depth 0 (linear regression by d parameters): linear growth, on the whole line.

    dv = -[2 d (b1 v - b2) + 2 gamma v] dt + 2 d sqrt(T g(v)) dW

Platen's simplified Taylor scheme of weak order 2; the rates do not depend on v, so the step does not either.

References:
    Kloeden and Platen, Numerical solution of stochastic differential equations (1992), eq. 14.2.7.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.schemes.scheme import Scheme, flow_numbers
from equipoise_solver.theory.moments import DataMoments

TINY = 1e-300


def step(
    state: Any, noise: Any, half: Any, left: Any, size: Any, lanes: Any, numbers: Any, work: Any
) -> None:
    """One step of every lane; state = (v,); see `compiled.flow_signature`."""
    b1, b2, a1, root, floor = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    temperature, gamma, max_step, epsilon, d = numbers[5], numbers[6], numbers[7], numbers[8], numbers[9]
    heat = 4.0 * d * d * temperature
    slope = -2.0 * d * b1 - 2.0 * gamma
    curvature = 2.0 * heat * a1
    common = min(max_step, epsilon / (heat * a1 - slope))
    for j in range(lanes):
        v = np.float64(state[0, j])
        h = min(common, left[j])
        off = v - root
        power = heat * (a1 * off * off + floor)
        half_power1 = heat * a1 * off
        drift = slope * v + 2.0 * d * b2
        amplitude = math.sqrt(power)
        dw = math.sqrt(h) * noise[half, j]
        mixed = (
            slope
            + (drift * half_power1 - 0.5 * half_power1 * half_power1) / (power + TINY)
            + 0.25 * curvature
        )
        change = drift * h + amplitude * dw + 0.5 * half_power1 * (dw * dw - h)
        change = change + 0.5 * h * dw * amplitude * mixed + 0.5 * h * h * drift * slope
        state[0, j] = v + change
        left[j] = left[j] - h
        size[j] = h


def features(state: Any, lane: Any, numbers: Any, out: Any) -> int:
    """The v of one lane and |theta|^2 = v^2/d of equal parameters; see `compiled.features_signature`."""
    v = np.float64(state[0, lane])
    out[0] = v
    out[1] = v * v / numbers[9]
    out[2] = 0.0
    return 0


def scheme(
    moments: DataMoments,
    *,
    depth: int,
    width: int,
    temperature: float,
    weight_decay: float,
    max_step: float,
    relative_step: float,
    typical_value: float,
    start_value: float,
) -> Scheme:
    """The scheme for depth 0; its state is v."""

    def to_state(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values[:1]

    return Scheme(
        name="linear_flow",
        clock="adaptive",
        interpretation="ito",
        noise_type="scalar",
        weak_order=2,
        step=step,
        features=features,
        n_state=1,
        n_work=1,
        numbers=flow_numbers(
            moments,
            temperature=temperature,
            weight_decay=weight_decay,
            max_step=max_step,
            relative_step=relative_step,
            extra=(float(width),),
        ),
        to_state=to_state,
        typical_rate=4 * width**2 * temperature * moments.alpha1
        + 2 * width * moments.beta1
        + 2 * weight_decay,
    )
