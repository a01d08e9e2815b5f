"""What a plan refuses: fields, and combinations of them, that make no sense or go beyond a limit."""

import math
from typing import TYPE_CHECKING

from equipoise_solver.ensembles.problem import require
from equipoise_solver.errors import InvalidModelError, LimitExceededError, UnsupportedCombinationError
from equipoise_solver.networks.data import GaussianTeacher, check_data, check_teacher
from equipoise_solver.networks.families import Family
from equipoise_solver.networks.training.dynamics import Gd, Langevin, Sgd, Sgf, require_count
from equipoise_solver.networks.training.observables import OBSERVABLES, n_hidden_layers
from equipoise_solver.networks.training.schedules import check_schedules

if TYPE_CHECKING:
    from equipoise_solver.networks.training.plan import TrainingPlan

MAX_UPDATES = 2**31
"""Most steps of a network: streams are numbered by 32 bits."""
MAX_PATHS = 2**20
MAX_BATCH = 2**20
MAX_MEMORY = 4 << 30
"""Largest working memory, [bytes]."""
NEEDS_GRADIENTS = ("noise_trace", "balance_residual")
"""Observables that need the covariance of the gradients of samples, so at least two of these."""


def check(plan: "TrainingPlan") -> None:
    """Refuse a plan that makes no sense.

    Raises:
        SolverError: naming the field.
    """
    _check_counts(plan)
    _check_length(plan)
    _check_data(plan)
    _check_observables(plan)
    _check_families(plan)
    check_schedules(plan.dynamics.schedule, n_steps=plan.n_updates, clock_step=plan.clock_step)
    if isinstance(plan.dynamics, Sgd) and plan.dynamics.batch_size > MAX_BATCH:
        raise LimitExceededError(
            "dynamics.batch_size", given=plan.dynamics.batch_size, allowed=f"at most {MAX_BATCH}"
        )
    if plan.memory_bytes > MAX_MEMORY:
        raise LimitExceededError(
            "n_paths",
            given=plan.n_paths,
            allowed=f"networks that fit into {MAX_MEMORY >> 30} GiB, not {plan.memory_bytes / 2**30:.3g}",
            remedy="Take fewer networks, or smaller ones.",
        )


def _check_counts(plan: "TrainingPlan") -> None:
    require_count("n_paths", plan.n_paths)
    require_count("n_records", plan.n_records)
    require_count("n_snapshots", plan.n_snapshots, low=0)
    require_count("n_observed", plan.n_observed, low=2)
    require_count("seed", plan.seed, low=0)
    if plan.seed >= 2**64:
        raise InvalidModelError("seed", given=plan.seed, allowed="a whole number below 2**64")
    if plan.n_paths > MAX_PATHS:
        raise LimitExceededError("n_paths", given=plan.n_paths, allowed=f"at most {MAX_PATHS}")
    if plan.precision not in ("float64", "float32"):
        raise InvalidModelError("precision", given=plan.precision, allowed='"float64" or "float32"')


def _check_length(plan: "TrainingPlan") -> None:
    if isinstance(plan.dynamics, Sgf | Langevin):
        if plan.duration is None or plan.n_steps is not None:
            raise InvalidModelError(
                "duration" if plan.duration is None else "n_steps",
                given=plan.duration if plan.duration is None else plan.n_steps,
                allowed="a duration and no number of steps for sgf and langevin",
            )
        require("duration", plan.duration, low=0, strict=True)
        if plan.duration / plan.dynamics.step_size >= MAX_UPDATES:
            raise LimitExceededError(
                "duration",
                given=plan.duration,
                allowed=f"less than {MAX_UPDATES} steps",
                remedy="Shorten it.",
            )
        return
    if plan.n_steps is None or plan.duration is not None:
        raise InvalidModelError(
            "n_steps" if plan.n_steps is None else "duration",
            given=plan.n_steps if plan.n_steps is None else plan.duration,
            allowed="a number of steps and no duration for sgd and gd",
        )
    require_count("n_steps", plan.n_steps)
    if plan.n_steps >= MAX_UPDATES:
        raise LimitExceededError("n_steps", given=plan.n_steps, allowed=f"less than {MAX_UPDATES}")


