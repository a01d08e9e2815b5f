"""The balanced two-layer network (D = 1) in y = 1/|v|, by splitting: positive, weak order 2, no path is lost.

With s the sign of v and the data mirrored by it (a2 -> s a2, b2 -> s b2), the SDE of v becomes, in
Stratonovich's form,

    dy = [c0 + c1 y + c2/y] dt - 4 sqrt(T G(y)) o dW,   G(y) = a3 y^2 - 2 a2 y + a1,
    c0 = 4 b1 - 16 T a2,  c1 = 4 T a3 - 4 b2 + 4 gamma,  c2 = 12 T a1,

so infinity has become the end 0 of a Bessel process of dimension 2.5, and 0 lies at infinity, where all is
linear. A step is the palindrome A(h/2) B(h/2) N B(h/2) A(h/2) of three exact flows:

    A: y' = c2/y         y <- sqrt(y^2 + 2 c2 t)
    B: y' = c0 + c1 y    affine
    N: dy = -4 sqrt(T G) o dW
                         y <- |y + (cosh z - 1) (y - a2/a3) - sinh z sqrt(G/a3)|,  z = 4 sqrt(T a3) dW

Near y = 0 the law of the scheme differs from the process' own density, proportional to y^1.5, over a width of
sqrt(h): v stays below a bound of the order of 1/sqrt(16 T a1 h), which would cut the power-law tail of v.
The difference is universal in y^2/(16 T a1 h), so what is shown is not y but its image under the map that
carries the one law to the other (`readout`); it differs from the identity by terms of order h^2 elsewhere.

References:
    Ninomiya and Victoir, Weak approximation of stochastic differential equations (2008), for the splitting;
    Alfonsi, High order discretization schemes for the CIR process (2010), for its sense at the end.
"""

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.compiled import GROUP, LANES, inlined
from equipoise_solver.ensembles.device import fma, like
from equipoise_solver.ensembles.elementary import fused_exponential, fused_logarithm
from equipoise_solver.ensembles.schemes.scheme import Scheme
from equipoise_solver.theory.moments import DataMoments

FARTHEST = {"float64": 1e140, "float32": 2.0**45}
"""1/|v| at which numbers end: its square must be a number, also after the growth of a few steps."""
NEAREST_EDGE = 1e-7
"""Least 1 - 3/4 u in `readout`: closer to its end, float32 cannot tell."""
READOUT = (
    0.144771594602,
    -0.0737393504004,
    0.0105081614601,
    0.0292940401539,
    -0.157314706429,
    0.230450991135,
    0.00290805357904,
    -0.191326497685,
    0.0888060799909,
)
"""Polynomial in 1.5 u - 1 of `readout`, fitted to 1e-4 to the invariant measure of the scheme at the end."""
BESSEL_DIMENSION = 2.5
"""Of the process near y = 0. A share h^(dimension/2) of the law lies within a step of it."""
FIRST_STEP = 0.75
"""Least y^2 that a step can end at, in units of 16 T a1 h."""


_R0, _R1, _R2, _R3, _R4, _R5, _R6, _R7, _R8 = READOUT


@inlined
def inner(
    y: Any, noise: Any, slope: Any, shift: Any, alpha1: Any, alpha2: Any, alpha3: Any, size: Any
) -> Any:
    """B(h/2) N B(h/2) of one lane."""
    y = fma(slope, y, shift)
    x = size * noise
    square = x * x
    z = alpha3 * square
    even = fma(z, fma(z, like(y, 1 / 720), like(y, 1 / 24)), like(y, 0.5))
    odd = fma(z, fma(z, fma(z, like(y, 1 / 5040), like(y, 1 / 120)), like(y, 1 / 6)), like(y, 1.0))
    half_slope = fma(alpha3, y, -alpha2)
    g = fma(y, half_slope - alpha2, alpha1)
    root = math.sqrt(max(g, like(y, 0.0)))
    y = abs(fma(square * half_slope, even, fma(-x * odd, root, y)))
    return abs(fma(slope, y, shift))


