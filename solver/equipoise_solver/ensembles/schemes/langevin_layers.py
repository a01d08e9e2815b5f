"""Langevin dynamics of a diagonal network, layer by layer: the Gibbs law is exact at every step size.

    d theta = -(grad L + 2 gamma theta) dt + sqrt(2 T) dW,    L = b1 v^2 - 2 b2 v + const

Given the other layers, v = a . u is linear in the parameters u of one layer, so L is quadratic in them and
the Langevin equation of this layer alone is a linear one, which a step solves exactly in law, for a time h:
u and xi ~ N(0, 1)^d part into what lies along a and the rest,

    rest    u' = e0 u + s0 xi,         e0 = exp(-2 gamma h),   s0^2 = 2 T (1 - e0^2)/(4 gamma),
    along   c' = m + e (c - m) + s z,  e = exp(-lam h),  lam = 2 (b1 |a|^2 + gamma),  s^2 = T (1 - e^2)/lam,

with c = a . u/|a|, z = a . xi/|a|, m = 2 b2 |a|/lam. Each such step leaves the Gibbs law
exp(-(L + gamma |theta|^2)/T) as it is, and so does any chain of them: the law of long runs has no bias. One
step goes through the layers from the first to the last, the next one back: weak order 2 in time over each
pair. No step is too large, and no path is lost. Depth 0 has one layer, so its law is exact at all times.

References:
    Leimkuhler and Matthews, Molecular dynamics (2015), chapter 7, for splittings by exact parts.
"""

import math
from typing import Any

import numpy as np

from equipoise_solver.ensembles.compiled import LANES, inlined
from equipoise_solver.ensembles.schemes.products import product_features
from equipoise_solver.ensembles.schemes.scheme import Scheme, identity
from equipoise_solver.ensembles.tangent import decay
from equipoise_solver.theory.moments import DataMoments

TINY = 1e-300
N_LANE_ROWS = 4
"""Rows of work: sums over the neurons of a layer, and three factors; then d products and d (D + 1) more."""


@inlined
def move_layer(
    state: Any,
    noise: Any,
    first: Any,
    layer: Any,
    layers: Any,
    width: Any,
    slopes: Any,
    numbers: Any,
    work: Any,
) -> None:
    """One exact step of a layer; its slopes a are rows slopes .. slopes + width - 1 of `work`.

    numbers = (h, 2 b1, 2 b2, 2 gamma, T, 1 - e0, s0, layers, width); the noise of parameter p is row
    first + p.
    """
    h, b1, b2, gamma = numbers[0], numbers[1], numbers[2], numbers[3]
    temperature, gone, spread = numbers[4], numbers[5], numbers[6]
    keep = 1.0 - gone
    for j in range(LANES):
        work[0, j] = 0.0
        work[1, j] = 0.0
        work[2, j] = 0.0
    for i in range(width):
        row = i * layers + layer
        for j in range(LANES):
            a = work[slopes + i, j]
            work[0, j] += a * a
            work[1, j] += a * np.float64(state[row, j])
            work[2, j] += a * np.float64(noise[first + row, j])
    for j in range(LANES):
        power = work[0, j]
        rate = b1 * power + gamma
        lost = decay(b1 * power * h)
        # 1 - e and e - e0 without cancellation, e = e0 (1 - lost).
        away = gone + keep * lost
        along = math.sqrt(temperature * away * (2.0 - away) / max(rate, TINY))
        inverse = 1.0 / max(power, TINY)
        work[3, j] = (
            away / max(rate, TINY) * b2
            - keep * lost * inverse * work[1, j]
            + (along - spread) * inverse * work[2, j]
        )
    for i in range(width):
        row = i * layers + layer
        for j in range(LANES):
            u = np.float64(state[row, j])
            state[row, j] = (
                keep * u + spread * np.float64(noise[first + row, j]) + work[slopes + i, j] * work[3, j]
            )


