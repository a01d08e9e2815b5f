"""Linear regression (D = 0) by splitting into its two exact flows: weak order 2.

In Stratonovich's form dv = (c0 + c1 v) dt + 2 d sqrt(T g(v)) o dW, with

    c0 = 2 d b2 + 2 d^2 T a2,  c1 = -2 d b1 - 2 gamma - 2 d^2 T a1,

and the noise alone moves v along a hyperbolic sine: with x = 2 d sqrt(T h) xi and z = sqrt(a1) x,

    v <- v + (cosh z - 1) (v - a2/a1) + sinh z sqrt(g/a1).

A step is half of the affine flow, the noise, and the other half.

References:
    Ninomiya and Victoir, Weak approximation of stochastic differential equations (2008).
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.compiled import GROUP, LANES, inlined
from equipoise_solver.ensembles.device import fma, like
from equipoise_solver.ensembles.schemes.reciprocal_splitting import affine
from equipoise_solver.ensembles.schemes.scheme import Scheme
from equipoise_solver.theory.moments import DataMoments


@inlined
def move(v: Any, noise: Any, p: Any) -> Any:
    """One step; p = (2 d sqrt(T h), a1, a2, a3, slope, shift)."""
    alpha1, alpha2 = p[1], p[2]
    v = fma(p[4], v, p[5])
    x = p[0] * noise
    square = x * x
    z = alpha1 * square
    even = fma(z, fma(z, like(v, 1 / 720), like(v, 1 / 24)), like(v, 0.5))
    odd = fma(z, fma(z, fma(z, like(v, 1 / 5040), like(v, 1 / 120)), like(v, 1 / 6)), like(v, 1.0))
    half_slope = fma(alpha1, v, -alpha2)
    g = fma(v, half_slope - alpha2, p[3])
    root = math.sqrt(max(g, like(v, 0.0)))
    v = fma(square * half_slope, even, fma(x * odd, root, v))
    return fma(p[4], v, p[5])


@inlined
def group(v: Any, same: Any, noise: Any, p: Any) -> Any:
    """GROUP steps; see `cuda.kernels`."""
    for i in range(GROUP):
        v = move(v, like(v, noise[i]), p)
    return v, v, GROUP


@inlined
def _numbers(zero: Any, numbers: Any) -> Any:
    return (
        like(zero, numbers[0]),
        like(zero, numbers[1]),
        like(zero, numbers[2]),
        like(zero, numbers[3]),
        like(zero, numbers[4]),
        like(zero, numbers[5]),
    )


def step(state: Any, noise: Any, row: Any, taken: Any, numbers: Any, work: Any) -> None:
    """GROUP steps of every lane; state = v; see `compiled.step_signature`."""
    p = _numbers(state[0, 0], numbers)
    for i in range(GROUP):
        for j in range(LANES):
            v = state[0, j]
            state[0, j] = move(v, like(v, noise[i, j]), p)


def single(state: Any, noise: Any, row: Any, taken: Any, numbers: Any, work: Any) -> None:
    """One step of every lane, by the noise of `row`."""
    p = _numbers(state[0, 0], numbers)
    for j in range(LANES):
        v = state[0, j]
        state[0, j] = move(v, like(v, noise[row, j]), p)


@inlined
def value_of(v: Any, same: Any, numbers: Any) -> Any:
    """What is shown of v, which is never absorbed; `same` is v again."""
    return np.float64(v), False


@inlined
def extra_of(x: Any, same: Any, v: Any, numbers: Any) -> Any:
    """|theta|^2 = v^2/d of equal parameters, and the imbalance."""
    return v * v / numbers[6], 0.0


def value(state: Any, numbers: Any, out: Any) -> None:
    """Put v and absorption into `out`; see `compiled.show_signature`."""
    for j in range(LANES):
        out[0, j], absorbed = value_of(state[0, j], state[0, j], numbers)
        out[3, j] = 1.0 if absorbed else 0.0


def extra(state: Any, numbers: Any, out: Any) -> None:
    """Put |theta|^2 and the imbalance into `out`, which holds v."""
    for j in range(LANES):
        out[1, j], out[2, j] = extra_of(state[0, j], state[0, j], out[0, j], numbers)


def rate(moments: DataMoments, *, width: int, temperature: float, weight_decay: float) -> float:
    """Rate of relaxation and noise, [1/time]."""
    return 4 * width**2 * temperature * moments.alpha1 + 2 * width * moments.beta1 + 2 * weight_decay


def scheme(
    moments: DataMoments, *, width: int, temperature: float, weight_decay: float, step_size: float
) -> Scheme:
    """The scheme for depth 0; its state is v."""
    heat = width**2 * temperature
    slope, shift = affine(
        -2 * width * moments.beta1 - 2 * weight_decay - 2 * heat * moments.alpha1,
        2 * width * moments.beta2 + 2 * heat * moments.alpha2,
        0.5 * step_size,
    )

    def to_state(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values[:1]

    return Scheme(
        name="linear_splitting",
        clock="steps",
        interpretation="ito",
        noise_type="scalar",
        weak_order=2,
        step=step,
        single=single,
        value=value,
        extra=extra,
        n_state=1,
        n_work=1,
        numbers=np.array(
            [
                2 * width * math.sqrt(temperature * step_size),
                moments.alpha1,
                moments.alpha2,
                moments.alpha3,
                slope,
                shift,
                width,
            ],
            dtype=np.float64,
        ),
        to_state=to_state,
        typical_rate=rate(moments, width=width, temperature=temperature, weight_decay=weight_decay),
    )