@inlined
def _chosen(positive: Any, p: Any) -> Any:
    """The affine flow's numbers and a2, by the sign of v."""
    return p[5] if positive else p[7], p[6] if positive else p[8], p[2] if positive else -p[2]


@inlined
def group(y: Any, sign: Any, noise: Any, p: Any) -> Any:
    """GROUP steps, neighbouring halves of A in one; see `cuda.kernels`."""
    slope, shift, alpha2 = _chosen(sign > like(y, 0.0), p)
    gain, whole = p[4], p[4] + p[4]
    y = math.sqrt(fma(y, y, gain))
    for i in range(GROUP):
        y = inner(y, like(y, noise[i]), slope, shift, p[1], alpha2, p[3], p[0])
        y = math.sqrt(fma(y, y, whole if i < GROUP - 1 else gain))
    return (p[9] if p[9] < y else y), sign, GROUP


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
        like(zero, numbers[7]),
        like(zero, numbers[8]),
        like(zero, numbers[9]),
    )


def step(state: Any, noise: Any, row: Any, taken: Any, numbers: Any, work: Any) -> None:
    """GROUP steps of every lane; state = (1/|v|, sign of v); see `compiled.step_signature`."""
    p = _numbers(state[0, 0], numbers)
    for j in range(LANES):
        y = state[0, j]
        state[0, j] = math.sqrt(fma(y, y, p[4]))
    for i in range(GROUP):
        gain = p[4] + p[4] if i < GROUP - 1 else p[4]
        for j in range(LANES):
            y = state[0, j]
            slope, shift, alpha2 = _chosen(state[1, j] > like(y, 0.0), p)
            y = inner(y, like(y, noise[i, j]), slope, shift, p[1], alpha2, p[3], p[0])
            state[0, j] = math.sqrt(fma(y, y, gain))
    for j in range(LANES):
        y = state[0, j]
        state[0, j] = p[9] if p[9] < y else y


def single(state: Any, noise: Any, row: Any, taken: Any, numbers: Any, work: Any) -> None:
    """One step of every lane, by the noise of `row`."""
    p = _numbers(state[0, 0], numbers)
    for j in range(LANES):
        y = state[0, j]
        slope, shift, alpha2 = _chosen(state[1, j] > like(y, 0.0), p)
        y = math.sqrt(fma(y, y, p[4]))
        y = inner(y, like(y, noise[row, j]), slope, shift, p[1], alpha2, p[3], p[0])
        y = math.sqrt(fma(y, y, p[4]))
        state[0, j] = p[9] if p[9] < y else y


@inlined
def readout(square: Any, unit: Any) -> Any:
    """The y^2 that is shown for the scheme's own, in float64; unit = 16 T a1 h.

    y^2 (1 - 3/4 u)^0.4 (1 + 0.3 u + u^2 p) with u = unit/y^2 <= 4/3: 1 - u^2/16 far from the end, and where
    the invariant measure of the scheme starts, at u = 4/3, all of the density y^1.5 from 0 on is reached.
    """
    u = unit / square
    t = fma(1.5, u, -1.0)
    p = fma(_R8, t, _R7)
    p = fma(p, t, _R6)
    p = fma(p, t, _R5)
    p = fma(p, t, _R4)
    p = fma(p, t, _R3)
    p = fma(p, t, _R2)
    p = fma(p, t, _R1)
    p = fma(p, t, _R0)
    edge = max(fma(-FIRST_STEP, u, 1.0), NEAREST_EDGE)
    return square * fused_exponential(0.4 * fused_logarithm(edge)) * fma(u, fma(u, p, 0.3), 1.0)


@cache
def unseen(shown: float, unit: float) -> float:
    """The y^2 that `readout` shows as the given one, by bisection."""
    if unit <= 1e-9 * shown:  # The map is the identity to rounding, which bisection would not keep.
        return shown
    low, high = max(FIRST_STEP * unit, 0.5 * shown), shown + 2 * unit
    for _ in range(80):
        middle = 0.5 * (low + high)
        u = unit / middle
        p = 0.0
        for coefficient in READOUT[::-1]:
            p = p * (1.5 * u - 1) + coefficient
        seen = middle * max(1 - FIRST_STEP * u, NEAREST_EDGE) ** 0.4 * (1 + u * (0.3 + u * p))
        low, high = (middle, high) if seen < shown else (low, middle)
    return 0.5 * (low + high)


