"""Processor seconds of a run on one thread of the reference machine, estimated beforehand.

All numbers are measured on that machine (AMD EPYC with AVX-512), one thread, kernels compiled, in float64, by
runs of some thousand paths; float32 takes 0.6 to 1 of it. The estimate is meant to be right within a factor
of 3; what other machines make of it is calibrated by kinds of work, see `kind_of`.
"""

from typing import TYPE_CHECKING

from equipoise_solver.ensembles.compiled import LANES
from equipoise_solver.ensembles.problem import Gd, SamplePairs, Sgd

if TYPE_CHECKING:
    from equipoise_solver.ensembles.plan import EnsemblePlan

SCHEME_NS: dict[str, tuple[float, float]] = {
    "reciprocal_splitting": (1.5, 0.0),
    "linear_splitting": (1.1, 0.0),
    "two_layer_euler": (0.5, 0.0),
    "euler": (1.1, 2.5),
    "tamed_euler": (1.1, 2.5),
    "log_euler": (1.6, 3.0),
    "two_layer_update": (1.5, 0.0),
    "product_update": (1.0, 1.5),
    "langevin_layers": (4.0, 3.0),
    "tanh_update": (0.5, 1.9),
    "balanced_flow": (48.0, 25.0),
    "linear_flow": (85.0, 0.0),
    "two_layer_flow": (20.0, 12.5),
    "product_flow": (50.0, 45.0),
}
"""Of a step that the plan counts on, and more for each unit of `_units`, [ns]. Adaptive schemes take more
steps than the plan counts on, and draw their increments here."""
CROWDED_NS, CROWDED_MOST_NS = 0.035, 4.5
"""More for a parameter, times the number of parameters, which leave the cache, and at most; [ns]."""
NOISE_NS: dict[str, tuple[float, float]] = {
    "gaussian": (1.3, 0.0),
    "coarse": (1.3, 0.0),
    "three_point": (0.8, 0.0),
    "two_point": (0.8, 0.0),
    "normal_rows": (0.0, 0.0),
    "minibatch_gaussian": (8.0, 0.0),
    "minibatch_gaussian_pairs": (1.5, 0.0),
    "minibatch_iid": (1.5, 1.6),
    "minibatch_iid_label_noise": (6.0, 1.6),
    "minibatch_epoch": (3.0, 3.5),
    "minibatch_epoch_label_noise": (9.0, 4.0),
    "full_batch": (0.2, 0.0),
    "full_batch_label_noise": (5.5, 0.0),
    "label_normals": (5.5, 0.0),
    "pairs_gaussian": (3.0, 6.5),
    "pairs_iid": (3.0, 7.5),
    "pairs_epoch": (3.0, 7.0),
}
"""Of the noise of a step, and more for each sample of a batch, with what a tanh unit does with it, [ns]."""
UNKNOWN_NS = (10.0, 0.0)
"""Of a scheme or a source that is not in the tables, [ns]."""
RESHUFFLED_NS, CACHED_PAIRS = 5.0, 1000
"""More for each sample of a batch by epoch from a data set larger than the cache, [ns], and its size."""
WATCHED_NS = 4.0
"""More for a step that is looked at for a first passage, [ns]."""
RECORDED_NS = 3.0
"""Of an observable of a path at a record, [ns]."""
FEWEST_ADAPTIVE = 7
"""Paths that take as long as what an adaptive step does for a whole block."""
SETUP_S = 0.01
"""Of a run, however short, [s]."""


def seconds(plan: "EnsemblePlan") -> float:
    """Processor seconds of all steps and records of a plan on one thread of the reference machine, [s]."""
    whole_blocks = LANES * -(-plan.n_paths // LANES)  # By a fixed clock, lanes without a path run along.
    n_paths = whole_blocks if plan.has_fixed_clock else plan.n_paths + FEWEST_ADAPTIVE
    steps = n_paths * plan.typical_steps * _step_ns(plan)
    records = plan.n_paths * plan.n_records * len(plan.observables) * RECORDED_NS
    return SETUP_S + 1e-9 * (steps + records)


def kind_of(plan: "EnsemblePlan") -> str:
    """What the estimate is off by the same factor for: scheme, noise and precision; at most 54 characters."""
    return f"{plan.scheme.name}/{plan.noise_source.name}/{plan.precision}"


def _step_ns(plan: "EnsemblePlan") -> float:
    """Of a step of one path, [ns]."""
    fixed, per_unit = SCHEME_NS.get(plan.scheme.name, UNKNOWN_NS)
    n_units = _units(plan)
    if plan.scheme.name == "product_update":
        per_unit += min(CROWDED_NS * n_units, CROWDED_MOST_NS)
    own = fixed + per_unit * n_units + (0.0 if plan.first_passage is None else WATCHED_NS)
    return own + _noise_ns(plan) if plan.has_fixed_clock else own


def _units(plan: "EnsemblePlan") -> float:
    """What a step of a scheme goes through: parameters, layers beyond two, or pairs of a data set."""
    match plan.scheme.name:
        case "tanh_update":
            is_whole = isinstance(plan.dynamics, Gd) and isinstance(plan.data, SamplePairs)
            return plan.data.x.size if is_whole and isinstance(plan.data, SamplePairs) else 1.0
        case "euler" | "tamed_euler" | "log_euler" | "balanced_flow":
            return float(max(0, plan.depth - 1))
    return float(plan.width * (plan.depth + 1))


def _noise_ns(plan: "EnsemblePlan") -> float:
    """Of the noise of a step of one path, [ns]."""
    fixed, per_sample = NOISE_NS.get(plan.noise_source.name, UNKNOWN_NS)
    if not isinstance(plan.dynamics, Sgd):
        return fixed
    size = plan.dynamics.batch_size
    if plan.epoch_batches and isinstance(plan.data, SamplePairs):
        size = min(size, plan.data.x.size)
        per_sample += RESHUFFLED_NS if plan.data.x.size > CACHED_PAIRS else 0.0
    return fixed + per_sample * size