def _check_data(plan: "TrainingPlan") -> None:
    dynamics = plan.dynamics
    if isinstance(plan.data, GaussianTeacher):
        check_teacher(plan.network, plan.data)
        if not isinstance(dynamics, Sgd) or dynamics.sampling == "epoch":
            raise UnsupportedCombinationError(
                "data",
                given="a teacher without a number of samples",
                allowed="sgd with iid sampling, which draws afresh",
                remedy="Draw samples from the teacher first.",
            )
    else:
        check_data(plan.network, plan.data, n_min=2 if isinstance(dynamics, Sgf) else 1)
        if isinstance(dynamics, Sgd) and dynamics.sampling == "epoch" and dynamics.batch_size > plan.data.n:
            raise InvalidModelError(
                "dynamics.batch_size",
                given=dynamics.batch_size,
                allowed=f"at most {plan.data.n}, the samples of an epoch",
            )
    if isinstance(dynamics, Sgd | Gd) and dynamics.label_noise > 0 and plan.network.loss != "squared_error":
        raise UnsupportedCombinationError(
            "dynamics.label_noise",
            given=dynamics.label_noise,
            allowed=f"0 with the loss {plan.network.loss!r}, whose labels are classes",
        )


def _check_observables(plan: "TrainingPlan") -> None:
    for name in plan.observables:
        if name not in OBSERVABLES:
            raise InvalidModelError("observables", given=name, allowed=f"one of {sorted(OBSERVABLES)}")
    if len(set(plan.observables)) < len(plan.observables):
        raise InvalidModelError("observables", given=list(plan.observables), allowed="each name once")
    needing = [name for name in plan.observables if name in NEEDS_GRADIENTS]
    if needing and not isinstance(plan.data, GaussianTeacher):
        check_data(plan.network, plan.data, n_min=2)
    if "balance_residual" in plan.observables:
        _check_balance(plan)
    if "alignment" in plan.observables:
        _check_alignment(plan)


def _check_balance(plan: "TrainingPlan") -> None:
    if plan.balance_temperature is not None:
        require("balance_temperature", plan.balance_temperature, low=0)
        return
    noise_is_isotropic = isinstance(plan.dynamics, Langevin)
    has_nothing = isinstance(plan.dynamics, Gd) and plan.dynamics.weight_decay == 0
    if noise_is_isotropic or has_nothing:
        raise UnsupportedCombinationError(
            "observables",
            given="balance_residual",
            allowed="dynamics with the noise of gradients, or with weight decay",
            remedy="Give balance_temperature to see how far SGD at that temperature would be from balance.",
        )


def _check_alignment(plan: "TrainingPlan") -> None:
    if n_hidden_layers(plan.network) == 0:
        raise UnsupportedCombinationError(
            "observables", given="alignment", allowed="a chain of dense layers with a hidden one"
        )
    if plan.network.loss != "squared_error":
        raise UnsupportedCombinationError(
            "observables", given="alignment", allowed='the loss "squared_error", which has residuals'
        )


def _check_families(plan: "TrainingPlan") -> None:
    if not {"charges", "balance_residual"} & set(plan.observables):
        return
    if not plan.symmetries:
        raise InvalidModelError(
            "families",
            given=[],
            allowed="at least one symmetry whose charges can be followed",
            remedy="This network declares none: leave charges and balance_residual out.",
        )
    if len({family.name for family in plan.symmetries}) < len(plan.symmetries):
        names = [family.name for family in plan.symmetries]
        raise InvalidModelError("families", given=names, allowed="each name once")
    for family in plan.symmetries:
        _check_family(plan, family)


def _check_family(plan: "TrainingPlan", family: Family) -> None:
    shapes = {block.name: block.shape for block in plan.network.blocks}
    for action in family.actions:
        if action.block not in shapes:
            raise InvalidModelError(
                f"families.{family.name}", given=action.block, allowed=f"among the blocks {sorted(shapes)}"
            )
        shape = shapes[action.block]
        side = shape[0] if action.side == "left" else (*shape, 1)[1]
        if family.structure != "scalar" and side != family.size:
            raise InvalidModelError(
                f"families.{family.name}",
                given=f"size {family.size}",
                allowed=f"size {side}, that of block {action.block} from the {action.side}",
            )
        if not math.isfinite(action.degree):
            raise InvalidModelError(f"families.{family.name}", given=action.degree, allowed="finite degrees")
