"""Where jobs go, by what they take, what is asked for and which workers are there."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from equipoise_service.errors import RefusedError
from equipoise_service.jobs.calibrations import UNMEASURED, Calibrations
from equipoise_service.jobs.costs import MARGIN, UNMEASURED_MARGIN, time_note
from equipoise_service.jobs.fleet import KEEP_S, Fleet, FleetWatch, Post
from equipoise_service.jobs.queues import CPU, GPU, QUICK, URGENT
from equipoise_service.jobs.routing import MAX_URGENT_SECONDS, MOST_SHARDS, Demand, Route, Router, Wish
from equipoise_service.jobs.time_limits import out_of_time, time_limit
from equipoise_service.settings import Settings
from equipoise_service.storage.database import connect
from equipoise_service.storage.migrations import migrate
from equipoise_service.storage.tables import workers
from equipoise_solver.solving import prepare

KIND = "simulate/test"
CPU_POST = Post("cpu", frozenset({QUICK, URGENT, CPU}), 2)
GPU_POST = Post("gpu", frozenset({URGENT, GPU}), 2)
CPUS, BOTH, CARDS, NOBODY = Fleet((CPU_POST,)), Fleet((CPU_POST, GPU_POST)), Fleet((GPU_POST,)), Fleet()


@dataclass(frozen=True)
class Work:
    """What the router looks at of a work."""

    seconds: float = 1.0
    kind: str = KIND
    path_steps: float = 1e6
    memory_bytes: float = 1e6
    is_quick: bool = False
    n_shards: int = 1
    runs_on_card: bool = False
    spec: Any = field(default_factory=lambda: SimpleNamespace(task="simulate", n_paths=10))

    @property
    def cost(self) -> Any:
        return self


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    opened = connect(f"sqlite:///{tmp_path / 'test.db'}")
    migrate(opened)
    yield opened
    opened.dispose()


@pytest.fixture
def calibrations(engine: sa.Engine) -> Calibrations:
    return Calibrations(engine)


@pytest.fixture
def router(calibrations: Calibrations) -> Router:
    return Router(Settings(max_job_seconds=1000.0, shard_seconds=10.0, max_path_steps=1e9), calibrations)


def measure(calibrations: Calibrations, factor: float, device: str = "cpu") -> None:
    for _ in range(3):
        calibrations.record(device, KIND, 100.0, 100.0 * factor)


def refusal(router: Router, work: Work, wish: Wish, fleet: Fleet = CPUS) -> tuple[str, dict[str, Any]]:
    with pytest.raises(RefusedError) as caught:
        router.route(work, wish, fleet)
    return caught.value.code, caught.value.errors[0]


def test_seconds_are_those_of_the_threads_and_the_measurements(
    router: Router, calibrations: Calibrations, engine: sa.Engine
) -> None:
    """The estimate is the prior one times the measured factor over the threads of the workers there."""
    assert router.route(Work(seconds=12.0), Wish(), CPUS).estimate.seconds == 6.0
    measure(calibrations, 3.0)
    fresh = Router(Settings(), Calibrations(engine))
    estimate = fresh.route(Work(seconds=12.0), Wish(), CPUS).estimate
    assert estimate.seconds == pytest.approx(18.0)
    assert estimate.is_measured


@pytest.mark.parametrize(("seconds", "kind"), [(0.0, KIND), (1.0, ""), (float("inf"), KIND)])
def test_work_without_an_estimate_has_no_seconds(router: Router, seconds: float, kind: str) -> None:
    """Where the solver gives no estimate none is shown, and nothing is refused or cut for it."""
    route = router.route(Work(seconds=seconds, kind=kind, n_shards=64), Wish(is_urgent=True), CPUS)
    assert (route.estimate.seconds, route.n_shards) == (None, 1)


@pytest.mark.parametrize(
    ("work", "wish", "fleet", "queue"),
    [
        (Work(is_quick=True), Wish(), CPUS, QUICK),
        (Work(is_quick=True), Wish(is_urgent=True), CPUS, QUICK),
        (Work(), Wish(), CPUS, CPU),
        (Work(), Wish(), NOBODY, CPU),
        (Work(seconds=0.01), Wish(), CPUS, QUICK),
        (Work(seconds=0.01), Wish(), NOBODY, CPU),
        (Work(seconds=0.01), Wish(), Fleet((Post("cpu", frozenset({CPU}), 2),)), CPU),
        (Work(seconds=0.01, path_steps=0.0), Wish(), CPUS, CPU),
        (Work(seconds=0.01), Wish(is_urgent=True), CPUS, URGENT),
        (Work(seconds=0.01, runs_on_card=True), Wish("gpu"), BOTH, GPU),
        (Work(), Wish(is_urgent=True), CPUS, URGENT),
        (Work(seconds=900.0, runs_on_card=True), Wish(), BOTH, GPU),
        (Work(seconds=900.0, runs_on_card=True), Wish("cpu"), BOTH, CPU),
        (Work(seconds=900.0, runs_on_card=True), Wish(), CPUS, CPU),
        (Work(seconds=900.0), Wish(), BOTH, CPU),
        (Work(seconds=1.0, runs_on_card=True), Wish(), BOTH, CPU),
        (Work(seconds=1.0, runs_on_card=True), Wish("gpu"), BOTH, GPU),
        (Work(seconds=1.0, runs_on_card=True), Wish(), CARDS, GPU),
        (Work(seconds=900.0, runs_on_card=True), Wish("gpu", is_urgent=True), BOTH, URGENT),
    ],
)
def test_the_queue_follows_cost_wish_and_workers(
    router: Router, work: Work, wish: Wish, fleet: Fleet, queue: str
) -> None:
    """Closed forms are quick, as are short simulations if somebody serves them beside a long one; long work
    of a card goes to one if it is there, and urgent jobs are urgent."""
    assert router.route(work, wish, fleet).queue == queue


def test_only_a_worker_with_a_card_serves_its_queue() -> None:
    """A worker on processors that says it serves the queue of cards does not make one be there."""
    posed = Fleet((Post("cpu", frozenset({CPU, GPU}), 2),))
    assert posed.serves(CPU)
    assert not posed.serves(GPU)
    assert BOTH.serves(GPU)
    assert CARDS.serves(GPU)


def test_a_slow_card_is_not_taken(router: Router, calibrations: Calibrations) -> None:
    """A card that was measured to be slower than the processors gets no job that leaves the choice open."""
    measure(calibrations, 2.0, "gpu")
    work = Work(seconds=90.0, runs_on_card=True)
    assert router.route(work, Wish(), BOTH).queue == CPU
    assert router.route(work, Wish("gpu"), BOTH).estimate.seconds == pytest.approx(180.0)


def test_a_job_for_a_card_goes_to_the_cpu_while_no_card_is_there(router: Router) -> None:
    """Without a worker with a card the job runs on the cpu, and is told so."""
    route = router.route(Work(seconds=100.0, runs_on_card=True), Wish("gpu"), CPUS)
    assert (route.queue, route.estimate.device) == (CPU, "cpu")
    assert "No worker with a graphics card" in route.notes[0]


def test_a_job_for_a_card_too_long_for_the_cpu_is_refused_while_no_card_is_there(router: Router) -> None:
    """It is refused with the reason, and taken once there is a card."""
    work = Work(seconds=2.0 * UNMEASURED_MARGIN * 1000.0 + 1.0, runs_on_card=True)
    code, entry = refusal(router, work, Wish("gpu"))
    assert (code, entry["field"]) == ("limit_exceeded", "device")
    assert "no worker with a graphics card" in entry["message"].lower()
    assert router.route(work, Wish("gpu"), BOTH).queue == GPU


@pytest.mark.parametrize("work", [Work(), Work(is_quick=True, runs_on_card=True)])
def test_what_no_card_computes_is_not_sent_to_one(router: Router, work: Work) -> None:
    """Asking for a card for what none computes is refused, whether one is there or not."""
    for fleet in (CPUS, BOTH):
        code, entry = refusal(router, work, Wish("gpu"), fleet)
        assert (code, entry["field"], entry["given"]) == ("unsupported_combination", "device", "gpu")


@pytest.mark.parametrize("is_measured", [False, True])
def test_only_what_surely_runs_out_of_time_is_refused(
    router: Router, calibrations: Calibrations, is_measured: bool
) -> None:
    """A measured estimate refuses beyond a factor of 1.5, one that is not beyond a factor of 4."""
    if is_measured:
        measure(calibrations, 1.0)
    margin = MARGIN if is_measured else UNMEASURED_MARGIN
    within, beyond = (Work(seconds=2 * 1000.0 * margin * share) for share in (0.99, 1.01))
    route = router.route(within, Wish(), CPUS)
    assert "may run out of time" in (time_note(route.estimate.seconds, limit_s=route.timeout_seconds) or "")
    code, entry = refusal(router, beyond, Wish())
    assert (code, entry["field"], entry["allowed"]) == ("limit_exceeded", "n_paths", "<= 1000 s")


def test_the_smaller_limit_holds_and_ones_own_refuses_nothing(router: Router) -> None:
    """Whoever asks for less time than the work takes is told so, and gets what they asked for."""
    assert router.route(Work(), Wish(timeout_seconds=5000.0), CPUS).timeout_seconds == 1000.0
    route = router.route(Work(seconds=1000.0), Wish(timeout_seconds=1.0), CPUS)
    assert (route.timeout_seconds, route.timeout_by) == (1.0, "job")
    assert "may run out of time" in (time_note(route.estimate.seconds, limit_s=route.timeout_seconds) or "")
    code, entry = refusal(router, Work(seconds=1e5), Wish(timeout_seconds=5000.0))
    assert (code, entry["field"], entry["allowed"]) == ("limit_exceeded", "n_paths", "<= 1000 s")


def test_slots_that_share_a_job_shorten_it(router: Router) -> None:
    """A job in parts is refused only if it is too long for the slots that are there together."""
    work = Work(seconds=2 * 1000.0 * UNMEASURED_MARGIN * 3, n_shards=64)
    assert router.route(work, Wish(), Fleet((CPU_POST,) * 4)).n_shards == 64
    assert refusal(router, work, Wish())[0] == "limit_exceeded"


@pytest.mark.parametrize(
    ("seconds", "offered", "n_shards"),
    [(10.0, 64, 1), (20.0, 64, 1), (22.0, 64, 2), (90.0, 64, 5), (90.0, 3, 3), (1900.0, 500, MOST_SHARDS)],
)
def test_long_work_is_cut_into_parts_of_about_shard_seconds(
    router: Router, seconds: float, offered: int, n_shards: int
) -> None:
    """There are as many parts as fill shard_seconds on two threads, at most those offered, and 64."""
    assert router.route(Work(seconds=seconds, n_shards=offered), Wish(), CPUS).n_shards == n_shards


def test_urgent_jobs_are_short_except_for_admins(calibrations: Calibrations) -> None:
    """A long urgent job is refused with the remedy; an admin's is taken."""
    work = Work(seconds=2 * UNMEASURED_MARGIN * MAX_URGENT_SECONDS + 1.0)
    router = Router(Settings(), calibrations)
    code, entry = refusal(router, work, Wish(is_urgent=True))
    assert (code, entry["field"]) == ("limit_exceeded", "urgent")
    assert "without urgent" in entry["message"]
    assert router.route(work, Wish(is_urgent=True, is_free=True), CPUS).queue == URGENT


