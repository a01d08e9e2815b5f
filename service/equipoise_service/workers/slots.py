"""The slots of a worker: a free one takes the next job, by turns among the users who wait."""

import itertools
import logging
import random
import threading
import time
from collections.abc import Collection, Mapping
from typing import Protocol

from equipoise_service.jobs.queues import SlotRule

logger = logging.getLogger(__name__)

# A job that the engine no longer runs gives its slot back by itself after this long, whatever became of it.
LOOK_FOR_LOST_EVERY_S = 5.0
# After an error, such as a database that is away, the next look waits this long.
AFTER_ERROR_S = 1.0


class Source(Protocol):
    """Where the jobs come from."""

    def waiting(self, queue: str) -> list[str]:
        """Users with jobs on a queue."""
        ...

    def running(self, queue: str) -> Mapping[str, int]:
        """How many jobs of a queue run now, on any worker, by user."""
        ...

    def claim(self, queue: str, user: str, n_jobs: int, n_slots: int) -> list[str]:
        """Make at most `n_jobs` of a user this worker's, which has `n_slots` in all; their ids."""
        ...

    def start_job(self, job_id: str) -> None:
        """Run a job that was claimed; whoever runs it calls `Slots.release` at its end."""
        ...

    def active(self) -> Collection[str]:
        """Jobs that run in this process."""
        ...


def in_turn(waiting: Collection[str], running: Mapping[str, int], served: Mapping[str, int]) -> list[str]:
    """Users in the order in which they get free slots.

    First those with the fewest jobs running, so that a user who has none never waits behind the next job of
    another one; among equals those served longest ago, and then by lot.

    Args:
        waiting: users with jobs on the queue.
        running: jobs of the queue that run now, by user.
        served: number of the turn in which a user was served last, by user.
    """
    by_lot = random.sample(list(waiting), len(waiting))  # nosec B311 # nobody gains by guessing it
    return sorted(by_lot, key=lambda user: (running.get(user, 0), served.get(user, -1)))


class Slots:
    """Fills the slots of one rule, in a thread of its own.

    Args:
        rule: how many, and from which queues.
        source: where the jobs come from.
    """

    def __init__(self, rule: SlotRule, source: Source) -> None:
        self.rule = rule
        self._source = source
        self._taken: dict[str, float] = {}
        self._served: dict[str, int] = {}
        self._turns = itertools.count()
        self._change = threading.Condition()
        self._is_open, self._has_change = True, False
        self._looked_for_lost = time.monotonic()
        name = f"slots-{rule.queues[0]}"
        self._thread = threading.Thread(target=self._fill_for_ever, name=name, daemon=True)

    def start(self) -> None:
        """Begin to fill the slots."""
        self._thread.start()

    def close(self) -> None:
        """Take no job any more; returns when none is being taken."""
        with self._change:
            self._is_open = False
            self._change.notify_all()
        self._thread.join()

    def release(self, job_id: str) -> None:
        """A job has ended, or goes on elsewhere; the next one may start, of many slots once some are free."""
        with self._change:
            if self._taken.pop(job_id, None) is not None and self._n_free() >= self.rule.batch:
                self._has_change = True
                self._change.notify_all()

    def _fill_for_ever(self) -> None:
        while self._is_open:
            try:
                is_full_of_work = self._fill()
                delay_s = self.rule.poll_s
            except Exception:
                logger.exception("taking jobs from %s failed; trying again", ", ".join(self.rule.queues))
                is_full_of_work, delay_s = False, AFTER_ERROR_S
            if is_full_of_work and self._n_free() >= self.rule.batch:
                continue
            with self._change:
                # A job may have ended meanwhile: then there is a slot to fill at once.
                if self._is_open and not self._has_change:
                    self._change.wait(delay_s * random.uniform(0.9, 1.1))  # nosec B311 # spreads load
                self._has_change = False

    def _fill(self) -> bool:
        """Take jobs for the free slots; whether there may be more."""
        self._give_back_lost()
        if self._n_free() == 0:
            return False
        return any(self._take_from(queue) for queue in self.rule.queues)

    def _take_from(self, queue: str) -> bool:
        waiting = self._source.waiting(queue)
        if not waiting:
            return False
        running = self._source.running(queue) if len(waiting) > 1 else {}
        # With many slots several users are served at a time: each takes his share of what is free.
        share = max(1, self._n_free() // len(waiting))
        has_taken = False
        for user in in_turn(waiting, running, self._served):
            n_jobs = min(share, self._n_free())
            if n_jobs == 0 or not self._is_open:
                break
            claimed = self._source.claim(queue, user, n_jobs, self.rule.slots)
            if claimed:
                has_taken = True
                self._served[user] = next(self._turns)
                for job_id in claimed:
                    self._start(job_id)
        return has_taken

    def _start(self, job_id: str) -> None:
        with self._change:
            self._taken[job_id] = time.monotonic()
        try:
            self._source.start_job(job_id)
        except Exception:
            logger.exception("job %s could not be started", job_id)
            self.release(job_id)

    def _n_free(self) -> int:
        return max(0, self.rule.slots - len(self._taken))

    def _give_back_lost(self) -> None:
        now = time.monotonic()
        if now - self._looked_for_lost < LOOK_FOR_LOST_EVERY_S:
            return
        self._looked_for_lost = now
        active = self._source.active()
        with self._change:
            old = [job_id for job_id, since in self._taken.items() if now - since > LOOK_FOR_LOST_EVERY_S]
        for job_id in old:
            if job_id not in active:
                self.release(job_id)
