"""The task `simulate` with a network, from spec to solution: exact recursions, chunks, starts, refusals."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.errors import SolverError
from equipoise_solver.solving import prepare, solve
from equipoise_solver.specs import SimulateNetworkSolution, parse_solution

N = 40


def pairs(rng: np.random.Generator, *, n_out: int = 1) -> dict[str, Any]:
    x = rng.normal(size=(N, 2)) * [1.0, 0.6]
    return {
        "kind": "samples",
        "x": x,
        "y": x @ np.array([[0.8, -0.3]] * n_out).T + rng.normal(size=(N, n_out)),
    }


def ask(**fields: Any) -> SimulateNetworkSolution:
    solution = solve({"task": "simulate", **fields})
    assert isinstance(solution, SimulateNetworkSolution)
    return solution


LINEAR = {"kind": "linear", "widths": [2, 1]}
START = {"W1": [[0.1, 0.7]]}
SCHEDULES = [
    ((), lambda step: np.ones_like(step)),
    ({"kind": "warmup", "duration": 20, "start": 0.1}, lambda step: np.minimum(1, 0.1 + 0.9 * step / 20)),
    ({"kind": "step", "every": 10, "decay": 0.5}, lambda step: 0.5 ** (step // 10)),
    (
        [{"kind": "exponential", "duration": 30}, {"kind": "cosine", "duration": 40, "end": 0.1}],
        lambda step: np.exp(-step / 30) * (0.55 + 0.45 * np.cos(np.pi * np.minimum(step / 40, 1))),
    ),
]


@pytest.mark.parametrize(("schedule", "factor"), SCHEDULES, ids=["none", "warmup", "step", "several"])
def test_gradient_descent_of_a_linear_map_is_exact(
    rng: np.random.Generator, schedule: Any, factor: Any
) -> None:
    """W <- W - 2 eta_t ((W Sxx - Sxy) + gamma W), with the learning rate of the schedule."""
    data, rate, decay = pairs(rng), 0.1, 0.03
    solution = ask(
        model=LINEAR,
        data=data,
        dynamics={"kind": "gd", "learning_rate": rate, "weight_decay": decay},
        schedule=schedule,
        parameters=START,
        n_paths=3,
        n_steps=60,
        n_records=60,
        observables=["loss", "norm"],
    )
    x, y = data["x"], data["y"]
    w, losses, norms = np.array(START["W1"]), [], []
    rates = rate * factor(np.arange(60.0))
    for step in range(61):
        losses.append(((x @ w.T - y) ** 2).sum(1).mean())
        norms.append((w**2).sum())
        if step < 60:
            w = w - rates[step] * 2 * ((w @ x.T - y.T) @ x / N + decay * w)
    np.testing.assert_allclose(solution.observables["loss"].mean, losses, rtol=1e-12)
    np.testing.assert_allclose(solution.observables["norm.W1"].mean, norms, rtol=1e-12)
    np.testing.assert_allclose(solution.parameters["W1"], w, rtol=1e-12)
    np.testing.assert_allclose(solution.learned, np.concatenate([[0.0], np.cumsum(rates)]), rtol=1e-12)
    np.testing.assert_array_equal(solution.observables["loss"].time, np.arange(61.0))
    assert np.all(solution.observables["loss"].standard_error < 1e-14)
    assert solution.path_steps == 180
    assert solution.step_size is None
    assert solution.snapshots == {}


def test_minibatches_drawn_afresh_have_the_exact_mean_and_covariance(seed: int) -> None:
    """SGD of one linear layer under a teacher: the error's second moment follows its closed recursion."""
    rate, size, noise, n_paths, n_steps = 0.05, 2, 0.5, 4000, 30
    solution = ask(
        model={"kind": "linear", "widths": [1, 1]},
        data={"kind": "teacher", "teacher": [[0.8]], "noise_cov": [[noise]]},
        dynamics={"kind": "sgd", "learning_rate": rate, "batch_size": size},
        parameters={"W1": [[0.0]]},
        n_paths=n_paths,
        n_steps=n_steps,
        n_records=1,
        seed=seed,
        observables=["loss"],
    )
    # e' = e (1 - 2 eta A) + 2 eta b, A = mean x^2, b = mean x eps: E e'^2 = m2 E e^2 + 4 eta^2 noise/size.
    second = 0.64
    for _ in range(n_steps):
        second = second * (1 - 4 * rate + 4 * rate**2 * (1 + 2 / size)) + 4 * rate**2 * noise / size
    series = solution.observables["loss"]
    assert abs(series.mean[-1] - (noise + second)) <= 5 * series.standard_error[-1]
    assert 0 < series.standard_error[-1] < 0.05 * second


