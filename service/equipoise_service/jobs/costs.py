"""What a job takes, in path-steps, memory and seconds, and what is refused for taking too much."""

import math
from dataclasses import dataclass
from typing import Any

from equipoise_service.errors import RefusedError, blame
from equipoise_service.jobs.calibrations import Calibrations, DeviceClass
from equipoise_service.settings import Settings
from equipoise_solver.specs import Spec

# A measured estimate may be off by this factor before it is trusted to refuse a job; one from no
# measurement by the other.
MARGIN, UNMEASURED_MARGIN = 1.5, 4.0


@dataclass(frozen=True)
class Estimate:
    """What a job is expected to take.

    Attributes:
        path_steps: steps of single trajectories; 0 for closed forms.
        memory_bytes: largest working memory, [bytes].
        seconds: time on one slot of its device, [s]; None where the solver gives no estimate.
        is_measured: whether workers have measured such work on such a device.
        device: class of the device.
    """

    path_steps: float
    memory_bytes: float
    seconds: float | None
    is_measured: bool
    device: DeviceClass

    def surely_exceeds(self, limit_s: float, *, at_a_time: int = 1) -> bool:
        """Whether it takes longer than a limit by more than the estimate may be off.

        Args:
            limit_s: the limit, [s].
            at_a_time: slots that share the work.
        """
        margin = MARGIN if self.is_measured else UNMEASURED_MARGIN
        return self.seconds is not None and self.seconds / at_a_time > margin * limit_s


def estimated(cost: Any, device: DeviceClass, *, calibrations: Calibrations, threads: int) -> Estimate:
    """The estimate of a job on one slot of a class of devices.

    Args:
        cost: the solver's `Cost`, whose seconds are those of one thread of the reference machine.
        device: class of the device.
        calibrations: what workers have measured.
        threads: threads of a slot; a closed form uses one whatever there is.
    """
    prior_s, kind = float(getattr(cost, "seconds", 0.0) or 0.0), str(getattr(cost, "kind", ""))
    if not (kind and 0 < prior_s < math.inf):
        return Estimate(cost.path_steps, cost.memory_bytes, None, False, device)
    factor = calibrations.factor(device, kind)
    seconds = prior_s * factor.value / (1 if cost.is_quick else threads)
    return Estimate(cost.path_steps, cost.memory_bytes, seconds, factor.is_measured, device)


def check_size(cost: Any, spec: Spec, settings: Settings) -> None:
    """Refuse a job that takes more path-steps or memory than the service computes.

    Raises:
        RefusedError: code `limit_exceeded`.
    """
    for name, what in (("path_steps", "path-steps"), ("memory_bytes", "bytes of memory")):
        value, limit = getattr(cost, name), getattr(settings, f"max_{name}")
        if value > limit:
            raise too_much(
                size_field(spec),
                f"This spec takes about {value:.3g} {what}: this service computes at most {limit:.3g}. "
                "Ask for fewer paths or steps.",
                given=f"{value:.3g} {what}",
                allowed=f"<= {limit:.3g} {what}",
            )


def check_time(estimate: Estimate, spec: Spec, *, limit_s: float, at_a_time: int) -> None:
    """Refuse a job that would surely run out of the time that the service gives.

    A `timeout_seconds` of its own is whoever asked's own business: see `time_note`.

    Args:
        estimate: what it takes.
        spec: what is asked.
        limit_s: longest run, setting `max_job_seconds`, [s].
        at_a_time: slots that share the work.

    Raises:
        RefusedError: code `limit_exceeded`; it names the field to change.
    """
    if not estimate.surely_exceeds(limit_s, at_a_time=at_a_time):
        return
    seconds = (estimate.seconds or 0.0) / at_a_time
    raise too_much(
        size_field(spec),
        f"This spec takes about {seconds:.3g} s on the {estimate.device}: this service gives a job "
        f"{limit_s:g} s. Ask for fewer paths or steps, or ask its operator for more time.",
        given=f"{seconds:.3g} s",
        allowed=f"<= {limit_s:g} s",
    )


def time_note(seconds: float | None, *, limit_s: float) -> str | None:
    """What to say of a job that may run out of time; None where there is nothing to say."""
    if seconds is None or seconds <= limit_s:
        return None
    return f"About {seconds:.3g} s are expected, and the limit is {limit_s:g} s: it may run out of time."


def size_field(spec: Spec) -> str:
    """The field of a spec that makes it large."""
    return next((name for name in ("n_paths", "n_steps") if hasattr(spec, name)), "spec")


def too_much(field: str, message: str, *, given: str, allowed: str) -> RefusedError:
    """The refusal of what is beyond a limit."""
    entry = blame(field, message, given=given, allowed=allowed)
    return RefusedError(message, code="limit_exceeded", errors=[entry])
