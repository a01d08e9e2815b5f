"""References of the drivers: the states of a few paths at every sample time."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.initial import initial_states
from equipoise_solver.ensembles.plan import EnsemblePlan
from equipoise_solver.ensembles.reference import steps
from equipoise_solver.ensembles.reference.arithmetic import Floats, Stream
from equipoise_solver.ensembles.reference.fused import Reals
from equipoise_solver.ensembles.reference.noise import FOUR_INCREMENTS, INCREMENTS, Minibatches
from equipoise_solver.ensembles.reference.schemes import FLOWS, product_update
from equipoise_solver.ensembles.schedule import Schedule, schedule_of

STEPS: dict[str, Any] = {
    "linear_splitting": steps.linear_splitting,
    "euler": partial(steps.explicit, "euler"),
    "tamed_euler": partial(steps.explicit, "tamed_euler"),
    "log_euler": partial(steps.explicit, "log_euler"),
    "two_layer_euler": steps.two_layer_euler,
}
UPDATES: dict[str, Any] = {"product_update": product_update, "two_layer_update": steps.two_layer_update}


def reference_paths(plan: EnsemblePlan, paths: NDArray[np.int64]) -> Reals:
    """States of some paths of a plan at all its sample times, if none diverges or is absorbed.

    Args:
        plan: the plan; float64 precision, unless its scheme has a fixed clock and is not `product_update`.
        paths: numbers of the paths, consecutive, shape (n,).

    Returns:
        shape (n_samples + 1, n_state, n), the start first.
    """
    state = initial_states(plan, first_path=int(paths[0]), n_paths=paths.size).astype(plan.precision)
    schedule = schedule_of(plan)
    if plan.scheme.clock == "adaptive":
        return _adaptive(plan, schedule, state, paths)
    if plan.duration is not None:
        return _flow(plan, schedule, state, paths)
    return _updates(plan, schedule, state, paths)


def _adaptive(plan: EnsemblePlan, schedule: Schedule, state: Floats, paths: NDArray[np.int64]) -> Floats:
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


def _flow(plan: EnsemblePlan, schedule: Schedule, state: Reals, paths: NDArray[np.int64]) -> Reals:
    stream = Stream(plan.seed, paths=paths, purpose=plan.noise_source.purpose)
    draw, numbers = FOUR_INCREMENTS[plan.noise_source.name], plan.scheme.numbers
    samples = [state]
    for _ in range(schedule.n_samples):
        for _ in range(schedule.n_steps // schedule.n_samples // 4):
            noise = draw(stream)
            if plan.scheme.name == "reciprocal_splitting":
                state = steps.reciprocal_splitting(state, noise, numbers)
            else:
                for row in noise:
                    state = STEPS[plan.scheme.name](state, row, numbers)
        samples.append(state)
    return np.stack(samples)


def _updates(plan: EnsemblePlan, schedule: Schedule, state: Reals, paths: NDArray[np.int64]) -> Reals:
    """Updates; a draw of several batches serves one interval only, so what is left of the last is unused."""
    batches = Minibatches(plan.noise_source, seed=plan.seed, paths=paths)
    update, group = UPDATES[plan.scheme.name], plan.noise_source.steps
    samples = [state]
    times = schedule.steps_at((0, schedule.n_samples))
    for start, stop in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        for t in range(start, stop, group):
            rows = batches.draw(t)
            for i in range(min(group, stop - t)):
                state = update(state, rows[2 * i : 2 * i + 2], plan.scheme.numbers)
        samples.append(state)
    return np.stack(samples)
