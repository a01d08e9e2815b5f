"""Which scheme moves the paths of a plan, and by steps of which size."""

import math
from typing import TYPE_CHECKING

from equipoise_solver.ensembles.problem import (
    Balanced,
    Gd,
    Given,
    Langevin,
    Normal,
    SamplePairs,
    Sgd,
    Sgf,
)
from equipoise_solver.ensembles.schemes import (
    FLOWS,
    Scheme,
    balanced_flow,
    explicit,
    flow_name,
    langevin_layers,
    linear_splitting,
    product_update,
    reciprocal_splitting,
    tanh_update,
    two_layer_euler,
    two_layer_update,
)

if TYPE_CHECKING:
    from equipoise_solver.ensembles.plan import EnsemblePlan

STEP_PER_RATE, STEP_PER_RATE_EXPLICIT = 0.16, 0.02
"""Default step, times the rate of the problem, of schemes of weak order 2 and 1."""


def scheme_name(plan: "EnsemblePlan") -> str:
    """Kind of scheme: a name of `problem.SCHEMES` but "auto"; "update" for sgd, gd and langevin."""
    if not isinstance(plan.dynamics, Sgf):
        return "update"
    if plan.dynamics.scheme != "auto":
        return plan.dynamics.scheme
    # Where the noise vanishes at a point, paths end there exactly only by steps that follow the state.
    noise_vanishes = plan.moments.floor <= 1e-12 * plan.moments.alpha3 and plan.temperature > 0
    splits = plan.starts_balanced and plan.depth <= 1 and not noise_vanishes
    return "splitting" if splits else "taylor"


def scheme_of(plan: "EnsemblePlan") -> Scheme:
    """The scheme, with all its numbers."""
    match plan.dynamics:
        case Langevin() as langevin:
            return _langevin(plan, langevin)
        case Sgf() as flow if plan.scheme_name == "taylor":
            return _adaptive_flow(plan, flow)
        case Sgf() as flow:
            return _fixed_flow(plan, flow)
        case (Sgd() | Gd()) as descent if plan.model == "tanh1d":
            return _tanh_update(plan, descent)
        case (Sgd() | Gd()) as descent:
            return _update(plan, descent)


def _langevin(plan: "EnsemblePlan", langevin: Langevin) -> Scheme:
    return langevin_layers.scheme(
        plan.moments,
        depth=plan.depth,
        width=plan.width,
        temperature=langevin.temperature,
        weight_decay=langevin.weight_decay,
        step_size=plan.step_size,
        typical_rate=plan.typical_rate,
    )


def _adaptive_flow(plan: "EnsemblePlan", flow: Sgf) -> Scheme:
    name = flow_name(coordinate="model" if plan.is_reduced else "parameters", depth=plan.depth)
    return FLOWS[name](
        plan.moments,
        depth=plan.depth,
        width=plan.width,
        temperature=flow.temperature,
        weight_decay=flow.weight_decay,
        max_step=flow.step_size or math.inf,
        relative_step=flow.tolerance,
        typical_value=plan.typical_value,
        start_value=abs(plan.start_value),
    )


def _fixed_flow(plan: "EnsemblePlan", flow: Sgf) -> Scheme:
    heat = {"temperature": flow.temperature, "weight_decay": flow.weight_decay}
    moments, step_size = plan.moments, plan.step_size
    if not plan.is_reduced:
        return two_layer_euler.scheme(moments, **heat, step_size=step_size, typical_rate=plan.typical_rate)
    if plan.scheme_name != "splitting":
        return explicit.scheme(
            plan.scheme_name,
            moments,
            depth=plan.depth,
            width=plan.width,
            **heat,
            step_size=step_size,
            typical_rate=plan.typical_rate,
        )
    if plan.depth == 0:
        return linear_splitting.scheme(moments, width=plan.width, **heat, step_size=step_size)
    return reciprocal_splitting.scheme(
        moments,
        **heat,
        step_size=step_size,
        typical_value=plan.typical_value,
        precision=plan.precision,
    )


def _tanh_update(plan: "EnsemblePlan", descent: Sgd | Gd) -> Scheme:
    samples = plan.data if isinstance(plan.data, SamplePairs) and isinstance(descent, Gd) else None
    return tanh_update.scheme(
        hidden=plan.depth == 1,
        learning_rate=descent.learning_rate,
        momentum=descent.momentum,
        weight_decay=descent.weight_decay,
        precision=plan.precision,
        pairs=None if samples is None else (samples.x, samples.y),
        label_noise=descent.label_noise,
    )


def _update(plan: "EnsemblePlan", descent: Sgd | Gd) -> Scheme:
    if plan.is_one_neuron:
        return two_layer_update.scheme(
            learning_rate=descent.learning_rate,
            weight_decay=descent.weight_decay,
            power=plan.moments.beta1,
            precision=plan.precision,
            batch=plan.noise_source.numbers if plan.noise_source.steps > 1 else None,
        )
    return product_update.scheme(
        depth=plan.depth,
        width=plan.width,
        learning_rate=descent.learning_rate,
        momentum=descent.momentum,
        weight_decay=descent.weight_decay,
        power=plan.moments.beta1,
    )


def default_step(plan: "EnsemblePlan") -> float:
    """Step of a fixed clock that the problem's own rates ask for, [time]."""
    is_explicit = plan.scheme_name in ("euler", "tamed_euler", "log_euler")
    return (STEP_PER_RATE_EXPLICIT if is_explicit else STEP_PER_RATE) / max(plan.typical_rate, 1e-300)


def typical_rate(plan: "EnsemblePlan") -> float:
    """Rate of relaxation and noise that bounds the step of an SDE near the minimum, [1/time]."""
    if isinstance(plan.dynamics, Langevin):
        return _langevin_rate(plan, plan.dynamics)
    assert isinstance(plan.dynamics, Sgf)
    heat = {"temperature": plan.dynamics.temperature, "weight_decay": plan.dynamics.weight_decay}
    if plan.depth == 0:
        return linear_splitting.rate(plan.moments, width=plan.width, **heat)
    if plan.depth == 1:
        return reciprocal_splitting.rate(plan.moments, **heat, value=plan.typical_value)
    return balanced_flow.rate(plan.moments, **heat, depth=plan.depth, width=plan.width, v=plan.typical_value)


def _langevin_rate(plan: "EnsemblePlan", langevin: Langevin) -> float:
    """Largest curvature of the loss, 2 b1 |dv/dtheta|^2 + 2 gamma, [1/time].

    Of a balanced network at the start, at the minimum, or where the loss is about T.
    """
    warm = math.sqrt(langevin.temperature / plan.moments.beta1)
    v = max(plan.typical_value, warm, plan.width * _start_parameter(plan) ** (plan.depth + 1))
    return float(2 * plan.moments.beta1 * plan.pull_at(v) + 2 * langevin.weight_decay)


def _start_parameter(plan: "EnsemblePlan") -> float:
    """Size of the parameters of a start that is not balanced."""
    match plan.init:
        case Given(u):
            return max(abs(value) for row in u for value in row)
        case Normal(std):
            return std
        case Balanced():
            return 0.0
