"""Sources, schemes and refusals of Langevin dynamics, label noise and the tanh model.

`plan` asks here first; None means that SGD, GD or SGF of a diagonal network decides for itself.
"""

import math
from typing import TYPE_CHECKING

from equipoise_solver.ensembles.noise import full_batch, label_noise, normal_rows, pairs
from equipoise_solver.ensembles.noise.source import NoiseSource
from equipoise_solver.ensembles.problem import (
    Balanced,
    Data,
    Dynamics,
    GaussianPairs,
    Gd,
    Given,
    Langevin,
    MomentsOnly,
    Normal,
    SamplePairs,
    Sgd,
)
from equipoise_solver.ensembles.schemes import langevin_layers, tanh_update
from equipoise_solver.ensembles.schemes.scheme import Scheme
from equipoise_solver.errors import LimitExceededError, UnsupportedCombinationError
from equipoise_solver.theory.moments import DataMoments

if TYPE_CHECKING:
    from equipoise_solver.ensembles.plan import EnsemblePlan

MODELS = ("diagonal", "tanh1d")
TANH_OBSERVABLES = ("value", "norm", "sign", "autocorrelation")
"""Observables that do not speak of a model linear in x."""
MAX_TANH_SAMPLES = 65_536
"""Largest data set for full-batch descent of the tanh model, whose steps go through all of it."""
TANH_WORK, DRAWN_PAIR_WORK = 0.08, 0.4
"""Cost of one pair of the tanh model, in cheap steps, and of one that is drawn first."""
LANGEVIN_WORK = 0.2
"""Cost of one parameter of a Langevin step, in cheap steps."""


def moments_of(data: Data, dynamics: Dynamics) -> DataMoments:
    """What the SDE sees of the data, with the noise on the labels of minibatches."""
    std = dynamics.label_noise if isinstance(dynamics, Sgd) else 0.0
    return data.moments.with_label_noise(std) if std > 0 else data.moments


def source_of(plan: "EnsemblePlan") -> NoiseSource | None:
    """Where the randomness of these dynamics comes from."""
    if isinstance(plan.dynamics, Langevin):
        return normal_rows.source(plan.width * (plan.depth + 1))
    std = plan.dynamics.label_noise if isinstance(plan.dynamics, Sgd | Gd) else 0.0
    if plan.model == "tanh1d":
        return _tanh_source(plan, std)
    match plan.dynamics, plan.data:
        case Gd(), SamplePairs() as samples if std > 0:
            return label_noise.whole_source(
                beta1=plan.moments.beta1, beta2=plan.moments.beta2, n=samples.x.size, std=std
            )
        case Sgd() as sgd, SamplePairs() as samples if std > 0:
            return label_noise.batch_source(
                x=samples.x,
                y=samples.y,
                batch_size=sgd.batch_size,
                by_epoch=sgd.sampling == "epoch",
                std=std,
            )
    return None


def _tanh_source(plan: "EnsemblePlan", std: float) -> NoiseSource:
    match plan.dynamics, plan.data:
        case Gd(), _:
            return label_noise.normals_source() if std > 0 else full_batch.source(beta1=0.0, beta2=0.0)
        case Sgd() as sgd, GaussianPairs() as data:
            return pairs.gaussian_source(
                slope=data.slope,
                noise_std=math.hypot(data.noise_std, std),
                input_std=data.input_std,
                batch_size=sgd.batch_size,
                precision=plan.precision,
            )
        case Sgd() as sgd, SamplePairs() as samples:
            return pairs.sample_source(
                x=samples.x,
                y=samples.y,
                batch_size=sgd.batch_size,
                by_epoch=sgd.sampling == "epoch",
                std=std,
                precision=plan.precision,
            )
    raise AssertionError("check refuses everything else")


def scheme_of(plan: "EnsemblePlan") -> Scheme | None:
    """How a state moves under these dynamics."""
    match plan.dynamics:
        case Langevin() as langevin:
            return langevin_layers.scheme(
                plan.moments,
                depth=plan.depth,
                width=plan.width,
                temperature=langevin.temperature,
                weight_decay=langevin.weight_decay,
                step_size=plan.step_size,
                typical_rate=plan.typical_rate,
            )
        case (Sgd() | Gd()) as descent if plan.model == "tanh1d":
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
    return None


def langevin_rate(plan: "EnsemblePlan") -> float:
    """Largest curvature of the loss, 2 b1 |dv/dtheta|^2 + 2 gamma, [1/time].

    Of a balanced network at the start, at the minimum, or where the loss is about T.
    """
    assert isinstance(plan.dynamics, Langevin)
    layers = plan.depth + 1
    warm = math.sqrt(plan.dynamics.temperature / plan.moments.beta1)
    v = max(plan.typical_value, warm, plan.width * _typical_parameter(plan) ** layers)
    pull = layers * plan.width ** (2 / layers - 1) * v ** (2 * plan.depth / layers)
    return float(2 * plan.moments.beta1 * pull + 2 * plan.dynamics.weight_decay)


def work_per_step(plan: "EnsemblePlan") -> float | None:
    """Cost of a step of one path, in cheap steps."""
    if isinstance(plan.dynamics, Langevin):
        return max(LANGEVIN_WORK, LANGEVIN_WORK * plan.width * (plan.depth + 1))
    if plan.model != "tanh1d":
        return None
    if isinstance(plan.dynamics, Gd):
        assert isinstance(plan.data, SamplePairs)
        return max(1.0, TANH_WORK * plan.data.x.size)
    assert isinstance(plan.dynamics, Sgd)
    return max(1.0, DRAWN_PAIR_WORK * plan.dynamics.batch_size)


def notes_of(plan: "EnsemblePlan") -> tuple[str, ...]:
    """Sentences that qualify the numbers."""
    dynamics = plan.dynamics
    if not isinstance(dynamics, Langevin) or plan.depth == 0:
        return ()
    if dynamics.weight_decay == 0 and dynamics.temperature > 0:
        return (
            "Without weight decay the Gibbs law of two or more layers cannot be normalised: the parameters "
            "spread along the valley of equal v without end, and averages depend on the length of the run.",
        )
    return ()


def check(plan: "EnsemblePlan") -> None:
    """Refuse what these dynamics and this model do not offer.

    Raises:
        SolverError: the refusal.
    """
    if plan.model not in MODELS:
        raise UnsupportedCombinationError("model.kind", given=plan.model, allowed=f"one of {list(MODELS)}")
    _check_label_noise(plan)
    if plan.model == "tanh1d":
        _check_tanh(plan)


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


def _check_tanh(plan: "EnsemblePlan") -> None:
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


def _typical_parameter(plan: "EnsemblePlan") -> float:
    """Size of the parameters of a start that is not balanced."""
    match plan.init:
        case Given(u):
            return max(abs(value) for row in u for value in row)
        case Normal(std):
            return std
        case Balanced():
            return 0.0
