"""The way to a noise equilibrium: charges over time under the Noether flow."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from equipoise_solver import specs
from equipoise_solver.errors import LimitExceededError, UnsupportedCombinationError
from equipoise_solver.networks import Family, Network, Parameters
from equipoise_solver.networks.training.schedules import factors
from equipoise_solver.specs import Equilibrium, FlowToEquilibrium, NoetherFlow
from equipoise_solver.specs.schedules import Schedule
from equipoise_solver.symmetry import equilibrium as numerics
from equipoise_solver.symmetry.flow import Flow, noether_flow
from equipoise_solver.symmetry.flow_schedule import TemperatureSchedule
from equipoise_solver.tasks.networks import Source, array_of
from equipoise_solver.tasks.schedules import schedule_of

MOST_GENERATORS = 3000
"""Charges over time of more generators than this are left out."""
FOUND = ("CONVERGED", "AT_BOUNDARY")
"""Outcomes with an equilibrium."""
ROUNDING = 1e-14
"""Relative size below which |A theta|^2 counts as 0."""
AT_HOME = 1e-9
"""Residual from which the start is the equilibrium: there is no way to go."""
FIRST_GUESS, FARTHER, MOST_TRIES = 20.0, 8.0, 3
"""A duration is sought from so many times the first pace's, each next so much longer, at most so often."""
COLDEST = 1e-9
"""Part of the temperature that is left at the end of a schedule that goes to 0."""
N_KNOTS = 120
"""Straight pieces that a curved schedule is made of."""
_BEFORE = 1 - 1e-7


def flow_of(
    spec: Equilibrium,
    network: Network,
    start: Parameters,
    source: Source,
    *,
    families: Sequence[Family],
    found: numerics.Equilibrium,
    notes: list[str],
) -> FlowToEquilibrium | None:
    """The flow of a spec; None if it was not asked for, or if `notes` say why there is none."""
    if spec.flow is None:
        return None
    reason = _left_out(found)
    if reason:
        notes.append(f"flow is left out: {reason}")
        return None
    try:
        flow = _followed(spec, spec.flow, network, start, source, families=families, found=found)
    except UnsupportedCombinationError as refused:
        notes.append(f"flow is left out: {refused}")
        return None
    except LimitExceededError as refused:
        if spec.flow.duration is not None:
            raise
        notes.append(f"flow is left out: it does not come to rest. {refused.remedy}")
        return None
    if flow.stopped:
        notes.append(f"flow: {flow.stopped}")
    if flow.time_to_equilibrium is None and found.outcome in FOUND:
        notes.append(f"The flow does not arrive within the time {flow.time[-1]:.4g}.")
    return FlowToEquilibrium(
        time=flow.time,
        temperature=flow.temperature,
        charges=array_of(flow.charges),
        exponents=array_of(flow.exponents),
        residual=flow.residual,
        time_to_equilibrium=flow.time_to_equilibrium,
    )


def _left_out(found: numerics.Equilibrium) -> str:
    """Why there is no flow to follow; "" if there is one."""
    if found.generators.custom:
        return "it is followed along declared symmetries, and generators of your own are among those given."
    if found.generators.dimension > MOST_GENERATORS:
        return f"{found.generators.dimension} charges are more than {MOST_GENERATORS}."
    if found.residual_before <= AT_HOME:
        return "the parameters given are the equilibrium."
    return ""


def _followed(
    spec: Equilibrium,
    asked: NoetherFlow,
    network: Network,
    start: Parameters,
    source: Source,
    *,
    families: Sequence[Family],
    found: numerics.Equilibrium,
) -> Flow:
    """The flow for as long as was asked, or until it arrives."""
    # Without decay the equilibrium is the same at every temperature but 0, at which there is none.
    lowest = 0.0 if spec.weight_decay > 0 else COLDEST * spec.temperature

    def flow(duration: float) -> Flow:
        return noether_flow(
            network,
            start,
            source,
            temperature=temperatures(asked.schedule, spec.temperature, duration, lowest=lowest),
            duration=duration,
            weight_decay=spec.weight_decay,
            families=families,
            n_records=asked.n_points - 1,
        )

    if asked.duration is not None:
        return flow(asked.duration)
    duration = _first_guess(found, start)
    followed = flow(duration)
    for _ in range(MOST_TRIES):
        arrival = followed.time_to_equilibrium
        if arrival is None and found.outcome in FOUND:
            duration *= FARTHER
        elif arrival is not None and arrival < duration / FARTHER:
            duration = 2.0 * arrival
        else:
            break
        try:
            followed = flow(duration)
        except LimitExceededError:
            break
    return followed


def _first_guess(found: numerics.Equilibrium, start: Parameters) -> float:
    """A duration from the pace at the start: F falls at the rate sum of G^2/(2 |A theta|^2), alone each."""
    norms = found.generators.squared_norms(start)
    moves = norms > ROUNDING * norms.max()
    rate = float((found.forces_before[moves] ** 2 / (2 * norms[moves])).sum())
    excess = found.potential_before - found.potential
    guess = FIRST_GUESS * excess / rate if rate > 0 else 0.0
    return guess if math.isfinite(guess) and guess > 0 else 1.0


def temperatures(
    schedule: tuple[Schedule, ...], temperature: float, duration: float, *, lowest: float
) -> TemperatureSchedule:
    """A schedule as temperatures with straight lines between, jumps kept; the last is at least `lowest`."""
    if not schedule:
        return TemperatureSchedule((0.0,), (temperature,))
    jumps, knots = _jumps(schedule, duration), _knots(schedule, duration)
    times = np.sort(np.concatenate([knots, jumps, jumps]))
    # Of a jump the first of its two times is the moment before.
    is_first = np.append(times[1:] == times[:-1], False)
    parts = tuple(schedule_of(each) for each in schedule)
    values = temperature * factors(parts, np.where(is_first, times * _BEFORE, times))
    return TemperatureSchedule(tuple(times.tolist()), (*values[:-1].tolist(), max(float(values[-1]), lowest)))


def _jumps(schedule: tuple[Schedule, ...], duration: float) -> NDArray[np.float64]:
    """Moments of the steps, up to a number of them."""
    moments = [
        each.every * np.arange(1, min(int(duration / each.every), N_KNOTS) + 1)
        for each in schedule
        if isinstance(each, specs.StepSchedule)
    ]
    return np.unique(np.concatenate([*moments, np.empty(0)]))


def _knots(schedule: tuple[Schedule, ...], duration: float) -> NDArray[np.float64]:
    """Moments between which the factor is all but straight: ends of pieces, and a grid over curves."""
    ends = [min(each.duration, duration) for each in schedule if not isinstance(each, specs.StepSchedule)]
    is_straight = len(schedule) == 1 and isinstance(schedule[0], specs.WarmUpSchedule | specs.StepSchedule)
    grid = np.empty(0) if is_straight else np.linspace(0.0, duration, N_KNOTS)
    knots = np.unique(np.concatenate([[0.0, duration], ends, grid]))
    return np.setdiff1d(knots, _jumps(schedule, duration))
