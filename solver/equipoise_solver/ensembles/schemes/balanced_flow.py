"""The reduced SDE of v on the balanced manifold, depth D >= 1, in x = ln|v|: positive, never explodes.

With sign s of v, q = 2D/(D+1), a = (D+1) d^(2/(D+1)-1), c = d^(4/(D+1)-2), w = v^(q-1) and the mirrored data
(b2 -> s b2, root -> s root):

    dx = [-2 a w (b1 v - b2) - 2 (D+1) c w^2 T g(v) - 2 (D+1) gamma] dt + 2 (D+1) sqrt(c T w^2 g(v)) dW

Platen's simplified Taylor scheme of weak order 2 with the step h = min(max_step, relative_step/rate(v)),
chosen before the increment is drawn, so that the change of x per step stays small however large v is.

References:
    THEORY: arXiv 2308.06671, the SDE of a diagonal network, in Ito's form for ln v.
    Kloeden and Platen, Numerical solution of stochastic differential equations (1992), eq. 14.2.7.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.elementary import exponential
from equipoise_solver.ensembles.schemes.scheme import Scheme, flow_numbers
from equipoise_solver.theory.moments import DataMoments

TINY = 1e-300
CEILING = 27.6
"""ln of 1e12: x is reflected that far above the typical scale.

Reflection leaves the law below as it is and cuts off less than 1e-5 of E[v^2]; excursions there, of no
duration, would take ever more steps as D grows.
"""
LOG_ABSORBED = -690.0
"""ln|v| below which v counts as 0, 1e-300."""


def step(
    state: Any, noise: Any, half: Any, left: Any, size: Any, lanes: Any, numbers: Any, work: Any
) -> None:
    """One step of every lane; state = (ln|v|, sign of v); see `compiled.flow_signature`."""
    b1, b2, a1, root, floor = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    temperature, gamma, max_step, epsilon = numbers[5], numbers[6], numbers[7], numbers[8]
    layers, a, c, q1, ceiling = numbers[9], numbers[10], numbers[11], numbers[12], numbers[15]
    q = q1 + 1.0
    r = 2.0 * q1
    decay = 2.0 * layers * gamma
    for j in range(lanes):
        x = np.float64(state[0, j])
        sign = np.float64(state[1, j])
        v = exponential(x)
        w = exponential(q1 * x) if q1 != 0.0 else 1.0
        b2s = sign * b2
        off = v - sign * root
        g = a1 * off * off + floor
        gx = 2.0 * a1 * off * v
        gxx = gx + 2.0 * a1 * v * v
        heat = c * temperature * w * w
        n0 = heat * g
        n1 = heat * (r * g + gx)
        n2 = heat * (r * r * g + 2.0 * r * gx + gxx)
        pull = 2.0 * a * w
        drift = -pull * (b1 * v - b2s) - 2.0 * layers * n0 - decay
        drift1 = -pull * (q * b1 * v - q1 * b2s) - 2.0 * layers * n1
        drift2 = -pull * (q * q * b1 * v - q1 * q1 * b2s) - 2.0 * layers * n2
        power = 4.0 * layers * layers * n0
        half_power1 = 2.0 * layers * layers * n1
        power2 = 4.0 * layers * layers * n2
        rate = power + 4.0 * layers * layers * heat * a1 * v * v + pull * (b1 * v + abs(b1 * v - b2s)) + decay
        h = min(min(max_step, epsilon / rate), left[j])
        amplitude = math.sqrt(power)
        dw = math.sqrt(h) * noise[half, j]
        mixed = (
            drift1 + (drift * half_power1 - 0.5 * half_power1 * half_power1) / (power + TINY) + 0.25 * power2
        )
        change = drift * h + amplitude * dw + 0.5 * half_power1 * (dw * dw - h)
        change = change + 0.5 * h * dw * amplitude * mixed
        change = change + 0.5 * h * h * (drift * drift1 + 0.5 * drift2 * power)
        moved = x + change
        state[0, j] = ceiling if moved > ceiling else moved
        left[j] = left[j] - h
        size[j] = h


def features(state: Any, lane: Any, numbers: Any, out: Any) -> int:
    """The v and |theta|^2 of one lane, imbalance 0; see `compiled.features_signature`."""
    x = np.float64(state[0, lane])
    layers, width = numbers[9], numbers[13]
    v = exponential(x)
    out[0] = np.float64(state[1, lane]) * v
    out[1] = width * layers * exponential((2.0 / layers) * (x - numbers[14]))
    out[2] = 0.0
    return 1 if x < LOG_ABSORBED else 0


def rate(
    moments: DataMoments, *, temperature: float, weight_decay: float, depth: int, width: int, v: float
) -> float:
    """Rate that bounds the step at v, [1/time]."""
    layers, q1 = depth + 1, (depth - 1) / (depth + 1)
    value = max(abs(v), 1e-12)
    w = math.pow(value, q1)
    heat = math.pow(width, 4 / layers - 2) * temperature * w * w
    residual = moments.beta1 * value + abs(moments.beta1 * v - moments.beta2)
    pull = 2 * layers * math.pow(width, 2 / layers - 1) * w * residual
    kick = 4 * layers * layers * heat * (moments.noise(v) + moments.alpha1 * value * value)
    return kick + pull + 2 * layers * weight_decay


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
    """The scheme for a network of depth >= 1; its state is (ln|v|, sign of v)."""
    layers = depth + 1
    extra = (
        float(layers),
        layers * math.pow(width, 2 / layers - 1),
        math.pow(width, 4 / layers - 2),
        (depth - 1) / layers,
        float(width),
        math.log(width),
        math.log(max(start_value, typical_value, abs(moments.minimum), abs(moments.root), 1e-6)) + CEILING,
    )

    def to_state(values: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(divide="ignore"):
            return np.stack([np.log(np.abs(values[0])), np.where(values[0] < 0, -1.0, 1.0)])

    return Scheme(
        name="balanced_flow",
        clock="adaptive",
        interpretation="ito",
        noise_type="scalar",
        weak_order=2,
        step=step,
        features=features,
        n_state=2,
        n_work=1,
        numbers=flow_numbers(
            moments,
            temperature=temperature,
            weight_decay=weight_decay,
            max_step=max_step,
            relative_step=relative_step,
            extra=extra,
        ),
        to_state=to_state,
        typical_rate=rate(
            moments,
            temperature=temperature,
            weight_decay=weight_decay,
            depth=depth,
            width=width,
            v=typical_value,
        ),
    )
