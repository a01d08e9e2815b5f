"""Networks by the client: on the spot, as jobs, refused by the field, here and at the service alike."""

import io
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from tests.support.servers import Service

from equipoise import (
    ApiError,
    Client,
    EquilibriumSolution,
    SimulateNetworkSolution,
    SymmetriesSolution,
)

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

WAIT_S = 60.0
LINEAR = {"kind": "linear", "widths": [2, 2, 2]}
TEACHER = {"kind": "teacher", "teacher": [[1.0, -0.5], [0.3, 0.8]], "input_cov": [[2.0, 0.3], [0.3, 0.5]]}
EQUILIBRIUM: dict[str, Any] = {
    "task": "equilibrium",
    "model": LINEAR,
    "data": TEACHER,
    "temperature": 0.02,
    "parameters": {"init": "global_minimum", "seed": 2},
}
SYMMETRIES: dict[str, Any] = {
    "task": "symmetries",
    "model": {"kind": "mlp", "widths": [2, 3, 1]},
    "structure": "diagonal",
}
SIMULATE: dict[str, Any] = {
    "task": "simulate",
    "model": LINEAR,
    "data": TEACHER,
    "dynamics": {"kind": "sgd", "learning_rate": 0.02, "batch_size": 2},
    "n_paths": 8,
    "n_steps": 300,
    "seed": 3,
}


def test_an_equilibrium_is_found_on_the_spot(client: Client) -> None:
    """Two linear layers balance: |W1|^2 Tr Se = |W2|^2 Tr Sx in the metric of the data, noise alike."""
    solution = client.solve(EQUILIBRIUM)
    assert isinstance(solution, EquilibriumSolution)
    assert solution.converged
    noise = solution.noise_traces
    assert noise["W1"].after == pytest.approx(noise["W2"].after, rel=1e-9)
    product = solution.parameters["W2"] @ solution.parameters["W1"]
    np.testing.assert_allclose(product, TEACHER["teacher"], atol=1e-9)  # type: ignore[arg-type]
    first, second = solution.norms["W1"].after, solution.norms["W2"].after
    assert first is not None
    assert second is not None
    inputs = np.array(TEACHER["input_cov"])
    latent = np.trace(solution.parameters["W1"] @ inputs @ solution.parameters["W1"].T)
    assert latent * 2.0 == pytest.approx(second * np.trace(inputs), rel=1e-9)


def test_symmetries_are_found_on_the_spot(client: Client) -> None:
    """A ReLU network has one rescaling for each hidden neuron."""
    solution = client.solve(SYMMETRIES)
    assert isinstance(solution, SymmetriesSolution)
    assert solution.dimension == 3
    assert [family.kind for family in solution.families] == ["rescaling"]


def test_networks_are_trained_as_a_job(client: Client) -> None:
    """An ensemble of networks is a job with progress, whose parts are arrays."""
    job = client.submit(SIMULATE)
    solution = job.result(timeout_s=WAIT_S)
    assert isinstance(solution, SimulateNetworkSolution)
    assert solution.path_steps == 2400
    arrays = job.arrays()
    np.testing.assert_array_equal(
        arrays["observables.loss.mean"], np.asarray(solution.observables["loss"].mean)
    )
    np.testing.assert_array_equal(arrays["parameters.W1"], np.asarray(solution.parameters["W1"]))


@pytest.mark.parametrize("spec", [EQUILIBRIUM, SYMMETRIES, SIMULATE], ids=lambda spec: str(spec["task"]))
def test_local_and_remote_give_the_same_numbers(remote: Client, spec: dict[str, Any]) -> None:
    """All answers about networks have the same bits here and there."""
    with Client.local() as here:
        solutions = [each.solve(spec, timeout_s=WAIT_S) for each in (here, remote)]
    first, second = (solution.model_dump_json(exclude={"seconds"}) for solution in solutions)
    assert first == second