@pytest.mark.parametrize("size", [{"path_steps": 2e9}, {"memory_bytes": 1e12}])
def test_what_is_too_large_is_refused_whatever_is_asked(router: Router, size: dict[str, float]) -> None:
    """Path-steps and memory have limits of their own."""
    code, entry = refusal(router, Work(**size), Wish(is_free=True))  # type: ignore[arg-type]
    assert (code, entry["field"]) == ("limit_exceeded", "n_paths")


def test_a_card_is_assumed_to_be_faster_until_it_is_measured(router: Router) -> None:
    """Without measurements a card's seconds are the assumed share of those of one thread."""
    route: Route = router.route(Work(seconds=100.0, runs_on_card=True), Wish("gpu"), BOTH)
    assert route.estimate.seconds == pytest.approx(100.0 * UNMEASURED["gpu"])


def test_time_limits_name_whose_they_are() -> None:
    """The error of a job out of time names the limit that ended it, and what helps."""
    assert time_limit(None, 60.0) == (60.0, "service")
    assert time_limit(5.0, 60.0) == (5.0, "job")
    assert time_limit(500.0, 60.0) == (60.0, "service")
    for by, said, unsaid in (
        ("job", "timeout_seconds=5 s", "this service"),
        ("service", "max_job_seconds", "or raise"),
    ):
        job: Any = SimpleNamespace(timeout_by=by, timeout_seconds=5.0)
        message = out_of_time(job)["error_message"]
        assert said in message
        assert unsaid not in message
    assert out_of_time(None)["error_code"] == "timed_out"


