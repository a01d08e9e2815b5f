"""Turns: whoever waits gets the next free slot, however many jobs others have queued."""

import time
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from functools import partial

import pytest
import sqlalchemy as sa
from tests.service.fake_solver import HANGS, SLOW, simulate_spec
from tests.service.workers import Bench, worker_process, working
from tests.support.servers import wait_until

from equipoise_service.jobs.job_table import Job
from equipoise_service.jobs.queues import SlotRule, rules_for, served_by
from equipoise_service.settings import Settings
from equipoise_service.workers.slots import Slots, in_turn


def seconds_long(seed: int, n_steps: int = 5 * 10**5) -> dict[str, object]:
    """A job of 0.5 s."""
    return simulate_spec(seed=SLOW + seed, n_steps=n_steps)


def started_before(jobs: Collection[Job], one: Job, since: float) -> int:
    """How many of some jobs started after a time and before another job did."""
    assert one.started_at is not None
    return sum(job.started_at is not None and since < job.started_at < one.started_at for job in jobs)


@pytest.mark.slow
def test_one_job_waits_for_no_more_than_the_one_that_runs(bench: Bench, engine_settings: Settings) -> None:
    """A user with 150 queued jobs delays another user's job by the job that runs, and an urgent one too."""
    many = [bench.put(seconds_long(seed), owner="many") for seed in range(150)]
    with working(engine_settings):
        wait_until(lambda: bench.job(many[1]).is_final, what="some jobs are done", deadline_s=60)
        one = bench.put(seconds_long(1), owner="one")
        submitted = bench.job(one).submitted_at
        ended = bench.ended(one)
        # The slot may have been filled between the submission and its commit.
        assert started_before([bench.job(job) for job in many], ended, submitted) <= 1
        urgent = bench.put(seconds_long(999), owner="many", queue="urgent")
        submitted = bench.job(urgent).submitted_at
        ended = bench.ended(urgent)
        assert started_before([bench.job(job) for job in many], ended, submitted) <= 1
        assert not bench.job(many[-1]).is_final


@pytest.mark.slow
def test_with_several_workers_a_job_waits_for_one_job_at_most(
    bench: Bench, engine_settings: Settings
) -> None:
    """With two workers, each starts at most one more job of the user who has many."""
    many = [bench.put(seconds_long(seed), owner="many") for seed in range(160)]
    with ExitStack() as stack:
        for name in ("first", "second"):
            stack.enter_context(worker_process(engine_settings, name))

        def workers() -> set[str | None]:
            return {bench.job(job).worker for job in many if bench.job(job).is_final}

        wait_until(lambda: workers() == {"first", "second"}, what="both work", deadline_s=90)
        one = bench.put(seconds_long(1), owner="one")
        submitted = bench.job(one).submitted_at
        ended = bench.ended(one)
        assert started_before([bench.job(job) for job in many], ended, submitted) <= 2
        assert not bench.job(many[-1]).is_final


@pytest.mark.slow
def test_a_cap_leaves_slots_free_for_others(bench: Bench, engine_settings: Settings) -> None:
    """No more jobs of a user run than the cap allows, though slots are free; another user gets those."""
    with ExitStack() as stack:
        hanging = [bench.put(simulate_spec(seed=HANGS, n_steps=100 + n), owner="many") for n in range(3)]
        for name in ("first", "second"):
            stack.enter_context(
                worker_process(engine_settings, name, EQUIPOISE_MAX_RUNNING_JOBS_PER_USER="1")
            )
        wait_until(lambda: any(bench.job(job).status == "running" for job in hanging), what="one runs")
        assert bench.ended(bench.put(seconds_long(1), owner="one")).status == "succeeded"
        assert [bench.job(job).status for job in hanging].count("running") == 1
        for job in hanging:
            bench.cancel(job)
        assert {bench.ended(job).status for job in hanging} == {"cancelled"}


@pytest.mark.slow
def test_jobs_queued_by_a_version_without_users_are_the_local_users(
    bench: Bench, engine_settings: Settings
) -> None:
    """Jobs on a queue of an older version, which knew no users, are run."""
    job_id = bench.put(seconds_long(1))
    with bench.database.begin() as connection:
        connection.execute(
            sa.text(f"UPDATE {bench.engine_schema}workflow_status SET queue_partition_key = NULL")
        )
    with working(engine_settings):
        assert bench.ended(job_id).status == "succeeded"


