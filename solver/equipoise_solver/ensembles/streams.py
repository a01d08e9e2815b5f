"""Random streams: xoshiro128++ per path, started by Philox4x32-10 from (seed, path, purpose).

References:
    Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC 2011): Philox, with known-answer vectors.
    Blackman and Vigna, Scrambled linear pseudorandom number generators (2021): xoshiro128++.
"""

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from equipoise_solver.ensembles.compiled import I8, U4, U8, array_of, compiled, inlined, key_of
from equipoise_solver.ensembles.device import (
    add32,
    multiply_high,
    multiply_low,
    or32,
    shift_left,
    shift_right,
    xor32,
)

INITIAL_STATE, INCREMENTS, MINIBATCHES, PERMUTATIONS, PASSAGES = 0, 1, 2, 3, 4
"""Purposes: the second word of Philox's counter. A stream serves one purpose only."""

_M0, _M1 = np.uint32(0xD2511F53), np.uint32(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_S7, _S9, _S11, _S21, _S25 = np.uint32(7), np.uint32(9), np.uint32(11), np.uint32(21), np.uint32(25)
_ONE = np.uint32(1)


@inlined
def philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Philox4x32-10: four words from a counter of four words and a key of two."""
    for _ in range(10):
        high0, high1 = multiply_high(_M0, c0), multiply_high(_M1, c2)
        low0, low1 = multiply_low(_M0, c0), multiply_low(_M1, c2)
        c0 = xor32(xor32(high1, c1), k0)
        c2 = xor32(xor32(high0, c3), k1)
        c1 = low1
        c3 = low0
        k0 = add32(k0, _W0)
        k1 = add32(k1, _W1)
    return c0, c1, c2, c3


@inlined
def start_stream(key: Any, path: Any, purpose: Any, index: Any) -> Any:
    """The four words of xoshiro128++ at the start of stream number `index` of (path, purpose)."""
    a, b, c, d = philox(
        np.uint32(index),
        np.uint32(purpose),
        np.uint32(np.uint64(path) & _LOW),
        np.uint32(np.uint64(path) >> _HALF),
        key[0],
        key[1],
    )
    if (a | b | c | d) == 0:  # The one state that xoshiro never leaves; its chance is 2**-128.
        a = _ONE
    return a, b, c, d


@inlined
def next_word(a: Any, b: Any, c: Any, d: Any) -> Any:
    """One step of xoshiro128++: 32 random bits and the next four words of state."""
    s = add32(a, d)
    word = add32(or32(shift_left(s, _S7), shift_right(s, _S25)), a)
    t = shift_left(b, _S9)
    c = xor32(c, a)
    d = xor32(d, b)
    b = xor32(b, c)
    a = xor32(a, d)
    c = xor32(c, t)
    d = or32(shift_left(d, _S11), shift_right(d, _S21))
    return word, a, b, c, d


@inlined
def below(bound: Any, threshold: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """An unbiased integer in [0, bound) and the next state (Lemire 2019); threshold = 2**32 mod bound."""
    word, a, b, c, d = next_word(a, b, c, d)
    product = np.uint64(word) * bound
    while (product & _LOW) < threshold:
        word, a, b, c, d = next_word(a, b, c, d)
        product = np.uint64(word) * bound
    return np.int64(product >> _HALF), a, b, c, d


def _fill_streams(words: Any, key: Any, first_path: Any, purpose: Any) -> None:
    for block in range(words.shape[0]):
        for lane in range(words.shape[2]):
            path = first_path + np.uint64(block * words.shape[2] + lane)
            a, b, c, d = start_stream(key, path, purpose, 0)
            words[block, 0, lane] = a
            words[block, 1, lane] = b
            words[block, 2, lane] = c
            words[block, 3, lane] = d


def _philox_words(counters: Any, key: Any, out: Any) -> None:
    for i in range(counters.shape[0]):
        a, b, c, d = philox(counters[i, 0], counters[i, 1], counters[i, 2], counters[i, 3], key[0], key[1])
        out[i, 0] = a
        out[i, 1] = b
        out[i, 2] = c
        out[i, 3] = d


def _raw_words(state: Any, out: Any) -> None:
    a, b, c, d = state[0], state[1], state[2], state[3]
    for i in range(out.shape[0]):
        word, a, b, c, d = next_word(a, b, c, d)
        out[i] = word


def stream_words(
    seed: int, *, first_path: int, n_blocks: int, lanes: int, purpose: int
) -> NDArray[np.uint32]:
    """Start of one stream per path.

    Returns:
        words of xoshiro128++, shape (n_blocks, 4, lanes); path first_path + lanes*block + lane.
    """
    words = np.empty((n_blocks, 4, lanes), dtype=np.uint32)
    fill_words(words, seed, first_path=first_path, purpose=purpose)
    return words


def fill_words(words: NDArray[np.uint32], seed: int, *, first_path: int, purpose: int) -> None:
    """The same into an array of that shape."""
    kernel = compiled(_fill_streams, types.void(array_of(U4, 3), array_of(U4, 1), U8, I8))
    kernel(words, key_of(seed), np.uint64(first_path), purpose)


def philox_words(counters: NDArray[np.uint32], key: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Philox4x32-10 of counters, shape (n, 4), under one key, shape (2,)."""
    out = np.empty_like(counters)
    compiled(_philox_words, types.void(array_of(U4, 2), array_of(U4, 1), array_of(U4, 2)))(counters, key, out)
    return out


def raw_words(state: NDArray[np.uint32], n: int) -> NDArray[np.uint32]:
    """The first n outputs of xoshiro128++ from four words of state."""
    out = np.empty(n, dtype=np.uint32)
    compiled(_raw_words, types.void(array_of(U4, 1), array_of(U4, 1)))(state, out)
    return out
