"""What a job goes through: the order of its durable steps, independent of the engine that records them.

The order is part of what is recorded: a job that another worker takes over replays it. Between two steps
nothing may depend on anything but what steps gave, and what happens there may happen again.
"""

from collections.abc import Awaitable
from typing import Any, Protocol

from equipoise_service.jobs.patience import in_thread
from equipoise_service.workers.runner import JobRunner, State
from equipoise_service.workers.shard_runner import ShardRunner


class Steps(Protocol):
    """Runs durable steps."""

    def __call__(self, name: str, function: Any, *args: Any) -> Awaitable[State]:
        """Run a function once and record its output; a replay gets that output."""
        ...

    def pause(self) -> Awaitable[None]:
        """Wait for ever, if this process is to end; the job goes on elsewhere."""
        ...


async def run_whole(runner: JobRunner, job_id: str, step: Steps) -> None:
    """A job in one piece: one of milliseconds at once; else chunk after chunk, then the result."""
    state = await step("begin", runner.begin, job_id)
    if state.get("is_over"):
        return
    while _goes_on(state) and not state.get("is_done"):
        state = await step("advance", runner.advance, job_id, state)
    if _goes_on(state):
        state = await step("publish", runner.publish, job_id, state)
    await _end(runner, job_id, state)


async def run_shard(shards: ShardRunner, job_id: str, number: int, step: Steps) -> None:
    """One part of a job: chunk after chunk; its last checkpoint is what the job is made of."""
    state = await step("begin", shards.begin, job_id, number)
    while _goes_on(state) and not state.get("is_done"):
        state = await step("advance", shards.advance, job_id, number, state)
    if _goes_on(state):
        await in_thread(shards.keep, job_id, number, state)
    elif state.get("error_code"):
        await _end(shards.runner, job_id, state)


async def run_sharded(shards: ShardRunner, job_id: str, step: Steps) -> None:
    """A job in parts: they are put on their queue, and merged when all are done."""
    state = await step("scatter", shards.scatter, job_id)
    if _goes_on(state):
        state = await shards.gather(job_id, step.pause)
    if _goes_on(state):
        state = await step("merge", shards.merge, job_id)
    await _end(shards.runner, job_id, state)


def _goes_on(state: State) -> bool:
    return bool(state["goes_on"]) and not state.get("error_code")


async def _end(runner: JobRunner, job_id: str, state: State) -> None:
    if state.get("error_code"):
        await in_thread(runner.fail, job_id, state["error_code"], state["error_message"])
    elif not state["goes_on"]:
        await in_thread(runner.stop, job_id)