def test_a_long_question_takes_a_job(remote: Client, service: Service) -> None:
    """An equilibrium of many samples is a job, with the arrays of its flow in the NPZ."""
    wide = {
        "model": {"kind": "mlp", "widths": [2, 40, 2], "bias": False},
        "data": TEACHER | {"n_samples": 20_000},
        "parameters": {"init": "kaiming", "seed": 2},
        "flow": {"duration": 1.0, "n_points": 5},
    }
    spec = EQUILIBRIUM | wide | {"curvature": False}
    refused = httpx.post(f"{service.url}/v1/solve", json={"spec": spec}).json()
    assert refused["code"] == "needs_job"
    job = remote.submit(spec)
    solution = job.result(timeout_s=WAIT_S)
    assert isinstance(solution, EquilibriumSolution)
    assert solution.converged, solution.reason
    packed = httpx.get(f"{service.url}/v1/jobs/{job.id}/arrays").content
    arrays = np.load(io.BytesIO(packed))
    assert solution.flow is not None
    assert arrays["flow.charges"].shape == (5, 40)
    np.testing.assert_array_equal(arrays["parameters.W2"], solution.parameters["W2"])


def test_vectors_are_uploaded_and_used(client: Client, tmp_path: Path) -> None:
    """A dataset of several columns serves as data of a network, as the same samples inline do."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(30, 2)), rng.normal(size=(30, 2))
    path = tmp_path / "data.csv"
    rows = np.column_stack([x, y]).tolist()
    path.write_text("x1,x2,y1,y2\n" + "\n".join(",".join(map(repr, row)) for row in rows))
    dataset = client.upload(path)
    assert (dataset.n_rows, dataset.x, dataset.y) == (30, "x1, x2", "y1, y2")
    base = EQUILIBRIUM | {"flow": None, "parameters": {"init": "orthogonal"}}
    stored = client.solve(base | {"data": {"kind": "dataset", "id": dataset.id}})
    inline = client.solve(base | {"data": {"kind": "samples", "x": x, "y": y}})
    assert isinstance(stored, EquilibriumSolution)
    assert isinstance(inline, EquilibriumSolution)
    assert stored.loss == inline.loss
    assert stored.spec_hash != inline.spec_hash


@pytest.mark.parametrize(
    ("base", "changes", "field"),
    [
        (EQUILIBRIUM, {"parameters": {"W1": [[1, 2], [3, 4]]}}, "parameters.W2"),
        (EQUILIBRIUM, {"parameters": {"W1": [[1, 2]], "W2": [[1, 2], [3, 4]]}}, "parameters.W1"),
        (EQUILIBRIUM, {"parameters": {"W1": [["a"]], "W2": [[1]]}}, "parameters.W1.0.0"),
        (EQUILIBRIUM, {"data": TEACHER | {"input_cov": [[1, 2], [2, 1]]}}, "data.input_cov"),
        (EQUILIBRIUM, {"symmetries": [{"kind": "scale"}]}, "symmetries.0.kind"),
        (EQUILIBRIUM, {"symmetries": [{"kind": "double_rotation", "names": ["head"]}]}, "symmetries.0.names"),
        (EQUILIBRIUM, {"symmetries": [{"kind": "custom", "diagonal": [1.0] * 8}]}, "symmetries"),
        (EQUILIBRIUM, {"data": {"kind": "dataset", "id": "ds_" + "0" * 32}}, "data.id"),
        (EQUILIBRIUM, {"temperature": 0}, "temperature"),
        (SYMMETRIES, {"structure": "full", "model": {"kind": "mlp", "widths": [9, 9, 9]}}, "structure"),
        (SIMULATE, {"n_steps": None}, "n_steps"),
        (SIMULATE, {"model": {"kind": "conv"}}, "model.kind"),
        (SIMULATE, {"observables": ["value"]}, "observables.0"),
    ],
)
def test_refusals_name_the_field(
    client: Client, base: dict[str, Any], changes: dict[str, Any], field: str
) -> None:
    """What is refused has the path of its field, in this process and at the service."""
    with pytest.raises(ApiError) as caught:
        client.solve(base | changes, timeout_s=WAIT_S)
    assert caught.value.errors[0].field == field
    assert caught.value.errors[0].allowed
