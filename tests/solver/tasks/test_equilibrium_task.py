"""The task `equilibrium`, from spec to solution: closed forms, chosen symmetries, refusals, limits."""

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise_solver.errors import SolverError
from equipoise_solver.solving import prepare, solve
from equipoise_solver.specs import EquilibriumSolution, NoetherFlow, parse_solution
from equipoise_solver.tasks.equilibrium_flow import temperatures

TEACHER = [[1.0, -0.5, 0.3], [0.2, 0.7, -0.1]]
INPUTS = [[2.0, 0.3, 0.0], [0.3, 0.5, 0.1], [0.0, 0.1, 0.8]]
NOISE = [[0.7, 0.2], [0.2, 0.4]]
LINEAR: dict[str, Any] = {
    "model": {"kind": "linear", "widths": [3, 2, 2]},
    "data": {"kind": "teacher", "teacher": TEACHER, "input_cov": INPUTS, "noise_cov": NOISE},
    "temperature": 0.02,
    "parameters": {"init": "global_minimum", "seed": 4},
}
SHORT = {"curvature": False, "flow": None}


def ask(**fields: Any) -> EquilibriumSolution:
    solution = solve({"task": "equilibrium", **fields})
    assert isinstance(solution, EquilibriumSolution)
    return solution


def pairs(rng: np.random.Generator, *, n_in: int, n_out: int, n: int = 60) -> dict[str, Any]:
    x = rng.normal(size=(n, n_in))
    return {"kind": "samples", "x": x, "y": np.tanh(x[:, :n_out]) + 0.3 * rng.normal(size=(n, n_out))}


def root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(values)) @ vectors.T)


def test_two_linear_layers_at_the_minimum_have_their_closed_form() -> None:
    """P = c S and Q = S/c with c = sqrt(Tr Sx/Tr Se) and S the singular values of Se^(1/2) V Sx^(1/2)."""
    solution = ask(**LINEAR, flow=None)
    inputs, noise = np.array(INPUTS), np.array(NOISE)
    left, singular, right = np.linalg.svd(root(noise) @ np.array(TEACHER) @ root(inputs), full_matrices=False)
    c = np.sqrt(np.trace(inputs) / np.trace(noise))
    half = np.diag(np.sqrt(singular))
    first = np.sqrt(c) * half @ right @ np.linalg.inv(root(inputs))
    last = np.linalg.inv(root(noise)) @ left @ half / np.sqrt(c)
    assert solution.converged
    assert solution.residual is not None
    assert solution.residual < 1e-10
    assert solution.norms["W1"].after == pytest.approx((first**2).sum(), rel=1e-9)
    assert solution.norms["W2"].after == pytest.approx((last**2).sum(), rel=1e-9)
    balanced = 4 * singular.sum() * np.sqrt(np.trace(inputs) * np.trace(noise))
    assert solution.noise_traces["W1"].after == pytest.approx(balanced, rel=1e-9)
    assert solution.noise_traces["W2"].after == pytest.approx(balanced, rel=1e-9)
    sharpness = 2 * (last**2).sum() * np.trace(inputs) + 4 * c * singular.sum()
    assert solution.sharpness.after == pytest.approx(sharpness, rel=1e-9)
    assert solution.top_eigenvalue.after is not None
    assert 0 < solution.top_eigenvalue.after < sharpness
    assert solution.loss.before == pytest.approx(np.trace(noise), rel=1e-12)
    assert solution.loss.after == pytest.approx(solution.loss.before, rel=1e-12)
    assert solution.alignment["layer 1"].after == pytest.approx(1.0, abs=1e-9)
    product = solution.parameters["W2"] @ solution.parameters["W1"]
    np.testing.assert_allclose(product, TEACHER, atol=1e-10)
    # The charges are theta' A theta = |W1|^2 - |W2|^2 in all, over the diagonal ones.
    traces = {side: sum(getattr(solution.charges, side)[:2]) for side in ("before", "after")}
    for side, trace in traces.items():
        gap = getattr(solution.norms["W1"], side) - getattr(solution.norms["W2"], side)
        assert trace == pytest.approx(gap, rel=1e-10)