TANH: dict[str, Any] = {
    "model": {"kind": "mlp", "widths": [2, 3, 1], "activation": "tanh"},
    "dynamics": {"kind": "sgd", "learning_rate": 0.05, "batch_size": 3, "momentum": 0.5},
    "n_paths": 5,
    "n_steps": 40,
    "n_records": 8,
    "seed": 3,
}


def test_chunks_and_threads_do_not_matter(rng: np.random.Generator) -> None:
    """However the work is cut, and through a stored checkpoint, the answer has the same bits."""
    spec = {"task": "simulate", **TANH, "data": pairs(rng)}
    whole = solve(spec, threads=1).model_dump_json()
    work = prepare(spec)
    state = work.begin()
    n_chunks = 0
    while not state.is_done:
        state = Checkpoint.from_bytes(work.advance(state, 1, threads=2).to_bytes())
        n_chunks += 1
    assert n_chunks > 2
    assert work.finish(state).model_dump_json() == whole
    again = parse_solution(json.loads(whole))
    assert isinstance(again, SimulateNetworkSolution)
    assert again.model_dump_json() == whole


def test_networks_start_together_or_each_at_its_own_place(rng: np.random.Generator) -> None:
    """A seed of the start is one start for all; without one every network draws its own."""
    data = pairs(rng)
    for start, is_common in (({"init": "xavier"}, False), ({"init": "xavier", "seed": 7}, True)):
        solution = ask(**TANH, data=data, parameters=start)
        spread = solution.observables["norm"].standard_error[0]
        assert (spread < 1e-14) == is_common
    small, large = (
        ask(**TANH, data=data, parameters={"init": "kaiming", "seed": 7, "scale": scale})
        for scale in (0.5, 1.0)
    )
    ratio = small.observables["norm"].mean[0] / large.observables["norm"].mean[0]
    assert ratio == pytest.approx(0.25, rel=1e-12)


def test_snapshots_are_single_networks(rng: np.random.Generator) -> None:
    """With all networks shown, their mean is the mean."""
    solution = ask(**TANH, data=pairs(rng), n_snapshots=5)
    assert solution.snapshots["loss"].shape == (5, 9)
    np.testing.assert_allclose(solution.snapshots["loss"].mean(axis=0), solution.observables["loss"].mean)


@pytest.mark.parametrize("kind", ["sgf", "langevin"])
def test_flows_have_a_step(rng: np.random.Generator, kind: str) -> None:
    """A step that is given is taken; one that is not is chosen, and said to be."""
    base = {**TANH, "n_steps": None, "duration": 2.0, "data": pairs(rng)}
    given = ask(**base | {"dynamics": {"kind": kind, "temperature": 0.01, "step_size": 0.02}})
    assert given.step_size == pytest.approx(0.02)
    assert given.observables["loss"].time[-1] == pytest.approx(2.0)
    assert not any("was chosen" in note for note in given.notes)
    chosen = ask(**base | {"dynamics": {"kind": kind, "temperature": 0.01}})
    assert chosen.step_size is not None
    assert 0 < chosen.step_size <= 0.01
    assert any("was chosen" in note for note in chosen.notes)


