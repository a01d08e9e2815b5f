"""The parameter SDE of a diagonal network of any depth and width: all u_i^(k), one shared Brownian motion.

    d theta = -F [2 (b1 v - b2) dt - 2 sqrt(T g(v)) dW] - 2 gamma theta dt,   F = dv/dtheta

Platen's derivative-free scheme of weak order 2 for scalar noise, with the step h = min(max_step,
relative_step/rate), where the rate bounds the relative change of F and of sqrt(g) per unit of time;
parameters may cross zero.

References:
    Kloeden and Platen, Numerical solution of stochastic differential equations (1992), eq. 15.1.1.
"""

import math
from typing import Any

import numpy as np

from equipoise_solver.ensembles.schemes.products import (
    absorption_threshold,
    product_features,
    product_gradient,
)
from equipoise_solver.ensembles.schemes.scheme import Scheme, flow_numbers, identity
from equipoise_solver.theory.moments import DataMoments

N_LANE_ROWS = 8
"""Rows of work per lane: v, tail, h, sqrt(h), dW, drift factor, noise factor, weight of a trial."""


def step(
    state: Any, noise: Any, half: Any, left: Any, size: Any, lanes: Any, numbers: Any, work: Any
) -> None:
    """One step of every lane; state = theta; see `compiled.flow_signature`."""
    b1, b2, a1, root, floor = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    temperature, gamma, max_step, epsilon = numbers[5], numbers[6], numbers[7], numbers[8]
    layers = np.int64(numbers[9])
    width = np.int64(numbers[10])
    n = layers * width
    trial, slope, total, rows = n, 2 * n, 3 * n, 4 * n
    value, tail, h, s, dw, pull, kick, weight = (
        rows,
        rows + 1,
        rows + 2,
        rows + 3,
        rows + 4,
        rows + 5,
        rows + 6,
        rows + 7,
    )
    product_gradient(state, 0, work, 0, value, tail, lanes, layers, width)
    for j in range(lanes):
        work[s, j] = 0.0
        work[dw, j] = 0.0
    for i in range(n):
        for j in range(lanes):
            u = abs(np.float64(state[i, j]))
            work[s, j] = u if u > work[s, j] else work[s, j]
            work[dw, j] += work[i, j] * work[i, j]
    for j in range(lanes):
        v = work[value, j]
        off = v - root
        heat = 4.0 * temperature * (a1 * off * off + floor)
        residual = 2.0 * (b1 * v - b2)
        bend = 0.0
        if layers > 1:
            bend = 1.0
            for _ in range(layers - 2):
                bend = bend * work[s, j]
        stretch = work[dw, j]
        curl = np.float64(layers) * bend
        rate = heat * curl * curl + 4.0 * a1 * temperature * stretch * stretch
        rate = rate + 2.0 * b1 * stretch + curl * abs(residual) + 2.0 * np.float64(layers) * gamma
        step_size = min(min(max_step, epsilon / rate), left[j])
        work[h, j] = step_size
        work[s, j] = math.sqrt(step_size)
        work[dw, j] = work[s, j] * noise[half, j]
        work[pull, j] = -residual
        work[kick, j] = math.sqrt(heat)
    for i in range(n):
        for j in range(lanes):
            u = np.float64(state[i, j])
            drift = work[pull, j] * work[i, j] - 2.0 * gamma * u
            spread = work[kick, j] * work[i, j]
            work[total + i, j] = 0.5 * drift * work[h, j] + 0.5 * spread * work[dw, j]
            work[trial + i, j] = u + drift * work[h, j] + spread * work[dw, j]
    product_gradient(work, trial, work, slope, value, tail, lanes, layers, width)
    for i in range(n):
        for j in range(lanes):
            pulled = -2.0 * (b1 * work[value, j] - b2) * work[slope + i, j]
            work[total + i, j] += 0.5 * work[h, j] * (pulled - 2.0 * gamma * work[trial + i, j])
    for sign in (1.0, -1.0):
        for i in range(n):
            for j in range(lanes):
                u = np.float64(state[i, j])
                drift = work[pull, j] * work[i, j] - 2.0 * gamma * u
                spread = work[kick, j] * work[i, j]
                work[trial + i, j] = u + drift * work[h, j] + sign * spread * work[s, j]
        product_gradient(work, trial, work, slope, value, tail, lanes, layers, width)
        for j in range(lanes):
            off = work[value, j] - root
            excess = work[dw, j] * work[dw, j] - work[h, j]
            ratio = excess / work[s, j] if work[s, j] > 0.0 else 0.0
            kicked = 2.0 * math.sqrt(temperature * (a1 * off * off + floor))
            work[weight, j] = 0.25 * kicked * (work[dw, j] + sign * ratio)
        for i in range(n):
            for j in range(lanes):
                work[total + i, j] += work[weight, j] * work[slope + i, j]
    for i in range(n):
        for j in range(lanes):
            state[i, j] = np.float64(state[i, j]) + work[total + i, j]
    for j in range(lanes):
        left[j] = left[j] - work[h, j]
        size[j] = work[h, j]


def features(state: Any, lane: Any, numbers: Any, out: Any) -> Any:
    """The v, |theta|^2 and imbalance of one lane; see `compiled.features_signature`."""
    return product_features(state, lane, np.int64(numbers[9]), np.int64(numbers[10]), numbers[11], out)


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
    """The scheme for any depth >= 0; its state is the parameters."""
    layers = depth + 1
    n = layers * width
    u = max(abs(typical_value) / width, 1e-12) ** (1 / layers)
    curl = layers * u ** (depth - 1) if depth > 0 else 0.0
    stretch = n * u ** (2 * depth)
    rate = 4 * temperature * (moments.noise(typical_value) * curl**2 + moments.alpha1 * stretch**2)
    rate += 2 * moments.beta1 * stretch + 2 * curl * abs(moments.beta1 * typical_value - moments.beta2)
    return Scheme(
        name="product_flow",
        clock="adaptive",
        interpretation="ito",
        noise_type="scalar",
        weak_order=2,
        step=step,
        features=features,
        n_state=n,
        n_work=4 * n + N_LANE_ROWS,
        numbers=flow_numbers(
            moments,
            temperature=temperature,
            weight_decay=weight_decay,
            max_step=max_step,
            relative_step=relative_step,
            extra=(float(layers), float(width), absorption_threshold(depth)),
        ),
        to_state=identity,
        typical_rate=rate + 2 * layers * weight_decay,
    )
