"""The engine's design with nothing around it: what a solver may cost beside its arithmetic.

Blocks of 256 paths stay in the first-level cache. One stage draws four normal numbers per path, by
xoshiro128++ and Box and Muller with the angle in a quarter turn and polynomials for ln, sin and cos; the next
takes the steps. No accumulators, no records, no lost paths, no checkpoints, no progress.
"""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.polynomial import Chebyshev, Polynomial
from scipy import stats

from benchmarks.contenders import F32, F64, Contender, Run
from benchmarks.updates import DRIFT, NOISE
from benchmarks.workloads import (
    A1,
    A2,
    A3,
    B1,
    B2,
    BATCH_SIZE,
    DESCENT,
    FLOW,
    LEARNING_RATE,
    START,
    TEMPERATURE,
    WEIGHTS,
    Workload,
)
from equipoise_solver.ensembles import compiled  # Sets the width of vectors for all that numba compiles.

assert compiled
LANES = 256
THREADS = 2
TASKS = 16
"""Pieces that the threads share."""
N_PATHS, N_STEPS = 1 << 17, 10_000
DESCENT_STEPS = 4000
FAST = {"contract", "nsz", "arcp", "afn"}
"""Not nnan or ninf: a path that explodes has to stay visible."""

MIXED_ROW = "reference kernel, normals in float32"
DOUBLE_ROW = "reference kernel, normals in float64"


def contenders(workload: Workload) -> list[Contender]:
    """Rows of the reference kernel: single, single normals on a double state, and double throughout."""
    n_steps = DESCENT_STEPS if workload.key == DESCENT.key else N_STEPS
    kinds = [(MIXED_ROW, F64, F32), (MIXED_ROW, F32, F32), (DOUBLE_ROW, F64, F64)]
    return [
        Contender(
            name,
            dtype,
            partial(_prepare, workload, dtype, normals),
            N_PATHS,
            n_steps,
            is_peer=False,
            checks_itself=True,
        )
        for name, dtype, normals in kinds
    ]


def _prepare(workload: Workload, dtype: str, normals: str, n_paths: int, n_steps: int) -> Run:
    kernel = _kernel(workload.key, dtype, normals)
    n_blocks, n_rows = n_paths // LANES, 1 if workload.key == FLOW.key else 2
    n_fills = n_steps // (2 if workload.key == DESCENT.key else 4)
    words = np.random.default_rng(1).integers(1, 1 << 32, (n_blocks, 4, LANES), dtype=np.uint32)

    def run() -> Any:
        state = np.full((n_blocks, n_rows, LANES), START, dtype)
        pieces = np.array_split(np.arange(n_blocks), TASKS)
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda own: kernel(own[0], own[-1] + 1, n_fills, words.copy(), state), pieces))
        return state.prod(1).ravel()

    return run


def _inlined(function: Callable[..., Any]) -> Any:
    """A device function; without forceinline the larger ones stay calls and no loop becomes a vector loop."""
    return numba.njit(fastmath=FAST, error_model="numpy", forceinline=True)(function)


def _compiled(function: Callable[..., Any]) -> Any:
    return numba.njit(fastmath=FAST, error_model="numpy", nogil=True)(function)


@cache
def _kernel(key: str, dtype: str, normals: str) -> Any:
    fill = noise_stage(normals)
    advance = _stage(key, np.dtype(dtype).type)
    kind = np.dtype(normals).type

    def kernel(first: int, end: int, n_fills: int, words: Any, state: Any) -> None:
        noise = np.empty((4, LANES), kind)
        for block in range(first, end):
            for _ in range(n_fills):
                fill(words[block], noise)
                advance(state[block], noise)

    return _compiled(kernel)


# --------------------------------------------------------------------------------------------------- noise


def _word_operation(name: str) -> Any:
    """A 32-bit operation; numba's own operators widen to 64 bits, which costs a third of the speed."""

    def operation(typing_context: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, name)(*arguments)

        return types.uint32(types.uint32, types.uint32), generate

    return intrinsic(operation)


def _cast(source: Any, target: Any) -> Any:
    """The bits of one type read as another."""

    def cast(typing_context: Any, x: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))

        return target(source), generate

    return intrinsic(cast)


_add, _sub, _left, _right = map(_word_operation, ("add", "sub", "shl", "lshr"))
_and, _or, _xor = map(_word_operation, ("and_", "or_", "xor"))
_bits32, _float32 = _cast(types.float32, types.uint32), _cast(types.uint32, types.float32)
_bits64, _float64 = _cast(types.float64, types.uint64), _cast(types.uint64, types.float64)

