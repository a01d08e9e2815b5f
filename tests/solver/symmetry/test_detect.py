"""Symmetries found numerically: their exact number, the gap that shows it, and that each one holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from equipoise_solver.errors import InvalidModelError, LimitExceededError
from equipoise_solver.networks import Block, Family, GaussianTeacher, LinearNetwork, Mlp, Network, Pairs
from equipoise_solver.networks.architectures.attention import Attention
from equipoise_solver.networks.architectures.diagonal import Diagonal
from equipoise_solver.networks.architectures.normalized import NormalizedMlp
from equipoise_solver.networks.data import pairs_of
from equipoise_solver.symmetry.custom import Custom
from equipoise_solver.symmetry.detect import Asked, Detected, detect_symmetries
from equipoise_solver.symmetry.generators import Generators
from equipoise_solver.symmetry.verify import measure_generators

N_SEEDS = 5
SMALLEST_GAP = 1e10

EXACT: list[tuple[Network, Asked, int]] = [
    # Diagonal nets: width times depth; each coordinate of depth 1 is u.w with one u and one w.
    (Diagonal(0, 4), "full", 0),
    (Diagonal(1, 1), "full", 1),
    (Diagonal(1, 4), "full", 4),
    (Diagonal(2, 3), "full", 6),
    (Diagonal(3, 4), "blocks", 12),
    (Diagonal(5, 6), "diagonal", 30),
    # Linear nets: h(h+1)/2 per hidden layer, and h^2 where u.w is kept by O(h, h).
    (LinearNetwork((3, 2)), "full", 0),
    (LinearNetwork((2, 3, 2)), "full", 6),
    (LinearNetwork((2, 3, 1)), "full", 6),
    (LinearNetwork((1, 4, 2)), "full", 10),
    (LinearNetwork((1, 3, 1)), "full", 9),
    (LinearNetwork((1, 4, 1)), "full", 16),
    (LinearNetwork((1, 4, 1)), "blocks", 10),
    (LinearNetwork((2, 3, 2, 2)), "full", 9),
    (LinearNetwork((3, 5, 4)), "blocks", 15),
    (LinearNetwork((3, 5, 4)), "diagonal", 5),
    (LinearNetwork((4, 4, 4, 4)), "blocks", 20),
    (LinearNetwork((3, 4, 5, 6, 5, 4)), "blocks", 10 + 15 + 21 + 15),
    (LinearNetwork((3, 4, 2), loss="logistic"), "blocks", 10),
    (Mlp((2, 3, 2), "linear"), "full", 6),
    # Homogeneous activations: one per hidden neuron, with and without bias.
    (Mlp((2, 4, 2), "relu"), "full", 4),
    (Mlp((3, 5, 2), "relu", bias=False), "full", 5),
    (Mlp((1, 4, 1), "relu"), "full", 4),
    (Mlp((3, 6, 5, 2), "relu"), "blocks", 11),
    (Mlp((5, 5, 5, 5), "relu"), "diagonal", 10),
    (Mlp((3, 6, 5, 2), "leaky_relu"), "diagonal", 11),
    (Mlp((2, 4, 3, 2), "relu2"), "blocks", 7),
    (Mlp((3, 4, 2), "relu", loss="logistic"), "blocks", 4),
    # Attention: query-key and value-output of each head.
    (Attention(3, 2, 1, 2), "full", 3 + 3),
    (Attention(4, 5, 2, 3), "blocks", 2 * (6 + 6)),
    (Attention(4, 5, 2, 3), "diagonal", 2 * (3 + 3)),
    # Normalised nets: the scales, and no rescaling of neurons or rotation, whatever the activation.
    (NormalizedMlp((3, 4, 2), "relu", "layer"), "full", 2),
    (NormalizedMlp((3, 4, 2), "relu", "network"), "full", 1),
    (NormalizedMlp((3, 5, 4, 2), "linear", "layer"), "blocks", 3),
    (NormalizedMlp((3, 5, 4, 2), "linear", "network"), "blocks", 1),
    (NormalizedMlp((3, 5, 4, 2), "tanh", "layer"), "blocks", 3),
    (NormalizedMlp((3, 5, 4, 2), "relu", "layer"), "diagonal", 3),
    # Cross entropy does not see one number added to all logits: A on the span of 1 (x) e_j, j < h + 1.
    (Mlp((2, 3, 3), "tanh", loss="cross_entropy"), "full", 4 * 5 // 2),
    (Mlp((2, 3, 3), "tanh", loss="cross_entropy"), "blocks", 2),
    (Mlp((2, 3, 3), "relu", loss="cross_entropy"), "blocks", 3 + 2),
    # No homogeneity: none.
    (Mlp((2, 4, 2), "tanh"), "full", 0),
    (Mlp((2, 4, 2), "gelu"), "full", 0),
    (Mlp((2, 4, 2), "softplus"), "full", 0),
    (Mlp((3, 6, 5, 2), "sigmoid"), "blocks", 0),
    (Mlp((3, 6, 5, 2), "silu", bias=False), "diagonal", 0),
]


def case(network: Network, structure: str, dimension: int) -> str:
    text = repr(network).replace(", loss='squared_error'", "")
    return f"{text} {structure} {dimension}"


@pytest.mark.parametrize(("network", "structure", "dimension"), EXACT, ids=[case(*row) for row in EXACT])
def test_the_number_of_symmetries_is_exact(
    network: Network, structure: Asked, dimension: int, seed: int
) -> None:
    """At every seed: the dimension of the theory, ten decades of gap, names that add up, and all declared."""
    for k in range(N_SEEDS):
        found = detect_symmetries(network, structure=structure, seed=seed + k)
        assert found.dimension == dimension == sum(one.dimension for one in found.found)
        assert found.gap > SMALLEST_GAP
        assert found.residual < 1e-12
        assert found.undetected == ()
        assert found.structure == structure


@dataclass(frozen=True)
class Undeclared:
    """A network that says nothing of its symmetries."""

    inner: Network

    @property
    def loss(self) -> str:
        return self.inner.loss

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self.inner.blocks

    @property
    def n_inputs(self) -> int:
        return self.inner.n_inputs

    @property
    def n_outputs(self) -> int:
        return self.inner.n_outputs

    def predict(self, parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        return self.inner.predict(parameters, x)

    def families(self) -> tuple[Family, ...]:
        return ()


def forms(found: Detected) -> set[tuple[object, ...]]:
    """Kind, dimension and actions of what was found."""
    return {
        (
            one.kind,
            one.dimension,
            one.family
            and frozenset((action.block, action.side, action.degree) for action in one.family.actions),
        )
        for one in found.found
    }


@pytest.mark.parametrize(
    ("network", "structure"),
    [
        (LinearNetwork((3, 5, 4)), "blocks"),
        (LinearNetwork((2, 3, 2, 2)), "full"),
        (LinearNetwork((3, 3, 3, 3)), "blocks"),
        (Mlp((2, 4, 2), "relu"), "full"),
        (Mlp((4, 4, 4, 4), "relu"), "blocks"),
        (Mlp((4, 4, 4, 4), "relu2"), "diagonal"),
        (Diagonal(1, 3), "full"),
        (Attention(4, 3, 2, 3), "blocks"),
        (NormalizedMlp((3, 4, 2), "relu", "layer"), "full"),
        (NormalizedMlp((3, 4, 2), "relu", "network"), "blocks"),
    ],
    ids=repr,
)
def test_symmetries_are_recognised_without_being_declared(
    network: Network, structure: Asked, seed: int
) -> None:
    """Kinds, blocks, sides and whole degrees are the ones declared by the architecture."""
    found = detect_symmetries(Undeclared(network), structure=structure, seed=seed)
    assert not any(one.is_declared for one in found.found)
    assert forms(found) == {
        (f.kind, f.dimension, frozenset((a.block, a.side, a.degree) for a in f.actions))
        for f in network.families()
    }


def as_generators(network: Network, found: Detected) -> Generators:
    families = [one.family for one in found.found if one.family is not None and one.members is None]
    customs = [Custom(one.name, one.matrix) for one in found.found if one.matrix is not None]
    return Generators(network.blocks, tuple(families), tuple(customs))


@pytest.mark.parametrize(
    "network",
    [
        LinearNetwork((1, 3, 1)),
        Mlp((2, 3, 3), "tanh", loss="cross_entropy"),
        Mlp((2, 3, 2), "relu2"),
        Attention(3, 2, 1, 2),
    ],
    ids=repr,
)
def test_what_is_found_leaves_the_loss_as_it_is(network: Network, seed: int) -> None:
    """Families and unnamed matrices alike, at fresh points and under finite transformations."""
    found = detect_symmetries(network, structure="full", seed=seed)
    generators = as_generators(network, found)
    assert generators.dimension == found.dimension > 0
    measured = measure_generators(network, generators, seed=seed)
    assert float(measured.residuals.max()) < 1e-11
    assert float(measured.loss_changes.max()) < 1e-9


def test_one_input_and_one_output_mix_the_layers(seed: int) -> None:
    """f = u.w x: besides K the unnamed generators map w to S u with S antisymmetric, as O(h, h) has them."""
    found = detect_symmetries(LinearNetwork((1, 3, 1)), structure="full", seed=seed)
    matrices = [one.matrix for one in found.found if one.family is None]
    assert len(matrices) == 3
    for matrix in matrices:
        assert matrix is not None
        mixed = matrix[:3, 3:]
        torch.testing.assert_close(mixed, -mixed.T, rtol=0, atol=1e-12)
        torch.testing.assert_close(matrix, matrix.T, rtol=0, atol=1e-15)
        assert float(mixed.abs().max()) > 0.1


@dataclass(frozen=True)
class HalfRelu(Undeclared):
    """Two layers whose first two neurons are ReLU and whose others are tanh."""

    def predict(self, parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        z = x @ parameters["W1"].T + parameters["b1"]
        h = torch.cat([torch.relu(z[..., :2]), torch.tanh(z[..., 2:])], dim=-1)
        return h @ parameters["W2"].T + parameters["b2"]


@pytest.mark.parametrize("structure", ["full", "blocks", "diagonal"])
def test_only_homogeneous_neurons_are_found(structure: Asked, seed: int) -> None:
    """Of five neurons the two that are homogeneous, by number, whoever declares what."""
    for network in (HalfRelu(Mlp((2, 5, 2), "relu")), Lying(Mlp((2, 5, 2), "relu"))):
        found = detect_symmetries(network, structure=structure, seed=seed)
        assert found.dimension == 2
        assert [one.members for one in found.found] == [(0, 1)]
        assert found.undetected == (("neurons of layer 1",) if isinstance(network, Lying) else ())
        assert bool(found.notes) == isinstance(network, Lying)


@dataclass(frozen=True)
class Lying(HalfRelu):
    """The same, declaring all neurons."""

    def families(self) -> tuple[Family, ...]:
        return self.inner.families()


@dataclass(frozen=True)
class OfWholeLayer(Undeclared):
    """W2 (h |h|^(degree - 1)) with h = W1 x: homogeneous as a layer, not neuron by neuron."""

    degree: float = 1.0

    def predict(self, parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        h = x @ parameters["W1"].T
        size = (h**2).sum(-1, keepdim=True)
        return h * size ** ((self.degree - 1.0) / 2.0) @ parameters["W2"].T


@pytest.mark.parametrize(
    ("degree", "degrees"), [(2.0, (1.0, -2.0)), (0.5, (2.0, -1.0)), (2 / 3, (3.0, -2.0))]
)
def test_whole_degrees_of_a_pair_of_layers(degree: float, degrees: tuple[float, float], seed: int) -> None:
    """A layer of degree 2, 1/2 or 2/3 has one rescaling with degrees (1, -2), (2, -1), (3, -2)."""
    network = OfWholeLayer(LinearNetwork((3, 4, 2)), degree)
    found = detect_symmetries(network, structure="full", seed=seed)
    assert found.dimension == 1
    (one,) = found.found
    assert one.kind == "rescaling"
    assert one.family is not None
    assert one.family.structure == "scalar"
    assert tuple(action.degree for action in one.family.actions) == degrees


def test_samples_without_an_input_have_more_symmetries(rng: np.random.Generator, seed: int) -> None:
    """An input that is always zero frees a column of W1: its scale in "blocks", all of it in "full"."""
    x = rng.normal(size=(50, 3))
    x[:, 1] = 0.0
    data = pairs_of(x, rng.normal(size=(50, 2)))
    network = Mlp((3, 4, 2), "tanh")
    found = detect_symmetries(network, data=data, structure="blocks", seed=seed)
    assert [(one.kind, one.members) for one in found.found] == [("scale", (1,))]
    assert found.found[0].family is not None
    assert [(a.block, a.side) for a in found.found[0].family.actions] == [("W1", "right")]
    whole = detect_symmetries(network, data=data, structure="full", seed=seed)
    assert whole.dimension == 4 * 5 // 2
    assert [(one.name, one.dimension, one.members) for one in whole.found] == [
        ("columns of W1", 1, (1,)),
        ("parameters without effect: 4 of W1", 9, None),
    ]
    entries = detect_symmetries(network, data=data, structure="diagonal", seed=seed)
    assert [one.dimension for one in entries.found] == [1, 3]
    cov = torch.diag(torch.tensor([1.3, 0.0, 0.7], dtype=torch.float64))
    teacher = GaussianTeacher(torch.ones(2, 3).double(), cov, torch.eye(2).double())
    assert detect_symmetries(network, data=teacher, structure="diagonal", seed=seed).dimension == 4


def test_shifts_of_all_logits_are_named(seed: int) -> None:
    """Cross entropy: K = 11' on the rows of the last layer and of its bias, and a note."""
    network = Mlp((2, 3, 3), "relu", loss="cross_entropy")
    found = detect_symmetries(network, structure="blocks", seed=seed)
    assert [one.name for one in found.found] == [
        "neurons of layer 1",
        "equal shift of all rows of W2",
        "equal shift of all rows of b2",
    ]
    shift = found.found[2].matrix
    assert shift is not None
    torch.testing.assert_close(shift[-3:, -3:], torch.ones(3, 3).double(), rtol=0, atol=1e-12)
    assert float(shift[:-3].abs().max()) == 0.0
    assert any("added to all logits" in note for note in found.notes)


