"""References of the streams and of the elementary functions, on arrays of any shape."""

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.elementary import (
    LARGEST_EXPONENT,
    LN2,
    LN2_HIGH,
    LN2_LOW,
    LOG2_E,
    SQRT_HALF_BITS,
    TINIEST_EXPONENT,
    TO_FINE_UNIT,
    TO_QUARTER,
    TO_UNIT,
)
from equipoise_solver.ensembles.elementary_tables import COSINE, EXP, LOG, SINE

Words = NDArray[np.uint64]
Floats = NDArray[np.float64]
_LOW = np.uint64(0xFFFFFFFF)


def _u(value: int) -> np.uint64:
    return np.uint64(value)


def philox(counter: tuple[Words, ...], key: tuple[int, int]) -> tuple[Words, ...]:
    """Philox4x32-10: four words, each in a uint64 array, from a counter of four."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = _u(0xD2511F53) * c0, _u(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (p1 >> _u(32)) ^ c1 ^ _u(k0), p1 & _LOW, (p0 >> _u(32)) ^ c3 ^ _u(k1), p0 & _LOW
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


class Stream:
    """One xoshiro128++ stream per path, started by Philox at (index, purpose, path)."""

    def __init__(self, seed: int, *, paths: NDArray[np.int64], purpose: int, index: int = 0) -> None:
        numbers = paths.astype(np.uint64)
        counter = (
            np.full(paths.shape, index, dtype=np.uint64),
            np.full(paths.shape, purpose, dtype=np.uint64),
            numbers & _LOW,
            numbers >> _u(32),
        )
        self.state = list(philox(counter, (seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF)))

    def next(self, where: NDArray[np.bool_] | None = None) -> Words:
        """32 bits per path; only the streams in `where` move on."""
        a, b, c, d = self.state
        s = (a + d) & _LOW
        word = ((((s << _u(7)) | (s >> _u(25))) & _LOW) + a) & _LOW
        t = (b << _u(9)) & _LOW
        c = c ^ a
        d = d ^ b
        b = b ^ c
        a = a ^ d
        c = c ^ t
        d = ((d << _u(11)) | (d >> _u(21))) & _LOW
        moved = (a, b, c, d)
        on = np.ones(s.shape, dtype=bool) if where is None else where
        self.state = [np.where(on, new, old) for new, old in zip(moved, self.state, strict=True)]
        return word

    def below(self, bound: int) -> NDArray[np.int64]:
        """An unbiased integer in [0, bound) per path."""
        pending = np.ones(self.state[0].shape, dtype=bool)
        found = np.zeros(pending.shape, dtype=np.int64)
        while pending.any():
            product = self.next(pending) * _u(bound)
            accepted = pending & ((product & _LOW) >= _u(2**32 % bound))
            found[accepted] = (product >> _u(32)).astype(np.int64)[accepted]
            pending &= ~accepted
        return found


def horner(coefficients: tuple[float, ...], x: Floats) -> Floats:
    """A polynomial, lowest order first, by Horner's rule."""
    value = np.full(x.shape, coefficients[-1])
    for c in coefficients[-2::-1]:
        value = value * x + c
    return value


def exponential(x: Floats) -> Floats:
    """Reference of `elementary.exponential`, for x that are not NaN."""
    x = np.minimum(np.maximum(x, TINIEST_EXPONENT), LARGEST_EXPONENT)
    k = np.floor(x * LOG2_E + 0.5)
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    return horner(EXP, r) * ((k.astype(np.int64) + 1023) << 52).view(np.float64)


def logarithm(x: Floats) -> Floats:
    """Reference of `elementary.logarithm`."""
    bits = x.view(np.int64)
    e = (bits - np.int64(SQRT_HALF_BITS)) >> 52
    f = (bits - (e << 52)).view(np.float64) - 1.0
    return horner(LOG, f) * f + e.astype(np.float64) * LN2


def unit_uniform(high: Words, low: Words) -> Floats:
    """Reference of `elementary.unit_uniform`."""
    return high.astype(np.float64) * TO_UNIT + (low.astype(np.float64) + 0.5) * TO_FINE_UNIT


def normal_pair(stream: Stream, where: NDArray[np.bool_] | None = None) -> tuple[Floats, Floats]:
    """Two normal numbers per path, from three words of its stream."""
    high, low, turn = (stream.next(where) for _ in range(3))
    r = np.sqrt(-logarithm(unit_uniform(high, low)))
    t = ((turn << _u(2)) & _LOW).astype(np.uint32).view(np.int32).astype(np.float64) * TO_QUARTER
    z = t * t
    s, c = horner(SINE, z) * t, horner(COSINE, z)
    first = np.where(turn >> _u(31), -1.0, 1.0) * (r * (c - s))
    second = np.where((turn >> _u(30)) & _u(1), -1.0, 1.0) * (r * (c + s))
    return first, second