def test_turns_go_to_those_who_have_least_and_waited_longest() -> None:
    """Fewest running jobs first, then the one served longest ago."""
    assert in_turn(["a", "b"], {"a": 1}, {"a": 0}) == ["b", "a"]
    assert in_turn(["a", "b", "c"], {}, {"a": 2, "b": 1, "c": 3}) == ["b", "a", "c"]
    assert in_turn(["a", "b", "c"], {"b": 5, "a": 5, "c": 4}, {"a": 2, "b": 1, "c": 3}) == ["c", "b", "a"]


def test_a_worker_has_one_slot_for_its_device() -> None:
    """Urgent jobs come first on the slot of a device; parents and closed forms take none of it."""
    (device,) = [rule for rule in rules_for(served_by("cpu")) if rule.is_device]
    assert (device.queues, device.slots) == (("urgent", "cpu"), 1)
    (device,) = [rule for rule in rules_for(served_by("cuda:1")) if rule.is_device]
    assert device.queues == ("urgent", "gpu")
    assert [rule.queues for rule in rules_for(["quick"])] == [("quick",)]


class Backlog:
    """A source of jobs in memory: each runs until the test ends it."""

    def __init__(self, waiting: dict[str, list[str]]) -> None:
        self.waiting_jobs = waiting
        self.running_jobs: dict[str, str] = {}
        self.order: list[str] = []

    def waiting(self, queue: str) -> list[str]:
        return [user for user, jobs in self.waiting_jobs.items() if jobs] if queue == "cpu" else []

    def running(self, queue: str) -> Mapping[str, int]:
        users = list(self.running_jobs.values())
        return {user: users.count(user) for user in users}

    def claim(self, queue: str, user: str, n_jobs: int, n_slots: int) -> list[str]:
        jobs, self.waiting_jobs[user] = self.waiting_jobs[user][:n_jobs], self.waiting_jobs[user][n_jobs:]
        self.running_jobs |= dict.fromkeys(jobs, user)
        return jobs

    def start_job(self, job_id: str) -> None:
        self.order.append(job_id)

    def active(self) -> Collection[str]:
        return list(self.running_jobs)


def test_a_slot_is_shared_by_turns() -> None:
    """Three users with many jobs and one slot take turns."""
    source = Backlog({user: [f"{user}{n}" for n in range(9)] for user in "abc"})
    slots = Slots(SlotRule(("cpu",), 1, 0.01), source)

    def has_started(n_jobs: int) -> bool:
        return len(source.order) == n_jobs

    slots.start()
    for n in range(27):
        wait_until(partial(has_started, n + 1), what="the slot is filled")
        job = source.order[-1]
        del source.running_jobs[job]
        slots.release(job)
    slots.close()
    users = [job[0] for job in source.order]
    assert all(set(users[3 * turn : 3 * turn + 3]) == {"a", "b", "c"} for turn in range(9))


def test_of_many_slots_some_are_filled_together() -> None:
    """One look takes several jobs: a single slot among many waits for others, or for the next look."""
    source = Backlog({"a": [f"a{n}" for n in range(20)]})
    slots = Slots(SlotRule(("cpu",), slots=8, poll_s=600.0), source)
    slots.start()
    wait_until(lambda: len(source.order) == 8, what="the slots are filled")
    slots.release(source.order[0])
    time.sleep(0.2)
    assert len(source.order) == 8
    slots.release(source.order[1])
    wait_until(lambda: len(source.order) == 10, what="both slots are filled")
    slots.close()
    assert len(source.order) == 10


@pytest.mark.slow
def test_jobs_of_a_user_start_in_the_order_of_their_submission(
    bench: Bench, engine_settings: Settings
) -> None:
    """Also where many are submitted within a second."""
    jobs = [bench.put(simulate_spec(seed=SLOW + seed, n_steps=10**4)) for seed in range(12)]
    with working(engine_settings):
        ended = [bench.ended(job) for job in jobs]
    started = [job.started_at or 0.0 for job in ended]
    assert started == sorted(started)
