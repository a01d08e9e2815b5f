"""Which stationary law a diagonal network has: the case analysis, from coefficients to a StationaryLaw.

Depth 0 lives on the whole line. Deeper networks live in the sector that has the sign of E[xy]; v = 0 and,
where the
gradient noise vanishes at a point (delta = 0), the wall at that point cut the line into intervals that no
path crosses, or crosses one way. Everything is computed for v > 0; the other sector is the mirror image.
"""

from __future__ import annotations

import math
from dataclasses import replace

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.theory import closed_forms, notes
from equipoise_solver.theory.boundaries import (
    Boundary,
    barrier_boundary,
    infinite_boundary,
    wall_boundary,
    zero_boundary,
)
from equipoise_solver.theory.coefficients import Array, Coefficients
from equipoise_solver.theory.densities import LearnedState, line_state, sector_state
from equipoise_solver.theory.laws import Atom, StationaryLaw
from equipoise_solver.theory.metastability import vanishing_temperature

LEAST_TEMPERATURE = 1e-250
"""Below this, apart from 0, the sharpness 1/T of densities comes close to the largest number."""


def law_of(c: Coefficients, *, sign: float) -> StationaryLaw:
    """The law of one parameter point (n = 1); sign is -1 for coefficients of the mirror image."""
    wall_force = c.wall_force()
    if wall_force == 0.0:
        return _mirrored(_interpolating(c), sign)
    if c.temperature[0] == 0 or (c.alpha1[0] == 0 and c.floor[0] == 0):
        return _mirrored(_noise_free(c), sign)
    if c.temperature[0] < LEAST_TEMPERATURE:
        raise InvalidModelError(
            "temperature",
            given=float(c.temperature[0]),
            allowed=f"0, or a number >= {LEAST_TEMPERATURE:g}",
            remedy="Laws below that cannot be told from T = 0.",
        )
    if c.depth == 0:
        return _line(c, wall_force)
    return _mirrored(_sector(c, wall_force), sign)


def _interpolating(c: Coefficients) -> StationaryLaw:
    """Neither force nor noise at the wall: an atom there, and one at 0 if 0 attracts too."""
    wall = float(c.root[0])
    low, high = _ends(c)
    law = StationaryLaw(
        phase="interpolating",
        support=(wall, wall),
        boundaries=(low, wall_boundary(c, interpolates=True), high),
        critical_temperature=_number(closed_forms.critical_temperature(c)),
        atoms=(Atom(wall, 1.0),),
        notes=(notes.INTERPOLATING,),
    )
    if c.depth == 0 or not low.attracting:
        return replace(law, mean=wall, variance=0.0, second_moment=wall**2, mode=wall)
    both = (Atom(0.0, None), Atom(wall, None))
    return replace(law, atoms=both, support=(0.0, wall), notes=(notes.INTERPOLATING, notes.TWO_ATOMS))


def _noise_free(c: Coefficients) -> StationaryLaw:
    """Gradient flow: an atom at its stable fixed point."""
    at = _number(closed_forms.noise_free_point(c))
    if at is None:
        return _sparse(c, (notes.NOISE_FREE,))
    law = replace(_atom(c, at), phase="learning", notes=(notes.NOISE_FREE,))
    if not (c.depth != 0 and c.pull[0] > 0):
        return law
    both = (Atom(0.0, None), Atom(at, None))
    said = (notes.NOISE_FREE, notes.NOISE_FREE_BISTABLE)
    return replace(law, phase="metastable", atoms=both, support=(0.0, at), notes=said)


def _sparse(c: Coefficients, said: tuple[str, ...]) -> StationaryLaw:
    return replace(_atom(c, 0.0), phase="sparse", notes=said)


def _atom(c: Coefficients, at: float) -> StationaryLaw:
    """All mass at one point, an end or a fixed point of gradient flow."""
    return StationaryLaw(
        phase="sparse",
        support=(at, at),
        boundaries=_ends(c),
        critical_temperature=_number(closed_forms.critical_temperature(c)),
        regime=_regime(c),
        atoms=(Atom(at, 1.0),),
        mean=at,
        variance=0.0,
        second_moment=at * at,
        mode=at,
        mode_vanishes_at=_mode_vanishes_at(c),
    )


def _line(c: Coefficients, wall_force: float | None) -> StationaryLaw:
    """Depth 0: one density, on one side of the wall if there is one."""
    boundaries, sign = _ends(c), 1.0
    said: tuple[str, ...] = ()
    if wall_force is not None:
        sign, said = (-1.0 if wall_force > 0 else 1.0), (notes.WALL,)
        c = replace(c, root=sign * c.root + 0.0, beta2=sign * c.beta2)  # No negative zero.
        boundaries = (wall_boundary(c, interpolates=False), infinite_boundary(c))
    state = line_state(c)
    mean, variance = float(closed_forms.line_mean(c)[0]), _number(closed_forms.line_variance(c))
    law = StationaryLaw(
        phase="learning",
        support=(state.density.low, state.density.high),
        boundaries=boundaries,
        mean=mean,
        variance=variance,
        second_moment=None if variance is None else variance + mean**2,
        mode=float(closed_forms.line_mode(c)[0]),
        tail_exponent=_number(closed_forms.tail_exponent(c)),
        notes=said if variance is not None else (*said, notes.INFINITE_VARIANCE),
    )
    return _mirrored(_with_density(law, state), sign)


