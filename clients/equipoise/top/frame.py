"""One picture of a service: lines that fit a terminal of any size, from a snapshot and its history."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from equipoise.records import JobRecord
from equipoise.top.drawing import (
    UNICODE,
    Glyphs,
    Part,
    Style,
    bar,
    cell,
    line,
    short_number,
    short_time,
    sparkline,
)
from equipoise.top.snapshot import History, Snapshot, safe, speed_of

Line = list[Part]
# Fewer rows or columns than these are drawn as if there were so many, and cut by the terminal.
LEAST_WIDTH, LEAST_HEIGHT = 40, 8
# Before this share is done the time left is a guess.
_LEAST_PROGRESS = 0.01


@dataclass(frozen=True)
class Canvas:
    """Where a picture goes.

    Attributes:
        width: columns.
        height: rows.
        is_coloured: whether colours are shown.
        glyphs: characters to draw with.
    """

    width: int = 80
    height: int = 24
    is_coloured: bool = False
    glyphs: Glyphs = UNICODE


def frame(
    snapshot: Snapshot, history: History, canvas: Canvas, *, address: str, trouble: str | None = None
) -> list[str]:
    """The picture, at most `canvas.height` lines of at most `canvas.width` characters.

    Args:
        snapshot: the service.
        history: how it went before.
        canvas: where the picture goes.
        address: where the service is.
        trouble: why the snapshot is old, if it is.
    """
    width, height = max(canvas.width, LEAST_WIDTH), max(canvas.height, LEAST_HEIGHT)
    painter = _Painter(snapshot, history, width, canvas.glyphs)
    head, queues = [painter.head(address, trouble)], painter.queues()
    # Three titles and the last line are always there; a third of the rest is for failures, at most.
    left = height - len(head) - len(queues) - 4
    n_failed = min(len(snapshot.failed), max(0, left // 3))
    n_jobs = min(len(snapshot.running), max(1, (left - n_failed + 1) // 2))
    n_workers = min(len(snapshot.workers), max(1, left - n_failed - n_jobs))
    n_jobs = max(0, min(len(snapshot.running), left - n_failed - n_workers))
    rows = [
        *head,
        *queues,
        *painter.workers(n_workers),
        *painter.jobs(n_jobs),
        *painter.failures(n_failed),
    ]
    rows = rows[: height - 1]
    rows += [[] for _ in range(height - 1 - len(rows))]
    rows.append([("q quits", "dim")])
    return [line(row, width, is_coloured=canvas.is_coloured, glyphs=canvas.glyphs) for row in rows]


@dataclass(frozen=True)
class _Painter:
    """Draws the parts of the picture."""

    snapshot: Snapshot
    history: History
    width: int
    glyphs: Glyphs

    def head(self, address: str, trouble: str | None) -> Line:
        """What it is, where, since when, and whether it is well."""
        health = self.snapshot.health
        version, uptime = safe(health.get("version", "?")), health.get("uptime_seconds")
        up = f"  up {short_time(float(uptime))}" if isinstance(uptime, int | float) else ""
        clock = time.strftime("%H:%M:%S", time.localtime(self.snapshot.taken_at))
        state: Part = ("  ok", "good") if trouble is None else (f"  {safe(trouble)}", "bad")
        return [("Equipoise ", "title"), (f"{version} at {safe(address)}{up}  {clock}", "plain"), state]

    def queues(self) -> list[Line]:
        """A line for each queue that is served or has jobs."""
        spark_width = max(0, min(24, self.width - 66))
        title = f"{'QUEUES':<12}{'waiting':>8}{'running':>8}{'slots':>6}{'oldest':>9}{'yours':>7}  "
        spark = sparkline(self.history.waiting, spark_width, self.glyphs) if spark_width else ""
        rows: list[Line] = [[(title.ljust(52), "title"), ("load        ", "title"), (spark, "dim")]]
        for queue in self.snapshot.queues:
            if queue.get("queued") or queue.get("running") or queue.get("slots"):
                rows.append(self._queue(queue))
        return rows

    def _queue(self, queue: Mapping[str, Any]) -> Line:
        queued, running, slots = (int(queue.get(name) or 0) for name in ("queued", "running", "slots"))
        own = queue.get("yours") or {}
        mine = int(own.get("queued", 0)) + int(own.get("running", 0))
        oldest = short_time(queue.get("oldest_wait_seconds"))
        text = (
            f"{cell(safe(queue.get('name', '?')), 12, self.glyphs)}{queued:>8}{running:>8}{slots:>6}"
            f"{oldest:>9}{mine:>7}  "
        )
        # Full where every slot has a job; there is nobody to do the work where there is no slot.
        share = running / slots if slots else float(bool(queued))
        style: Style = "bad" if queued and not slots else "busy" if queued else "good"
        return [(text, "plain"), (bar(share, 10, self.glyphs), style)]

    def workers(self, n_shown: int) -> list[Line]:
        """The workers, and what they do together."""
        workers = sorted(
            self.snapshot.workers, key=lambda one: (str(one.get("host")), str(one.get("device")))
        )
        total = short_number(self.snapshot.path_steps_per_second)
        spark = sparkline(self.history.speed, max(0, min(24, self.width - 52)), self.glyphs)
        more = _more(len(workers), n_shown)
        title = f"WORKERS  {len(workers)} alive, {total} path-steps/s{more}"
        rows: list[Line] = [[(title.ljust(52), "title"), (spark, "dim")]]
        if not workers:
            rows[0] = [("WORKERS  none: jobs wait until one is started", "bad")]
        return rows + [self._worker(worker) for worker in workers[:n_shown]]

    def _worker(self, worker: Mapping[str, Any]) -> Line:
        health = worker.get("health") or {}
        busy = health.get("busy_fraction")
        share = float(busy) if isinstance(busy, int | float) else 0.0
        status = safe(worker.get("status", "ready"))
        name = cell(f"{safe(worker.get('host', '?'))}/{safe(worker.get('device', '?'))}", 20, self.glyphs)
        memory = health.get("memory_bytes")
        size = f"{memory / 2**30:.1f} GiB" if isinstance(memory, int | float) else "-"
        speed = short_number(speed_of(worker))
        style: Style = "good" if status == "ready" else "busy"
        return [
            (f"{name} ", "plain"),
            (cell(status, 9, self.glyphs), style),
            (bar(share, 10, self.glyphs), "busy" if share > 0 else "dim"),
            (f"{share:>5.0%}{speed:>9}/s{size:>10}  ", "plain"),
            (self._job_of(worker), "dim"),
        ]

    def _job_of(self, worker: Mapping[str, Any]) -> str:
        """The job that a worker computes, as far as the caller may know."""
        job_id = (worker.get("health") or {}).get("job_id")
        own = (job.id for job in self.snapshot.running if job.worker == worker.get("id"))
        return safe(job_id or next(own, ""))

    def jobs(self, n_shown: int) -> list[Line]:
        """Jobs that run, with what is left of them."""
        running = self.snapshot.running
        rows: list[Line] = [[(f"JOBS  {len(running)} running{_more(len(running), n_shown)}", "title")]]
        return rows + [self._job(job) for job in running[:n_shown]]

    def _job(self, job: JobRecord) -> Line:
        left = time_left(job, self.snapshot.taken_at)
        width = max(10, min(30, self.width - 66))
        return [
            (f"{cell(safe(job.id), 16, self.glyphs)} {cell(safe(job.task), 16, self.glyphs)} ", "plain"),
            (f"{cell(safe(job.owner), 10, self.glyphs)} ", "dim"),
            (bar(job.progress, width, self.glyphs), "good"),
            (f"{job.progress:>5.0%}", "plain"),
            (f"  {short_time(left)} left" if left is not None else "", "plain"),
        ]

    def failures(self, n_shown: int) -> list[Line]:
        """Jobs that failed last, with the reason."""
        failed = self.snapshot.failed
        rows: list[Line] = [[(f"FAILED LAST  {'' if failed else 'none'}", "title")]]
        return rows + [self._failure(job) for job in failed[:n_shown]]

    def _failure(self, job: JobRecord) -> Line:
        ago = "-"
        if job.finished_at is not None:
            ago = f"{short_time(self.snapshot.taken_at - job.finished_at.timestamp())} ago"
        code = safe(job.error.code) if job.error else "?"
        message = safe(job.error.message) if job.error else ""
        return [
            (f"{cell(safe(job.id), 16, self.glyphs)} {ago:>12}  ", "plain"),
            (code, "bad"),
            (f" {message}", "plain"),
        ]


def time_left(job: JobRecord, now: float) -> float | None:
    """How long a running job will still take if it goes on like this, [s]; None where nobody can tell."""
    if job.started_at is None or job.progress < _LEAST_PROGRESS:
        return None
    spent = now - job.started_at.timestamp()
    return max(0.0, spent * (1.0 - job.progress) / job.progress)


def _more(n_all: int, n_shown: int) -> str:
    return f" ({n_all - n_shown} not shown)" if n_shown < n_all else ""