@inlined
def forwards(state: Any, noise: Any, first: Any, numbers: Any, work: Any) -> None:
    """One step of every lane through the layers from the first to the last."""
    layers, width = np.int64(numbers[7]), np.int64(numbers[8])
    slopes, kept = N_LANE_ROWS, N_LANE_ROWS + width
    # Products of the layers behind each one: they have not moved yet when it does.
    for i in range(width):
        for j in range(LANES):
            work[slopes + i, j] = 1.0
            work[kept + i * layers + layers - 1, j] = 1.0
        for k in range(layers - 2, -1, -1):
            for j in range(LANES):
                work[kept + i * layers + k, j] = work[kept + i * layers + k + 1, j] * np.float64(
                    state[i * layers + k + 1, j]
                )
    for k in range(layers):
        for i in range(width):
            place = kept + i * layers + k
            for j in range(LANES):
                before = work[slopes + i, j]
                work[slopes + i, j] = before * work[place, j]
                work[place, j] = before
        move_layer(state, noise, first, k, layers, width, slopes, numbers, work)
        for i in range(width):
            for j in range(LANES):
                work[slopes + i, j] = work[kept + i * layers + k, j] * np.float64(state[i * layers + k, j])


@inlined
def backwards(state: Any, noise: Any, first: Any, numbers: Any, work: Any) -> None:
    """One step of every lane through the layers from the last to the first."""
    layers, width = np.int64(numbers[7]), np.int64(numbers[8])
    slopes, kept = N_LANE_ROWS, N_LANE_ROWS + width
    for i in range(width):
        for j in range(LANES):
            work[slopes + i, j] = 1.0
            work[kept + i * layers, j] = 1.0
        for k in range(1, layers):
            for j in range(LANES):
                work[kept + i * layers + k, j] = work[kept + i * layers + k - 1, j] * np.float64(
                    state[i * layers + k - 1, j]
                )
    for k in range(layers - 1, -1, -1):
        for i in range(width):
            place = kept + i * layers + k
            for j in range(LANES):
                behind = work[slopes + i, j]
                work[slopes + i, j] = behind * work[place, j]
                work[place, j] = behind
        move_layer(state, noise, first, k, layers, width, slopes, numbers, work)
        for i in range(width):
            for j in range(LANES):
                work[slopes + i, j] = work[kept + i * layers + k, j] * np.float64(state[i * layers + k, j])


def step(state: Any, noise: Any, row: Any, taken: Any, numbers: Any, work: Any) -> None:
    """A pair of steps of every lane; state = theta; see `compiled.step_signature`."""
    forwards(state, noise, 0, numbers, work)
    backwards(state, noise, np.int64(numbers[7] * numbers[8]), numbers, work)


def single(state: Any, noise: Any, row: Any, taken: Any, numbers: Any, work: Any) -> None:
    """One step of every lane, forwards."""
    forwards(state, noise, row * np.int64(numbers[7] * numbers[8]), numbers, work)


def value(state: Any, numbers: Any, out: Any) -> None:
    """Put v, which noise never lets vanish for good, into `out`; see `compiled.show_signature`."""
    layers, width = np.int64(numbers[7]), np.int64(numbers[8])
    shown = np.zeros(3)
    for j in range(LANES):
        product_features(state, j, layers, width, 0.0, shown)
        out[0, j] = shown[0]
        out[1, j] = shown[1]
        out[2, j] = shown[2]
        out[3, j] = 0.0


def extra(state: Any, numbers: Any, out: Any) -> None:
    """Nothing that `value` has not done."""


def scheme(
    moments: DataMoments,
    *,
    depth: int,
    width: int,
    temperature: float,
    weight_decay: float,
    step_size: float,
    typical_rate: float,
) -> Scheme:
    """The scheme for any depth >= 0; its state is the parameters."""
    layers = depth + 1
    n = layers * width
    gone = -math.expm1(-2 * weight_decay * step_size)
    power = gone * (2 - gone) / (2 * weight_decay) if weight_decay > 0 else 2 * step_size
    return Scheme(
        name="langevin_layers",
        clock="steps",
        interpretation="ito",
        noise_type="diagonal",
        weak_order=2,
        step=step,
        single=single,
        value=value,
        extra=extra,
        n_state=n,
        n_work=N_LANE_ROWS + width + n,
        numbers=np.array(
            [
                step_size,
                2 * moments.beta1,
                2 * moments.beta2,
                2 * weight_decay,
                temperature,
                gone,
                math.sqrt(temperature * power),
                layers,
                width,
            ],
            dtype=np.float64,
        ),
        to_state=identity,
        typical_rate=typical_rate,
    )
