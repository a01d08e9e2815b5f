"""What a plan refuses: fields, and combinations of them, that make no sense or go beyond a limit."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.choices import default_step
from equipoise_solver.ensembles.compiled import LANES
from equipoise_solver.ensembles.observables import check_observables
from equipoise_solver.ensembles.problem import (
    Balanced,
    Gd,
    Given,
    MomentsOnly,
    SamplePairs,
    Sgd,
    Sgf,
    require,
)
from equipoise_solver.ensembles.tanh_refusals import check_tanh
from equipoise_solver.errors import (
    InvalidModelError,
    LimitExceededError,
    UnstableStepError,
    UnsupportedCombinationError,
)

if TYPE_CHECKING:
    from equipoise_solver.ensembles.plan import EnsemblePlan

MODELS = ("diagonal", "tanh1d")
MAX_SHARE_BELOW = 1e-3
"""Largest share of the law below the numbers of float32 that is accepted."""
MAX_STEP_PER_RATE = 1.0
"""Largest step, times the rate of the problem, that is accepted."""
MAX_PARAMETERS = 1024
MAX_MEMORY = 2 << 30
"""Largest working memory, [bytes]."""
MAX_WORK = 1e15
"""Most work of a plan, in cheap steps: months of a large machine."""
MAX_DRAWN_BATCH = 500_000
"""Largest minibatch that is drawn sample by sample."""
MAX_EPOCH_SAMPLES = 1 << 17
"""Largest data set for sampling by epoch: a thread keeps 512 shuffles of it, 2 KiB per sample."""


def check(plan: "EnsemblePlan") -> None:
    """Refuse a plan that makes no sense, field by field, then by what follows from them all.

    Raises:
        SolverError: the refusal, which names the field.
    """
    _check_numbers(plan)
    _check_length(plan)
    _check_combination(plan)
    _check_model(plan)
    _check_init(plan)
    _check_scheme(plan)
    _check_stability(plan)
    check_observables(plan.observables, plan.scene)
    _check_passage(plan)
    _check_range(plan)
    _check_edges(plan.edges)
    _check_memory(plan)
    _check_work(plan)


def _check_numbers(plan: "EnsemblePlan") -> None:
    for name, value, low in (
        ("model.depth", plan.depth, 0),
        ("model.width", plan.width, 1),
        ("n_paths", plan.n_paths, 1),
        ("n_records", plan.n_records, 1),
        ("seed", plan.seed, 0),
    ):
        require(name, value, low=low)
    if plan.seed >= 2**64:
        raise InvalidModelError("seed", given=plan.seed, allowed="an integer below 2**64")
    if not 0 <= plan.burn_in < 1:
        raise InvalidModelError("burn_in", given=plan.burn_in, allowed="a number in [0, 1)")


def _check_length(plan: "EnsemblePlan") -> None:
    flow = plan.is_continuous
    name, other = ("duration", "n_steps") if flow else ("n_steps", "duration")
    if getattr(plan, other) is not None:
        raise UnsupportedCombinationError(other, given=getattr(plan, other), allowed=f"{name} alone here")
    length = getattr(plan, name)
    if length is None:
        raise InvalidModelError(name, given=None, allowed="a positive number, which these dynamics need")
    require(name, length, low=0, strict=True)


def _check_combination(plan: "EnsemblePlan") -> None:
    if isinstance(plan.dynamics, Sgd):
        if isinstance(plan.data, MomentsOnly):
            raise UnsupportedCombinationError(
                "data.kind",
                given="moments",
                allowed="gaussian or samples data for sgd",
                remedy="Moments do not fix the law of a minibatch: use sgf or gd.",
            )
        _check_batch(plan, plan.dynamics)
        if plan.dynamics.sampling == "epoch":
            _check_epoch(plan)
    if plan.coordinate == "model" and not isinstance(plan.dynamics, Sgf):
        raise UnsupportedCombinationError(
            "coordinate",
            given="model",
            allowed='"parameters" for dynamics other than sgf',
            remedy="A balanced start stays balanced under sgd and gd; langevin leaves it.",
        )
    if plan.coordinate == "model" and not isinstance(plan.init, Balanced):
        raise UnsupportedCombinationError(
            "init.kind", given=type(plan.init).__name__.lower(), allowed='"balanced" for coordinate="model"'
        )
    n = plan.width * (plan.depth + 1)
    if plan.coordinate == "parameters" and n > MAX_PARAMETERS:
        raise LimitExceededError(
            "model.width",
            given=plan.width,
            allowed=f"at most {MAX_PARAMETERS} parameters, width * (depth + 1)",
            remedy='For the balanced SDE use coordinate="model".',
        )


def _check_batch(plan: "EnsemblePlan", sgd: Sgd) -> None:
    if isinstance(plan.data, SamplePairs) and sgd.batch_size > MAX_DRAWN_BATCH:
        raise LimitExceededError(
            "dynamics.batch_size",
            given=sgd.batch_size,
            allowed=f"at most {MAX_DRAWN_BATCH} samples drawn per step",
            remedy='Batches as large hardly fluctuate: use "gd", or "sgf" at that temperature.',
        )


def _check_epoch(plan: "EnsemblePlan") -> None:
    if not isinstance(plan.data, SamplePairs):
        raise UnsupportedCombinationError(
            "dynamics.sampling",
            given="epoch",
            allowed='"iid" for data that are drawn afresh',
            remedy="Epochs need a finite data set.",
        )
    if plan.data.x.size > MAX_EPOCH_SAMPLES:
        raise LimitExceededError(
            "dynamics.sampling",
            given="epoch",
            allowed=f"at most {MAX_EPOCH_SAMPLES} samples by epoch",
            remedy='This data set is larger: use "iid".',
        )


def _check_model(plan: "EnsemblePlan") -> None:
    if plan.model not in MODELS:
        raise UnsupportedCombinationError("model.kind", given=plan.model, allowed=f"one of {list(MODELS)}")
    _check_label_noise(plan)
    if plan.model == "tanh1d":
        check_tanh(plan)


def _check_label_noise(plan: "EnsemblePlan") -> None:
    if not isinstance(plan.dynamics, Gd) or plan.dynamics.label_noise == 0:
        return
    if not isinstance(plan.data, SamplePairs):
        raise UnsupportedCombinationError(
            "dynamics.label_noise",
            given=plan.dynamics.label_noise,
            allowed="0 with gd on data that are a whole population",
            remedy="The noise of infinitely many labels averages out: use a finite data set, or sgd.",
        )


def _check_init(plan: "EnsemblePlan") -> None:
    if not isinstance(plan.init, Given):
        return
    lengths = {len(row) for row in plan.init.u}
    if len(plan.init.u) != plan.width or lengths != {plan.depth + 1}:
        raise InvalidModelError(
            "init.u",
            given=[len(plan.init.u), sorted(lengths)],
            allowed=f"width={plan.width} rows of depth + 1 = {plan.depth + 1} numbers",
        )


def _check_scheme(plan: "EnsemblePlan") -> None:
    """Refuse a scheme that does not fit the model or the start, and a step beyond stability."""
    if not isinstance(plan.dynamics, Sgf):
        return
    name = plan.scheme_name
    is_explicit = name in ("log_euler", "tamed_euler", "euler")
    if name == "splitting" and (plan.depth > 1 or not plan.starts_balanced):
        raise UnsupportedCombinationError(
            "dynamics.scheme",
            given=name,
            allowed="depth 0 or 1 and a balanced start",
            remedy='"taylor" takes any depth and start.',
        )
    if is_explicit and name != "euler" and plan.depth == 0:
        raise UnsupportedCombinationError(
            "dynamics.scheme",
            given=name,
            allowed="depth >= 1; for depth 0 nothing explodes",
            remedy='Use "splitting" or "euler".',
        )
    in_parameters = name == "euler" and plan.depth == 1 and plan.width == 1
    if is_explicit and not plan.starts_balanced and not in_parameters:
        raise UnsupportedCombinationError(
            "dynamics.scheme",
            given=name,
            allowed="a balanced start, or euler with depth 1 and width 1",
            remedy='"taylor" takes any start.',
        )
    if plan.has_fixed_clock and plan.largest_step * plan.typical_rate > MAX_STEP_PER_RATE:
        bound = MAX_STEP_PER_RATE / plan.typical_rate
        raise UnstableStepError(
            "dynamics.step_size",
            given=plan.dynamics.step_size,
            allowed=f"step_size <= {bound:.4g}, at which noise and relaxation change v by its own size",
            remedy=f"Leave it null for {default_step(plan):.4g} or less.",
        )


def _check_range(plan: "EnsemblePlan") -> None:
    """Refuse float32 where too much of the law lies below its numbers."""
    if plan.precision == "float32" and plan.share_below_floor > MAX_SHARE_BELOW:
        raise UnsupportedCombinationError(
            "precision",
            given="float32",
            allowed='"float64" this close to the critical temperature',
            remedy=f"A share of {plan.share_below_floor:.2g} of the law lies below |v| = "
            f"{plan.scheme.floor:.0e}.",
        )


def _check_passage(plan: "EnsemblePlan") -> None:
    require("n_snapshots", plan.n_snapshots, low=0)
    if plan.n_snapshots > LANES:
        raise LimitExceededError(
            "n_snapshots",
            given=plan.n_snapshots,
            allowed=f"at most {LANES} paths",
            remedy="The histogram holds all samples of all paths.",
        )
    if plan.first_passage is None:
        return
    require("first_passage", plan.first_passage)
    if not plan.has_fixed_clock:
        raise UnsupportedCombinationError(
            "first_passage",
            given=plan.first_passage,
            allowed='null for the scheme "taylor", which steps through sample times at its own pace',
            remedy='Name one with fixed steps, "splitting" (depth 0 and 1) or "log_euler", or use sgd or gd.',
        )


def _check_stability(plan: "EnsemblePlan") -> None:
    """Full-batch descent of depth 0 is linear: refuse a learning rate that certainly explodes."""
    if plan.depth > 0 or not isinstance(plan.dynamics, Gd) or plan.model != "diagonal":
        return
    stiffness = 2 * (plan.moments.beta1 * plan.width + plan.dynamics.weight_decay)
    bound = 2 * (1 + plan.dynamics.momentum) / stiffness
    if plan.dynamics.learning_rate >= bound:
        raise UnstableStepError(
            "dynamics.learning_rate",
            given=plan.dynamics.learning_rate,
            allowed=f"learning_rate < 2 (1 + momentum)/curvature = {bound:.6g}",
            remedy="Reduce it.",
        )


def _check_memory(plan: "EnsemblePlan") -> None:
    if plan.memory_bytes > MAX_MEMORY:
        raise LimitExceededError(
            "n_paths",
            given=plan.n_paths,
            allowed=f"at most {MAX_MEMORY / 2**30:g} GiB; this takes {plan.memory_bytes / 2**30:.1f} GiB",
            remedy='Ask for fewer paths or parameters, or use coordinate="model".',
        )


def _check_work(plan: "EnsemblePlan") -> None:
    if plan.work <= MAX_WORK:
        return
    by_batch = isinstance(plan.data, SamplePairs) and isinstance(plan.dynamics, Sgd)
    by_batch = by_batch and plan.work > 10 * plan.path_steps
    raise LimitExceededError(
        "dynamics.batch_size" if by_batch else "n_paths",
        given=plan.dynamics.batch_size if by_batch and isinstance(plan.dynamics, Sgd) else plan.n_paths,
        allowed=f"at most {MAX_WORK:.0e} cheap steps of work; this takes about {plan.work:.2g}",
        remedy="Ask for smaller batches, fewer paths or a shorter run.",
    )


def _check_edges(edges: NDArray[np.float64] | None) -> None:
    if edges is None:
        return
    values = np.asarray(edges, dtype=np.float64)
    if values.ndim != 1 or values.size < 2 or not np.all(np.isfinite(values)) or np.any(np.diff(values) <= 0):
        raise InvalidModelError("edges", given="edges", allowed="at least two finite numbers, increasing")
