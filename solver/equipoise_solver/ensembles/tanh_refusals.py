"""What the tanh model refuses: its gradients need whole pairs of data, of which there is room for so many."""

from typing import TYPE_CHECKING

from equipoise_solver.ensembles.noise import pairs
from equipoise_solver.ensembles.problem import Gd, MomentsOnly, SamplePairs, Sgd
from equipoise_solver.errors import LimitExceededError, UnsupportedCombinationError

if TYPE_CHECKING:
    from equipoise_solver.ensembles.plan import EnsemblePlan

TANH_OBSERVABLES = ("value", "norm", "sign", "autocorrelation")
"""Observables that do not speak of a model linear in x."""
MAX_TANH_SAMPLES = 65_536
"""Largest data set for full-batch descent of the tanh model, whose steps go through all of it."""


def check_tanh(plan: "EnsemblePlan") -> None:
    """Refuse what the tanh model does not offer.

    Raises:
        SolverError: the refusal, which names the field.
    """
    _check_combination(plan)
    _check_sizes(plan)


def _check_combination(plan: "EnsemblePlan") -> None:
    if plan.depth > 1 or plan.width != 1:
        raise UnsupportedCombinationError(
            "model.depth", given=plan.depth, allowed="depth 0 or 1 and width 1 for the tanh model"
        )
    if not isinstance(plan.dynamics, Sgd | Gd):
        raise UnsupportedCombinationError(
            "dynamics.kind",
            given=type(plan.dynamics).__name__.lower(),
            allowed="'sgd' or 'gd' with model.kind='tanh1d'",
            remedy="Its gradients depend on more of the data than the moments that the SDE is made of.",
        )
    if isinstance(plan.data, MomentsOnly) or (
        isinstance(plan.dynamics, Gd) and not isinstance(plan.data, SamplePairs)
    ):
        raise UnsupportedCombinationError(
            "data.kind",
            given="moments" if isinstance(plan.data, MomentsOnly) else "gaussian",
            allowed="samples or a dataset (with sgd, gaussian data too) with model.kind='tanh1d'",
            remedy="Its gradients are sums over pairs, which these data do not have.",
        )
    for name in plan.observables:
        if name not in TANH_OBSERVABLES:
            raise UnsupportedCombinationError(
                "observables",
                given=name,
                allowed=f"some of {list(TANH_OBSERVABLES)} with model.kind='tanh1d'",
                remedy="The others are defined for models that are linear in x.",
            )


def _check_sizes(plan: "EnsemblePlan") -> None:
    if isinstance(plan.dynamics, Sgd) and _batch_rows(plan) > pairs.LARGEST_BATCH:
        raise LimitExceededError(
            "dynamics.batch_size",
            given=plan.dynamics.batch_size,
            allowed=f"at most {pairs.LARGEST_BATCH} with model.kind='tanh1d'",
            remedy="Every pair of a batch is drawn and kept: a batch has no short summary in this model.",
        )
    n_whole = plan.data.x.size if isinstance(plan.dynamics, Gd) and isinstance(plan.data, SamplePairs) else 0
    if n_whole > MAX_TANH_SAMPLES:
        raise LimitExceededError(
            "data",
            given=n_whole,
            allowed=f"at most {MAX_TANH_SAMPLES} samples with gd and model.kind='tanh1d'",
            remedy="Every step goes through all of them: use sgd.",
        )


def _batch_rows(plan: "EnsemblePlan") -> int:
    assert isinstance(plan.dynamics, Sgd)
    if plan.dynamics.sampling == "epoch" and isinstance(plan.data, SamplePairs):
        return min(plan.dynamics.batch_size, plan.data.x.size)
    return plan.dynamics.batch_size