def test_neurons_that_are_mostly_dead_are_no_symmetries(rng: np.random.Generator, seed: int) -> None:
    """A unit that works on one sample in fifty adds nothing; one that never does frees its weights."""
    x = rng.normal(size=(50, 3))
    network = Gated(Mlp((3, 4, 2), "tanh", bias=False))
    rare, never = x.copy(), x.copy()
    rare[:, 2], never[:, 2] = -1.0, -1.0
    rare[7, 2] = 1.0
    y = rng.normal(size=(50, 2))
    assert detect_symmetries(network, data=pairs_of(rare, y), structure="diagonal", seed=seed).dimension == 0
    assert detect_symmetries(network, data=pairs_of(never, y), structure="diagonal", seed=seed).dimension == 5


@dataclass(frozen=True)
class Gated(Undeclared):
    """The first hidden unit works only where the third input is positive."""

    def predict(self, parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        h = torch.tanh(x @ parameters["W1"].T)
        gate = torch.cat([torch.heaviside(x[..., 2:3], x.new_zeros(1)), torch.ones_like(h[..., 1:])], dim=-1)
        return (h * gate) @ parameters["W2"].T


def test_points_are_drawn_until_enough_have_a_gradient(seed: int) -> None:
    """Five ReLU layers of one unit each pass on one point in dozens."""
    network = Mlp((2, 1, 1, 1, 1, 1, 2), "relu", bias=False)
    found = detect_symmetries(network, structure="full", seed=seed)
    assert found.dimension == 5
    assert found.n_points > 20 * len(found.spectrum)
    assert found.notes == ()


def test_a_loss_that_does_not_depend_on_the_parameters(seed: int) -> None:
    """Weights 1 x 1 divided by their norm are signs: every generator is a symmetry, which is said."""
    network = NormalizedMlp((1, 1, 1), "tanh", "layer")
    found = detect_symmetries(network, structure="full", seed=seed)
    assert found.dimension == 3 == sum(one.dimension for one in found.found)
    assert found.undetected == ()
    assert any("does not depend" in note for note in found.notes)


def test_nearly_a_symmetry_is_said(rng: np.random.Generator, seed: int) -> None:
    """tanh at inputs of 3e-4 is linear up to 1e-8: no symmetry, but a note."""
    data = pairs_of(3e-4 * rng.normal(size=(50, 3)), rng.normal(size=(50, 2)))
    found = detect_symmetries(Mlp((3, 4, 2), "tanh", bias=False), data=data, structure="blocks", seed=seed)
    assert found.dimension == 0
    assert 1e-10 < float(found.spectrum[-1]) < 1e-6
    assert any("nearly a symmetry" in note for note in found.notes)


def test_automatic_structure_takes_the_largest_that_is_cheap(seed: int) -> None:
    """And says what it leaves out."""
    networks = (LinearNetwork((3, 5, 4)), LinearNetwork((6, 9, 7)), LinearNetwork((9, 30, 12)))
    found = [detect_symmetries(network, seed=seed) for network in networks]
    assert [one.structure for one in found] == ["full", "blocks", "diagonal"]
    assert [one.dimension for one in found] == [15, 45, 30]
    said = ["", '"full" has 6903 unknowns', '"blocks" has 1053 unknowns']
    assert all(text in " ".join(one.notes) for text, one in zip(said, found, strict=True))
    assert found[0].notes == ()


def test_results_depend_on_the_seed_alone(seed: int) -> None:
    network = Mlp((2, 3, 2), "relu")
    first, again, other = (detect_symmetries(network, seed=seed + k) for k in (0, 0, 1))
    assert torch.equal(first.spectrum, again.spectrum)
    assert not torch.equal(first.spectrum, other.spectrum)
    assert bool((first.spectrum[1:] <= first.spectrum[:-1]).all())


def test_what_is_too_large_or_makes_no_sense_is_refused() -> None:
    with pytest.raises(LimitExceededError, match=r"40620 unknowns.*at most 3000.*diagonal") as refused:
        detect_symmetries(LinearNetwork((20, 200, 20)), structure="blocks")
    assert refused.value.field == "structure"
    with pytest.raises(LimitExceededError, match="at most 3000"):
        detect_symmetries(Mlp((10, 20, 10)), structure="full")
    with pytest.raises(LimitExceededError, match="at most 20000"):
        detect_symmetries(Mlp((100, 300, 10)), structure="diagonal")
    with pytest.raises(InvalidModelError, match="one of"):
        detect_symmetries(Mlp((2, 3, 2)), structure="sparse")  # type: ignore[arg-type]
    with pytest.raises(InvalidModelError, match=r"data\.x"):
        detect_symmetries(Mlp((2, 3, 2)), data=Pairs(torch.ones(4, 3).double(), torch.ones(4, 2).double()))
