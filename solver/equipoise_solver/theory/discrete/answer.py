"""Requests for SGD's law at finite step: arguments checked, phases told apart, chains solved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.errors import InvalidModelError, UnstableStepError, UnsupportedCombinationError
from equipoise_solver.theory.discrete.affine import (
    affine_moments,
    empirical_affine,
    gaussian_affine,
)
from equipoise_solver.theory.discrete.cells import refined
from equipoise_solver.theory.discrete.data import Data, SampleData, Training
from equipoise_solver.theory.discrete.law import SMOOTH, DiscreteDensity, DiscreteLaw
from equipoise_solver.theory.discrete.minibatch import GaussianDisplacement, empirical_atoms
from equipoise_solver.theory.discrete.orbits import StepMaps, finite_orbit
from equipoise_solver.theory.discrete.origin import factor_at_zero, factor_of_deviations
from equipoise_solver.theory.discrete.recombination import DEGREE, Atoms
from equipoise_solver.theory.discrete.solution import Chain
from equipoise_solver.theory.discrete.two_layer import ceiling, empirical_chain, gaussian_chain
from equipoise_solver.theory.laws import Atom

Array = NDArray[np.float64]

SPARSE = (
    "An explosion rate of 0 is that of runs next to v = 0, where all runs that last end: before v has died "
    "out, runs may explode."
)
FEW_ATOMS = "Minibatches map a few values of v to each other, and all runs that last come to them."
_UNRESOLVED_RATE = 1e-15
# The survival of a run jumps where one more minibatch lets it escape, which panels do not resolve.
_UNRESOLVED_RATE_OF_ATOMS = 1e-5


def discrete_law(
    data: Data, *, depth: int, learning_rate: float, batch_size: int, weight_decay: float = 0.0
) -> DiscreteLaw:
    """The law of the model coordinate v under SGD as it is run, minibatches drawn with replacement.

    Depth 0 is linear regression, v' = v - 2 eta (A v - B + gamma v); depth 1 the two-layer network on its
    balanced manifold, v' = v (1 - 2 eta gamma - 2 eta (A v - B))**2, in the sector with the sign of E[xy].

    Args:
        data: Gaussian, or an empirical distribution.
        depth: 0 or 1.
        learning_rate: eta > 0.
        batch_size: S >= 1.
        weight_decay: gamma >= 0 of the loss term gamma*|theta|**2, 2 eta gamma < 1.

    Raises:
        InvalidModelError: an argument outside its range.
        UnstableStepError: 2 eta gamma >= 1.
        UnsupportedCombinationError: data without noise that leave neither an atom nor a smooth law.
    """
    if depth not in (0, 1) or isinstance(depth, bool):
        raise InvalidModelError(
            "model.depth",
            given=str(depth),
            allowed="0 or 1",
            remedy="Deeper networks are no one-dimensional chain: simulate them, or use the SDE limit.",
        )
    run = Training(learning_rate, batch_size, weight_decay)
    if run.retention <= 0:
        raise UnstableStepError(
            "weight_decay",
            given=weight_decay,
            allowed=f"2*learning_rate*weight_decay < 1, weight_decay < {0.5 / learning_rate:.6g}",
            remedy="Reduce weight_decay or learning_rate.",
        )
    return _linear_regression(data, run) if depth == 0 else _two_layers(data, run)


def _two_layers(data: Data, run: Training) -> DiscreteLaw:
    sign = -1.0 if data.moments().beta2 < 0 else 1.0
    ahead = data.mirrored() if sign < 0 else data
    blank = _blank(1, run, 2.0 * factor_at_zero(ahead, run).mean_log())
    if _is_deterministic(ahead) and run.weight_decay > 0:
        return _descent(blank, ahead, run, sign)
    slope = ahead.exact_slope()
    if slope is not None and slope > 0 and run.weight_decay == 0:
        return _two_layers_interpolating(blank, ahead, run, sign * slope)
    if blank.lyapunov_exponent <= 0:
        return replace(_at(blank, 0.0), phase="sparse", notes=(SPARSE,))
    atoms = None
    if isinstance(ahead, SampleData):
        atoms = empirical_atoms(ahead, run.batch_size)
        few = _few_atoms(blank, atoms, run, sign, np.linspace(0.0, ceiling(ahead.moments(), run), 50)[1:-1])
        if few is not None:
            return few
        found = empirical_chain(atoms, ahead.moments(), run)
        blank = _with_degree(blank, atoms.degree)
    else:
        _require_noise(ahead, "depth 1")
        found = gaussian_chain(GaussianDisplacement.of(ahead, run), ahead.moments(), run)
    law = _solved(blank, found.chain, sign)
    notes = law.notes
    if found.is_confined:
        confined = replace(law, notes=(*notes, "Less than 1e-16 of the law lies outside its support."))
        return _in_cells(replace(confined, ceiling=found.ceiling), atoms)
    if found.ceiling is not None:
        notes = (*notes, f"The law is that of runs with |v| <= {found.ceiling:.6g} that have not escaped.")
    if not found.chain.balances:
        notes = (
            *notes,
            "Runs that do not explode come to linger at v = 0: the law is settled for a while only.",
        )
    rate = max(found.chain.loss, 0.0)
    if isinstance(ahead, SampleData):
        if found.ceiling is not None and rate < _UNRESOLVED_RATE_OF_ATOMS:
            notes = (*notes, "The explosion rate is below 1e-5 per step; no more is known of it.")
    elif 0 < rate < _UNRESOLVED_RATE:
        notes = (*notes, "An explosion rate below 1e-15 is known by its order of magnitude.")
    if found.exponent is not None:
        law = replace(law, support=(min(law.support[0], 0.0), max(law.support[1], 0.0)))
    solved = replace(
        law,
        lower_exponent=found.exponent,
        ceiling=found.ceiling,
        mass_above_ceiling=found.chain.beyond,
        explosion_rate=rate,
        notes=notes,
    )
    return _in_cells(solved, atoms)


def _two_layers_interpolating(blank: DiscreteLaw, data: Data, run: Training, slope: float) -> DiscreteLaw:
    """y = slope*x: v = slope stays where it is, and draws runs in if E log|1 - 4 eta A slope| < 0."""
    draws_in = factor_of_deviations(data, run, stretch=2.0 * abs(slope)).mean_log() < 0
    if not draws_in and blank.lyapunov_exponent <= 0:
        return replace(_at(blank, 0.0), phase="sparse", notes=(SPARSE,))
    if not draws_in:
        raise UnsupportedCombinationError(
            "learning_rate",
            given=run.learning_rate,
            allowed="a step at which v = 0 or v = slope attracts, for data without noise",
            remedy="Reduce learning_rate, or add noise to the targets.",
        )
    if blank.lyapunov_exponent > 0:
        return replace(_at(blank, slope), phase="interpolating")
    low, high = min(0.0, slope), max(0.0, slope)
    return replace(
        blank,
        phase="interpolating",
        atoms=(Atom(0.0, None), Atom(slope, None)),
        support=(low, high),
        notes=("Both v = 0 and v = slope attract: the start decides.",),
    )


def _is_deterministic(data: Data) -> bool:
    """Whether all minibatches are the same."""
    moments = data.moments()
    return moments.alpha1 == 0 and moments.alpha3 == 0


def _descent(blank: DiscreteLaw, data: Data, run: Training, sign: float) -> DiscreteLaw:
    """Gradient descent on data of one kind: it ends at its fixed point if that is stable, or at 0."""
    moments = data.moments()
    fixed = (moments.beta2 - run.weight_decay) / moments.beta1
    if fixed <= 0:
        return replace(_at(blank, 0.0), phase="sparse")
    if run.learning_rate * moments.beta1 * fixed >= 0.5:
        raise UnsupportedCombinationError(
            "learning_rate",
            given=run.learning_rate,
            allowed=f"a step at which descent settles, < {0.5 / (moments.beta1 * fixed):.6g}, without noise",
            remedy="Reduce learning_rate.",
        )
    return _at(blank, sign * fixed)


def _linear_regression(data: Data, run: Training) -> DiscreteLaw:
    moments = data.moments()
    slope = data.exact_slope()
    factor = factor_of_deviations(data, run)
    blank = _blank(0, run, factor.mean_log())
    if blank.lyapunov_exponent >= 0:
        return replace(
            blank, phase="divergent", explosion_rate=None, notes=("E log|M| >= 0: |v| grows without bound.",)
        )
    if slope is not None and (run.weight_decay == 0 or slope == 0):
        return replace(_at(blank, slope), phase="interpolating")
    if _is_deterministic(data):
        return replace(_at(blank, moments.beta2 / (moments.beta1 + run.weight_decay)), phase="learning")
    kesten = factor.positive_exponent()
    atoms = None
    if isinstance(data, SampleData):
        atoms = empirical_atoms(data, run.batch_size)
        few = _few_atoms(blank, atoms, run, 1.0, np.array([moments.minimum]))
        if few is not None:
            return few
        blank = _with_degree(blank, atoms.degree)
        chain = empirical_affine(atoms, moments, run, kesten)
    else:
        _require_noise(data, "weight decay")
        chain = gaussian_affine(GaussianDisplacement.of(data, run), moments, run, kesten)
    return _in_cells(_with_closed_moments(_solved(blank, chain, 1.0), data, run, kesten), atoms)


def _few_atoms(
    blank: DiscreteLaw, atoms: Atoms, run: Training, sign: float, start: Array
) -> DiscreteLaw | None:
    """The law where it is a few atoms, to which paths from everywhere in `start` come."""
    found = finite_orbit(StepMaps(atoms, 2.0 * run.learning_rate, run.retention, blank.depth), start)
    if found is None:
        return None
    places, masses = found
    mean = float(masses @ places)
    variance = float(masses @ (places - mean) ** 2)
    pairs = sorted((sign * float(place), float(mass)) for place, mass in zip(places, masses, strict=True))
    return replace(
        blank,
        support=(pairs[0][0], pairs[-1][0]),
        atoms=tuple(Atom(place, mass) for place, mass in pairs),
        mean=sign * mean,
        variance=variance,
        second_moment=variance + mean**2,
        notes=(*blank.notes, FEW_ATOMS),
    )


def _in_cells(law: DiscreteLaw, atoms: Atoms | None) -> DiscreteLaw:
    """A law of atoms whose density is not resolved gets its distribution function from cells."""
    return law if atoms is None or law.is_smooth else refined(law, atoms)


def _with_closed_moments(law: DiscreteLaw, data: Data, run: Training, kesten: float | None) -> DiscreteLaw:
    closed = affine_moments(data.moments(), run)
    notes = law.notes
    if kesten is not None and kesten <= 2:
        what = "mean and variance are" if kesten <= 1 else "variance is"
        notes = (*notes, f"The {what} infinite: p ~ |v|**-{1 + kesten:.4g}.")
    mean = closed.mean if kesten is None or kesten > 1 else None
    variance = closed.variance if mean is not None else None
    return replace(
        law,
        kesten_exponent=kesten,
        mean=mean,
        variance=variance,
        second_moment=variance + closed.mean**2 if variance is not None else None,
        support=(-np.inf, np.inf) if kesten is not None or not isinstance(data, SampleData) else law.support,
        notes=notes,
    )


def _blank(depth: int, run: Training, lyapunov: float) -> DiscreteLaw:
    return DiscreteLaw(
        "learning", depth, run.learning_rate, run.batch_size, run.weight_decay, lyapunov, (-np.inf, np.inf)
    )


def _at(blank: DiscreteLaw, v: float) -> DiscreteLaw:
    """All mass at one point."""
    return replace(blank, support=(v, v), atoms=(Atom(v, 1.0),), mean=v, variance=0.0, second_moment=v * v)


def _with_degree(blank: DiscreteLaw, degree: int | None) -> DiscreteLaw:
    if degree is None:
        return blank
    note = f"Minibatches are replaced by atoms whose moments up to total degree {DEGREE} are exact."
    return replace(blank, minibatch_degree=degree, notes=(*blank.notes, note))


def _solved(blank: DiscreteLaw, chain: Chain, sign: float) -> DiscreteLaw:
    """Moments by the chain's own quadrature, central ones about the mean."""
    mean = chain.mean(lambda v: v)
    variance = chain.mean(lambda v: (v - mean) ** 2)
    ends = chain.scale.value(chain.density.panels.edges[[0, -1]])
    low, high = (float(end) for end in np.sort(sign * ends))
    notes = blank.notes
    if chain.resolution > SMOOTH:
        notes = (
            *notes,
            "The density is not resolved and may be fractal: means of smooth functions still hold.",
        )
    return replace(
        blank,
        mean=sign * mean,
        variance=variance,
        second_moment=variance + mean**2,
        support=(low, high),
        resolution=chain.resolution,
        notes=notes,
        density=DiscreteDensity(chain, sign),
    )


def _require_noise(data: Data, where: str) -> None:
    if data.exact_slope() is not None:
        raise UnsupportedCombinationError(
            "data.noise_std",
            given=0.0,
            allowed=f"a number > 0 with {where}",
            remedy="Add noise to the targets, or leave out weight decay.",
        )
