"""The laws of a diffusion as users read them: in the long run, and of survivors."""

import math

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.diffusion.profile import Profile
from equipoise_solver.diffusion.quasi_stationary import QuasiStationaryLaw, quasi_stationary_law
from equipoise_solver.diffusion.stationary import LongRun, StationaryDensity, long_run
from equipoise_solver.errors import InvalidModelError
from equipoise_solver.specs import Diffusion, EndAtom, LawDensity, LongRunLaw, Quantiles, SurvivalLaw
from equipoise_solver.tasks.diffusion_parts import asked, finite
from equipoise_solver.tasks.stationary import QUANTILE_LEVELS

Array = NDArray[np.float64]
FAINTEST = 1e-10
"""Probability that a chosen grid leaves out on either side."""
MOST_NODES = 600
"""Most points of the density of survivors, some of the solver's own nodes."""


def long_run_law(profile: Profile, spec: Diffusion, notes: list[str]) -> LongRunLaw | None:
    """Where the diffusion is in the long run; what does not exist is noted."""
    wanted = spec.stationary
    if wanted is None:
        return None
    with asked("stationary", ("start", "x")):
        law = _decided(profile, wanted.start)
        density = law.density
        x = np.empty(0)
        if density is not None:
            x = np.unique(np.array(wanted.x)) if wanted.x else _grid(profile, density, wanted.n_points)
        curve = LawDensity(x=x, p=density.density(x), cdf=density.cdf(x)) if density else _no_density()
    if density is not None and math.isfinite(density.highest_moment):
        notes.append(f"E|x|^k of the stationary law exists for k < {density.highest_moment:.6g} alone.")
    elif density is not None and math.isnan(density.highest_moment):
        notes.append("Which E|x|^k of the stationary law exist is not known: its tails do not settle.")
    levels = QUANTILE_LEVELS if density else np.empty(0)
    return LongRunLaw(
        outcome=law.kind,
        reason=law.reason,
        atoms=tuple(EndAtom(at=finite(at), mass=finite(mass)) for at, mass in law.atoms),
        mean=finite(density.mean) if density else None,
        variance=finite(density.variance) if density else None,
        moments_below=finite(density.highest_moment) if density else None,
        modes=density.modes() if density else (),
        quantiles=Quantiles(levels=levels, values=density.quantile(levels) if density else levels),
        density=curve,
    )


def _decided(profile: Profile, start: float | None) -> LongRun:
    """The law in the long run; where the start decides and is not given, atoms without masses."""
    if start is None and profile.low.absorbs and profile.high.absorbs:
        atoms = ((profile.low.at, math.nan), (profile.high.at, math.nan))
        reason = "Both ends keep what tends there: the start decides, and none was given (stationary.start)."
        return LongRun("atoms", reason, atoms)
    return long_run(profile, start=start)


def _grid(profile: Profile, density: StationaryDensity, n_points: int) -> Array:
    """Points where the law has its mass (quantiles) and its tails (even steps of the solver's coordinate)."""
    coordinate = profile.line.coordinate
    n_even = n_points // 2
    ends = coordinate.invert(density.quantile(np.array([FAINTEST, 1.0 - FAINTEST])))
    even = coordinate.value(np.linspace(ends[0], ends[1], n_even))
    n_rest = n_points - n_even
    x = np.unique(np.concatenate([even, density.quantile((np.arange(n_rest) + 0.5) / n_rest)]))
    return x[(x > coordinate.low) & (x < coordinate.high)]


def _no_density() -> LawDensity:
    empty = np.empty(0)
    return LawDensity(x=empty, p=empty, cdf=empty)


def survival_law(profile: Profile, spec: Diffusion, notes: list[str]) -> SurvivalLaw | None:
    """The law of survivors; why there is none is noted."""
    wanted = spec.quasi_stationary
    if wanted is None:
        return None
    try:
        with asked("quasi_stationary", ("low", "high")):
            law = quasi_stationary_law(
                profile.line.diffusion, behaviours=spec.end_behaviour, below=wanted.low, above=wanted.high
            )
    except InvalidModelError as error:
        if error.field.startswith("quasi_stationary"):
            raise
        notes.append(f"There is no quasi-stationary law: need {error.allowed}.")
        return None
    if math.isnan(law.next_rate):
        notes.append("quasi_stationary.next_rate is left out: it did not converge.")
    chosen = _chosen(law)
    x = law.x[chosen]
    return SurvivalLaw(
        rate=law.rate,
        error=law.error,
        next_rate=finite(law.next_rate),
        mean=finite(law.mean),
        lost_low=law.shares[0],
        lost_high=law.shares[1],
        density=LawDensity(x=x, p=law.density[chosen], cdf=law.cdf(x)),
    )


def _chosen(law: QuasiStationaryLaw) -> NDArray[np.intp]:
    """Numbers of some of the law's own nodes, where it has its mass."""
    cdf = law.cdf(law.x)
    seen = np.flatnonzero((cdf > FAINTEST) & (cdf < 1.0 - FAINTEST) & (np.diff(law.x, append=np.inf) > 0))
    return seen[:: max(1, math.ceil(seen.size / MOST_NODES))]
