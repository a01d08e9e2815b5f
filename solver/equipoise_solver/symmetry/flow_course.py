"""Integration of the Noether flow: by pieces of the schedule, and within them from base to base."""

import math
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import brentq

from equipoise_solver.errors import LimitExceededError
from equipoise_solver.networks.parameters import Parameters
from equipoise_solver.symmetry.equilibrium_problem import Problem
from equipoise_solver.symmetry.flow_schedule import Piece, TemperatureSchedule
from equipoise_solver.symmetry.flow_state import FARTHEST, Array, FlowState, state_of
from equipoise_solver.symmetry.flow_step import COUNTS, Step, extrapolated_step
from equipoise_solver.symmetry.orbit import FamilyOrbit
from equipoise_solver.symmetry.orbit_sides import Elements

ERROR = 1e-6
"""Relative error of a block of parameters per step."""

FIRST = 1e-4
"""Share of the duration that the first step takes."""

MOST_STEPS = 1000
"""Most steps of a flow, beyond one for each time asked for."""

SHORTEST = 1e-12
"""Shortest step, of a piece of the schedule."""

RUNAWAY = 35.0
"""Exponent at which a flow that has no finite goal ends: a factor of e^35, beyond which all is rounding."""

NOTHING = 1e-12
"""Excess of F, relative, that is rounding."""