_W1, _W2, _W7, _W9, _W11, _W21, _W23, _W25 = map(np.uint32, (1, 2, 7, 9, 11, 21, 23, 25))
_SIGN = np.uint32(0x80000000)


def _xoshiro(a: Any, b: Any, c: Any, d: Any) -> Any:
    """xoshiro128++: a random word and the next state."""
    total = _add(a, d)
    word = _add(_or(_left(total, _W7), _right(total, _W25)), a)
    shifted = _left(b, _W9)
    c, d = _xor(c, a), _xor(d, b)
    b, a = _xor(b, c), _xor(a, d)
    return word, a, b, _xor(c, shifted), _or(_left(d, _W11), _right(d, _W21))


_next_word = _inlined(_xoshiro)


def _horner(coefficients: Any, number: Any) -> Any:
    """A device function that evaluates a polynomial, given from its constant term upwards."""
    constant = number(coefficients[0])
    if len(coefficients) == 1:
        return _inlined(lambda x: constant)
    rest = _horner(coefficients[1:], number)
    return _inlined(lambda x: rest(x) * x + constant)


def _fitted(function: Callable[[Any], Any], degree: int, low: float, high: float, number: Any) -> Any:
    series = Chebyshev.interpolate(function, degree, domain=[low, high])
    return _horner(series.convert(kind=Polynomial, domain=[-1, 1]).coef, number)


def _polynomials(degrees: tuple[int, int, int], number: Any) -> tuple[Any, Any, Any]:
    """ln(1 + f) / f about 1; sin(pi t / 4) / t and cos(pi t / 4) in t^2."""
    log = _fitted(lambda f: np.log1p(f) / f, degrees[0], math.sqrt(0.5) - 1, math.sqrt(2.0) - 1, number)
    quarter = math.pi / 4
    sin = _fitted(lambda z: np.sin(quarter * np.sqrt(z)) / np.sqrt(z), degrees[1], 0.0, 1.0, number)
    cos = _fitted(lambda z: np.cos(quarter * np.sqrt(z)), degrees[2], 0.0, 1.0, number)
    return log, sin, cos


def _normals32() -> Any:
    """Two float32 normal numbers from two words: the radius from one, angle and signs from the other."""
    log, sin, cos = _polynomials((8, 3, 4), np.float32)
    unit, half_unit, to_angle = np.float32(2.0**-32), np.float32(2.0**-33), np.float32(2.0**-31)
    root_half, one, ln2 = np.float32(math.sqrt(0.5)).view(np.uint32), np.float32(1), np.float32(math.log(2))

    def pair(a: Any, b: Any) -> Any:
        bits = _bits32(np.float32(a) * unit + half_unit)
        exponent = np.int32(_sub(bits, root_half)) >> np.int32(23)
        f = _float32(_sub(bits, _left(np.uint32(exponent), _W23))) - one
        radius = math.sqrt(-(log(f) * f + np.float32(exponent) * ln2))
        t = np.float32(np.int32(_left(b, _W2))) * to_angle
        s, c = sin(t * t) * t, cos(t * t)
        first = _xor(_bits32(radius * (c - s)), _and(b, _SIGN))
        second = _xor(_bits32(radius * (c + s)), _and(_left(b, _W1), _SIGN))
        return _float32(first), _float32(second)

    return _inlined(pair)


def _normals64() -> Any:
    """Two float64 normal numbers from two words."""
    log, sin, cos = _polynomials((18, 6, 7), np.float64)
    root_half = np.float64(math.sqrt(0.5)).view(np.uint64)
    mantissa, mantissa_u, half = np.int64(52), np.uint64(52), np.uint64(32)
    ln2 = math.log(2)

    def pair(a: Any, b: Any) -> Any:
        bits = _bits64((np.float64(a) + 0.5) * 2.0**-32)
        exponent = np.int64(bits - root_half) >> mantissa
        f = _float64(np.uint64(bits - (np.uint64(exponent) << mantissa_u))) - 1.0
        radius = math.sqrt(-(log(f) * f + np.float64(np.int32(exponent)) * ln2))
        t = np.float64(np.int32(_left(b, _W2))) * 2.0**-31
        s, c = sin(t * t) * t, cos(t * t)
        first = _bits64(radius * (c - s)) ^ (np.uint64(_and(b, _SIGN)) << half)
        second = _bits64(radius * (c + s)) ^ (np.uint64(_and(_left(b, _W1), _SIGN)) << half)
        return _float64(first), _float64(second)

    return _inlined(pair)