def test_networks_may_diverge(rng: np.random.Generator) -> None:
    """Steps beyond stability are an answer: how many networks were lost, which, and when."""
    wild = TANH | {"model": {"kind": "linear", "widths": [2, 3, 1]}, "n_steps": 400}
    dynamics = {"kind": "sgd", "learning_rate": 3.0}
    solution = ask(**wild | {"dynamics": dynamics}, data=pairs(rng))
    assert solution.outcome == "DIVERGED"
    assert solution.n_diverged == 5
    assert [lost.path for lost in solution.diverged] == [0, 1, 2, 3, 4]
    assert all(0 < lost.step <= 400 for lost in solution.diverged)
    json.loads(solution.model_dump_json())


def test_observables_of_several_numbers_are_named(rng: np.random.Generator) -> None:
    """Norms and noise come by block, charges by family; without a symmetry there are no charges."""
    names = ["norm", "noise_trace", "charges", "balance_residual", "sharpness", "alignment", "effective_rank"]
    model = {"kind": "mlp", "widths": [2, 3, 1], "activation": "relu", "bias": False}
    solution = ask(**TANH | {"model": model}, data=pairs(rng), observables=names)
    assert {"norm", "norm.W1", "norm.W2", "noise_trace.W2", "sharpness"} <= solution.observables.keys()
    assert any(name.startswith("charges.neurons of layer 1") for name in solution.observables)


def test_balance_has_a_temperature(rng: np.random.Generator) -> None:
    """Gradient descent has no temperature to be balanced at, until one is given."""
    fields = TANH | {"model": {"kind": "linear", "widths": [2, 2, 1]}, "observables": ["balance_residual"]}
    fields |= {"dynamics": {"kind": "gd", "learning_rate": 0.05}, "data": pairs(rng)}
    with pytest.raises(SolverError, match="balance_temperature"):
        ask(**fields)
    solution = ask(**fields, balance_temperature=0.01)
    residual = solution.observables["balance_residual.layers 1-2"].mean
    assert np.all((residual > 0) & (residual <= 1))


