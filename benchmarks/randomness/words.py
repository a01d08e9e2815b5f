"""Write the interleaved streams to standard output, without end: native 32-bit words."""

import argparse
import sys
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from equipoise_solver.ensembles.compiled import LANES, U4, array_of, compiled
from equipoise_solver.ensembles.streams import INCREMENTS, next_word, raw_words, stream_words

CHUNK = 2**18
"""Words per write, 1 MiB: several rounds of all paths, and still within the caches."""
DEFECTS = ("copies", "counters", "multiples")
"""Planted defects: see `_planted`."""
_MULTIPLIERS = np.array([0x9E3779B9, 0xBB67AE85, 0xD2511F53, 0xCD9E8D57], dtype=np.uint32)


def _advance(states: Any, out: Any) -> None:
    for block in range(states.shape[0]):
        for step in range(out.shape[0]):
            for lane in range(states.shape[2]):
                word, a, b, c, d = next_word(
                    states[block, 0, lane],
                    states[block, 1, lane],
                    states[block, 2, lane],
                    states[block, 3, lane],
                )
                states[block, 0, lane] = a
                states[block, 1, lane] = b
                states[block, 2, lane] = c
                states[block, 3, lane] = d
                out[step, block, lane] = word


class Interleaved:
    """The streams of paths 0 .. n_paths-1, one word of each in turn.

    Args:
        n_paths: a multiple of LANES that divides CHUNK.
        seed: of the streams, 64 bits.
        defect: one of DEFECTS, planted to see whether a battery finds it; empty for the streams as they are.
    """

    def __init__(self, n_paths: int, *, seed: int, defect: str = "") -> None:
        if n_paths % LANES or CHUNK % n_paths:
            raise SystemExit(f"--paths {n_paths}: need a multiple of {LANES} that divides {CHUNK}.")
        self._states = stream_words(
            seed, first_path=0, n_blocks=n_paths // LANES, lanes=LANES, purpose=INCREMENTS
        )
        if defect:
            self._states = _planted(self._states, defect)
        self._out = np.empty((CHUNK // n_paths, n_paths // LANES, LANES), dtype=np.uint32)
        self._advance = compiled(_advance, types.void(array_of(U4, 3), array_of(U4, 3)))

    def next_chunk(self) -> NDArray[np.uint32]:
        """The next CHUNK words, shape (rounds, n_blocks, LANES); overwritten by the next call."""
        self._advance(self._states, self._out)
        return self._out


def _planted(states: NDArray[np.uint32], defect: str) -> NDArray[np.uint32]:
    """Starts of streams with a defect, shape (n_blocks, 4, lanes).

    copies: the second half of the paths repeats the first.
    counters: no Philox, the words are (path, 0, 0, 1).
    multiples: no Philox, the words are four odd multiples of path + 1.
    """
    by_path = states.transpose(0, 2, 1).reshape(-1, 4)
    path = np.arange(len(by_path), dtype=np.uint32)
    if defect == "copies":
        by_path[len(path) // 2 :] = by_path[: len(path) // 2]
    elif defect == "counters":
        by_path[:] = np.column_stack([path, 0 * path, 0 * path, 0 * path + 1])
    else:
        by_path[:] = np.outer(path + np.uint32(1), _MULTIPLIERS)
    return np.ascontiguousarray(by_path.reshape(states.shape[0], -1, 4).transpose(0, 2, 1))


def assert_interleaved(n_paths: int, *, seed: int) -> None:
    """The first chunk holds, path by path, what the solver's own stream of that path gives."""
    chunk = Interleaved(n_paths, seed=seed).next_chunk().reshape(-1, n_paths)
    for path in (0, 1, n_paths // 2 + 1, n_paths - 1):
        state = stream_words(seed, first_path=path, n_blocks=1, lanes=1, purpose=INCREMENTS)
        alone = raw_words(state.reshape(4), chunk.shape[0])
        assert np.array_equal(chunk[:, path], alone), f"path {path} is not interleaved as stated"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paths", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--planted", choices=DEFECTS, default="")
    arguments = parser.parse_args()
    assert_interleaved(arguments.paths, seed=arguments.seed)
    streams = Interleaved(arguments.paths, seed=arguments.seed, defect=arguments.planted)
    try:
        while True:
            sys.stdout.buffer.write(streams.next_chunk().data)
    except BrokenPipeError:  # The battery has read what it wanted.
        sys.stderr.close()


if __name__ == "__main__":
    main()
