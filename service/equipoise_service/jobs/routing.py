"""Where a job goes: which queue, on which kind of device, in how many parts, and which ones go nowhere."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from equipoise_service.errors import RefusedError, blame
from equipoise_service.jobs.calibrations import Calibrations, DeviceClass
from equipoise_service.jobs.costs import Estimate, check_size, check_time, estimated, too_much
from equipoise_service.jobs.fleet import Fleet
from equipoise_service.jobs.job_table import TimeoutBy
from equipoise_service.jobs.queues import CPU, GPU, QUICK, SHORT_S, URGENT
from equipoise_service.jobs.time_limits import time_limit
from equipoise_service.settings import Settings
from equipoise_solver.specs import Spec

WantedDevice = Literal["auto", "cpu", "gpu"]
# A card is not worth its start for less than this on the processors, [s].
WORTH_A_CARD_S = 10.0
# An urgent job goes before everybody else's, so it is short: at most this long on one slot, [s].
MAX_URGENT_SECONDS = 600.0
MOST_SHARDS = 64


@dataclass(frozen=True)
class Wish:
    """How a job is to be run.

    Attributes:
        device: "auto" leaves the choice to the service.
        is_urgent: whether it is to start before the jobs of everybody else.
        is_free: whether it may be urgent however long it takes, which admins' jobs may.
        timeout_seconds: longest run, [s]; None takes the limit of the service.
    """

    device: WantedDevice = "auto"
    is_urgent: bool = False
    is_free: bool = False
    timeout_seconds: float | None = None


@dataclass(frozen=True)
class Route:
    """Where a job goes.

    Attributes:
        queue: name of the queue.
        estimate: what it takes there.
        n_shards: parts that it is cut into; 1 leaves it whole.
        timeout_seconds: longest run, [s].
        timeout_by: whose limit that is.
        notes: what the user may want to know of the choice.
    """

    queue: str
    estimate: Estimate
    n_shards: int
    timeout_seconds: float
    timeout_by: TimeoutBy
    notes: tuple[str, ...] = ()

    @property
    def is_closed_form(self) -> bool:
        """Whether it is a quick job that simulates nothing."""
        return self.queue == QUICK and not self.estimate.path_steps


@dataclass(frozen=True)
class Demand:
    """What is looked at of a work; each is asked for once, because a sweep adds up the costs of its points.

    Attributes:
        spec: what is asked.
        cost: the solver's `Cost`.
        n_shards: most parts that it can be cut into.
        takes_card: whether a graphics card computes it.
    """

    spec: Spec
    cost: Any
    n_shards: int
    takes_card: bool

    @classmethod
    def of(cls, work: Any) -> "Demand":
        """What a work asks for."""
        cost = work.cost
        takes_card = not cost.is_quick and bool(getattr(work, "runs_on_card", False))
        return cls(work.spec, cost, int(getattr(work, "n_shards", 1)), takes_card)


class Router:
    """Decides where jobs go.

    Args:
        settings: the limits.
        calibrations: what workers have measured.
    """

    def __init__(self, settings: Settings, calibrations: Calibrations) -> None:
        self._settings = settings
        self._calibrations = calibrations

    def route(self, work: Any, wish: Wish, fleet: Fleet) -> Route:
        """Where a job goes.

        Args:
            work: the solver's `Work`.
            wish: how it is to be run.
            fleet: the workers that are there.

        Raises:
            RefusedError: it is beyond a limit, or no device takes it.
        """
        demand = Demand.of(work)
        check_size(demand.cost, demand.spec, self._settings)
        limit_s, limit_by = time_limit(wish.timeout_seconds, self._settings.max_job_seconds)
        estimate, notes = self._placed(demand, wish, fleet)
        queue = self._queue(demand, wish, estimate, fleet)
        n_shards = 1 if queue == QUICK else self._n_shards(demand, estimate)
        at_a_time = min(n_shards, max(1, fleet.slots(queue)))
        check_time(estimate, demand.spec, limit_s=self._settings.max_job_seconds, at_a_time=at_a_time)
        return Route(queue, estimate, n_shards, limit_s, limit_by, notes)

    def estimate(self, cost: Any, device: DeviceClass, fleet: Fleet) -> Estimate:
        """What a job of some `Cost` takes on one slot of a class of devices."""
        threads = fleet.threads(device, default=self._settings.worker_threads)
        return estimated(cost, device, calibrations=self._calibrations, threads=threads)

    def _placed(self, demand: Demand, wish: Wish, fleet: Fleet) -> tuple[Estimate, tuple[str, ...]]:
        """The estimate on the device that is chosen, and what to say of the choice."""
        on_cpu = self.estimate(demand.cost, "cpu", fleet)
        if wish.device == "gpu":
            if not demand.takes_card:
                raise _no_card_for(demand.spec)
            if not fleet.serves(GPU):
                return self._instead_of_card(on_cpu)
            return self.estimate(demand.cost, "gpu", fleet), ()
        if wish.device == "auto" and demand.takes_card and fleet.serves(GPU):
            on_gpu = self.estimate(demand.cost, "gpu", fleet)
            if not fleet.serves(CPU) or _is_faster(on_gpu, on_cpu):
                return on_gpu, ()
        return on_cpu, ()

    def _instead_of_card(self, on_cpu: Estimate) -> tuple[Estimate, tuple[str, ...]]:
        """A job for a card goes to the processors while there is no card, if they are fast enough."""
        limit_s = self._settings.max_job_seconds
        if on_cpu.surely_exceeds(limit_s):
            raise too_much(
                "device",
                f"No worker with a graphics card is there, and on the cpu this spec takes about "
                f"{on_cpu.seconds:.3g} s: this service gives a job {limit_s:g} s. "
                "Ask for fewer paths or steps, or wait for such a worker.",
                given="gpu",
                allowed="a spec that the cpu computes in time, while no card is there",
            )
        note = "No worker with a graphics card is there: the job goes to the cpu."
        return on_cpu, (note,)

    def _queue(self, demand: Demand, wish: Wish, estimate: Estimate, fleet: Fleet) -> str:
        if demand.cost.is_quick:
            return QUICK
        if not wish.is_urgent:
            if estimate.device == "gpu":
                return GPU
            is_short = demand.cost.path_steps > 0 and _is_short(estimate)
            return QUICK if is_short and fleet.serves(QUICK) else CPU
        if not wish.is_free and estimate.surely_exceeds(MAX_URGENT_SECONDS):
            raise too_much(
                "urgent",
                f"This spec takes about {estimate.seconds:.3g} s: an urgent job, which goes before those of "
                f"everybody else, takes at most {MAX_URGENT_SECONDS:g} s. "
                "Send it without urgent, or ask for fewer paths or steps.",
                given="true",
                allowed=f"false, or a spec of at most {MAX_URGENT_SECONDS:g} s",
            )
        return URGENT

    def _n_shards(self, demand: Demand, estimate: Estimate) -> int:
        if estimate.seconds is None:
            return 1
        wanted = math.ceil(min(estimate.seconds / self._settings.shard_seconds, float(MOST_SHARDS)))
        return max(1, min(demand.n_shards, wanted))


def _is_short(estimate: Estimate) -> bool:
    return estimate.seconds is not None and estimate.seconds < SHORT_S


def _is_faster(on_gpu: Estimate, on_cpu: Estimate) -> bool:
    if on_cpu.seconds is None or on_gpu.seconds is None:
        return False
    return on_cpu.seconds > WORTH_A_CARD_S and on_gpu.seconds < on_cpu.seconds


def _no_card_for(spec: Spec) -> RefusedError:
    message = (
        f"device='gpu' is not offered for this spec of task {spec.task!r}: "
        "no graphics card computes it. Leave device out, or send 'auto' or 'cpu'."
    )
    entry = blame("device", message, given="gpu", allowed="'auto' or 'cpu' for this spec")
    return RefusedError(message, code="unsupported_combination", errors=[entry])
