"""Groups of networks that torch trains at once, as on a card, and samples that go through in parts."""

import numpy as np
import pytest
import torch
from tests.solver.networks.samples import NETWORKS, random_pairs

from equipoise_solver.networks import NormalizedMlp
from equipoise_solver.networks.training import Sgd, TrainingPlan, begin
from equipoise_solver.networks.training.pieces import CPU, Workshop, do_pieces
from equipoise_solver.networks.training.samples import Batch
from equipoise_solver.networks.training.segments import segments_of
from equipoise_solver.networks.training.torch_training import MAX_CHUNK_NUMBERS, weighted_gradient

pytestmark = pytest.mark.slow


def test_groups_together_are_groups_one_by_one(seed: int, rng: np.random.Generator) -> None:
    """Three groups in one call, as a card takes them, end where each ends alone, to rounding."""
    network = NETWORKS["net b"]
    plan = TrainingPlan(
        network=network,
        data=random_pairs(network, rng, n=11),
        dynamics=Sgd(0.01, 3, 0.05, 0.9, "epoch", 0.1),
        n_paths=40,
        seed=seed,
        n_steps=9,
        observables=("loss", "norm"),
        n_records=1,
    )
    shop, segments = Workshop(plan, CPU), segments_of(plan)
    pieces = [segments.piece(i) for i in range(3)]
    arrays = begin(plan).arrays
    together = do_pieces(shop, pieces, arrays["parameters"], arrays["momenta"])
    for i, piece in enumerate(pieces):
        part = slice(i, i + 1)
        (alone,) = do_pieces(shop, [piece], arrays["parameters"][part], arrays["momenta"][part])
        assert np.abs(together[i].parameters - alone.parameters).max() <= 1e-13
        assert together[i].momenta is not None
        assert alone.momenta is not None
        assert np.abs(together[i].momenta - alone.momenta).max() <= 1e-12
        n_there = min(16, 40 - 16 * i)
        for ours, theirs in ((together[i].at_start, alone.at_start), (together[i].at_end, alone.at_end)):
            assert ours is not None
            assert theirs is not None
            assert np.abs(ours - theirs)[:, :n_there].max() <= 1e-11
            assert np.isnan(ours[:, n_there:]).all()


def test_samples_in_parts_give_the_same_gradient(rng: np.random.Generator) -> None:
    """More samples than go through at once: the weighted sum is that of its halves."""
    network, n_networks, n = NormalizedMlp((3, 500, 2)), 16, 1000
    assert n > MAX_CHUNK_NUMBERS // (n_networks * 500)
    pairs = random_pairs(network, rng, n=n)
    p = sum(block.size for block in network.blocks)
    theta = torch.from_numpy(rng.standard_normal((n_networks, p)))
    weights = torch.from_numpy(rng.standard_normal((n_networks, n)))
    whole = weighted_gradient(network, theta, Batch(pairs.x, pairs.y, weights))
    halves = [
        weighted_gradient(network, theta, Batch(pairs.x[part], pairs.y[part], weights[:, part]))
        for part in (slice(0, 500), slice(500, n))
    ]
    assert float((whole - sum(halves)).abs().max()) <= 1e-12 * float(whole.abs().max()) * n**0.5
