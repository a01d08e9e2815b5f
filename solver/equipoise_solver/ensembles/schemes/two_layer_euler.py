"""The parameters (u, w) of a two-layer network (D = 1, d = 1) by Euler and Maruyama: it explodes.

    du = -w F - 2 gamma u dt,  dw = -u F - 2 gamma w dt,  F = 2 (b1 u w - b2) dt - 2 sqrt(T g(u w)) dW

For comparison with other people's runs; `two_layer_flow` loses no path.
"""

import math
from typing import Any

import numpy as np

from equipoise_solver.ensembles.compiled import GROUP, LANES, inlined
from equipoise_solver.ensembles.device import fma, like
from equipoise_solver.ensembles.models.two_layer import typical_noise
from equipoise_solver.ensembles.schemes.explicit import escape_bound
from equipoise_solver.ensembles.schemes.scheme import Scheme, identity
from equipoise_solver.ensembles.schemes.two_layers import extra, product_of
from equipoise_solver.ensembles.schemes.two_layers import extra_of as extra_of  # For `cuda.kernels`.
from equipoise_solver.theory.moments import DataMoments


@inlined
def move(u: Any, w: Any, noise: Any, p: Any) -> Any:
    """One step; p = (2 h b1, 2 h b2, a1/G, 2 a2/G, a3/G, 1 - 2 gamma h, 2 sqrt(h T G)).

    G: as in `models.two_layer`, where the square root is explained.
    """
    v = u * w
    root = math.sqrt(np.float32(fma(v, fma(p[2], v, -p[3]), p[4])))
    force = fma(-p[6] * noise, like(v, root), fma(p[0], v, -p[1]))
    return fma(-w, force, p[5] * u), fma(-u, force, p[5] * w)


@inlined
def group(u: Any, w: Any, noise: Any, p: Any) -> Any:
    """GROUP steps; see `cuda.kernels`."""
    for i in range(GROUP):
        u, w = move(u, w, like(u, noise[i]), p)
    return u, w, GROUP


@inlined
def _numbers(zero: Any, numbers: Any) -> Any:
    return (
        like(zero, numbers[0]),
        like(zero, numbers[1]),
        like(zero, numbers[2]),
        like(zero, numbers[3]),
        like(zero, numbers[4]),
        like(zero, numbers[5]),
        like(zero, numbers[6]),
    )


def step(state: Any, noise: Any, row: Any, taken: Any, numbers: Any, work: Any) -> None:
    """GROUP steps of every lane; state = (u, w); see `compiled.step_signature`."""
    p = _numbers(state[0, 0], numbers)
    for i in range(GROUP):
        for j in range(LANES):
            u, w = state[0, j], state[1, j]
            state[0, j], state[1, j] = move(u, w, like(u, noise[i, j]), p)


def single(state: Any, noise: Any, row: Any, taken: Any, numbers: Any, work: Any) -> None:
    """One step of every lane, by the noise of `row`."""
    p = _numbers(state[0, 0], numbers)
    for j in range(LANES):
        u, w = state[0, j], state[1, j]
        state[0, j], state[1, j] = move(u, w, like(u, noise[row, j]), p)


@inlined
def value_of(u: Any, w: Any, numbers: Any) -> Any:
    """The product v, and whether both are so small that it is absorbed at 0."""
    return product_of(u, w, numbers[7])


def value(state: Any, numbers: Any, out: Any) -> None:
    """Put v and absorption into `out`; see `compiled.show_signature`."""
    for j in range(LANES):
        out[0, j], absorbed = value_of(state[0, j], state[1, j], numbers)
        out[3, j] = 1.0 if absorbed else 0.0


def scheme(
    moments: DataMoments, *, temperature: float, weight_decay: float, step_size: float, typical_rate: float
) -> Scheme:
    """The scheme for depth 1, width 1; its state is (u, w)."""
    typical = typical_noise(moments)
    return Scheme(
        name="two_layer_euler",
        clock="steps",
        interpretation="ito",
        noise_type="scalar",
        weak_order=1,
        step=step,
        single=single,
        value=value,
        extra=extra,
        n_state=2,
        n_work=1,
        numbers=np.array(
            [
                2 * step_size * moments.beta1,
                2 * step_size * moments.beta2,
                moments.alpha1 / typical,
                2 * moments.alpha2 / typical,
                moments.alpha3 / typical,
                1 - 2 * weight_decay * step_size,
                2 * math.sqrt(step_size * temperature * typical),
                1e-150,
            ],
            dtype=np.float64,
        ),
        to_state=identity,
        bound=escape_bound(moments, depth=1, width=1, temperature=temperature, step_size=step_size),
        typical_rate=typical_rate,
    )
