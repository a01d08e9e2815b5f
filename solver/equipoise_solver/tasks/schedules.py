"""Schedules of a spec as the numerics want them."""

from equipoise_solver import specs
from equipoise_solver.networks.training import schedules
from equipoise_solver.specs.schedules import Schedule


def schedule_of(schedule: Schedule) -> schedules.Schedule:
    """A factor over time."""
    match schedule:
        case specs.WarmUpSchedule():
            return schedules.WarmUp(schedule.duration, schedule.start)
        case specs.StepSchedule():
            return schedules.StepDecay(schedule.every, schedule.decay)
        case specs.ExponentialSchedule():
            return schedules.ExponentialDecay(schedule.duration)
        case specs.CosineSchedule():
            return schedules.CosineDecay(schedule.duration, schedule.end)
