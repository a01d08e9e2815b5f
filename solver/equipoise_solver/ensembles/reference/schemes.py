"""References of the adaptive schemes and of the plain update rule: one step of (n_state, paths)."""

import numpy as np

from equipoise_solver.ensembles.reference.arithmetic import Floats, exponential
from equipoise_solver.ensembles.reference.fused import Reals

TINY = 1e-300


def balanced_flow(state: Floats, noise: Floats, left: Floats, numbers: Floats) -> tuple[Floats, Floats]:
    """Next states and the steps taken; see `schemes.balanced_flow`."""
    b1, b2, a1, root, floor, temperature, gamma, max_step, epsilon, layers, a, c, q1 = numbers[:13]
    q, r, decay = q1 + 1.0, 2.0 * q1, 2.0 * layers * gamma
    x, sign = state
    v = exponential(x)
    w = exponential(q1 * x) if q1 != 0.0 else np.ones_like(x)
    off = v - sign * root
    g = a1 * off * off + floor
    gx = 2.0 * a1 * off * v
    gxx = gx + 2.0 * a1 * v * v
    heat = c * temperature * w * w
    n0, n1, n2 = heat * g, heat * (r * g + gx), heat * (r * r * g + 2.0 * r * gx + gxx)
    pull = 2.0 * a * w
    drift = -pull * (b1 * v - sign * b2) - 2.0 * layers * n0 - decay
    drift1 = -pull * (q * b1 * v - q1 * (sign * b2)) - 2.0 * layers * n1
    drift2 = -pull * (q * q * b1 * v - q1 * q1 * (sign * b2)) - 2.0 * layers * n2
    power, slope, power2 = 4.0 * layers * layers * n0, 2.0 * layers * layers * n1, 4.0 * layers * layers * n2
    rate = power + 4.0 * layers * layers * heat * a1 * v * v
    rate = rate + pull * (b1 * v + np.abs(b1 * v - sign * b2)) + decay
    h = np.minimum(np.minimum(max_step, epsilon / rate), left)
    amplitude = np.sqrt(power)
    dw = np.sqrt(h) * noise
    mixed = drift1 + (drift * slope - 0.5 * slope * slope) / (power + TINY) + 0.25 * power2
    change = drift * h + amplitude * dw + 0.5 * slope * (dw * dw - h)
    change = change + 0.5 * h * dw * amplitude * mixed
    change = change + 0.5 * h * h * (drift * drift1 + 0.5 * drift2 * power)
    return np.stack([np.minimum(x + change, numbers[15]), sign]), h


def linear_flow(state: Floats, noise: Floats, left: Floats, numbers: Floats) -> tuple[Floats, Floats]:
    """Next states and the steps taken; see `schemes.linear_flow`."""
    b1, b2, a1, root, floor, temperature, gamma, max_step, epsilon, d = numbers[:10]
    heat = 4.0 * d * d * temperature
    slope = -2.0 * d * b1 - 2.0 * gamma
    v = state[0]
    h = np.minimum(min(max_step, epsilon / (heat * a1 - slope)), left)
    off = v - root
    power, tilt = heat * (a1 * off * off + floor), heat * a1 * off
    drift = slope * v + 2.0 * d * b2
    amplitude = np.sqrt(power)
    dw = np.sqrt(h) * noise
    mixed = slope + (drift * tilt - 0.5 * tilt * tilt) / (power + TINY) + 0.25 * (2.0 * heat * a1)
    change = drift * h + amplitude * dw + 0.5 * tilt * (dw * dw - h)
    change = change + 0.5 * h * dw * amplitude * mixed + 0.5 * h * h * drift * slope
    return (v + change)[None], h