@inlined
def value_of(y: Any, sign: Any, numbers: Any) -> Any:
    """The v that is shown for 1/|v| and its sign, and whether it is absorbed at 0."""
    size = np.float64(y)
    limit = numbers[11] if sign > 0 else numbers[12]
    return np.float64(sign) / math.sqrt(readout(size * size, numbers[10])), size >= limit


@inlined
def extra_of(y: Any, sign: Any, v: Any, numbers: Any) -> Any:
    """|theta|^2 = 2 |v| and the imbalance."""
    return 2.0 * abs(v), 0.0


def value(state: Any, numbers: Any, out: Any) -> None:
    """Put v and absorption into `out`; see `compiled.show_signature`."""
    for j in range(LANES):
        out[0, j], absorbed = value_of(state[0, j], state[1, j], numbers)
        out[3, j] = 1.0 if absorbed else 0.0


def extra(state: Any, numbers: Any, out: Any) -> None:
    """Put |theta|^2 and the imbalance into `out`, which holds v."""
    for j in range(LANES):
        out[1, j], out[2, j] = extra_of(state[0, j], state[1, j], out[0, j], numbers)


def rate(moments: DataMoments, *, temperature: float, weight_decay: float, value: float) -> float:
    """Rate of relaxation and noise about `value`, [1/time]."""
    heat = temperature * (moments.alpha3 + moments.alpha1 * value * value)
    return 4 * abs(moments.beta2) + 4 * weight_decay + 16 * heat


def affine(slope: float, shift: float, time: float) -> tuple[float, float]:
    """The flow of y' = shift + slope y over `time`, as y -> first*y + second."""
    growth = math.expm1(slope * time)
    return 1 + growth, shift * (growth / slope if slope != 0 else time)


def scheme(
    moments: DataMoments,
    *,
    temperature: float,
    weight_decay: float,
    step_size: float,
    typical_value: float,
    precision: str,
) -> Scheme:
    """The scheme for depth 1 of any width; its state is (1/|v|, sign of v)."""
    half = 0.5 * step_size
    heat = temperature * moments.alpha3
    flows = [
        affine(
            4 * heat - 4 * sign * moments.beta2 + 4 * weight_decay,
            4 * moments.beta1 - 16 * temperature * sign * moments.alpha2,
            half,
        )
        for sign in (1, -1)
    ]
    farthest = FARTHEST[precision]
    unit = 16 * temperature * moments.alpha1 * step_size
    # Where 0 repels, a path at the end of the numbers comes back: only a start at 0 itself stays there.
    attracts = [heat >= sign * moments.beta2 - weight_decay for sign in (1, -1)]
    limits = [farthest if attracted else math.inf for attracted in attracts]
    numbers = (
        4 * math.sqrt(temperature * step_size),
        moments.alpha1,
        moments.alpha2,
        moments.alpha3,
        12 * temperature * moments.alpha1 * step_size,
        *flows[0],
        *flows[1],
        farthest,
        unit,
        *limits,
    )

    def to_state(values: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(divide="ignore", over="ignore"):
            reciprocal = 1 / np.abs(values[0])
        different, places = np.unique(np.minimum(reciprocal, farthest), return_inverse=True)
        own = np.sqrt([unseen(y * y, unit) for y in different.tolist()])[places]
        own = np.where(reciprocal > farthest, math.inf, np.minimum(own, farthest))
        return np.stack([own, np.where(values[0] < 0, -1.0, 1.0)])

    return Scheme(
        name="reciprocal_splitting",
        clock="steps",
        interpretation="ito",
        noise_type="scalar",
        weak_order=2,
        bias_order=BESSEL_DIMENSION / 2,
        step=step,
        single=single,
        value=value,
        extra=extra,
        n_state=2,
        n_work=1,
        numbers=np.array(numbers, dtype=np.float64),
        to_state=to_state,
        floor=1 / farthest,
        typical_rate=rate(moments, temperature=temperature, weight_decay=weight_decay, value=typical_value),
    )
