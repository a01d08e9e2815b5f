"""An ensemble spec as a plan of the compiled ensembles, and its result as the answer that users read."""

import math

import numpy as np
from numpy.typing import NDArray

from equipoise_solver import specs
from equipoise_solver.ensembles import (
    Balanced,
    EnsemblePlan,
    EnsembleResult,
    GaussianPairs,
    Gd,
    Given,
    Langevin,
    MomentsOnly,
    Normal,
    SamplePairs,
    Sgd,
    Sgf,
)
from equipoise_solver.ensembles.problem import Data, Dynamics, Init
from equipoise_solver.ensembles.seconds import kind_of, seconds
from equipoise_solver.errors import LimitExceededError
from equipoise_solver.specs import (
    GD,
    SGD,
    SGF,
    BalancedInit,
    DatasetData,
    DivergedPath,
    Ensemble,
    EnsembleSpec,
    FirstPassage,
    GaussianData,
    Histogram,
    MomentsData,
    NormalInit,
    ParametersInit,
    Quantiles,
    SamplesData,
    Series,
    Snapshots,
    StepBias,
    Tail,
    effective_seed,
)
from equipoise_solver.specs.tasks import MAX_PATH_STEPS
from equipoise_solver.tasks.data import load_samples, moments_of
from equipoise_solver.tasks.work import Cost, LoadDataset


def plan_of(
    spec: EnsembleSpec, *, load_dataset: LoadDataset | None, edges: NDArray[np.float64] | None = None
) -> EnsemblePlan:
    """The plan of an ensemble spec; `edges` of the histogram default to those that suit the data.

    Raises:
        SolverError: the combination makes no sense, or is larger than MAX_PATH_STEPS.
    """
    plan = EnsemblePlan(
        model=spec.model.kind,
        depth=spec.model.depth,
        width=spec.model.width,
        data=_data(spec, load_dataset),
        dynamics=_dynamics(spec),
        n_paths=spec.n_paths,
        n_steps=spec.n_steps,
        duration=spec.duration,
        coordinate=spec.coordinate,
        init=_init(spec.init),
        burn_in=spec.burn_in,
        n_records=spec.n_records,
        observables=spec.observables,
        edges=edges,
        seed=effective_seed(spec),
        precision=spec.precision,
        n_snapshots=spec.n_snapshots,
        first_passage=spec.first_passage,
    )
    if plan.path_steps > MAX_PATH_STEPS:
        raise LimitExceededError(
            "duration" if spec.n_steps is None else "n_steps",
            given=spec.duration if spec.n_steps is None else spec.n_steps,
            allowed=f"at most {MAX_PATH_STEPS:.0e} path-steps; this spec takes about {plan.path_steps:.2g}",
            remedy="Ask for fewer paths or a shorter run.",
        )
    return plan


def cost_of(plan: EnsemblePlan, task: str, *, more_seconds: float = 0.0) -> Cost:
    """What the plan takes in a task, with what else the task does."""
    return Cost(
        path_steps=plan.path_steps,
        memory_bytes=plan.memory_bytes,
        is_quick=False,
        seconds=seconds(plan) + more_seconds,
        kind=f"{task}/{kind_of(plan)}",
    )


def describe_ensemble(result: EnsembleResult, plan: EnsemblePlan) -> Ensemble:
    """The result of a plan as users read it."""
    return Ensemble(
        mean=_number(result.mean),
        standard_error=_number(result.standard_error),
        variance=_number(result.variance),
        variance_standard_error=_number(result.variance_standard_error),
        moments=result.moments,
        log_mean=_number(result.log_mean),
        log_standard_error=_number(result.log_standard_error),
        n_effective=_number(result.n_effective),
        tail=None if result.tail is None else Tail(**vars(result.tail)),
        step_bias=None if result.step_bias is None else StepBias(**vars(result.step_bias)),
        quantiles=Quantiles(levels=result.quantile_levels, values=result.quantiles),
        histogram=Histogram(
            edges=result.edges, counts=result.counts, below=result.underflow, above=result.overflow
        ),
        loss_minimum=plan.moments.minimum,
        n_paths=result.n_paths,
        n_diverged=result.n_diverged,
        n_absorbed=result.n_absorbed,
        path_steps=result.path_steps,
        step_size=_step_size(plan),
        seed=plan.seed,
        outcome="DIVERGED" if result.n_diverged else "COMPLETED",
        observables={
            name: Series(time=series.time, mean=series.mean, standard_error=series.standard_error)
            for name, series in result.observables.items()
        },
        diverged=tuple(
            DivergedPath(path=lost.path, step=lost.steps, value=_number(lost.value)) for lost in result.lost
        ),
        snapshots=_snapshots(result, plan),
        first_passage=_first_passage(result),
        notes=result.notes,
    )


def _snapshots(result: EnsembleResult, plan: EnsemblePlan) -> Snapshots | None:
    if plan.n_snapshots == 0:
        return None
    return Snapshots(time=result.record_times, values=tuple(result.snapshots))


def _first_passage(result: EnsembleResult) -> FirstPassage | None:
    passages = result.passages
    if passages is None:
        return None
    return FirstPassage(
        level=passages.level,
        n_passed=passages.n_passed,
        mean=_number(passages.mean),
        standard_error=_number(passages.standard_error),
        histogram=Histogram(edges=passages.edges, counts=passages.counts, below=0, above=0),
    )


def _step_size(plan: EnsemblePlan) -> float | None:
    """Step in force of a fixed clock, the bound on the step of an adaptive one; None for an update rule."""
    match plan.dynamics:
        case Sgf(step_size=bound) if not plan.has_fixed_clock:
            return bound
        case Sgf() | Langevin():
            return plan.step_size
        case _:
            return None


def _data(spec: EnsembleSpec, load_dataset: LoadDataset | None) -> Data:
    match spec.data:
        case GaussianData() as data:
            return GaussianPairs(data.slope, data.noise_std, data.input_std)
        case SamplesData() | DatasetData() as data:
            return SamplePairs(*load_samples(data, load_dataset=load_dataset))
        case MomentsData() as data:
            return MomentsOnly(moments_of(data, load_dataset=load_dataset))


def _dynamics(spec: EnsembleSpec) -> Dynamics:
    match spec.dynamics:
        case SGD() as sgd:
            return Sgd(
                learning_rate=sgd.learning_rate,
                batch_size=sgd.batch_size,
                weight_decay=sgd.weight_decay,
                momentum=sgd.momentum,
                sampling=sgd.sampling,
                label_noise=sgd.label_noise,
            )
        case GD() as gd:
            return Gd(
                learning_rate=gd.learning_rate,
                weight_decay=gd.weight_decay,
                momentum=gd.momentum,
                label_noise=gd.label_noise,
            )
        case specs.Langevin() as langevin:
            return Langevin(
                temperature=langevin.temperature,
                weight_decay=langevin.weight_decay,
                step_size=langevin.step_size,
            )
        case SGF() as sgf:
            return Sgf(
                temperature=sgf.temperature,
                weight_decay=sgf.weight_decay,
                noise=spec.noise,
                step_size=sgf.step_size,
                scheme=sgf.scheme,
            )


def _init(init: BalancedInit | NormalInit | ParametersInit) -> Init:
    match init:
        case BalancedInit():
            return Balanced(init.value)
        case NormalInit():
            return Normal(init.std)
        case ParametersInit():
            return Given(init.u)


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
