"""Four numbers of a path from its stream, as the sources of `noise.increments` give them to a block."""

from collections.abc import Callable
from typing import Any

import numpy as np

from equipoise_solver.ensembles.compiled import inlined
from equipoise_solver.ensembles.device import and32, shift_left, shift_right
from equipoise_solver.ensembles.noise.increments import (
    SQRT_HALF,
    fill_coarse,
    fill_gaussian,
    fill_three_point,
    fill_two_point,
    three_point_number,
    two_point_number,
)
from equipoise_solver.ensembles.normals import single_normal_pair
from equipoise_solver.ensembles.streams import next_word

_ONE, _TWO, _THREE, _SIXTEEN = np.uint32(1), np.uint32(2), np.uint32(3), np.uint32(16)
_LOW_HALF = np.uint32(0xFFFF)


@inlined
def gaussian(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Four normal numbers and the next words of the stream."""
    r0, a, b, c, d = next_word(a, b, c, d)
    r1, a, b, c, d = next_word(a, b, c, d)
    r2, a, b, c, d = next_word(a, b, c, d)
    r3, a, b, c, d = next_word(a, b, c, d)
    x0, x1 = single_normal_pair(r0, r1)
    x2, x3 = single_normal_pair(r2, r3)
    return (x0, x1, x2, x3), a, b, c, d


@inlined
def coarse(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Four sums of two neighbours of `gaussian`, over sqrt(2), and the next words of the stream."""
    x, a, b, c, d = gaussian(a, b, c, d)
    y, a, b, c, d = gaussian(a, b, c, d)
    first, second = (x[0] + x[1]) * SQRT_HALF, (x[2] + x[3]) * SQRT_HALF
    return (first, second, (y[0] + y[1]) * SQRT_HALF, (y[2] + y[3]) * SQRT_HALF), a, b, c, d


@inlined
def three_point(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Four three-point numbers, from half a word each, and the next words of the stream."""
    r0, a, b, c, d = next_word(a, b, c, d)
    r1, a, b, c, d = next_word(a, b, c, d)
    x0, x1 = three_point_number(and32(r0, _LOW_HALF)), three_point_number(shift_right(r0, _SIXTEEN))
    x2, x3 = three_point_number(and32(r1, _LOW_HALF)), three_point_number(shift_right(r1, _SIXTEEN))
    return (x0, x1, x2, x3), a, b, c, d


@inlined
def two_point(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Four signs, the highest bits of one word, and the next words of the stream."""
    word, a, b, c, d = next_word(a, b, c, d)
    x0, x1 = two_point_number(word), two_point_number(shift_left(word, _ONE))
    x2, x3 = two_point_number(shift_left(word, _TWO)), two_point_number(shift_left(word, _THREE))
    return (x0, x1, x2, x3), a, b, c, d


NAMES: dict[Callable[..., None], str] = {
    fill_gaussian: "gaussian",
    fill_coarse: "coarse",
    fill_three_point: "three_point",
    fill_two_point: "two_point",
}
"""Names of the functions of this file that give the numbers of a source's `fill`."""
