"""The task `symmetries`, from spec to solution: exact dimensions, names, limits."""

from typing import Any

import numpy as np
import pytest

from equipoise_solver.errors import LimitExceededError, SolverError
from equipoise_solver.networks.parameters import n_parameters
from equipoise_solver.solving import prepare, solve
from equipoise_solver.specs import Symmetries, SymmetriesSolution, parse_spec
from equipoise_solver.tasks.networks import network_of


def ask(**fields: Any) -> SymmetriesSolution:
    solution = solve({"task": "symmetries", **fields})
    assert isinstance(solution, SymmetriesSolution)
    return solution


RELU = {"kind": "mlp", "widths": [3, 4, 2], "activation": "relu"}
CASES = [
    (RELU, "diagonal", {"rescaling": 4}),
    ({"kind": "mlp", "widths": [3, 3, 2, 2], "activation": "leaky_relu"}, "diagonal", {"rescaling": 5}),
    ({"kind": "mlp", "widths": [3, 4, 2], "activation": "tanh"}, "diagonal", {}),
    ({"kind": "linear", "widths": [3, 2, 2]}, "full", {"double_rotation": 3}),
    ({"kind": "linear", "widths": [3, 2, 2]}, "diagonal", {"rescaling": 2}),
    ({"kind": "diagonal", "depth": 2, "width": 4}, "diagonal", {"rescaling": 8}),
    (
        {"kind": "attention", "tokens": 3, "dim": 4, "heads": 1, "head_dim": 2},
        "blocks",
        {"double_rotation": 6},
    ),
    ({"kind": "normalized_mlp", "widths": [3, 3, 2]}, "diagonal", {"scale": 2}),
    (
        {"kind": "normalized_mlp", "widths": [3, 3, 2], "normalization": "network"},
        "diagonal",
        {"scale": 1},
    ),
]


@pytest.mark.parametrize(("model", "structure", "expected"), CASES, ids=lambda value: str(value)[:50])
def test_dimensions_are_exact(model: dict[str, Any], structure: str, expected: dict[str, int]) -> None:
    """Each kind has as many dimensions as the theory counts, far from the rest of the spectrum."""
    solution = ask(model=model, structure=structure)
    found: dict[str, int] = {}
    for family in solution.families:
        found[family.kind] = found.get(family.kind, 0) + family.dimension
    assert found == expected
    assert solution.dimension == sum(expected.values())
    assert solution.structure == structure
    assert np.all(np.diff(solution.spectrum) <= 0)
    conditions = solution.spectrum.size - solution.dimension
    assert solution.spectrum[conditions - 1] > 1e-6
    assert np.all(solution.spectrum[conditions:] < 1e-10)
    assert solution.gap is not None
    assert solution.gap > 1e6
    assert solution.residual < 1e-8


def test_what_is_found_is_what_is_declared() -> None:
    """Families found have the names, blocks, sides and degrees that the network declares."""
    solution = ask(model={"kind": "mlp", "widths": [2, 3, 2], "activation": "relu2"}, structure="diagonal")
    (found,), (declared,) = solution.families, solution.declared
    assert found == declared
    assert found.blocks == ("W1", "b1", "W2")
    assert found.sides == ("left", "left", "right")
    assert found.degrees == (1.0, 1.0, -2.0)
    assert solution.undetected == ()


def test_a_structure_is_chosen_where_none_is_asked_for() -> None:
    """Small networks are searched for any generator, larger ones for those of a simpler form."""
    assert ask(model={"kind": "linear", "widths": [2, 2, 2]}).structure == "full"
    assert ask(model={"kind": "linear", "widths": [20, 20, 20]}).structure in ("blocks", "diagonal")


def test_data_may_have_symmetries_of_their_own(rng: np.random.Generator) -> None:
    """An input that is always 0 leaves its weights free, which is seen on the data alone."""
    x = rng.normal(size=(40, 2)) * [1.0, 0.0]
    data = {"kind": "samples", "x": x, "y": rng.normal(size=40)}
    model = {"kind": "mlp", "widths": [2, 2, 1], "activation": "tanh"}
    assert ask(model=model, structure="diagonal").dimension == 0
    assert ask(model=model, structure="diagonal", data=data).dimension == 2


def test_too_many_unknowns_are_refused() -> None:
    """A search for any generator is limited; the refusal names the field and the way out."""
    with pytest.raises(LimitExceededError) as caught:
        ask(model={"kind": "mlp", "widths": [10, 10, 2]}, structure="full")
    assert caught.value.field == "structure"
    assert "diagonal" in caught.value.remedy


def test_small_searches_are_quick() -> None:
    """What is small is answered on the spot."""
    assert prepare({"task": "symmetries", "model": RELU}).cost.is_quick
    assert not prepare({"task": "symmetries", "model": RELU | {"widths": [10, 10, 2]}}).cost.is_quick


def test_equal_specs_have_equal_answers() -> None:
    """The same seed gives the same bits, another one another spectrum of the same dimension."""
    first, second, other = (ask(model=RELU, structure="diagonal", seed=seed) for seed in (1, 1, 2))
    assert first.model_dump_json() == second.model_dump_json()
    assert other.dimension == first.dimension
    assert not np.array_equal(other.spectrum, first.spectrum)


def test_a_card_is_refused() -> None:
    """Searches run on the CPU."""
    with pytest.raises(SolverError, match="'auto' or 'cpu' for a search"):
        prepare({"task": "symmetries", "model": RELU}, device="cuda:0")


@pytest.mark.parametrize("model", [case[0] for case in CASES], ids=lambda model: str(model["kind"]))
@pytest.mark.parametrize("loss", ["squared_error", "logistic", "cross_entropy"])
def test_specs_and_networks_have_the_same_shapes(model: dict[str, Any], loss: str) -> None:
    """Names, shapes and widths that a spec is checked with are those of the network that computes."""
    if loss == "cross_entropy" and model["kind"] == "diagonal":
        loss = "squared_error"  # One output has no classes.
    spec = parse_spec({"task": "symmetries", "model": model | {"loss": loss}})
    assert isinstance(spec, Symmetries)
    network = network_of(spec.model)
    assert {block.name: block.shape for block in network.blocks} == spec.model.shapes
    assert n_parameters(network) == spec.model.n_parameters
    assert (network.n_inputs, network.n_outputs) == (spec.model.n_inputs, spec.model.n_outputs)
    assert network.loss == loss
