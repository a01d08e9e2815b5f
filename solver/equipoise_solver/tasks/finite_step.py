"""SGD at its own finite step: the law of its Markov chain for a `compare` spec, where there is one."""

import math

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.errors import SolverError
from equipoise_solver.specs import (
    SGD,
    Atom,
    BalancedInit,
    Compare,
    Density,
    FiniteStepLaw,
    Grid,
    MomentsData,
    NormalInit,
    Quantiles,
)
from equipoise_solver.specs import GaussianData as GaussianSpec
from equipoise_solver.tasks.data import load_samples
from equipoise_solver.tasks.stationary import QUANTILE_LEVELS
from equipoise_solver.tasks.work import LoadDataset
from equipoise_solver.theory import DataMoments
from equipoise_solver.theory.discrete import DiscreteLaw, GaussianData, SampleData, discrete_law

Array = NDArray[np.float64]

# Samples beyond which matching the moments of minibatches takes more than a second.
MOST_SAMPLES = 50_000
APART = "The law at finite step is not there"
UNRESOLVED = f"{APART}: it is not resolved."


def finite_step_law(spec: Compare, *, load_dataset: LoadDataset | None) -> DiscreteLaw | str:
    """The long-run law of v under the SGD of a spec, or why it is not there.

    Linear regression of width d is that of width 1 at learning rate d eta and weight decay gamma/d.

    Two layers of any width: v = P - Q, P = sum_i (u_i + w_i)^2/4, Q = sum_i (u_i - w_i)^2/4, and with
    m = A v - B a step multiplies P by (1 - 2 eta gamma - 2 eta m)^2, Q by (1 - 2 eta gamma + 2 eta m)^2. In
    the long run one of them is left, and v follows the chain of width 1.
    """
    reason = _why_none(spec)
    if reason:
        return f"{APART}: {reason}"
    assert isinstance(spec.dynamics, SGD)
    data = _data(spec, load_dataset)
    if isinstance(data, SampleData) and data.x.size > MOST_SAMPLES:
        return f"{APART}: more than {MOST_SAMPLES} samples."
    if spec.model.depth == 1 and not _starts_beside_the_law(spec, data.moments()):
        return f"{APART}: these runs start and stay at 0, or with the sign opposite to E[xy]."
    try:
        with np.errstate(all="ignore"):  # What is no number is found below.
            law = _law(data, spec.dynamics, depth=spec.model.depth, width=spec.model.width)
    except SolverError as error:
        return f"{APART}: {error}"
    except (ValueError, ArithmeticError):  # Linear algebra on what is no number.
        return UNRESOLVED
    return law if _is_sound(law) else UNRESOLVED


def _law(data: GaussianData | SampleData, sgd: SGD, *, depth: int, width: int) -> DiscreteLaw:
    scale = width if depth == 0 else 1
    return discrete_law(
        data,
        depth=depth,
        learning_rate=sgd.learning_rate * scale,
        batch_size=sgd.batch_size,
        weight_decay=sgd.weight_decay / scale,
    )


def describe_finite_step(law: DiscreteLaw, grid: Grid) -> FiniteStepLaw:
    """A law at finite step as the answer that users read, with its density on the grid."""
    levels = QUANTILE_LEVELS if law.is_decided else np.empty(0)
    v = _points(law, grid)
    notes = law.notes
    if not law.is_smooth:
        notes = (*notes, "density.p are means over the cells about density.v.")
    return FiniteStepLaw(
        phase=law.phase,
        lyapunov_exponent=law.lyapunov_exponent,
        explosion_rate=law.explosion_rate,
        expected_steps_to_explosion=_finite(law.expected_steps_to_explosion),
        ceiling=law.ceiling,
        lower_exponent=law.lower_exponent,
        tail_exponent=law.tail_exponent,
        atoms=tuple(Atom(at=atom.at, mass=atom.mass) for atom in law.atoms),
        mean=law.mean,
        variance=law.variance,
        support=(_finite(law.support[0]), _finite(law.support[1])),
        quantiles=Quantiles(levels=levels, values=law.quantile(levels)),
        density=Density(v=v, p=_heights(law, v), cdf=law.cdf(v)),
        notes=notes,
    )


def _why_none(spec: Compare) -> str | None:
    """Why there is no chain for the dynamics and the model, None if there is."""
    match spec.dynamics:
        case SGD(momentum=momentum) if momentum > 0:
            return "with momentum v is no Markov chain by itself."
        case SGD(sampling="epoch"):
            return "the minibatches of an epoch depend on each other."
        case SGD(label_noise=noise) if noise > 0 and not isinstance(spec.data, GaussianSpec):
            return "label noise on a finite data set is not offered."
        case SGD() if spec.model.depth > 1:
            return "it is offered for depth 0 and 1."
        case SGD():
            return None
    return f"dynamics {spec.dynamics.kind!r} have none, 'sgd' has."


def _data(spec: Compare, load_dataset: LoadDataset | None) -> GaussianData | SampleData:
    assert isinstance(spec.dynamics, SGD)
    assert not isinstance(spec.data, MomentsData)
    if isinstance(spec.data, GaussianSpec):
        noise_std = math.hypot(spec.data.noise_std, spec.dynamics.label_noise)
        return GaussianData(spec.data.slope, noise_std, spec.data.input_std)
    return SampleData.from_lists(*load_samples(spec.data, load_dataset=load_dataset))


def _starts_beside_the_law(spec: Compare, moments: DataMoments) -> bool:
    """Whether the part of the start that lasts, P or Q by the sign of E[xy], is not 0."""
    sign = -1.0 if moments.beta2 < 0 else 1.0
    match spec.init:
        case NormalInit():
            return True
        case BalancedInit(value=value):
            return sign * (moments.minimum if value is None else value) > 0
        case start:
            return any(u + sign * w != 0 for u, w in start.u)


def _is_sound(law: DiscreteLaw) -> bool:
    """Whether moments and quantiles are numbers, no variance is below 0, and a rough law has its cells."""
    if law.density is not None and not law.is_smooth and law.density.chain.points is None:
        return False
    numbers = [law.mean, law.variance, law.explosion_rate, law.lyapunov_exponent]
    if law.density is not None:
        numbers += law.quantile(QUANTILE_LEVELS).tolist()
    known = [value for value in numbers if value is not None]
    return all(map(math.isfinite, known)) and (law.variance is None or law.variance >= 0)


def _points(law: DiscreteLaw, grid: Grid) -> Array:
    """Points of the grid: half lie evenly over the bulk, the rest at quantiles and out into the tails."""
    if grid.v is not None:
        return np.unique(np.array(grid.v))
    if law.density is None:
        return np.array(sorted(atom.at for atom in law.atoms))
    n = grid.n_points
    low, high = law.quantile(np.array([2e-3, 0.99]))
    tails = np.geomspace(1e-2, 1e-6, max(n // 8, 1))
    levels = np.concatenate([np.linspace(0.0, 1.0, max(n // 4, 1) + 2)[1:-1], tails, 1.0 - tails])
    return np.unique(np.concatenate([np.linspace(low, high, max(n // 2, 2)), law.quantile(levels)]))[:n]


def _heights(law: DiscreteLaw, v: Array) -> Array:
    """The density at v; where the law may be fractal, its mean over the cell about each point."""
    if law.is_smooth or v.size < 2:
        return law.pdf(v)
    edges = np.concatenate([v[:1], 0.5 * (v[1:] + v[:-1]), v[-1:]])
    result: Array = np.diff(law.cdf(edges)) / np.diff(edges)
    return result


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
