"""What the users of a run ask for, drawn from a seed: specs of several kinds, and how each must end."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Ending = Literal["succeeded", "failed", "cancelled", "timed_out"]
# Path-steps that a thread of the slowest machine of interest makes in a second.
_STEPS_PER_SECOND = 4e7
_TEACHER = {"kind": "teacher", "teacher": [[1.0, -0.5], [0.3, 0.8]], "input_cov": [[2.0, 0.3], [0.3, 0.5]]}
_MODEL = {"kind": "diagonal", "depth": 1, "width": 1}


@dataclass(frozen=True)
class Errand:
    """A job that a user wants done.

    Attributes:
        number: its place in the plan, which also names the request.
        user: number of the user.
        kind: what the report counts it as.
        spec: what is asked.
        ending: the only status it may end in.
        code: error code that it must end with, if it must fail.
        options: other fields of the request.
        cancel_after_s: time from the submission to the request to stop it, [s].
    """

    number: int
    user: int
    kind: str
    spec: dict[str, Any]
    ending: Ending = "succeeded"
    code: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    cancel_after_s: float | None = None


def draw_errands(n_jobs: int, *, n_users: int, seconds: float, seed: int) -> list[Errand]:
    """The errands of a run, in a random order.

    Args:
        n_jobs: how many.
        n_users: users among whom they are dealt out.
        seconds: longest simulation of one thread, [s].
        seed: the same seed gives the same errands.
    """
    rng = random.Random(seed)
    kinds = list(_KINDS) + rng.choices(list(_KINDS), [_KINDS[kind][0] for kind in _KINDS], k=n_jobs)
    kinds = kinds[:n_jobs]
    rng.shuffle(kinds)
    return [
        Errand(number=number, user=rng.randrange(n_users), kind=kind, **_KINDS[kind][1](rng, number, seconds))
        for number, kind in enumerate(kinds)
    ]


def _stationary(rng: random.Random, number: int, _seconds: float) -> dict[str, Any]:
    data = {"kind": "gaussian", "slope": 1.0, "noise_std": 1.0}
    temperature = 0.03 + 1e-5 * number
    return {"spec": {"task": "stationary", "model": _MODEL, "data": data, "temperature": temperature}}


def _relaxation(rng: random.Random, number: int, seconds: float) -> dict[str, Any]:
    asked = _stationary(rng, number, seconds)
    asked["spec"]["relaxation"] = True
    return asked


def _simulation(dynamics: dict[str, Any], n_paths: int, n_steps: int, seed: int) -> dict[str, Any]:
    return {
        "task": "simulate",
        "model": _MODEL,
        "data": {"kind": "gaussian", "slope": 1.3, "noise_std": 0.7},
        "dynamics": dynamics,
        "n_paths": n_paths,
        "n_steps": n_steps,
        "seed": seed,
    }


def _sgd(rng: random.Random, number: int, seconds: float) -> dict[str, Any]:
    dynamics = {"kind": "sgd", "learning_rate": 0.02, "batch_size": rng.choice([1, 2, 3])}
    n_paths = rng.choice([256, 1000, 2048])
    return {"spec": _simulation(dynamics, n_paths, _steps(rng, seconds, n_paths), number)}


def _short(rng: random.Random, number: int, _seconds: float) -> dict[str, Any]:
    """An ensemble of milliseconds, of which a worker computes some together."""
    dynamics = {"kind": "sgd", "learning_rate": 0.02, "batch_size": 2}
    n_paths = rng.choice([64, 500])
    return {"spec": _simulation(dynamics, n_paths, _steps(rng, 0.03, n_paths), number)}


def _in_parts(rng: random.Random, number: int, seconds: float) -> dict[str, Any]:
    """An ensemble that several workers share, if it takes long enough."""
    n_paths = rng.choice([150_000, 200_001])
    dynamics = {"kind": "sgd", "learning_rate": 0.02, "batch_size": 2}
    return {"spec": _simulation(dynamics, n_paths, _steps(rng, 2.0 * seconds, n_paths), number)}


def _sweep(rng: random.Random, number: int, seconds: float) -> dict[str, Any]:
    """Ensembles that several workers share point by point."""
    rates = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06]
    dynamics = {"kind": "sgd", "learning_rate": 0.02, "batch_size": 2}
    base = _simulation(dynamics, 512, _steps(rng, 2.0 * seconds / len(rates), 512), number)
    axes = {"dynamics.learning_rate": rates}
    return {"spec": {"task": "sweep", "base": base, "axes": axes, "outputs": ["mean", "variance"]}}


def _sgf(rng: random.Random, number: int, seconds: float) -> dict[str, Any]:
    n_paths = rng.choice([257, 1024])
    spec = _simulation({"kind": "sgf", "temperature": 0.1}, n_paths, 0, number)
    del spec["n_steps"]
    return {"spec": {**spec, "duration": 0.01 * _steps(rng, seconds, n_paths)}}


def _steps(rng: random.Random, seconds: float, n_paths: int) -> int:
    return int(rng.uniform(0.07, 1.0) * seconds * _STEPS_PER_SECOND / n_paths)


def _compare(rng: random.Random, number: int, seconds: float) -> dict[str, Any]:
    asked = _sgf(rng, number, 0.5 * seconds)
    asked["spec"]["task"] = "compare"
    return asked


def _diffusion(rng: random.Random, number: int, _seconds: float) -> dict[str, Any]:
    params = {"s": 0.5 + 1e-3 * number}
    passage = {"start": [0.3, 0.6], "low": 0, "high": 1}
    spec = {"task": "diffusion", "drift": "0", "noise": "s", "params": params, "interval": [0, 1]}
    return {"spec": {**spec, "passage_time": passage}}


def _equilibrium(rng: random.Random, number: int, _seconds: float) -> dict[str, Any]:
    return {
        "spec": {
            "task": "equilibrium",
            "model": {"kind": "linear", "widths": [2, 2, 2]},
            "data": _TEACHER,
            "temperature": 0.02,
            "parameters": {"init": "global_minimum", "seed": number},
        }
    }


def _failing(rng: random.Random, number: int, _seconds: float) -> dict[str, Any]:
    """A density that is negative: only the computing finds out."""
    spec = {
        "task": "diffusion",
        "drift": "-k*x",
        "noise": "1",
        "params": {"k": 1.0 + 1e-3 * number},
        "passage_time": {"start": [0.1 * k for k in range(-5, 6)], "low": -1, "high": 1},
        "evolve": {"density": "-exp(-x**2)", "times": [0.1]},
    }
    return {"spec": spec, "ending": "failed", "code": "invalid_model"}


def _endless(rng: random.Random, number: int) -> dict[str, Any]:
    """An ensemble that nobody sees the end of, in one piece or in parts."""
    n_paths, n_steps = rng.choice([(1024, 10**8), (200_000, 512_000)])
    dynamics = {"kind": "sgd", "learning_rate": 0.02, "batch_size": 2}
    return _simulation(dynamics, n_paths, n_steps, 10**6 + number)


def _cancelled(rng: random.Random, number: int, _seconds: float) -> dict[str, Any]:
    return {"spec": _endless(rng, number), "ending": "cancelled", "cancel_after_s": rng.uniform(0.0, 4.0)}


def _late(rng: random.Random, number: int, _seconds: float) -> dict[str, Any]:
    options = {"timeout_seconds": 1.0}
    return {"spec": _endless(rng, number), "ending": "timed_out", "code": "timed_out", "options": options}


_KINDS: dict[str, tuple[float, Callable[[random.Random, int, float], dict[str, Any]]]] = {
    "stationary": (20, _stationary),
    "relaxation": (5, _relaxation),
    "simulate sgd": (20, _sgd),
    "short": (25, _short),
    "simulate sgf": (20, _sgf),
    "in parts": (6, _in_parts),
    "sweep": (4, _sweep),
    "compare": (8, _compare),
    "diffusion": (6, _diffusion),
    "equilibrium": (4, _equilibrium),
    "failing": (4, _failing),
    "cancelled": (6, _cancelled),
    "out of time": (3, _late),
}
"""Weight of each kind, and how one is drawn."""