@cache
def noise_stage(normals: str) -> Any:
    """fill(words, noise): four normal numbers per lane; words (4, LANES), noise (4, LANES)."""
    pair = _normals32() if normals == F32 else _normals64()

    def fill(words: Any, noise: Any) -> None:
        for j in range(LANES):
            a, b, c, d = words[0, j], words[1, j], words[2, j], words[3, j]
            r0, a, b, c, d = _next_word(a, b, c, d)
            r1, a, b, c, d = _next_word(a, b, c, d)
            r2, a, b, c, d = _next_word(a, b, c, d)
            r3, a, b, c, d = _next_word(a, b, c, d)
            words[0, j], words[1, j], words[2, j], words[3, j] = a, b, c, d
            noise[0, j], noise[1, j] = pair(r0, r1)
            noise[2, j], noise[3, j] = pair(r2, r3)

    return _compiled(fill)


# --------------------------------------------------------------------------------------------------- steps


def _stage(key: str, number: Any) -> Any:
    stages = {FLOW.key: _flow_stage, WEIGHTS.key: _weights_stage, DESCENT.key: _descent_stage}
    return _compiled(stages[key](number))


def _flow_stage(number: Any) -> Callable[[Any, Any], None]:
    a1, a2, a3, b1, b2 = map(number, (A1, 2 * A2, A3, B1, B2))
    drift, amplitude, temperature = map(number, (DRIFT, NOISE, TEMPERATURE))

    def step(v: Any, normal: Any) -> Any:
        g = (a1 * v - a2) * v + a3
        return v + v * (
            drift * (temperature * g - (b1 * v - b2)) + math.sqrt(g) * (amplitude * number(normal))
        )

    step = _inlined(step)

    def advance(state: Any, noise: Any) -> None:
        for j in range(LANES):
            v = state[0, j]
            v = step(step(v, noise[0, j]), noise[1, j])
            state[0, j] = step(step(v, noise[2, j]), noise[3, j])

    return advance


def _weights_stage(number: Any) -> Callable[[Any, Any], None]:
    a1, a2, a3, b1, b2 = map(number, (A1, 2 * A2, A3, B1, B2))
    drift, amplitude = map(number, (DRIFT / 2, NOISE / 2))

    def step(u: Any, w: Any, normal: Any) -> Any:
        v = u * w
        g = (a1 * v - a2) * v + a3
        force = drift * (b1 * v - b2) - math.sqrt(g) * (amplitude * number(normal))
        return u - w * force, w - u * force

    step = _inlined(step)

    def advance(state: Any, noise: Any) -> None:
        for j in range(LANES):
            u, w = step(state[0, j], state[1, j], noise[0, j])
            u, w = step(u, w, noise[1, j])
            u, w = step(u, w, noise[2, j])
            state[0, j], state[1, j] = step(u, w, noise[3, j])

    return advance


def _descent_stage(number: Any) -> Callable[[Any, Any], None]:
    """sum x^2 / S by its quantile function of one normal number, sum x noise by another."""
    cube_root = _fitted(_root_of_chi_squared, 11, -6.8, 6.8, number)
    rate, shrink = number(2 * LEARNING_RATE), number(1 / math.sqrt(BATCH_SIZE))

    def update(u: Any, w: Any, first: Any, second: Any) -> Any:
        root = cube_root(number(first))
        squares = root * root * root
        products = squares + math.sqrt(squares) * (shrink * number(second))
        gradient = rate * (u * w * squares - products)
        return u - w * gradient, w - u * gradient

    update = _inlined(update)

    def advance(state: Any, noise: Any) -> None:
        for j in range(LANES):
            u, w = update(state[0, j], state[1, j], noise[0, j], noise[1, j])
            state[0, j], state[1, j] = update(u, w, noise[2, j], noise[3, j])

    return advance


def _root_of_chi_squared(z: Any) -> Any:
    """(quantile of chi-squared(S) at the probability of z, over S)^(1/3)."""
    low, high = stats.chi2.ppf(stats.norm.cdf(z), BATCH_SIZE), stats.chi2.isf(stats.norm.sf(z), BATCH_SIZE)
    return np.cbrt(np.where(z < 0, low, high) / BATCH_SIZE)