def _sector(c: Coefficients, wall_force: float | None) -> StationaryLaw:
    """Depth >= 1: the interval (0, inf), (0, wall) or (wall, inf), and what becomes of v = 0."""
    wall = float(c.root[0]) if wall_force is not None else 0.0
    beyond_wall = wall > 0 and wall_force is not None and wall_force < 0
    if not beyond_wall:
        if c.beta2[0] <= 0:
            return _sparse(c, (notes.SPARSE_NO_SIGNAL,))
        if c.temperature[0] >= closed_forms.critical_temperature(c)[0]:
            return _sparse(c, (notes.SPARSE,))
    state = sector_state(c, beyond_wall=beyond_wall)
    if state is None:
        return _sparse(c, (notes.NO_BARRIER,))
    low, high = _ends(c)
    side = wall_boundary(c, interpolates=False)
    also_zero = beyond_wall and low.attracting
    law = _with_moments(
        StationaryLaw(
            phase="learning",
            support=(state.density.low, state.density.high),
            boundaries=(side, high) if beyond_wall else (low, side) if wall > 0 else (low, high),
            critical_temperature=_number(closed_forms.critical_temperature(c)),
            regime=None if beyond_wall else _regime(c),
            atoms=(Atom(0.0, None),) if also_zero else (),
            mode=_sector_mode(c, state),
            mode_vanishes_at=None if beyond_wall else _mode_vanishes_at(c),
            tail_exponent=_number(closed_forms.tail_exponent(c)) if state.density.high == math.inf else None,
            notes=(notes.WALL if wall > 0 else notes.ONE_SECTOR, *(notes.ZERO_ATTRACTS_TOO,) * also_zero),
        ),
        state,
    )
    return law if beyond_wall or c.pull[0] == 0 else _metastable(law, state)


def _metastable(law: StationaryLaw, state: LearnedState) -> StationaryLaw:
    """The learned state behind a barrier, while the only true stationary law is the atom at 0."""
    return replace(
        law,
        phase="metastable",
        atoms=(Atom(0.0, 1.0),),
        boundaries=(barrier_boundary(state.density.low), law.boundaries[1]),
        notes=(notes.METASTABLE, *(note for note in law.notes if note != notes.ONE_SECTOR)),
    )


def _with_density(law: StationaryLaw, state: LearnedState) -> StationaryLaw:
    return replace(
        law, density=state.density, log_normalisation=state.log_normalisation, reference=state.reference
    )


def _with_moments(law: StationaryLaw, state: LearnedState) -> StationaryLaw:
    mean, variance = (x if math.isfinite(x) else None for x in (state.mean, state.variance))
    law = replace(_with_density(law, state), mean=mean, variance=variance)
    if mean is None or variance is None:
        return replace(law, notes=(*law.notes, notes.OVERFLOW))
    return replace(law, second_moment=variance + mean * mean)


def _sector_mode(c: Coefficients, state: LearnedState) -> float | None:
    """Depth 1 has a closed form, for the line without walls."""
    if c.depth != 1:
        return state.mode
    mode = _number(closed_forms.two_layer_mode(c))
    return mode if mode is not None and state.density.low < mode < state.density.high else None


def _mode_vanishes_at(c: Coefficients) -> float | None:
    if c.depth == 1:
        return _number(closed_forms.two_layer_mode_vanishing(c))
    if c.depth != 0 and c.pull[0] > 0 and c.beta2[0] > 0:
        return vanishing_temperature(c)
    return None


def _regime(c: Coefficients) -> closed_forms.Regime | None:
    return closed_forms.two_layer_regime(c)[0] if c.depth == 1 else None


def _ends(c: Coefficients) -> tuple[Boundary, Boundary]:
    """The ends of the line or of the sector."""
    if c.depth == 0:
        return infinite_boundary(c, at=-math.inf), infinite_boundary(c)
    return zero_boundary(c), infinite_boundary(c)


def _number(value: Array) -> float | None:
    number = float(value[0])
    return number if math.isfinite(number) else None


def _mirrored(law: StationaryLaw, sign: float) -> StationaryLaw:
    """The law of sign*v."""
    if sign > 0:
        return law
    low, high = law.support
    return replace(
        law,
        atoms=tuple(sorted((replace(a, at=_negated(a.at)) for a in law.atoms), key=lambda a: a.at)),
        mean=None if law.mean is None else _negated(law.mean),
        mode=None if law.mode is None else _negated(law.mode),
        reference=None if law.reference is None else _negated(law.reference),
        support=(_negated(high), _negated(low)),
        boundaries=tuple(replace(b, at=_negated(b.at)) for b in reversed(law.boundaries)),
        density=None if law.density is None else replace(law.density, sign=-1.0),
    )


def _negated(value: float) -> float:
    return -value if value else 0.0