def two_layer_flow(state: Floats, noise: Floats, left: Floats, numbers: Floats) -> tuple[Floats, Floats]:
    """Next states and the steps taken; see `schemes.two_layer_flow`."""
    b1, b2, a1, root, floor, temperature, gamma, max_step, epsilon = numbers[:9]
    plus, minus, charge = state
    v, radius = plus - minus, plus + minus
    off = v - root
    g = a1 * off * off + floor
    residual = b1 * v - b2
    rate = 16.0 * temperature * (g + a1 * radius * radius) + 4.0 * (b1 * radius + np.abs(residual) + gamma)
    h = np.minimum(np.minimum(max_step, epsilon / rate), left)
    power = 4.0 * temperature * g
    slope = 8.0 * temperature * a1 * off * radius
    power2 = 32.0 * temperature * a1 * (radius * radius + off * v)
    power_q = -16.0 * temperature * a1 * off * v
    drift, drift1 = -2.0 * residual, -4.0 * b1 * radius
    loss = 0.5 * power + 2.0 * gamma
    amplitude = np.sqrt(power)
    dw = np.sqrt(h) * noise
    ratio = (drift * slope + 0.5 * loss * power_q - 0.5 * slope * slope) / (power + TINY)
    turn = drift * h + amplitude * dw + 0.5 * slope * (dw * dw - h)
    turn = turn + 0.5 * h * dw * amplitude * (drift1 + ratio + 0.25 * power2)
    turn = turn + 0.5 * h * h * (drift * drift1 + loss * (4.0 * b1 * v) - 4.0 * b1 * v * power)
    sink = loss * h + 0.5 * h * dw * amplitude * slope
    sink = sink + 0.5 * h * h * (drift * slope + 0.5 * loss * power_q + 0.25 * power * power2)
    shrink = exponential(-2.0 * sink)
    moved = [
        plus * shrink * exponential(2.0 * turn),
        minus * shrink * exponential(-2.0 * turn),
        charge * shrink,
    ]
    return np.stack(moved), h


def gradient(theta: Floats, *, layers: int, width: int) -> tuple[Floats, Floats]:
    """v, shape (paths,), and dv/dtheta, of the shape of theta."""
    value = np.zeros(theta.shape[1])
    slope = np.ones(theta.shape)
    for i in range(width):
        base = i * layers
        for k in range(1, layers):
            slope[base + k] = slope[base + k - 1] * theta[base + k - 1]
        value = value + slope[base + layers - 1] * theta[base + layers - 1]
        tail = np.ones(theta.shape[1])
        for k in range(layers - 2, -1, -1):
            tail = tail * theta[base + k + 1]
            slope[base + k] = slope[base + k] * tail
    return value, slope


def product_flow(state: Floats, noise: Floats, left: Floats, numbers: Floats) -> tuple[Floats, Floats]:
    """Next states and the steps taken; see `schemes.product_flow`."""
    b1, b2, a1, root, floor, temperature, gamma, max_step, epsilon = numbers[:9]
    layers, width = int(numbers[9]), int(numbers[10])
    v, slope = gradient(state, layers=layers, width=width)
    stretch = np.zeros(v.shape)
    for row in slope:
        stretch = stretch + row * row
    largest = np.max(np.abs(state), axis=0)
    heat = 4.0 * temperature * (a1 * (v - root) * (v - root) + floor)
    residual = 2.0 * (b1 * v - b2)
    bend = np.full(v.shape, 1.0 if layers > 1 else 0.0)
    for _ in range(layers - 2):
        bend = bend * largest
    curl = float(layers) * bend
    rate = heat * curl * curl + 4.0 * a1 * temperature * stretch * stretch
    rate = rate + 2.0 * b1 * stretch + curl * np.abs(residual) + 2.0 * float(layers) * gamma
    h = np.minimum(np.minimum(max_step, epsilon / rate), left)
    s = np.sqrt(h)
    dw = s * noise
    drift = -residual * slope - 2.0 * gamma * state
    spread = np.sqrt(heat) * slope
    total = 0.5 * drift * h + 0.5 * spread * dw
    trial = state + drift * h + spread * dw
    v, slope = gradient(trial, layers=layers, width=width)
    total = total + 0.5 * h * (-2.0 * (b1 * v - b2) * slope - 2.0 * gamma * trial)
    for sign in (1.0, -1.0):
        v, slope = gradient(state + drift * h + sign * spread * s, layers=layers, width=width)
        excess = dw * dw - h
        ratio = np.divide(excess, s, out=np.zeros_like(s), where=s > 0)
        kicked = 2.0 * np.sqrt(temperature * (a1 * (v - root) * (v - root) + floor))
        total = total + 0.25 * kicked * (dw + sign * ratio) * slope
    return state + total, h


FLOWS = {
    "balanced_flow": balanced_flow,
    "linear_flow": linear_flow,
    "two_layer_flow": two_layer_flow,
    "product_flow": product_flow,
}


def product_update(state: Floats, batch: Reals, numbers: Floats) -> Floats:
    """Next parameters, then momenta where there are any; see `schemes.product_update`."""
    rate, friction, gamma = numbers[:3]
    n = int(numbers[3] * numbers[4])
    theta = state[:n]
    v, slope = gradient(theta, layers=int(numbers[3]), width=int(numbers[4]))
    m = 2.0 * (batch[0] * v - batch[1]) * slope + 2.0 * gamma * theta
    if state.shape[0] == n:
        return np.asarray(theta - rate * m)
    m = friction * state[n:] + m
    return np.concatenate([theta - rate * m, m])
