"""Where a diffusion goes first, when, and how fast it relaxes."""

import math

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.diffusion.escape import escape
from equipoise_solver.diffusion.hitting import hitting_probability
from equipoise_solver.diffusion.passage import PassageTime as Moments
from equipoise_solver.diffusion.passage import passage_time
from equipoise_solver.diffusion.passage_law import PassageLaw, Side, passage_law
from equipoise_solver.diffusion.profile import Profile
from equipoise_solver.diffusion.spectrum import spectrum
from equipoise_solver.specs import Diffusion, EscapeTime, PassageTime, PassageTimes, Relaxation, Splitting
from equipoise_solver.tasks.diffusion_parts import asked, attempted, finite

Array = NDArray[np.float64]
N_TIMES = 96
AGREES = 1e-6
"""Largest gap between two computations of the probability of a passage."""
TINIEST = 1e-200
"""A continuous spectrum that begins below this rate begins at 0."""
EARLY, LATE = 1e-4, 0.9995
"""Parts of the passages before the first and by the last of the times that are chosen."""


def splitting(profile: Profile, spec: Diffusion) -> Splitting | None:
    """Which level is reached first, for every start."""
    wanted = spec.hitting
    if wanted is None:
        return None
    with asked("hitting", ("start", "low", "high")):
        found = [hitting_probability(profile, x, low=wanted.low, high=wanted.high) for x in wanted.start]
    return Splitting(
        start=np.array(wanted.start),
        low=np.array([one.low for one in found]),
        high=np.array([one.high for one in found]),
        log_low=np.array([one.log_low for one in found]),
        log_high=np.array([one.log_high for one in found]),
    )


def passage_times(profile: Profile, spec: Diffusion, notes: list[str]) -> PassageTimes | None:
    """Moments and distribution of the first passage time, for every start; what is left out is noted."""
    wanted = spec.passage_time
    if wanted is None:
        return None
    with asked("passage_time", ("start", "low", "high")):
        found = [passage_time(profile, x, low=wanted.low, high=wanted.high) for x in wanted.start]
        time, cdf, density = _distributions(profile, spec, wanted, found, notes)
    return PassageTimes(
        start=np.array(wanted.start),
        probability=np.array([one.probability for one in found]),
        mean=np.array([one.mean for one in found]),
        variance=np.array([one.variance for one in found]),
        log_mean=np.array([one.log_mean for one in found]),
        time=time,
        cdf=cdf,
        density=density,
    )


def _distributions(
    profile: Profile, spec: Diffusion, wanted: PassageTime, moments: list[Moments], notes: list[str]
) -> tuple[Array, Array, Array]:
    """Times, distribution functions and densities; nothing where they are beyond the solver."""
    nothing = np.empty(0), np.empty((0, 0)), np.empty((0, 0))

    def inverted() -> tuple[list[PassageLaw], Array, Array, Array]:
        laws = [_law(profile, spec, wanted, x) for x in wanted.start]
        time = np.unique(np.array(wanted.times)) if wanted.times else _times(laws)
        cdf = np.array([law.cdf(time) for law in laws])
        return laws, time, cdf, np.array([law.density(time) for law in laws])

    found = attempted("The distribution of the passage time", notes, inverted)
    if found is None:
        return nothing
    laws, time, cdf, density = found
    # Two methods: the moments come from integrals, the distribution from the resolvent.
    gaps = [abs(law.probability - one.probability) for law, one in zip(laws, moments, strict=True)]
    if not max(gaps) < AGREES or not np.all(np.isfinite(cdf) & np.isfinite(density)):
        notes.append("The distribution of the passage time is left out: it does not agree with the moments.")
        return nothing
    return time, cdf, density


def _law(profile: Profile, spec: Diffusion, wanted: PassageTime, start: float) -> PassageLaw:
    """The law of the passage: an end of the interval that was named as a level absorbs."""
    diffusion = profile.line.diffusion
    named = wanted.low == diffusion.low, wanted.high == diffusion.high
    low, high = ("absorbing" if here else own for here, own in zip(named, spec.end_behaviour, strict=True))
    side: Side = "either" if wanted.high is not None else "low"
    return passage_law(
        diffusion,
        start,
        side="high" if wanted.low is None else side,
        below=None if named[0] else wanted.low,
        above=None if named[1] else wanted.high,
        behaviours=(low, high),
    )


def _times(laws: list[PassageLaw]) -> Array:
    """Times from when the first passages happen to when nearly all that ever happen have happened."""
    ends = [law.quantiles(law.probability * np.array([EARLY, LATE])) for law in laws]
    first, last = min(pair[0] for pair in ends), max(pair[1] for pair in ends)
    return np.geomspace(first, last, N_TIMES)


def escape_time(profile: Profile, spec: Diffusion, notes: list[str]) -> EscapeTime | None:
    """The mean time out of a well, beside Kramers' formula."""
    wanted = spec.escape
    if wanted is None:
        return None
    with asked("escape", ("well", "direction", "target")):
        found = escape(profile, wanted.well, direction=wanted.direction, target=wanted.target)
    if found.behind:
        wells = " and ".join(f"x = {x:.6g}" for x in found.behind)
        notes.append(
            f"escape.mean includes stays in the wells on the other side ({wells}), from which paths come "
            "back; Kramers' formula does not, and `ratio` compares the two. "
            "For the stay in this well alone ask for passage_time with a level on each side."
        )
    return EscapeTime(
        well=found.well,
        saddle=found.saddle,
        target=found.target,
        barrier=found.barrier,
        mean=finite(found.passage.mean),
        log_mean=finite(found.passage.log_mean),
        variance=finite(found.passage.variance),
        kramers=finite(found.kramers_time),
        log_kramers=found.log_kramers_time,
        ratio=finite(found.ratio),
    )


def relaxation(profile: Profile, spec: Diffusion, notes: list[str]) -> Relaxation | None:
    """The slowest rates; where the continuous spectrum begins is noted."""
    wanted = spec.spectrum
    if wanted is None:
        return None
    with asked("spectrum", ()):
        found = spectrum(profile.line.diffusion, wanted.n, behaviours=spec.end_behaviour)
    if found.continuum is None:
        notes.append("Whether and where the spectrum is continuous is not known: rates are left out.")
    elif math.isfinite(found.continuum):
        notes.append(
            f"The spectrum is continuous from {_onset(found.continuum):.9g} on: there are no rates beyond."
        )
    if not found.complete:
        notes.append("Not all rates that were asked for converged: those that did not are left out.")
    memory = found.autocorrelation
    # Without its beginning the continuous spectrum may pose as rates.
    n_kept = 0 if found.continuum is None else found.rates.size
    return Relaxation(
        rates=found.rates[:n_kept],
        errors=found.errors[:n_kept],
        is_complete=found.complete,
        continuum=_onset(found.continuum),
        has_stationary_law=found.stationary,
        gap=_onset(found.gap) if found.continuum is not None else None,
        autocorrelation_time=memory.time if memory else None,
    )


def _onset(rate: float | None) -> float | None:
    """A rate as JSON has it, 0 where it is that but for rounding."""
    if rate is None:
        return None
    return 0.0 if rate < TINIEST else finite(rate)
