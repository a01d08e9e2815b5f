"""Diagonal symmetries of large networks, searched in parts, against the search of all parameters at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from equipoise_solver.networks import LinearNetwork, Mlp, Network
from equipoise_solver.networks.architectures.attention import Attention
from equipoise_solver.networks.architectures.diagonal import Diagonal
from equipoise_solver.networks.architectures.normalized import NormalizedMlp
from equipoise_solver.networks.parameters import flatten
from equipoise_solver.networks.streams import POINTS, stream
from equipoise_solver.symmetry.detect import detect_symmetries
from equipoise_solver.symmetry.detect_search import Source, search_at_once, search_in_parts
from equipoise_solver.symmetry.detect_structures import DiagonalSpace
from equipoise_solver.symmetry.detect_supports import Grouping, Part, cheapest_grouping, joined


@pytest.mark.parametrize(
    ("network", "group"),
    [
        (Mlp((7, 11, 5), "relu"), 4),
        (Mlp((5, 9, 9, 4), "relu"), 3),
        (Mlp((6, 6, 6, 6), "relu", bias=False), 2),
        (Mlp((5, 9, 9, 4), "tanh"), 3),
        (LinearNetwork((5, 9, 7, 4)), 3),
        (Diagonal(3, 11), 4),
        (Attention(2, 5, 2, 4), 2),
        (NormalizedMlp((5, 9, 6, 4), "relu", "layer"), 3),
        (NormalizedMlp((5, 9, 6, 4), "tanh", "network"), 3),
    ],
    ids=repr,
)
def test_parts_and_the_whole_have_the_same_solutions(network: Network, group: int, seed: int) -> None:
    """The two null spaces are one subspace, to 1e-10, whatever is found on the parts alone."""
    space = DiagonalSpace(network.blocks)
    whole = search_at_once(Source(network, None, stream(seed, purpose=POINTS)), space)
    grouping = Grouping(network.blocks, group)
    assert grouping.n_supports > 1
    parts = search_in_parts(Source(network, None, stream(seed + 1, purpose=POINTS)), space, grouping)
    assert parts.is_confirmed
    assert parts.basis.shape == whole.basis.shape
    apart = parts.basis - whole.basis @ (whole.basis.T @ parts.basis)
    assert _largest(apart) < 1e-10
    assert parts.gap > 1e8


def _largest(values: torch.Tensor) -> float:
    return float(values.abs().max()) if values.numel() else 0.0


@pytest.mark.parametrize(
    ("network", "group"),
    [(Mlp((20, 50, 20)), 8), (Mlp((5, 9, 9, 4)), 3), (Mlp((6, 6, 6)), 2), (Diagonal(2, 9), 4)],
    ids=repr,
)
def test_sets_hold_every_parameter(network: Network, group: int) -> None:
    """Every parameter is free in some set, no set has them all, and sizes are as the costs are counted."""
    grouping = Grouping(network.blocks, group)
    supports = grouping.supports()
    total = sum(flatten(support, network.blocks) for support in supports)
    assert isinstance(total, torch.Tensor)
    assert float(total.min()) >= 1.0
    sizes = [int(flatten(support, network.blocks).sum()) for support in supports]
    assert max(sizes) == grouping.largest < len(total)
    assert len(sizes) == grouping.n_supports


def test_joined_solutions_agree_on_what_is_shared(rng: np.random.Generator) -> None:
    """Restrictions of one subspace to two overlapping sets are joined to that subspace again."""
    space = torch.linalg.qr(torch.from_numpy(rng.normal(size=(12, 3)))).Q
    places = torch.arange(12)
    parts = []
    for chosen, unshared in ((places[:9], 0), (places[4:], -1)):
        extra = torch.zeros(len(chosen), 1, dtype=torch.float64)
        extra[unshared] = 1.0
        parts.append(Part(chosen, torch.linalg.qr(torch.cat([space[chosen], extra], dim=1)).Q))
    part, sines = joined(parts)
    # Each part has one solution more, which lies outside what they share.
    assert part.basis.shape == (12, 5)
    outside = space - part.basis @ (part.basis.T @ space)
    assert _largest(outside) < 1e-12
    assert min(sine for sine in sines if sine > 1e-10) > 1e-8


def test_groups_are_chosen_by_cost() -> None:
    """20-200-20: 75 sets of 144 parameters instead of 8220 at once."""
    grouping, operations = cheapest_grouping(Mlp((20, 200, 20)).blocks)
    assert (grouping.group, grouping.n_supports, grouping.largest) == (8, 75, 144)
    assert operations < 1e11


@pytest.mark.slow
def test_all_neurons_of_a_wide_net_are_found(seed: int) -> None:
    """A ReLU net 20-200-20 with bias has one rescaling per hidden neuron, and no more."""
    found = detect_symmetries(Mlp((20, 200, 20), "relu"), seed=seed)
    assert found.structure == "diagonal"
    assert found.dimension == 200
    assert [(one.kind, one.name, one.dimension, one.members) for one in found.found] == [
        ("rescaling", "neurons of layer 1", 200, None)
    ]
    assert found.gap > 1e10
    assert found.residual < 1e-12