def test_only_workers_that_take_jobs_count(engine: sa.Engine) -> None:
    """Stopped, silent and draining workers serve nothing; what was read is believed for a second."""
    now = [0.0]
    watch = FleetWatch(engine, ttl_s=30.0, clock=lambda: now[0])
    assert watch.now() == NOBODY
    common: dict[str, Any] = {
        "host": "h",
        "process_space": "",
        "process": "",
        "version": "1",
        "started_at": 0.0,
        "seen_at": 4e9,
        "device": "cpu",
        "queues": "cpu",
        "threads": 1,
    }
    added: dict[str, dict[str, Any]] = {
        "here": {"device": "cuda:1", "queues": "urgent,gpu", "threads": 2},
        "stopped": {"stopped_at": 1.0},
        "silent": {"seen_at": 1.0},
        "draining": {"status": "draining"},
    }
    with engine.begin() as connection:
        for name, changes in added.items():
            connection.execute(workers.insert().values(id=name, **{**common, **changes}))
    assert watch.now() == NOBODY
    now[0] = KEEP_S + 0.1
    assert watch.now() == Fleet((GPU_POST,))
    assert (watch.now().slots(GPU), watch.now().slots(CPU)) == (1, 0)


SGF = {"kind": "sgf", "temperature": 0.05}
SINGLY = {"kind": "sgd", "learning_rate": 0.05, "batch_size": 1}
BY_STEPS: dict[str, Any] = {"dynamics": SINGLY, "duration": None, "n_steps": 40}
ENSEMBLE = {
    "task": "simulate",
    "model": {"kind": "diagonal"},
    "data": {"kind": "gaussian", "slope": 0.7, "noise_std": 1.3},
    "dynamics": SGF,
    "n_paths": 64,
    "duration": 2.0,
}


@pytest.mark.parametrize(
    ("changes", "takes_card"),
    [
        ({}, True),
        ({"task": "compare"}, True),
        (BY_STEPS, False),
    ],
)
def test_the_solver_says_what_a_card_computes(changes: dict[str, Any], takes_card: bool) -> None:
    """Whether a card has kernels for a spec is known without a card."""
    assert Demand.of(prepare({**ENSEMBLE, **changes})).takes_card is takes_card
