"""Small ensembles that together use every scheme, noise and precision that a card knows."""

from typing import Any

from equipoise_solver.ensembles import Balanced, EnsemblePlan, GaussianPairs, Sgd, Sgf

OBSERVABLES = ("value", "loss", "excess_loss", "imbalance", "noise", "sign", "norm", "autocorrelation")
SHORT = Sgf(0.1, noise="three_point")
DECAY = Sgf(0.1, 5.0, "three_point")
FAR = Balanced(3.0)
MODEL: dict[str, Any] = {"coordinate": "model", "duration": 0.5}
CASES: dict[str, dict[str, Any]] = {
    "reciprocal and coarse": {**MODEL, "dynamics": Sgf(0.1), "precision": "float32"},
    "reciprocal": {**MODEL, "dynamics": Sgf(0.1, noise="two_point")},
    "absorbed": {**MODEL, "dynamics": DECAY, "precision": "float32", "init": Balanced(2e-18)},
    "linear": {**MODEL, "dynamics": SHORT, "depth": 0, "precision": "float32"},
    "log_euler": {**MODEL, "dynamics": Sgf(0.1, 0.0, "three_point", 0.02, scheme="log_euler")},
    "tamed_euler": {**MODEL, "dynamics": Sgf(0.01, 0.0, "two_point", 0.02, scheme="tamed_euler"), "depth": 2},
    "lost": {"duration": 0.2, "dynamics": Sgf(1.0, 0.0, "two_point", 0.001, scheme="euler"), "init": FAR},
    "update": {"dynamics": Sgd(0.05, 16), "n_steps": 33, "init": Balanced(0.1)},
    "update in launches": {"dynamics": Sgd(0.05, 32), "n_steps": 40, "precision": "float32", "n_records": 20},
}


def plan_of(name: str, **changes: Any) -> EnsemblePlan:
    """The plan of a case."""
    common: dict[str, Any] = {
        "depth": 1,
        "data": GaussianPairs(1.1, 0.8, 1.2),
        "n_paths": 12,
        "n_records": 2,
        "burn_in": 0.3,
        "n_snapshots": 3,
        "observables": OBSERVABLES,
        "seed": 3,
    }
    return EnsemblePlan(**{**common, **CASES[name], **changes})
