"""Following a job: its changes as server-sent events, and waiting for its end."""

import json
from collections.abc import AsyncGenerator

import anyio
from anyio import to_thread
from pydantic import BaseModel

from equipoise_service.errors import NotFoundError
from equipoise_service.http.schemas import job_view
from equipoise_service.jobs.job_service import JobService
from equipoise_service.jobs.job_table import Job
from equipoise_service.users.callers import Caller

# Between two looks at the job's row: at first often, for quick jobs, then as often as a person may notice.
FIRST_LOOK_S = 0.02
LOOK_EVERY_S = 0.25
# A comment line this often tells proxies and clients that the connection lives.
HEARTBEAT_S = 10.0
_EVENTS = ("status", "progress", "end")


async def wait_for_end(jobs: JobService, caller: Caller, job: Job, wait_s: float) -> Job:
    """The job at its end, or as it is after `wait_s` seconds."""
    with anyio.move_on_after(wait_s):
        delay_s = FIRST_LOOK_S
        while not job.is_final:
            await anyio.sleep(delay_s)
            delay_s = min(1.5 * delay_s, LOOK_EVERY_S)
            job = await to_thread.run_sync(jobs.get, job.id, caller)
    return job


async def stream(jobs: JobService, caller: Caller, job: Job) -> AsyncGenerator[str, None]:
    """The events of a job, from its present state to its end.

    Events are `status` (data {"status"}), `progress` (data {"progress", "live"}) and `end` (data the job).
    """
    status, shown, delay_s = "", (-1.0, "{}"), FIRST_LOOK_S
    silent_since = anyio.current_time()
    while True:
        events = []
        if job.status != status:
            status = job.status
            events.append(_event("status", job, {"status": status}))
        live = json.dumps(dict(job.live))
        if (job.progress, live) != shown:
            shown = (job.progress, live)
            events.append(_event("progress", job, {"progress": job.progress, "live": dict(job.live)}))
        if job.is_final:
            events.append(_event("end", job, job_view(job)))
        if events:
            silent_since = anyio.current_time()
            yield "".join(events)
        elif anyio.current_time() - silent_since >= HEARTBEAT_S:
            silent_since = anyio.current_time()
            yield ": still here\n\n"
        if job.is_final:
            return
        await anyio.sleep(delay_s)
        delay_s = min(1.5 * delay_s, LOOK_EVERY_S)
        try:
            job = await to_thread.run_sync(jobs.get, job.id, caller)
        except NotFoundError:  # Finished and forgotten between two looks.
            return


def _event(name: str, job: Job, data: object) -> str:
    # A revision gives at most one event of each name, in this order: the ids rise and never repeat.
    number = len(_EVENTS) * job.revision + _EVENTS.index(name)
    text = data.model_dump_json() if isinstance(data, BaseModel) else json.dumps(data)
    return f"id: {number}\nevent: {name}\ndata: {text}\n\n"