def test_datasets_serve_as_data(rng: np.random.Generator) -> None:
    """An uploaded dataset of vectors trains as the same samples inline do."""
    data = pairs(rng)

    def load(_: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return data["x"], data["y"][:, 0]

    stored = solve(
        {"task": "simulate", **TANH, "data": {"kind": "dataset", "id": "ds_" + "1" * 32}}, load_dataset=load
    )
    inline = ask(**TANH, data=data)
    assert isinstance(stored, SimulateNetworkSolution)
    np.testing.assert_array_equal(stored.observables["loss"].mean, inline.observables["loss"].mean)


REFUSED = [
    (
        {"dynamics": {"kind": "sgd", "learning_rate": 0.1, "batch_size": 99, "sampling": "epoch"}},
        "batch_size",
    ),
    ({"observables": ["loss", "loss"]}, "observables"),
    ({"model": TANH["model"] | {"loss": "logistic"}}, "data.y"),
]


@pytest.mark.parametrize(("change", "field"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_makes_no_sense_is_refused(rng: np.random.Generator, change: dict[str, Any], field: str) -> None:
    """The refusal names the field."""
    with pytest.raises(SolverError) as caught:
        ask(**{**TANH, "data": pairs(rng), **change})
    assert field in caught.value.field


def test_a_card_that_is_not_there_is_refused(rng: np.random.Generator) -> None:
    """A device by name has to be there."""
    with pytest.raises(SolverError) as caught:
        prepare({"task": "simulate", **TANH, "data": pairs(rng)}, device="cuda:99")
    assert caught.value.field == "device"
    assert prepare({"task": "simulate", **TANH, "data": pairs(rng)}, device="auto").cost.path_steps > 0


@pytest.mark.parametrize("scheme", ["splitting", "taylor", "log_euler", "tamed_euler"])
def test_schemes_that_networks_do_not_have_are_refused(rng: np.random.Generator, scheme: str) -> None:
    """Only Euler's steps are taken, and only they may be asked for."""
    dynamics = {"kind": "sgf", "temperature": 0.1, "step_size": 0.01}
    fields: dict[str, Any] = {"model": LINEAR, "data": pairs(rng), "duration": 0.1, "seed": 3}
    with pytest.raises(SolverError) as caught:
        ask(dynamics=dynamics | {"scheme": scheme}, **fields)
    assert caught.value.field == "dynamics.scheme"
    assert "'auto' or 'euler'" in str(caught.value)
    ends = [ask(dynamics=dynamics | {"scheme": name}, **fields).parameters for name in ("auto", "euler")]
    assert np.array_equal(ends[0]["W1"], ends[1]["W1"])


def test_a_schedule_leaves_gathered_momentum_as_it_is(rng: np.random.Generator) -> None:
    """Momentum under a warm-up, against torch.optim; the other form ends elsewhere."""
    data, rate, mu = pairs(rng), 0.05, 0.9
    solution = ask(
        model=LINEAR,
        data=data,
        dynamics={"kind": "gd", "learning_rate": rate, "momentum": mu},
        schedule={"kind": "warmup", "duration": 40},
        parameters=START,
        n_paths=1,
        n_steps=30,
    )
    x, y = (torch.from_numpy(data[name]) for name in ("x", "y"))
    weight = torch.tensor(START["W1"], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=rate, momentum=mu)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 40)
    other, pace = np.array(START["W1"]), np.zeros((1, 2))
    for step in range(30):
        optimizer.zero_grad()
        ((x @ weight.T - y) ** 2).sum(1).mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        gradient = 2 * (other @ data["x"].T - data["y"].T) @ data["x"] / N
        pace = mu * pace - rate * step / 40 * gradient
        other = other + pace
    found = np.array(solution.parameters["W1"])
    assert found == pytest.approx(weight.detach().numpy(), rel=1e-12)
    assert np.abs(found - other).max() > 1e-3


def test_a_chosen_step_is_told_with_its_reason(rng: np.random.Generator) -> None:
    """From zero weights: 1/200 of a short duration, and 0.1 over the largest curvature in a long one."""
    data = pairs(rng)
    fields: dict[str, Any] = {
        "model": LINEAR,
        "data": data,
        "dynamics": {"kind": "sgf", "temperature": 0.1},
        "parameters": {"W1": [[0.0, 0.0]]},
        "n_records": 1,
    }
    short, long = ask(duration=1.0, **fields), ask(duration=40.0, **fields)
    assert short.step_size == pytest.approx(1 / 200, rel=1e-12)
    assert "1/200 of the duration" in short.notes[0]
    largest = np.linalg.eigvalsh(2 * data["x"].T @ data["x"] / N)[-1]
    # The curvature is sought to 1%, and a whole number of steps fills the duration.
    assert long.step_size == pytest.approx(0.1 / largest, rel=0.02)
    assert "from the curvature of the loss" in long.notes[0]


def test_langevin_has_the_law_of_its_steps(rng: np.random.Generator, seed: int) -> None:
    """The variance of a slope is T/(h (1 - step h/2)), not Gibbs' T/h, and a note says so."""
    data, heat, step = pairs(rng), 0.1, 0.2
    x = data["x"][:, :1]
    solution = ask(
        model={"kind": "linear", "widths": [1, 1]},
        data={**data, "x": x},
        dynamics={"kind": "langevin", "temperature": heat, "step_size": step},
        parameters={"W1": [[0.0]]},
        n_paths=4096,
        duration=40 * step,
        n_records=1,
        observables=["norm"],
        seed=seed,
    )
    curvature = 2 * float((x**2).mean())
    mean, factor = float((x * data["y"]).mean() / (x**2).mean()), 1 - step * curvature
    gone = factor**40
    variance = heat / (curvature * (1 - step * curvature / 2)) * (1 - gone**2)
    expected = variance + (mean * (1 - gone)) ** 2
    norm = solution.observables["norm"]
    assert abs(norm.mean[-1] - expected) <= 5 * norm.standard_error[-1]
    assert variance > 1.1 * heat / curvature
    assert any("law of Gibbs only up to" in note for note in solution.notes)
