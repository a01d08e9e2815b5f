"""Plans that make no sense are refused, naming the field."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from equipoise_solver.errors import SolverError
from equipoise_solver.networks import (
    Action,
    Family,
    GaussianTeacher,
    LinearNetwork,
    Mlp,
    NormalizedMlp,
    Pairs,
)
from equipoise_solver.networks.training import Gd, Given, Langevin, Named, Sgd, Sgf, TrainingPlan, begin

_X, _Y = torch.ones((6, 3), dtype=torch.float64), torch.zeros((6, 2), dtype=torch.float64)
_EYE = torch.eye(3, dtype=torch.float64)
_TEACHER = GaussianTeacher(_EYE[:2], _EYE, _EYE[:2, :2])
_NEURONS = Family("rescaling", "neurons", 5, "diagonal", (Action("W1", "left", 1.0),))
_STRANGER = Family("rescaling", "neurons", 4, "diagonal", (Action("W9", "left", 1.0),))
_ENDLESS = Family("rescaling", "neurons", 4, "diagonal", (Action("W1", "left", math.inf),))


def _plan(**changes: Any) -> TrainingPlan:
    fields: dict[str, Any] = {
        "network": Mlp((3, 4, 2)),
        "data": Pairs(_X, _Y),
        "dynamics": Sgd(0.1, 2),
        "n_paths": 2,
        "seed": 0,
        "n_steps": 10,
    }
    return TrainingPlan(**(fields | changes))


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "no networks": ({"n_paths": 0}, "n_paths"),
    "too many networks": ({"n_paths": 2**21}, "n_paths"),
    "networks beyond memory": ({"n_paths": 2**20, "network": Mlp((3, 900, 2))}, "n_paths"),
    "half a network": ({"n_paths": 1.5}, "n_paths"),
    "no steps": ({"n_steps": 0}, "n_steps"),
    "missing steps": ({"n_steps": None}, "n_steps"),
    "too many steps": ({"n_steps": 2**31}, "n_steps"),
    "a duration for sgd": ({"duration": 1.0}, "duration"),
    "no duration for sgf": ({"dynamics": Sgf(0.1, 0.1), "n_steps": None}, "duration"),
    "steps for sgf": ({"dynamics": Sgf(0.1, 0.1), "duration": 1.0}, "n_steps"),
    "an endless duration": (
        {"dynamics": Sgf(0.1, 0.1), "n_steps": None, "duration": math.inf},
        "duration",
    ),
    "a duration of too many steps": (
        {"dynamics": Sgf(0.1, 1e-9), "n_steps": None, "duration": 10.0},
        "duration",
    ),
    "negative seed": ({"seed": -1}, "seed"),
    "seed of more than 64 bits": ({"seed": 2**64}, "seed"),
    "no records": ({"n_records": 0}, "n_records"),
    "negative snapshots": ({"n_snapshots": -1}, "n_snapshots"),
    "one observed sample": ({"n_observed": 1}, "n_observed"),
    "precision": ({"precision": "float16"}, "precision"),
    "inputs of another width": ({"data": Pairs(_X[:, :2], _Y)}, "data.x"),
    "labels of another width": ({"data": Pairs(_X, _Y[:, :1])}, "data.y"),
    "inputs that are not finite": ({"data": Pairs(_X * math.nan, _Y)}, "data.x"),
    "a teacher of another shape": ({"data": GaussianTeacher(_EYE, _EYE, _EYE)}, "data.teacher"),
    "gd on a teacher": ({"data": _TEACHER, "dynamics": Gd(0.1)}, "data"),
    "epochs of a teacher": ({"data": _TEACHER, "dynamics": Sgd(0.1, sampling="epoch")}, "data"),
    "sgf on one sample": (
        {"data": Pairs(_X[:1], _Y[:1]), "dynamics": Sgf(0.1, 0.1), "n_steps": None, "duration": 1.0},
        "data",
    ),
    "noise of one sample": ({"data": Pairs(_X[:1], _Y[:1]), "observables": ("noise_trace",)}, "data"),
    "a batch beyond the epoch": ({"dynamics": Sgd(0.1, 7, sampling="epoch")}, "dynamics.batch_size"),
    "a huge batch": ({"dynamics": Sgd(0.1, 2**21)}, "dynamics.batch_size"),
    "label noise on classes": (
        {"network": Mlp((3, 4, 2), loss="logistic"), "dynamics": Sgd(0.1, label_noise=0.1)},
        "dynamics.label_noise",
    ),
    "an unknown observable": ({"observables": ("speed",)}, "observables"),
    "an observable twice": ({"observables": ("loss", "loss")}, "observables"),
    "charges without symmetry": (
        {"network": Mlp((3, 4, 2), "tanh"), "observables": ("charges",)},
        "families",
    ),
    "families of one name": (
        {"observables": ("charges",), "families": (_NEURONS, _NEURONS)},
        "families",
    ),
    "a family of another size": (
        {"observables": ("charges",), "families": (_NEURONS,)},
        "families.neurons",
    ),
    "a family of another block": (
        {"observables": ("charges",), "families": (_STRANGER,)},
        "families.neurons",
    ),
    "a family of endless degree": (
        {"observables": ("charges",), "families": (_ENDLESS,)},
        "families.neurons",
    ),
    "balance without noise": ({"dynamics": Gd(0.1), "observables": ("balance_residual",)}, "observables"),
    "balance of langevin": (
        {
            "dynamics": Langevin(0.1, 0.1),
            "n_steps": None,
            "duration": 1.0,
            "observables": ("balance_residual",),
        },
        "observables",
    ),
    "balance at a negative temperature": (
        {"observables": ("balance_residual",), "balance_temperature": -1.0},
        "balance_temperature",
    ),
    "alignment without layers": (
        {"network": NormalizedMlp((3, 4, 2)), "observables": ("alignment",)},
        "observables",
    ),
    "alignment without a hidden layer": (
        {"network": LinearNetwork((3, 2)), "observables": ("alignment",)},
        "observables",
    ),
    "alignment without residuals": (
        {"network": Mlp((3, 4, 2), loss="logistic"), "observables": ("alignment",)},
        "observables",
    ),
}


@pytest.mark.parametrize("name", list(CASES))
def test_bad_plans_are_refused(name: str) -> None:
    """Each names the field that is wrong."""
    changes, field = CASES[name]
    with pytest.raises(SolverError) as caught:
        _plan(**changes)
    assert caught.value.field == field


DYNAMICS: dict[str, tuple[Callable[[], object], str]] = {
    "no learning rate": (lambda: Sgd(0.0), "dynamics.learning_rate"),
    "infinite learning rate": (lambda: Gd(math.inf), "dynamics.learning_rate"),
    "no batch": (lambda: Sgd(0.1, 0), "dynamics.batch_size"),
    "negative decay": (lambda: Sgd(0.1, weight_decay=-0.1), "dynamics.weight_decay"),
    "momentum of 1": (lambda: Gd(0.1, momentum=1.0), "dynamics.momentum"),
    "negative label noise": (lambda: Gd(0.1, label_noise=-1.0), "dynamics.label_noise"),
    "unknown sampling": (lambda: Sgd(0.1, sampling="bag"), "dynamics.sampling"),  # type: ignore[arg-type]
    "negative temperature": (lambda: Sgf(-0.1, 0.1), "dynamics.temperature"),
    "no step": (lambda: Langevin(0.1, 0.0), "dynamics.step_size"),
    "temperature that is no number": (lambda: Langevin(math.nan, 0.1), "dynamics.temperature"),
}


@pytest.mark.parametrize("name", list(DYNAMICS))
def test_bad_dynamics_are_refused(name: str) -> None:
    """Each names the field that is wrong."""
    make, field = DYNAMICS[name]
    with pytest.raises(SolverError) as caught:
        make()
    assert caught.value.field == field


@pytest.mark.slow
@pytest.mark.parametrize(
    ("initial", "field"),
    [
        (Named("lucky"), "parameters.init"),
        (Named(scale=0.0), "parameters.scale"),
        (Given({"W1": [[1.0]]}), "parameters"),
        (Named("global_minimum"), "parameters.init"),
    ],
)
def test_bad_starts_are_refused(initial: Any, field: str) -> None:
    """Parameters that do not fit, and starts that do not exist."""
    with pytest.raises(SolverError) as caught:
        begin(_plan(initial=initial))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("network", "batch_size", "uses_lanes", "group_size"),
    [
        (Mlp((3, 4, 2)), 2, True, 16),
        (Mlp((3, 200, 2)), 2, True, 16),
        (Mlp((3, 1200, 2)), 2, True, 16),
        (Mlp((3, 1200, 2)), 200, False, 1),
        (Mlp((3, 9000, 2)), 2, False, 1),
        (Mlp((3, 4, 2), "gelu"), 2, False, 16),
        (NormalizedMlp((3, 900, 2)), 2, False, 1),
    ],
)
def test_small_chains_train_in_lanes(
    network: Any, batch_size: int, uses_lanes: bool, group_size: int
) -> None:
    """What a group is depends on the network and the batch, and not on how many networks there are."""
    for n_paths in (1, 100):
        plan = _plan(network=network, dynamics=Sgd(0.1, batch_size), n_paths=n_paths)
        assert (plan.uses_lanes, plan.group_size) == (uses_lanes, group_size)
