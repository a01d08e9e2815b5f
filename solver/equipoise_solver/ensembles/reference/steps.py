"""References of the schemes with a fixed clock that use fused multiply-adds: one step of (n_state, paths).

Each works in the precision of its state; its numbers are rounded to that precision first.
"""

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.reference.arithmetic import exponential, logarithm
from equipoise_solver.ensembles.reference.fused import Reals, fma
from equipoise_solver.ensembles.schemes.explicit import LARGEST_EXPONENT

Numbers = NDArray[np.float64]


def hyperbolic(z: Reals) -> tuple[Reals, Reals]:
    """(cosh sqrt(z) - 1)/z and sinh(sqrt z)/sqrt z by their first terms."""
    one = z.dtype.type
    even = fma(z, fma(z, one(1 / 720), one(1 / 24)), one(0.5))
    odd = fma(z, fma(z, fma(z, one(1 / 5040), one(1 / 120)), one(1 / 6)), one(1))
    return even, odd


def kick(y: Reals, x: Reals, *, curvature: Reals, tilt: Reals, level: Reals) -> Reals:
    """Flow of the noise alone over x: G(y) = curvature y^2 - 2 tilt y + level."""
    square = x * x
    even, odd = hyperbolic(curvature * square)
    half_slope = fma(curvature, y, -tilt)
    root = np.sqrt(np.maximum(fma(y, half_slope - tilt, level), y.dtype.type(0)))
    return np.asarray(fma(square * half_slope, even, fma(x * odd, root, y)))


def reciprocal_splitting(state: Reals, noise: Reals, numbers: Numbers) -> Reals:
    """Next state (1/|v|, sign); see `schemes.reciprocal_splitting`. The order of operations is the kernel's.

    Two half steps of y' = c2/y that meet are one step there, so a whole group is taken at once: noise has
    shape (steps, paths).
    """
    p = numbers.astype(state.dtype)
    size, alpha1, alpha2, alpha3, gain, farthest = p[0], p[1], p[2], p[3], p[4], p[9]
    up = state[1] > 0
    slope, shift = np.where(up, p[5], p[7]), np.where(up, p[6], p[8])
    alpha2 = np.where(up, alpha2, -alpha2)
    y = np.sqrt(fma(state[0], state[0], gain))
    for i, row in enumerate(noise):
        y = fma(slope, y, shift)
        x = -(size * row.astype(state.dtype))
        y = np.abs(kick(y, x, curvature=alpha3, tilt=alpha2, level=alpha1))
        y = np.abs(fma(slope, y, shift))
        y = np.sqrt(fma(y, y, gain + gain if i < len(noise) - 1 else gain))
    return np.stack([np.minimum(y, farthest), state[1]])


def linear_splitting(state: Reals, noise: Reals, numbers: Numbers) -> Reals:
    """Next v; see `schemes.linear_splitting`."""
    p = numbers.astype(state.dtype)
    v = fma(p[4], state[0], p[5])
    v = kick(v, p[0] * noise.astype(state.dtype), curvature=p[1], tilt=p[2], level=p[3])
    return np.asarray(fma(p[4], v, p[5]))[None]


def coefficients(v: Reals, p: Reals, depth: int) -> tuple[Reals, Reals]:
    """Drift and noise of v over a step, relative to v for depth >= 1; see `models`."""
    one = v.dtype.type
    if depth == 0:
        heat = np.maximum(fma(v, fma(p[2], v, -p[3]), p[4]), one(0))
        return fma(-p[0], v, p[1]), np.sqrt(heat)
    heat = fma(v, fma(p[3], v, -p[4]), p[5])  # For depth 1 in units of p[6].
    pull = np.where(v > one(0), -fma(p[0], v, -p[1]), fma(p[0], v, -p[1]))
    if depth == 1:
        return fma(p[6], heat, -p[2]) + pull, p[7] * np.sqrt(heat.astype(np.float32)).astype(v.dtype)
    size = np.maximum(np.abs(v).astype(np.float64), 1e-300)
    w = exponential(np.float64(p[7]) * logarithm(size)).astype(v.dtype)
    return fma(p[6] * w * w, heat, fma(w, pull, -p[2])), w * np.sqrt(heat)


def short_exponential(x: Reals) -> Reals:
    """Reference of `explicit.short_exponential`."""
    one = x.dtype.type
    z = one(0.125) * x
    p = fma(z, one(1 / 5040), one(1 / 720))
    for c in (1 / 120, 1 / 24, 1 / 6, 0.5, 1.0, 1.0):
        p = fma(z, p, one(c))
    p = p * p
    p = p * p
    return np.asarray(p * p)


def explicit(name: str, state: Reals, noise: Reals, numbers: Numbers) -> Reals:
    """Next v by an explicit scheme; see `schemes.explicit`."""
    p, v = numbers.astype(state.dtype), state[0]
    one, kick = v.dtype.type, noise.astype(state.dtype)
    depth = int(numbers[-2]) - 1
    drift, spread = coefficients(v, p, depth)
    if name == "log_euler":
        change = fma(spread, kick, fma(one(-0.5) * spread, spread, drift))
        bound = one(LARGEST_EXPONENT)
        moved = v * short_exponential(np.maximum(np.minimum(change, bound), -bound))
    elif depth == 0:
        moved = np.asarray(fma(spread, kick, v) + drift)
    elif name == "euler":
        moved = np.asarray(fma(v, fma(spread, kick, drift), v))
    else:
        damping = fma(one(0.5) * spread, spread, np.abs(drift)) + one(1)
        moved = np.asarray(fma(v, fma(spread, kick, drift) / damping, v))
    return np.asarray(moved)[None]


def two_layer_euler(state: Reals, noise: Reals, numbers: Numbers) -> Reals:
    """Next (u, w); see `schemes.two_layer_euler`."""
    p, (u, w) = numbers.astype(state.dtype), state
    v = u * w
    root = np.sqrt(fma(v, fma(p[2], v, -p[3]), p[4]).astype(np.float32)).astype(v.dtype)
    force = fma(-p[6] * noise.astype(v.dtype), root, fma(p[0], v, -p[1]))
    return np.stack([fma(-w, force, p[5] * u), fma(-u, force, p[5] * w)])


def root_of(z: Reals, c: Reals) -> Reals:
    """The root of a batch's A by a normal number; reference of `minibatch_gaussian.root_of`, in its order."""
    z2 = z * z
    z4 = z2 * z2
    low = fma(fma(c[3], z, c[2]), z2, fma(c[1], z, c[0]))
    low = fma(fma(fma(c[7], z, c[6]), z2, fma(c[5], z, c[4])), z4, low)
    high = fma(fma(c[11], z, c[10]), z2, fma(c[9], z, c[8]))
    root: Reals = fma(high, z4 * z4, low)
    return root * root * root


def two_layer_update(state: Reals, batch: Reals, numbers: Numbers) -> Reals:
    """Next (u, w) by the batch (A, B), or by its normal numbers; see `schemes.two_layer_update`."""
    p, (u, w) = numbers.astype(state.dtype), state
    rate, keep = p[:2]
    v = u * w
    if p.size > 4:
        single = numbers[5:].astype(np.float32)
        z, turn = batch.astype(np.float32)
        root, kick = root_of(z, single[1:]).astype(u.dtype), (single[0] * turn).astype(u.dtype)
        force = root * fma(root, v - p[4], -kick)
    else:
        force = fma(rate * batch[0].astype(u.dtype), v, -(rate * batch[1].astype(u.dtype)))
    return np.stack([fma(-force, w, keep * u), fma(-force, u, keep * w)])
