"""The parameter SDE of a two-layer diagonal network (D = 1) of any width, reduced exactly by its symmetry.

With p = u + w and m = u - w of each neuron, and one Brownian motion for all,

    p(t) = p(0) exp(N - Q),  m(t) = m(0) exp(-N - Q),
    dN = -2 (b1 v - b2) dt + 2 sqrt(T g(v)) dW,   dQ = (2 T g(v) + 2 gamma) dt,

so the three sums P = sum p^2/4, M = sum m^2/4 and C = sum p m = |u|^2 - |w|^2 close on themselves whatever
the width: v = P - M, |u|^2 + |w|^2 = 2 (P + M), and C decays as exp(-2 Q): the law of balance, without
noise. P and M keep their signs, so nothing explodes. (N, Q) moves by Platen's simplified Taylor scheme of
weak order 2 with the step h = min(max_step, relative_step/rate); dN/dv-derivatives use dv/dN = 2 R, dR/dN =
2 v, dv/dQ = -2 v, R = P + M.

References:
    arXiv 2308.06671, section 3 (law of balance); Kloeden and Platen (1992), eq. 14.2.7.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.elementary import exponential
from equipoise_solver.ensembles.schemes.scheme import Scheme, flow_numbers
from equipoise_solver.theory.moments import DataMoments

TINY = 1e-300


def step(
    state: Any, noise: Any, half: Any, left: Any, size: Any, lanes: Any, numbers: Any, work: Any
) -> None:
    """One step of every lane; state = (P, M, C); see `compiled.flow_signature`."""
    b1, b2, a1, root, floor = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    temperature, gamma, max_step, epsilon = numbers[5], numbers[6], numbers[7], numbers[8]
    for j in range(lanes):
        plus = np.float64(state[0, j])
        minus = np.float64(state[1, j])
        v = plus - minus
        radius = plus + minus
        off = v - root
        g = a1 * off * off + floor
        residual = b1 * v - b2
        rate = 16.0 * temperature * (g + a1 * radius * radius) + 4.0 * (b1 * radius + abs(residual) + gamma)
        h = min(min(max_step, epsilon / rate), left[j])
        power = 4.0 * temperature * g
        half_power1 = 8.0 * temperature * a1 * off * radius
        power2 = 32.0 * temperature * a1 * (radius * radius + off * v)
        power_q = -16.0 * temperature * a1 * off * v
        drift = -2.0 * residual
        drift1 = -4.0 * b1 * radius
        loss = 0.5 * power + 2.0 * gamma
        amplitude = math.sqrt(power)
        dw = math.sqrt(h) * noise[half, j]
        ratio = (drift * half_power1 + 0.5 * loss * power_q - 0.5 * half_power1 * half_power1) / (
            power + TINY
        )
        turn = drift * h + amplitude * dw + 0.5 * half_power1 * (dw * dw - h)
        turn = turn + 0.5 * h * dw * amplitude * (drift1 + ratio + 0.25 * power2)
        turn = turn + 0.5 * h * h * (drift * drift1 + loss * (4.0 * b1 * v) - 4.0 * b1 * v * power)
        sink = loss * h + 0.5 * h * dw * amplitude * half_power1
        sink = sink + 0.5 * h * h * (drift * half_power1 + 0.5 * loss * power_q + 0.25 * power * power2)
        shrink = exponential(-2.0 * sink)
        state[0, j] = plus * shrink * exponential(2.0 * turn)
        state[1, j] = minus * shrink * exponential(-2.0 * turn)
        state[2, j] = np.float64(state[2, j]) * shrink
        left[j] = left[j] - h
        size[j] = h


def features(state: Any, lane: Any, numbers: Any, out: Any) -> int:
    """The v, |theta|^2 and ||u|^2 - |w|^2| of one lane; see `compiled.features_signature`."""
    radius = np.float64(state[0, lane]) + np.float64(state[1, lane])
    out[0] = np.float64(state[0, lane]) - np.float64(state[1, lane])
    out[1] = 2.0 * radius
    out[2] = abs(np.float64(state[2, lane]))
    return 1 if radius < numbers[9] else 0


def sums_of_parameters(theta: NDArray[np.float64]) -> NDArray[np.float64]:
    """States (P, M, C), shape (3, paths), of parameters (u_1, w_1, u_2, w_2, ...), shape (2 d, paths)."""
    u, w = theta[0::2], theta[1::2]
    return np.stack(
        [
            ((u + w) ** 2).sum(axis=0) / 4,
            ((u - w) ** 2).sum(axis=0) / 4,
            ((u + w) * (u - w)).sum(axis=0),
        ]
    )


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
    """The scheme for depth 1; its state is (P, M, C), whatever the width."""
    v = typical_value
    size = moments.beta1 * abs(v) + abs(moments.beta1 * v - moments.beta2)
    rate = 16 * temperature * (moments.noise(v) + moments.alpha1 * v * v) + 4 * (size + weight_decay)
    return Scheme(
        name="two_layer_flow",
        clock="adaptive",
        interpretation="ito",
        noise_type="scalar",
        weak_order=2,
        step=step,
        features=features,
        n_state=3,
        n_work=1,
        numbers=flow_numbers(
            moments,
            temperature=temperature,
            weight_decay=weight_decay,
            max_step=max_step,
            relative_step=relative_step,
            extra=(1e-300,),
        ),
        to_state=sums_of_parameters,
        typical_rate=rate,
    )
