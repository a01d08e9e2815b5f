"""Noether flow: how the charges of SGD, and with them the point on the orbit, go to the noise equilibrium."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equipoise_solver.errors import InvalidModelError, UnsupportedCombinationError
from equipoise_solver.networks.data import GaussianTeacher, Pairs
from equipoise_solver.networks.families import Family
from equipoise_solver.networks.network import Network
from equipoise_solver.networks.parameters import Parameters
from equipoise_solver.networks.statistics import MAX_BYTES
from equipoise_solver.symmetry.equilibrium import Equilibrium, find_equilibrium
from equipoise_solver.symmetry.equilibrium_problem import Problem, problem_of, start_of
from equipoise_solver.symmetry.equilibrium_search import is_separable
from equipoise_solver.symmetry.flow_course import Course
from equipoise_solver.symmetry.flow_schedule import TemperatureSchedule, schedule_of


@dataclass(frozen=True)
class Flow:
    """A course of the Noether flow.

    Attributes:
        time: t, rising from 0, shape (n,), [time] (learning rate times steps).
        temperature: T(t), shape (n,).
        charges: theta' A_k theta, shape (n, m).
        exponents: lam with theta(t) = exp(sum lam_k A_k) theta but for a rotation, shape (n, m).
        potential: F = (T/2) Tr Sigma + 2 gamma |theta|^2 of the blocks that are acted on, shape (n,).
        residual: |dF| over its parts of both signs, shape (n,).
        parameters: at the end, all blocks.
        time_to_equilibrium: first time at which F, under the last temperature, exceeds the equilibrium's
            by at most tolerance^2 of its excess at the start, as a distance does by the tolerance; None if
            that was not reached, or if there is no equilibrium.
        equilibrium: the equilibrium under the last temperature of the schedule.
        stopped: why the flow ended before the duration, as it does where parameters run away; "" if not.
    """

    time: NDArray[np.float64]
    temperature: NDArray[np.float64]
    charges: Tensor
    exponents: Tensor
    potential: NDArray[np.float64]
    residual: NDArray[np.float64]
    parameters: Parameters
    time_to_equilibrium: float | None
    equilibrium: Equilibrium
    stopped: str


def noether_flow(
    network: Network,
    parameters: Parameters,
    data: Pairs | GaussianTeacher,
    *,
    temperature: float | TemperatureSchedule,
    duration: float,
    weight_decay: float = 0.0,
    families: Sequence[Family] | None = None,
    n_records: int = 100,
    tolerance: float = 0.01,
    max_bytes: int = MAX_BYTES,
) -> Flow:
    """The flow on the orbit of a start under which all charges change as SGD changes them.

    dC_k/dt = T Tr[Sigma A_k] - 4 gamma C_k for all k at once, by the one motion X in the span of the
    generators with theta' (X A_k + A_k X) theta = dC_k/dt; of one generator
    d lam/dt = G/(2 theta' A^2 theta). The function that the network computes stands still; SGD changes it
    too, so that this is the approach along the symmetries alone, exact where the fit has settled.

    Args:
        network: the model and its loss.
        parameters: theta at the start, by block.
        data: samples, each as likely as any other, or a Gaussian teacher for linear networks.
        temperature: T, or T(t).
        duration: time to cover, > 0.
        weight_decay: gamma >= 0.
        families: symmetries that flow; None for all that the network declares.
        n_records: times after the start at which results are given, evenly spaced.
        tolerance: distance from the equilibrium, relative to the start's, that counts as arrival.
        max_bytes: memory that a chunk of samples may take, about.

    Raises:
        InvalidModelError: fields "duration", "n_records", "schedule", and as `find_equilibrium`.
        UnsupportedCombinationError: families that do not commute on one side of a block.
    """
    schedule = schedule_of(temperature)
    _check(duration, n_records)
    problem = problem_of(
        network,
        data,
        temperature=max(schedule.temperatures),
        weight_decay=weight_decay,
        families=families,
        custom=(),
        max_bytes=max_bytes,
    )
    _check_families(problem)
    start = start_of(network, parameters)
    goal = find_equilibrium(
        network,
        start,
        data,
        temperature=schedule.last,
        weight_decay=weight_decay,
        families=families,
        max_bytes=max_bytes,
    )
    time = np.linspace(0.0, duration, n_records + 1)
    aim = goal.potential if goal.outcome in ("CONVERGED", "AT_BOUNDARY") else None
    is_bounded = goal.outcome == "CONVERGED"
    if problem.is_noiseless(start):
        course = Course(problem.cooled(), start, schedule_of(0.0), time, aim, is_bounded, tolerance)
    else:
        course = Course(problem, start, schedule, time, aim, is_bounded, tolerance)
    course.run()
    return _told(course, goal, schedule)


def _told(course: Course, equilibrium: Equilibrium, schedule: TemperatureSchedule) -> Flow:
    generators, time = course.problem.generators, course.time
    points = [course.parameters(i) for i in range(len(time))]
    return Flow(
        time=time,
        temperature=np.array([schedule.at(float(t)) for t in time]),
        charges=torch.stack([generators.charges(point) for point in points]),
        exponents=torch.stack([generators.coefficients(each) for each in course.exponents]),
        potential=np.array([orbit.potential() for orbit in course.orbits]),
        residual=np.array([orbit.residual() for orbit in course.orbits]),
        parameters=points[-1],
        time_to_equilibrium=course.arrival,
        equilibrium=equilibrium,
        stopped=course.stopped,
    )


def _check(duration: float, n_records: int) -> None:
    if not (math.isfinite(duration) and duration > 0.0):
        raise InvalidModelError("duration", given=duration, allowed="a finite time > 0")
    if n_records < 1:
        raise InvalidModelError("n_records", given=n_records, allowed="at least 1")


def _check_families(problem: Problem) -> None:
    degrees = {a.degree for f in problem.generators.families if f.structure == "full" for a in f.actions}
    if not is_separable(problem.sides) or not degrees <= {1.0, -1.0}:
        raise UnsupportedCombinationError(
            "symmetries",
            given=[family.name for family in problem.generators.families],
            allowed="families that commute on each side of a block, and rotations of degree 1 and -1",
            remedy="Choose fewer symmetries.",
        )
