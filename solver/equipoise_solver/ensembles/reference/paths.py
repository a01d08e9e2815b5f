"""References of the drivers: the states of a few paths at every sample time."""

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.initial import initial_states
from equipoise_solver.ensembles.plan import EnsemblePlan
from equipoise_solver.ensembles.reference.arithmetic import Floats, Stream
from equipoise_solver.ensembles.reference.noise import INCREMENTS, Minibatches
from equipoise_solver.ensembles.reference.schemes import FLOWS, product_update
from equipoise_solver.ensembles.schedule import Schedule, schedule_of


def reference_paths(plan: EnsemblePlan, paths: NDArray[np.int64]) -> Floats:
    """States of some paths of a plan at all its sample times, if none diverges or is absorbed.

    Args:
        plan: the plan; float64 precision.
        paths: numbers of the paths, consecutive, shape (n,).

    Returns:
        shape (n_samples + 1, n_state, n), the start first.
    """
    state = initial_states(plan, first_path=int(paths[0]), n_paths=paths.size)
    schedule = schedule_of(plan)
    if plan.scheme.clock == "adaptive":
        return _flow(plan, schedule, state, paths)
    return _updates(plan, schedule, state, paths)


def _flow(plan: EnsemblePlan, schedule: Schedule, state: Floats, paths: NDArray[np.int64]) -> Floats:
    stream = Stream(plan.seed, paths=paths, purpose=plan.noise_source.purpose)
    draw, step = INCREMENTS[plan.noise_source.name], FLOWS[plan.scheme.name]
    samples = [state]
    for _ in range(schedule.n_samples):
        left = np.full(paths.size, schedule.interval)
        while (left > 0).any():
            for noise in draw(stream, left > 0):
                state, size = step(state, noise, left, plan.scheme.numbers)
                left = left - size
        samples.append(state)
    return np.stack(samples)


def _updates(plan: EnsemblePlan, schedule: Schedule, state: Floats, paths: NDArray[np.int64]) -> Floats:
    batches = Minibatches(plan.noise_source, seed=plan.seed, paths=paths)
    momentum = np.zeros_like(state)
    samples = [state]
    times = schedule.steps_at((0, schedule.n_samples))
    for start, stop in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        for t in range(start, stop):
            state, momentum = product_update(state, momentum, batches.draw(t), plan.scheme.numbers)
        samples.append(state)
    return np.stack(samples)
