"""Increments for schemes with a fixed clock: GROUP rows of float32 numbers per call, one row per step.

The three kinds match N(0, 1) in all moments, up to the fifth, and up to the third. "coarse" gives the sums,
over sqrt(2), of the neighbours that "gaussian" gives from the same stream: the same Brownian path seen at
every other step.

References:
    Kloeden and Platen, Numerical solution of stochastic differential equations (1992), section 14.2.
"""

from typing import Any

import numpy as np

from equipoise_solver.ensembles.compiled import GROUP, LANES, inlined
from equipoise_solver.ensembles.device import (
    ONE_BITS,
    SIGN_BIT,
    and32,
    or32,
    shift_left,
    shift_right,
    single_of,
)
from equipoise_solver.ensembles.noise.lanes import keep, stream_of
from equipoise_solver.ensembles.noise.source import NoiseSource
from equipoise_solver.ensembles.normals import single_normal_pair
from equipoise_solver.ensembles.streams import INCREMENTS, next_word

SQRT_HALF = np.float32(0.7071067811865476)
LOW, HIGH = np.int32(10923), np.int32(54613)
"""Of 65536 halves of a word, 10923 lie below LOW and 10923 from HIGH on: chances 1/6 + 5e-6 of +-sqrt(3).

Rows are scaled so that the variance is 1 to 1e-7.
"""
THREE_POINT_SCALE = np.float32((65536 / (2 * 10923)) ** 0.5)
_LOW_HALF, _SIXTEEN, _ONE = np.uint32(0xFFFF), np.uint32(16), np.uint32(1)


@inlined
def _draw_four(words: Any, j: Any) -> Any:
    a, b, c, d = stream_of(words, j)
    r0, a, b, c, d = next_word(a, b, c, d)
    r1, a, b, c, d = next_word(a, b, c, d)
    r2, a, b, c, d = next_word(a, b, c, d)
    r3, a, b, c, d = next_word(a, b, c, d)
    keep(words, j, a, b, c, d)
    return r0, r1, r2, r3


@inlined
def three_point_number(half: Any) -> Any:
    """The three-point number of 16 bits."""
    h = np.int32(half)
    return np.float32(np.int32(h >= HIGH) - np.int32(h < LOW)) * THREE_POINT_SCALE


@inlined
def two_point_number(word: Any) -> Any:
    """The sign in the highest bit of a word."""
    return single_of(or32(ONE_BITS, and32(word, SIGN_BIT)))


def fill_gaussian(
    words: Any,
    active: Any,
    out: Any,
    lanes: Any,
    step: Any,
    fresh: Any,
    key: Any,
    first_path: Any,
    numbers: Any,
    table: Any,
    work: Any,
) -> None:
    """Four independent N(0, 1) numbers per lane; see `compiled.noise_signature`."""
    for j in range(LANES):
        r0, r1, r2, r3 = _draw_four(words, j)
        out[0, j], out[1, j] = single_normal_pair(r0, r1)
        out[2, j], out[3, j] = single_normal_pair(r2, r3)


def fill_coarse(
    words: Any,
    active: Any,
    out: Any,
    lanes: Any,
    step: Any,
    fresh: Any,
    key: Any,
    first_path: Any,
    numbers: Any,
    table: Any,
    work: Any,
) -> None:
    """Four numbers per lane, each of two neighbours of `fill_gaussian`; see `compiled.noise_signature`."""
    for j in range(LANES):
        r0, r1, r2, r3 = _draw_four(words, j)
        x0, x1 = single_normal_pair(r0, r1)
        x2, x3 = single_normal_pair(r2, r3)
        out[0, j] = (x0 + x1) * SQRT_HALF
        out[1, j] = (x2 + x3) * SQRT_HALF
    for j in range(LANES):
        r0, r1, r2, r3 = _draw_four(words, j)
        x0, x1 = single_normal_pair(r0, r1)
        x2, x3 = single_normal_pair(r2, r3)
        out[2, j] = (x0 + x1) * SQRT_HALF
        out[3, j] = (x2 + x3) * SQRT_HALF


def fill_three_point(
    words: Any,
    active: Any,
    out: Any,
    lanes: Any,
    step: Any,
    fresh: Any,
    key: Any,
    first_path: Any,
    numbers: Any,
    table: Any,
    work: Any,
) -> None:
    """Four three-point numbers per lane, from half a word each; see `compiled.noise_signature`."""
    for j in range(LANES):
        a, b, c, d = stream_of(words, j)
        r0, a, b, c, d = next_word(a, b, c, d)
        r1, a, b, c, d = next_word(a, b, c, d)
        keep(words, j, a, b, c, d)
        out[0, j] = three_point_number(and32(r0, _LOW_HALF))
        out[1, j] = three_point_number(shift_right(r0, _SIXTEEN))
        out[2, j] = three_point_number(and32(r1, _LOW_HALF))
        out[3, j] = three_point_number(shift_right(r1, _SIXTEEN))


def fill_two_point(
    words: Any,
    active: Any,
    out: Any,
    lanes: Any,
    step: Any,
    fresh: Any,
    key: Any,
    first_path: Any,
    numbers: Any,
    table: Any,
    work: Any,
) -> None:
    """Four signs per lane, the highest bits of one word; see `compiled.noise_signature`."""
    for j in range(LANES):
        a, b, c, d = stream_of(words, j)
        word, a, b, c, d = next_word(a, b, c, d)
        keep(words, j, a, b, c, d)
        out[0, j] = two_point_number(word)
        out[1, j] = two_point_number(shift_left(word, _ONE))
        out[2, j] = two_point_number(shift_left(word, np.uint32(2)))
        out[3, j] = two_point_number(shift_left(word, np.uint32(3)))


def source(kind: str) -> NoiseSource:
    """Increments of that kind: "gaussian", "three_point", "two_point" or "coarse"."""
    fill, weak_order = {
        "gaussian": (fill_gaussian, None),
        "coarse": (fill_coarse, None),
        "three_point": (fill_three_point, 2),
        "two_point": (fill_two_point, 1),
    }[kind]
    return NoiseSource(
        name=kind,
        fill=fill,
        purpose=INCREMENTS,
        weak_order=weak_order,
        rows=GROUP,
        steps=GROUP,
        precision="float32",
    )
