"""References of the noise sources: rows of numbers, of shape (paths,) each."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.noise import NoiseSource, increments
from equipoise_solver.ensembles.noise.minibatch_gaussian import LARGEST_DIRECT
from equipoise_solver.ensembles.noise.three_point import SIXTH, SQRT_3, TOP
from equipoise_solver.ensembles.reference.arithmetic import (
    Floats,
    Stream,
    horner,
    logarithm,
    normal_pair,
    unit_uniform,
)
from equipoise_solver.ensembles.reference.fused import Reals
from equipoise_solver.ensembles.reference.normals import single_normal_pair
from equipoise_solver.ensembles.streams import PERMUTATIONS

Mask = NDArray[np.bool_]


def gaussian(stream: Stream, where: Mask) -> Floats:
    """Pairs of normal numbers."""
    return np.stack(normal_pair(stream, where))


def three_point(stream: Stream, where: Mask) -> Floats:
    """Pairs of three-point numbers."""
    words = np.stack([stream.next(where), stream.next(where)])
    return np.where(words < SIXTH, -SQRT_3, np.where(words > TOP, SQRT_3, 0.0))


def two_point(stream: Stream, where: Mask) -> Floats:
    """Pairs of signs, from the two leading bits of one word."""
    word = stream.next(where)
    return np.where(np.stack([word >> np.uint64(31), (word >> np.uint64(30)) & np.uint64(1)]), -1.0, 1.0)


INCREMENTS = {"gaussian": gaussian, "three_point": three_point, "two_point": two_point}
"""Increments of adaptive schemes: a pair per call, of shape (2, paths)."""


def four_gaussian(stream: Stream) -> Reals:
    """Four normal numbers of 32 bits."""
    words = [stream.next() for _ in range(4)]
    return np.stack([*single_normal_pair(*words[:2]), *single_normal_pair(*words[2:])])


def four_coarse(stream: Stream) -> Reals:
    """Sums of neighbours of `four_gaussian`, over sqrt(2)."""
    fine = np.concatenate([four_gaussian(stream), four_gaussian(stream)])
    return np.asarray((fine[0::2] + fine[1::2]) * increments.SQRT_HALF)


def four_three_point(stream: Stream) -> Reals:
    """Four three-point numbers from the halves of two words."""
    words = [stream.next(), stream.next()]
    halves = np.stack([half for w in words for half in (w & np.uint64(0xFFFF), w >> np.uint64(16))])
    signs = (halves >= increments.HIGH).astype(np.float32) - (halves < increments.LOW).astype(np.float32)
    return np.asarray(signs * increments.THREE_POINT_SCALE)


def four_two_point(stream: Stream) -> Reals:
    """Four signs from the highest bits of one word."""
    word = stream.next()
    bits = np.stack([(word >> np.uint64(31 - i)) & np.uint64(1) for i in range(4)])
    return np.where(bits, -1.0, 1.0).astype(np.float32)


FOUR_INCREMENTS: dict[str, Callable[[Stream], Any]] = {
    "gaussian": four_gaussian,
    "coarse": four_coarse,
    "three_point": four_three_point,
    "two_point": four_two_point,
}
"""Increments of schemes with a fixed clock: four per call, of shape (4, paths), in float32."""


class Minibatches:
    """References of the minibatch sources: (A, B) of update number `step`."""

    def __init__(self, source: NoiseSource, *, seed: int, paths: NDArray[np.int64]) -> None:
        self.source = source
        self.seed = seed
        self.paths = paths
        self.stream = Stream(seed, paths=paths, purpose=source.purpose)
        self.order = np.zeros((0, 0), dtype=np.int64)

    def draw(self, step: int) -> Reals:
        """A and B of each path, or the normal numbers of two batches, shape (2 or 4, paths)."""
        match self.source.name:
            case "minibatch_gaussian_pairs":
                return four_gaussian(self.stream)
            case "full_batch":
                return np.array(np.broadcast_to(self.source.numbers[:, None], (2, self.paths.size)))
            case "minibatch_gaussian":
                return self._gaussian()
            case "minibatch_iid":
                size = int(self.source.numbers[0])
                return self._mean(
                    np.stack([self.stream.below(self.source.table.shape[1]) for _ in range(size)])
                )
            case _:
                return self._epoch(step)

    def _mean(self, index: NDArray[np.int64]) -> Floats:
        total: Floats = np.zeros((2, self.paths.size))
        for row in index:
            total = total + self.source.table[:, row]
        return np.asarray(total / index.shape[0])

    def _gaussian(self) -> Floats:
        numbers = self.source.numbers
        size = int(numbers[0])
        z1, z2 = normal_pair(self.stream)
        if size <= LARGEST_DIRECT:
            product = np.ones(self.paths.size)
            for _ in range(size // 2):
                product = product * unit_uniform(self.stream.next(), self.stream.next())
            square = (float(size % 2) * z1 * z1 - 2.0 * logarithm(product)) * numbers[1]
        else:
            root = horner(tuple(numbers[4:].tolist()), z1)
            square = root * root * root * numbers[1]
        return np.stack([square, numbers[2] * square + numbers[3] * np.sqrt(square) * z2])

    def _epoch(self, step: int) -> Floats:
        n, size = self.source.table.shape[1], int(self.source.numbers[0])
        epoch, place = divmod(step, -(-n // size))
        if place == 0:
            self.order = shuffles(self.seed, paths=self.paths, epoch=epoch, n=n)
        return self._mean(self.order[place * size : (place + 1) * size])


def shuffles(seed: int, *, paths: NDArray[np.int64], epoch: int, n: int) -> NDArray[np.int64]:
    """The shuffle of 0..n-1 of each path in an epoch, shape (n, paths)."""
    stream = Stream(seed, paths=paths, purpose=PERMUTATIONS, index=epoch)
    order = np.repeat(np.arange(n)[:, None], paths.size, axis=1)
    lane = np.arange(paths.size)
    for i in range(n - 1, 0, -1):
        k = stream.below(i + 1)
        order[i], order[k, lane] = order[k, lane].copy(), order[i].copy()
    return order
