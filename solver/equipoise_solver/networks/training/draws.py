"""Random numbers of a group of networks: one stream per (path, purpose, step), so any step is found at once.

No state of a generator is kept between steps, and a path's numbers depend on its own number only.
"""

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from equipoise_solver.ensembles.compiled import F8, I8, U4, U8, array_of, compiled, inlined, key_of
from equipoise_solver.ensembles.elementary import normal_pair
from equipoise_solver.ensembles.noise.minibatch_epoch import shuffle
from equipoise_solver.ensembles.streams import next_word, start_stream
from equipoise_solver.networks.training.tiles import LANES

LABELS, EVALUATION = 16, 17
"""Purposes of streams beside those of `ensembles.streams`: noise on labels, and samples to observe on."""
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_I4 = types.int32


@inlined
def start_lanes(words: Any, key: Any, first_path: Any, purpose: Any, index: Any) -> None:
    """Put the streams of all lanes at their start; words (4, LANES)."""
    for j in range(LANES):
        a, b, c, d = start_stream(key, first_path + np.uint64(j), purpose, index)
        words[0, j] = a
        words[1, j] = b
        words[2, j] = c
        words[3, j] = d


@inlined
def draw_indices(out: Any, n: Any, bound: Any, words: Any, products: Any) -> None:
    """Put n unbiased integers in [0, bound) per lane into out[:n] (Lemire 2019); products (LANES,)."""
    limit = np.uint64(bound)
    threshold = np.uint64(4294967296) % limit
    for s in range(n):
        rejected = np.int64(0)
        for j in range(LANES):
            word, a, b, c, d = next_word(words[0, j], words[1, j], words[2, j], words[3, j])
            words[0, j] = a
            words[1, j] = b
            words[2, j] = c
            words[3, j] = d
            product = np.uint64(word) * limit
            products[j] = product
            rejected += np.int64((product & _LOW) < threshold)
        if rejected > 0:
            for j in range(LANES):
                while (products[j] & _LOW) < threshold:
                    word, a, b, c, d = next_word(words[0, j], words[1, j], words[2, j], words[3, j])
                    words[0, j] = a
                    words[1, j] = b
                    words[2, j] = c
                    words[3, j] = d
                    products[j] = np.uint64(word) * limit
        for j in range(LANES):
            out[s, j] = np.int32(products[j] >> _HALF)


@inlined
def draw_normals(out: Any, n: Any, words: Any) -> None:
    """Put n numbers N(0, 1) per lane into out[:n], float64."""
    for s in range(0, n, 2):
        has_second = s + 1 < n
        second = s + 1 if has_second else s
        for j in range(LANES):
            high, a, b, c, d = next_word(words[0, j], words[1, j], words[2, j], words[3, j])
            low, a, b, c, d = next_word(a, b, c, d)
            turn, a, b, c, d = next_word(a, b, c, d)
            words[0, j] = a
            words[1, j] = b
            words[2, j] = c
            words[3, j] = d
            z1, z2 = normal_pair(high, low, turn)
            out[second, j] = z2
            out[s, j] = z1


def _indices(out: Any, bound: Any, key: Any, first_path: Any, purpose: Any, index: Any) -> None:
    words = np.empty((4, LANES), dtype=np.uint32)
    products = np.empty(LANES, dtype=np.uint64)
    start_lanes(words, key, first_path, purpose, index)
    draw_indices(out, out.shape[0], bound, words, products)


def _normals(out: Any, key: Any, first_path: Any, purpose: Any, index: Any) -> None:
    words = np.empty((4, LANES), dtype=np.uint32)
    start_lanes(words, key, first_path, purpose, index)
    draw_normals(out, out.shape[0], words)


def _shuffles(out: Any, key: Any, first_path: Any, epoch: Any) -> None:
    shuffle(out, out.shape[1], LANES, key, first_path, epoch)


def indices_of(
    seed: int, n: int, *, bound: int, first_path: int, purpose: int, index: int
) -> NDArray[np.int32]:
    """Integers in [0, bound), shape (n, LANES), of stream number `index` of paths first_path .. ."""
    out = np.empty((n, LANES), dtype=np.int32)
    kernel = compiled(_indices, types.void(array_of(_I4, 2), I8, array_of(U4, 1), U8, I8, I8))
    kernel(out, bound, key_of(seed), np.uint64(first_path), purpose, index)
    return out


def normals_of(seed: int, n: int, *, first_path: int, purpose: int, index: int) -> NDArray[np.float64]:
    """N(0, 1) numbers, shape (n, LANES), of stream number `index` of paths first_path .. ."""
    out = np.empty((n, LANES))
    kernel = compiled(_normals, types.void(array_of(F8, 2), array_of(U4, 1), U8, I8, I8))
    kernel(out, key_of(seed), np.uint64(first_path), purpose, index)
    return out


def shuffles_of(seed: int, n: int, *, first_path: int, epoch: int) -> NDArray[np.int32]:
    """The orders in which paths first_path .. go through n samples in that epoch, shape (LANES, n)."""
    out = np.empty((LANES, n), dtype=np.int32)
    kernel = compiled(_shuffles, types.void(array_of(_I4, 2), array_of(U4, 1), U8, I8))
    kernel(out, key_of(seed), np.uint64(first_path), epoch)
    return out