@dataclass
class Course:
    """The flow at the times asked for, as far as it has come.

    Attributes:
        problem: what flows.
        start: parameters at the start.
        schedule: T(t).
        time: when the flow is wanted, rising from 0.
        goal: F of the equilibrium under the last temperature, None if there is none.
        is_bounded: whether the flow ends at a finite exponent; if not, it stops once it is far out.
        tolerance: arrival is where the excess of F over the goal is tolerance^2 of that of the start.
        orbits: points at the times.
        exponents: K of each family there.
        arrival: first time next to the goal, None if not yet.
        stopped: why the flow ended before the last time, which is then the time it came to; "" if it did not.
    """

    problem: Problem
    start: Parameters
    schedule: TemperatureSchedule
    time: Array
    goal: float | None
    is_bounded: bool
    tolerance: float
    orbits: list[FamilyOrbit] = field(default_factory=list)
    exponents: list[Elements] = field(default_factory=list)
    arrival: float | None = None
    stopped: str = ""

    def run(self) -> None:
        """Integrate to the last time, or until parameters have run away.

        Raises:
            LimitExceededError: field "duration", too many steps.
        """
        walker = _Walker(state_of(self.problem.orbit(self.start)))
        self._record(walker, 0.0)
        excess = self._excess(walker.state, walker.place)
        close = self.tolerance**2 * excess
        if self.goal is not None and excess <= NOTHING * self.goal:
            self.arrival = 0.0
        for piece in self.schedule.pieces(float(self.time[-1])):
            inside = self.time[(self.time > piece[0]) & (self.time < piece[1])]
            for end in [*inside.tolist(), piece[1]]:
                while walker.now < end:
                    self._advance(walker, piece, end, close)
                    if not self.is_bounded and walker.state.travelled() > RUNAWAY:
                        self._stop(walker)
                        return
                if np.any(self.time == end):
                    self._record(walker, end)

    def parameters(self, index: int) -> Parameters:
        """All parameters at one of the times."""
        return _filled(self.start, self.orbits[index].parameters)

    def _advance(self, walker: "_Walker", piece: Piece, end: float, close: float) -> None:
        """One accepted step, at most to the end."""
        wanted = min(walker.length or FIRST * (piece[1] - piece[0]), piece[1] - piece[0])
        is_last = walker.now + wanted >= end - 1e-12 * abs(end)
        length = end - walker.now if is_last else wanted
        orbit = walker.state.orbit(walker.place, 0.0)
        step = self._step(orbit, piece, walker.now, length)
        walker.n_steps += 1
        if walker.n_steps > MOST_STEPS + self.time.size or length < SHORTEST * (piece[1] - piece[0]):
            raise LimitExceededError(
                "duration",
                given=float(self.time[-1]),
                allowed=f"at most {walker.now:.6g}, where the flow went on by steps of {length:.3g}",
                remedy="Parameters that shrink or grow for ever leave the range of numbers at last.",
            )
        place = walker.state.after(walker.place, step.factors)
        error = self._error(walker, place, walker.state.after(walker.place, step.rough))
        growth = min(4.0, 0.9 * (ERROR / max(error, 1e-300)) ** (1.0 / len(COUNTS)))
        if not error <= ERROR:
            walker.length = length * (max(0.1, growth) if math.isfinite(error) else 0.1)
            return
        # A step cut short by a record says little of how long the next may be.
        walker.length = max(length * max(1.0, growth), wanted if is_last else 0.0)
        if self.arrival is None and self.goal is not None and self._excess(walker.state, place) <= close:
            self.arrival = self._crossing(walker, piece, length, close)
        walker.now, walker.place = (end if is_last else walker.now + length), place
        if walker.state.reach(place) > FARTHEST:
            walker.state = walker.state.rebased(place, self._afresh)
            walker.place = walker.state.zero()

    def _error(self, walker: "_Walker", place: Array, rough: Array) -> float:
        """Largest relative difference of a block between two places: what the flow does to theta."""
        if not (np.isfinite(place).all() and np.isfinite(rough).all()):
            return math.inf
        pair = [walker.state.orbit(each, 0.0).parameters for each in (place, rough)]
        blocks = zip(*(p.values() for p in pair), strict=True)
        # A block that is 0 stays 0.
        gaps = [float((a - b).norm() / a.norm()) for a, b in blocks if bool(a.any())]
        return max(gaps, default=0.0)

    def _step(self, orbit: FamilyOrbit, piece: Piece, start: float, length: float) -> Step:
        return extrapolated_step(orbit, lambda t: self.schedule.within(piece, t), start=start, length=length)

    def _crossing(self, walker: "_Walker", piece: Piece, length: float, close: float) -> float:
        """Time within a step at which the flow comes close to the equilibrium."""
        orbit = walker.state.orbit(walker.place, 0.0)

        def room(share: float) -> float:
            factors = self._step(orbit, piece, walker.now, share * length).factors
            return self._excess(walker.state, walker.state.after(walker.place, factors)) - close

        return walker.now + length * float(brentq(room, 1e-9, 1.0, xtol=1e-9, rtol=1e-9))

    def _stop(self, walker: "_Walker") -> None:
        """End where the flow is."""
        self.stopped = (
            f"It ends at the time {walker.now:.6g}, where parameters have grown or shrunk by a factor of "
            f"more than {math.exp(RUNAWAY):.0e}, and go on so without end."
        )
        self.time = np.append(self.time[: len(self.orbits)], walker.now)
        self._record(walker, walker.now)

    def _record(self, walker: "_Walker", time: float) -> None:
        self.orbits.append(walker.state.orbit(walker.place, self.schedule.at(time)))
        self.exponents.append(walker.state.exponents(walker.place))

    def _afresh(self, blocks: Parameters) -> FamilyOrbit:
        return self.problem.orbit(_filled(self.start, blocks))

    def _excess(self, state: FlowState, coordinates: Array) -> float:
        """F less that of the equilibrium, both under the last temperature."""
        if self.goal is None:
            return np.inf
        return state.orbit(coordinates, self.schedule.last).potential() - self.goal


@dataclass
class _Walker:
    """Where a flow has come to.

    Attributes:
        state: base point.
        place: coordinates around it.
        now: t.
        length: of the next step, 0 for none taken yet.
        n_steps: steps so far, with those that were taken back.
    """

    state: FlowState
    place: Array = field(init=False)
    now: float = 0.0
    length: float = 0.0
    n_steps: int = 0

    def __post_init__(self) -> None:
        self.place = self.state.zero()


def _filled(start: Parameters, blocks: Parameters) -> Parameters:
    """All parameters, those of some blocks given as matrices."""
    return {**start, **{name: value.reshape(start[name].shape) for name, value in blocks.items()}}
