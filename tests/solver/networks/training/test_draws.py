"""Random numbers of groups of networks."""

import numpy as np
import pytest
from tests.support.statistics import assert_fraction, assert_mean, assert_variance

from equipoise_solver.ensembles.streams import INCREMENTS, MINIBATCHES
from equipoise_solver.networks.training.draws import LABELS, indices_of, normals_of, shuffles_of
from equipoise_solver.networks.training.tiles import LANES

pytestmark = pytest.mark.slow


def test_numbers_of_a_path_do_not_depend_on_its_lane(seed: int) -> None:
    """Path 19 draws the same in lane 3 of one group and in lane 0 of another."""
    for purpose in (INCREMENTS, MINIBATCHES, LABELS):
        ours = normals_of(seed, 9, first_path=16, purpose=purpose, index=5)[:, 3]
        assert np.array_equal(ours, normals_of(seed, 9, first_path=19, purpose=purpose, index=5)[:, 0])
    rows = indices_of(seed, 9, bound=1000, first_path=16, purpose=MINIBATCHES, index=5)[:, 3]
    alone = indices_of(seed, 9, bound=1000, first_path=19, purpose=MINIBATCHES, index=5)[:, 0]
    assert np.array_equal(rows, alone)
    orders = shuffles_of(seed, 20, first_path=16, epoch=2)[3]
    assert np.array_equal(orders, shuffles_of(seed, 20, first_path=19, epoch=2)[0])


def test_streams_differ(seed: int) -> None:
    """Paths, purposes, steps and seeds have streams of their own."""
    base = normals_of(seed, 4, first_path=0, purpose=INCREMENTS, index=0)
    assert len({tuple(base[:, lane]) for lane in range(LANES)}) == LANES
    others = [
        normals_of(seed, 4, first_path=0, purpose=LABELS, index=0),
        normals_of(seed, 4, first_path=0, purpose=INCREMENTS, index=1),
        normals_of(seed + 1, 4, first_path=0, purpose=INCREMENTS, index=0),
    ]
    for other in others:
        assert not np.any(base == other)


def test_more_numbers_begin_with_the_same(seed: int) -> None:
    """The first numbers of a stream do not depend on how many are drawn, up to the last pair."""
    long = normals_of(seed, 12, first_path=0, purpose=INCREMENTS, index=0)
    assert np.array_equal(long[:7], normals_of(seed, 7, first_path=0, purpose=INCREMENTS, index=0))


def test_normals_are_normal(seed: int) -> None:
    """Mean 0 and variance 1."""
    drawn = normals_of(seed, 20_000, first_path=0, purpose=INCREMENTS, index=0).ravel()
    assert_mean(drawn, 0.0, resolves=0.02)
    assert_variance(drawn, 1.0, resolves=0.03)


def test_indices_are_uniform(seed: int) -> None:
    """Each of 3 and of 1000 numbers comes as often as any other; 3 does not divide 2^32."""
    for bound, resolves in ((3, 0.02), (1000, 0.002)):
        drawn = indices_of(seed, 10_000, bound=bound, first_path=0, purpose=MINIBATCHES, index=0).ravel()
        assert (drawn.min(), drawn.max()) == (0, bound - 1)
        for number in (0, bound // 2, bound - 1):
            assert_fraction(int((drawn == number).sum()), drawn.size, 1 / bound, resolves=resolves)


def test_shuffles_hold_every_sample_once(seed: int) -> None:
    """Each path's order is a permutation of its own, another one in each epoch."""
    first, second = (shuffles_of(seed, 31, first_path=0, epoch=epoch) for epoch in (0, 1))
    for orders in (first, second):
        assert np.array_equal(np.sort(orders, axis=1), np.tile(np.arange(31), (LANES, 1)))
    assert len({tuple(order) for order in np.concatenate([first, second])}) == 2 * LANES
