"""Random streams of networks: one NumPy Philox generator per (seed, path, purpose)."""

import numpy as np

INITIAL_STATE, INCREMENTS, MINIBATCHES, PERMUTATIONS, DATA, PROBES, POINTS = 0, 1, 2, 3, 5, 6, 7
"""Purposes; a stream serves one only. The first four have the numbers of `ensembles.streams`."""


def stream(seed: int, *, path: int = 0, purpose: int) -> np.random.Generator:
    """Generator that depends on (seed, path, purpose) and nothing else.

    Args:
        seed: 0 <= seed < 2**64, the key of Philox4x64.
        path: number of the network, 0 <= path < 2**64.
        purpose: one of the purposes above, with `path` the high words of Philox's counter, so that
            streams do not overlap within 2**128 draws.
    """
    counter = np.array([0, 0, path, purpose], dtype=np.uint64)
    key = np.array([seed, 0], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(counter=counter, key=key))