def test_the_exponents_lead_to_the_equilibrium() -> None:
    """One scalar generator: W1 grows by exp(lam), W2 shrinks by it, and exp(4 lam) balances the noise."""
    symmetries = [{"kind": "rescaling", "per": "layer"}]
    solution = ask(**LINEAR, symmetries=symmetries, **SHORT)
    assert [(family.kind, family.dimension) for family in solution.families] == [("rescaling", 1)]
    assert solution.exponents is not None
    (exponent,) = solution.exponents
    before = {name: pair.before or 0.0 for name, pair in solution.noise_traces.items()}
    assert np.exp(4 * exponent) == pytest.approx(before["W1"] / before["W2"], rel=1e-10)
    grown = solution.norms["W1"]
    assert grown.before is not None
    assert grown.after == pytest.approx(grown.before * np.exp(2 * exponent), rel=1e-10)
    assert solution.sharpness.after is None
    assert solution.flow is None


def test_the_flow_goes_from_the_start_to_the_equilibrium() -> None:
    """Charges start where the parameters are and end balanced; a warm-up makes the way longer."""
    plain = ask(**LINEAR, curvature=False)
    assert plain.flow is not None
    np.testing.assert_allclose(plain.flow.charges[0], plain.charges.before, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(plain.flow.charges[-1], plain.charges.after, atol=0.02)
    assert plain.flow.time_to_equilibrium is not None
    duration = 4.0 * plain.flow.time_to_equilibrium
    warm = {"duration": duration, "schedule": {"kind": "warmup", "duration": duration / 2}, "n_points": 200}
    slow = ask(**LINEAR, curvature=False, flow=warm)
    assert slow.flow is not None
    assert slow.flow.time.size == 200
    assert slow.flow.temperature[0] == 0
    assert slow.flow.temperature[-1] == pytest.approx(0.02)
    assert slow.flow.time_to_equilibrium is not None
    assert slow.flow.time_to_equilibrium > 1.3 * plain.flow.time_to_equilibrium


@pytest.mark.parametrize(
    ("schedule", "factor"),
    [
        ({"kind": "step", "every": 2.0, "decay": 0.5}, lambda t: 0.5 ** np.floor(t / 2.0)),
        ({"kind": "warmup", "duration": 3.0, "start": 0.25}, lambda t: np.minimum(1, 0.25 + t / 4)),
        ({"kind": "exponential", "duration": 3.0}, lambda t: np.exp(-t / 3.0)),
        ({"kind": "cosine", "duration": 7.0}, lambda t: 0.5 + 0.5 * np.cos(np.pi * np.minimum(t / 7.0, 1))),
        (
            [{"kind": "warmup", "duration": 4.0, "start": 0.5}, {"kind": "step", "every": 5.0, "decay": 0.1}],
            lambda t: np.minimum(1, 0.5 + t / 8) * 0.1 ** np.floor(t / 5),
        ),
    ],
    ids=["step", "warmup", "exponential", "cosine", "several"],
)
def test_the_flow_follows_its_schedule(schedule: Any, factor: Any) -> None:
    """The temperature over time is that of the schedule, to the error of straight lines; jumps are sharp."""
    asked = NoetherFlow(schedule=schedule)
    followed = temperatures(asked.schedule, 0.02, 8.0, lowest=1e-12)
    time = np.concatenate([np.linspace(0.0, 7.99, 501), np.arange(1, 8) - 1e-6, np.arange(1, 8) + 1e-6])
    found = [followed.at(float(t)) for t in time]
    np.testing.assert_allclose(found, 0.02 * factor(time), rtol=1e-3, atol=1e-5)
    assert followed.last > 0


NORMALIZED: dict[str, Any] = {
    "model": {"kind": "normalized_mlp", "widths": [3, 4, 1], "normalization": "network"},
    "temperature": 0.05,
    **SHORT,
}


def test_scale_invariance_balances_noise_with_decay(rng: np.random.Generator) -> None:
    """|theta|^4 T Tr Sigma = 4 gamma |theta|^2 |theta|^4: exp(4 lam) = T Tr Sigma/(4 gamma |theta|^2)."""
    solution = ask(**NORMALIZED, data=pairs(rng, n_in=3, n_out=1), weight_decay=0.01)
    assert solution.converged
    size = [sum(getattr(pair, side) for pair in solution.norms.values()) for side in ("before", "after")]
    assert solution.noise_trace.before is not None
    factor = 0.05 * solution.noise_trace.before / (4 * 0.01 * size[0])
    assert size[1] / size[0] == pytest.approx(np.sqrt(factor), rel=1e-9)
    assert solution.loss.after == pytest.approx(solution.loss.before, rel=1e-10)


def test_scale_invariance_without_decay_has_no_equilibrium(rng: np.random.Generator) -> None:
    """The norm would grow for ever; this is an answer with its reason, and the parameters stay."""
    solution = ask(**NORMALIZED, data=pairs(rng, n_in=3, n_out=1))
    assert not solution.converged
    assert solution.outcome == "NO_EQUILIBRIUM"
    assert "without end" in solution.reason
    for pair in solution.norms.values():
        assert pair.after == pytest.approx(pair.before, rel=1e-12)


def test_neurons_of_a_relu_network_are_balanced(rng: np.random.Generator) -> None:
    """Each neuron's rescaling has as much noise on its way in as on its way out."""
    model = {"kind": "mlp", "widths": [3, 5, 2], "activation": "relu", "bias": True}
    data = pairs(rng, n_in=3, n_out=2, n=200)
    solution = ask(
        model=model, data=data, temperature=0.05, parameters={"init": "kaiming", "seed": 3}, **SHORT
    )
    assert solution.converged
    assert solution.charges.after.size == 5
    traces = {name: pair.after or 0.0 for name, pair in solution.noise_traces.items()}
    assert traces["W1"] + traces["b1"] == pytest.approx(traces["W2"], rel=1e-9)
    assert solution.loss.after == pytest.approx(solution.loss.before, rel=1e-12)
    again = ask(model=model, data=data, temperature=0.05, parameters=solution.parameters, **SHORT)
    assert again.exponents is not None
    np.testing.assert_allclose(again.exponents, 0.0, atol=1e-8)


def test_a_generator_of_ones_own_is_used_like_a_declared_one(rng: np.random.Generator) -> None:
    """The matrix of a rescaling of one layer gives the equilibrium of the declared rescaling."""
    model = {"kind": "mlp", "widths": [2, 3, 1], "activation": "relu", "bias": False}
    base = {"model": model, "data": pairs(rng, n_in=2, n_out=1), "temperature": 0.05, **SHORT}
    declared = ask(**base, symmetries=[{"kind": "rescaling", "per": "layer"}])
    diagonal = [1.0] * 6 + [-1.0] * 3
    for own in (
        {"kind": "custom", "name": "mine", "diagonal": diagonal},
        {"kind": "custom", "matrix": np.diag(diagonal), "blocks": ["W1", "W2"]},
    ):
        solution = ask(**base, symmetries=[own])
        assert solution.converged
        assert solution.families[0].kind == "custom"
        assert solution.families[0].name == own.get("name", "custom")
        for name, weights in solution.parameters.items():
            np.testing.assert_allclose(weights, declared.parameters[name], rtol=1e-7)


def refused(**fields: Any) -> SolverError:
    with pytest.raises(SolverError) as caught:
        ask(**fields)
    return caught.value


def test_a_generator_that_is_no_symmetry_is_refused(rng: np.random.Generator) -> None:
    """It is told by how much the loss changes."""
    model = {"kind": "mlp", "widths": [2, 3, 1], "activation": "tanh", "bias": False}
    own = {"kind": "custom", "name": "mine", "diagonal": [1.0] * 6 + [-1.0] * 3}
    error = refused(model=model, data=pairs(rng, n_in=2, n_out=1), temperature=0.1, symmetries=[own], **SHORT)
    assert error.field == "symmetries"
    assert "mine" in str(error.given)
    assert "changes the loss by" in str(error.given)


@pytest.mark.parametrize(
    ("symmetries", "field", "says"),
    [
        ([{"kind": "scale"}], "symmetries.0.kind", "'double_rotation', 'rescaling', 'custom'"),
        ([{"kind": "double_rotation", "names": ["layers 2-3"]}], "symmetries.0.names", "'layers 1-2'"),
        ([{"kind": "double_rotation"}, {"kind": "rescaling"}], "symmetries", "each place once"),
    ],
)
def test_symmetries_that_are_not_there_are_refused(symmetries: Any, field: str, says: str) -> None:
    """The refusal tells those that are."""
    error = refused(**LINEAR, symmetries=symmetries, **SHORT)
    assert error.field == field
    assert says in f"{error.given} {error.allowed}"


def test_symmetries_can_be_named() -> None:
    """Of a deeper network one pair of layers may be balanced and the rest left alone."""
    deep = LINEAR | {"model": {"kind": "linear", "widths": [3, 2, 2, 2]}}
    whole = ask(**deep, **SHORT)
    part = ask(**deep, symmetries=[{"kind": "double_rotation", "names": ["layers 2-3"]}], **SHORT)
    assert [family.name for family in whole.families] == ["layers 1-2", "layers 2-3"]
    assert [family.name for family in part.families] == ["layers 2-3"]
    first = part.norms["W1"]
    assert first.after == first.before


def test_a_network_without_symmetry_is_refused(rng: np.random.Generator) -> None:
    """There is nothing to balance."""
    model = {"kind": "mlp", "widths": [2, 3, 1], "activation": "tanh"}
    error = refused(model=model, data=pairs(rng, n_in=2, n_out=1), temperature=0.1)
    assert error.field == "symmetries"
    assert "declares no symmetry" in error.allowed


def test_datasets_serve_as_data(rng: np.random.Generator) -> None:
    """An uploaded dataset gives the same as its samples inline, standardised or not; widths must fit."""
    x, y = rng.normal(size=(50, 2)) * [1.0, 3.0] + 0.5, rng.normal(size=50)
    model = {"kind": "linear", "widths": [2, 2, 1]}
    uploaded = "ds_" + "1" * 32

    def load(dataset_id: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if dataset_id != uploaded:
            raise KeyError(dataset_id)
        return x, y

    for standardize in (False, True):
        base = {"task": "equilibrium", "model": model, "temperature": 0.1, **SHORT}
        inline = solve(base | {"data": {"kind": "samples", "x": x, "y": y, "standardize": standardize}})
        spec = base | {"data": {"kind": "dataset", "id": uploaded, "standardize": standardize}}
        stored = solve(spec, load_dataset=load)
        assert isinstance(inline, EquilibriumSolution)
        assert isinstance(stored, EquilibriumSolution)
        assert stored.loss == inline.loss
        assert stored.outcome == "AT_BOUNDARY"
        np.testing.assert_array_equal(stored.charges.after, inline.charges.after)
    for widths, allowed in (([3, 2, 1], "inputs of 3"), ([2, 2, 3], "labels of 3")):
        with pytest.raises(SolverError, match=allowed) as caught:
            solve(spec | {"model": {"kind": "linear", "widths": widths}}, load_dataset=load)
        assert caught.value.field == "data.id"
    with pytest.raises(SolverError) as missing:
        solve(spec | {"data": {"kind": "dataset", "id": "ds_" + "2" * 32}}, load_dataset=load)
    assert missing.value.field == "data.id"


def test_a_column_that_is_constant_cannot_be_standardised() -> None:
    """The refusal names the column's side."""
    data = {"kind": "samples", "x": [[1, 2], [1, 3], [1, 5]], "y": [1, 2, 3], "standardize": True}
    error = refused(model={"kind": "linear", "widths": [2, 2, 1]}, data=data, temperature=0.1)
    assert error.field == "data.x"


def test_no_noise_at_all_is_told(rng: np.random.Generator) -> None:
    """Data that the network fits exactly have no gradient noise: every point of the orbit is balanced."""
    noiseless = LINEAR["data"] | {"noise_cov": [[0.0, 0.0], [0.0, 0.0]]}
    alike = {"kind": "samples", "x": [[1.0, 2.0, 0.5]] * 3, "y": [[1.0, 0.3]] * 3}
    for data, start in ((noiseless, "global_minimum"), (alike, "xavier")):
        solution = ask(**LINEAR | {"data": data, "parameters": {"init": start}}, **SHORT)
        assert solution.outcome == "CONVERGED"
        assert any("there is no noise" in note for note in solution.notes)
        for pair in solution.norms.values():
            assert pair.after == pytest.approx(pair.before, rel=1e-12)
        decayed = ask(
            **LINEAR | {"data": data, "parameters": {"init": start}}, weight_decay=0.1, **SHORT | {"flow": {}}
        )
        assert decayed.converged
        assert any("decay alone" in note for note in decayed.notes)
        assert decayed.flow is not None
        assert solution.noise_trace.before == pytest.approx(0.0, abs=1e-12)
    assert not any("no noise" in note for note in ask(**LINEAR, **SHORT).notes)


@pytest.mark.parametrize(
    "parameters",
    [
        {"W1": [[0.0, 0.0]] * 2, "W2": [[0.0, 0.0]]},
        {"W1": [[0.0, 0.0]] * 2, "W2": [[0.0, 1.0]]},
        {"W1": [[1.0, 2.0], [0.0, 0.0]], "W2": [[0.0, 1.0]]},
        {"W1": [[1e4, 0.0], [0.0, 1e4]], "W2": [[1e4, 1e-4]]},
        {"W1": [[1e-7, 0.0], [0.0, 1e-7]], "W2": [[1e-7, 1e-8]]},
    ],
    ids=["zero", "unreached", "unread", "huge", "tiny"],
)
def test_odd_starts_have_an_answer(parameters: Any) -> None:
    """Whatever the parameters, numbers are numbers, and the flow has a duration."""
    model = {"kind": "linear", "widths": [2, 2, 1]}
    data = {"kind": "teacher", "teacher": [[1.0, -0.5]]}
    solution = ask(model=model, data=data, temperature=0.1, parameters=parameters)
    content = json.loads(solution.model_dump_json())
    assert all(isinstance(row, float) for block in content["parameters"].values() for row in np.ravel(block))
    assert solution.flow is None or solution.flow.time[-1] > 0
    assert solution.loss.after == pytest.approx(solution.loss.before, rel=1e-9)


def test_small_ones_are_quick() -> None:
    """What is small is answered on the spot; a flow over a given time, or many samples, take a job."""
    base = {"task": "equilibrium", **LINEAR}
    assert prepare(base).cost.is_quick
    assert not prepare(base | {"flow": {"duration": 1.0}}).cost.is_quick
    many = base | {"data": LINEAR["data"] | {"n_samples": 100_000}}
    wide = many | {"model": {"kind": "mlp", "widths": [3, 50, 2]}, "parameters": {"init": "xavier"}}
    assert not prepare(wide).cost.is_quick


def test_solutions_are_the_same_bits_and_read_back() -> None:
    """Two runs have the same JSON, whatever the threads, and it is read back to the same numbers."""
    spec = {"task": "equilibrium", **LINEAR, "flow": {"duration": 30.0, "n_points": 5}}
    texts = [solve(spec, threads=threads).model_dump_json() for threads in (1, 2)]
    assert texts[0] == texts[1]
    again = parse_solution(json.loads(texts[0]))
    assert again.model_dump_json() == texts[0]


def test_a_card_is_refused() -> None:
    """Equilibria are found on the CPU."""
    with pytest.raises(SolverError, match="'auto' or 'cpu' for an equilibrium"):
        prepare({"task": "equilibrium", **LINEAR}, device="cuda:0")
