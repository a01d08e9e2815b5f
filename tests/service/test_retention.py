"""Retention: what goes by age, by size and as litter, and what never goes."""

import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from tests.support.postgres import new_database

from equipoise_service.command_line.commands import main
from equipoise_service.errors import NotFoundError
from equipoise_service.jobs.engine_queue import JobQueue, migrate_engine
from equipoise_service.jobs.job_service import JobService
from equipoise_service.jobs.job_table import Job, JobTable
from equipoise_service.jobs.submissions import Submission
from equipoise_service.settings import Settings
from equipoise_service.storage.database import connect
from equipoise_service.storage.garbage import DAY_S, SETTLED_S, Garbage, Limits
from equipoise_service.storage.migrations import migrate
from equipoise_service.storage.retention import Collector, collect_if_due
from equipoise_service.storage.store import Store
from equipoise_service.storage.tables import audit_log, idempotency_keys, job_tags, jobs
from equipoise_service.uploads.dataset_arrays import Columns
from equipoise_service.uploads.datasets import DatasetLibrary
from equipoise_service.users.audit import read
from equipoise_service.users.callers import LOCAL
from equipoise_solver.solving import prepare
from equipoise_solver.specs import parse_spec

# Days after the jobs of these tests.
LATER = 100 * DAY_S


@dataclass
class Lab:
    """A service without processes, on a clock of its own."""

    settings: Settings
    database: sa.Engine
    store: Store
    queue: JobQueue
    table: JobTable
    service: JobService
    library: DatasetLibrary
    now: float

    def collector(self) -> Collector:
        return Collector(self.database, self.store, self.queue, clock=lambda: self.now)

    def submit(self, seed: int, *, dataset: str | None = None, **options: Any) -> Job:
        data = {"kind": "gaussian", "slope": 1.3, "noise_std": 0.7}
        spec = {
            "task": "simulate",
            "model": {"kind": "diagonal", "depth": 1, "width": 1},
            "data": data if dataset is None else {"kind": "dataset", "id": dataset},
            "dynamics": {"kind": "sgd", "learning_rate": 0.02, "batch_size": 2},
            "n_paths": 2000,
            "n_steps": 10**6,
            "seed": seed,
        }
        return self.service.submit(Submission(parse_spec(spec), **options)).job

    def finish(self, job: Job, content: bytes) -> Job:
        digest = self.store.put_content("results", content, ".json")
        self.table.move(job.id, "running")
        self.table.move(job.id, "succeeded", result=digest, seconds=1.0)
        self.queue.cancel(job.id)
        return self.get(job)

    def done(self, seed: int, content: bytes, **options: Any) -> Job:
        return self.finish(self.submit(seed, **options), content)

    def get(self, job: Job) -> Job:
        return self.service.get(job.id, LOCAL)

    def files(self) -> set[str]:
        return {blob.name for blob in self.store.all()}

    def upload(self, slope: float) -> str:
        x = np.array([1.0, 2.0, 3.0])
        dataset, _ = self.library.add(Columns(x, slope * x, ("x",), ("y",)), LOCAL)
        return dataset.id


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def lab(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Iterator[Lab]:
    if request.param == "postgresql":
        url = new_database(request.getfixturevalue("postgres_server"))
        settings = settings.model_copy(update={"database_url": url})
    database = connect(settings.database)
    migrate(database)
    migrate_engine(database)
    queue, store, table = JobQueue(database), Store(settings.store), JobTable(database)
    library = DatasetLibrary(database, store)
    service = JobService(settings, table=table, queue=queue, store=store, library=library, prepare=prepare)
    # Files have the clock of their disk, which no test changes: that of the collection runs ahead of it.
    yield Lab(settings, database, store, queue, table, service, library, tmp_path.stat().st_mtime + LATER)
    queue.close()
    database.dispose()


def checked(lab: Lab, limits: Limits) -> Garbage:
    """Collect, and hold that a dry run had told exactly what went, and that nothing more would go."""
    planned = lab.collector().find(limits)
    before = lab.files()
    gone = lab.collector().collect(limits)
    assert gone is not None
    assert gone == planned
    assert before - lab.files() == set(gone.files)
    assert lab.collector().find(limits) == Garbage()
    return gone


def test_nothing_goes_without_a_limit(lab: Lab) -> None:
    """What rows need stays for ever, whatever its age."""
    lab.done(1, b"one", tags=("a",), idempotency_key="k")
    lab.submit(2)
    lab.upload(1.0)
    before = lab.files()
    assert checked(lab, Limits()) == Garbage()
    assert lab.files() == before


def test_finished_jobs_go_by_age_with_all_that_is_theirs(lab: Lab) -> None:
    """Rows, tags, keys, records of the engine and results go; waiting jobs and shared results stay."""
    old = lab.done(1, b"one", tags=("a",), idempotency_key="k")
    lab.done(2, b"shared")
    young = lab.done(3, b"shared")
    waiting = lab.submit(4)
    with lab.database.begin() as connection:
        connection.execute(sa.update(jobs).where(jobs.c.id == young.id).values(used_at=lab.now - 1))
    gone = checked(lab, Limits(older_than_s=90 * DAY_S))
    assert len(gone.jobs) == 2
    assert set(gone.files) == {f"results/{old.result}.json"}
    with lab.database.connect() as connection:
        assert set(connection.scalars(sa.select(jobs.c.id))) == {young.id, waiting.id}
        for table in (job_tags, idempotency_keys):
            assert connection.execute(sa.select(table)).first() is None
    assert lab.queue.states([old.id, young.id, waiting.id]) == {
        old.id: "unknown",
        young.id: "stopped",
        waiting.id: "waiting",
    }
    assert lab.service.result(lab.get(young)) == b"shared"
    # The same spec is a new job, as if it had never been asked.
    assert lab.submit(1).id == old.id
    assert lab.queue.states([old.id]) == {old.id: "waiting"}


def test_the_results_used_longest_ago_go_by_size(lab: Lab) -> None:
    """The job of a removed result stays and says what to do; its spec is computed again to the same bytes."""
    contents = [bytes([letter]) * 1000 for letter in b"abcd"]
    done = [lab.done(seed, content) for seed, content in enumerate(contents)]
    with lab.database.begin() as connection:
        for number, job in enumerate(done):
            connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(used_at=100.0 - number))
    assert checked(lab, Limits(keep_bytes=5000)) == Garbage()
    gone = checked(lab, Limits(keep_bytes=2500))
    assert set(gone.expired) == {done[2].result, done[3].result}
    assert gone.n_bytes == 2000
    assert lab.service.result(lab.get(done[0])) == contents[0]
    with pytest.raises(NotFoundError, match="submit its spec again") as refusal:
        lab.service.result(lab.get(done[3]))
    assert (refusal.value.status, refusal.value.code) == (410, "result_expired")
    again = lab.submit(3)
    assert (again.id, again.status) == (f"{done[3].id}-2", "queued")
    lab.finish(again, contents[3])
    assert lab.service.result(lab.get(again)) == contents[3]
    assert lab.submit(3).id == again.id


def test_reading_a_result_is_a_use(lab: Lab) -> None:
    first, second = lab.done(1, b"a" * 100), lab.done(2, b"b" * 100)
    long_ago = {"finished_at": 100.0, "used_at": None}
    with lab.database.begin() as connection:
        connection.execute(sa.update(jobs).values(long_ago))
    lab.service.result(lab.get(first))
    assert checked(lab, Limits(keep_bytes=150)).expired == (second.result,)


def test_a_lost_result_heals_itself(lab: Lab) -> None:
    """A file that is lost by other means is noticed when it is asked for, and its spec is computed again."""
    job = lab.done(1, b"one")
    lab.store.remove(f"results/{job.result}.json")
    with pytest.raises(NotFoundError, match="computed"):
        lab.service.result(lab.get(job))
    assert lab.submit(1).status == "queued"


def test_unused_datasets_go_by_age(lab: Lab) -> None:
    """A dataset stays while any job that stays names it, or it was uploaded lately."""
    unused, used, of_old_job = lab.upload(1.0), lab.upload(2.0), lab.upload(3.0)
    lab.submit(1, dataset=used)
    lab.done(2, b"old", dataset=of_old_job)
    gone = checked(lab, Limits(older_than_s=90 * DAY_S))
    assert set(gone.datasets) == {unused, of_old_job}
    assert lab.library.get(unused, LOCAL) is None
    assert lab.library.get(used, LOCAL) is not None
    assert lab.upload(1.0) == unused
    assert f"datasets/{unused}.npz" in lab.files()


def test_litter_goes_after_a_day(lab: Lab, tmp_path: Path) -> None:
    """Files that no row needs go after a day, and files that are not ours never."""
    waiting = lab.submit(1)
    lab.store.put(f"checkpoints/{waiting.id}/needed", b"1")
    lab.store.put("elsewhere/file", b"1")
    (tmp_path / "store" / "results").mkdir(exist_ok=True)
    (tmp_path / "store" / "results" / "a name with blanks").write_bytes(b"1")
    litter = [f"results/{'0' * 64}.json", "datasets/ds_0.npz", "checkpoints/job_0/1", "probe-1"]
    for name in litter:
        lab.store.put(name, b"12")
    (tmp_path / "store" / "results" / "half.json.0.tmp").write_bytes(b"123")
    now, lab.now = lab.now, lab.now - LATER + 60
    assert checked(lab, Limits()) == Garbage()
    lab.now = now
    gone = checked(lab, Limits())
    assert set(gone.files) == {*litter, "results/half.json.0.tmp"}
    assert gone.n_bytes == 4 * 2 + 3
    assert lab.files() == {f"checkpoints/{waiting.id}/needed", "elsewhere/file"}
    assert (tmp_path / "store" / "results" / "a name with blanks").exists()


def test_old_entries_of_the_audit_log_go_after_a_year(lab: Lab) -> None:
    row = {"owner": "local", "action": "submit", "subject": "s", "detail": "{}"}
    with lab.database.begin() as connection:
        for age in (364, 366, 400):
            connection.execute(audit_log.insert().values(**row, at=lab.now - age * DAY_S))
    assert checked(lab, Limits()).audit_entries == 2
    assert [entry.at for entry in read(lab.database, limit=10)] == [lab.now - 364 * DAY_S]


def test_a_result_that_is_about_to_be_written_again_stays(lab: Lab) -> None:
    """While a job with the same answer is unfinished, the file it may just have written is left alone."""
    job = lab.done(1, b"one")
    with lab.database.begin() as connection:
        connection.execute(sa.update(jobs).values(result_expired_at=1.0))
    again = lab.submit(1)
    assert again.status == "queued"
    assert f"results/{job.result}.json" not in lab.collector().find(Limits(keep_bytes=0)).files
    lab.finish(again, b"one")
    with lab.database.begin() as connection:
        connection.execute(sa.update(jobs).where(jobs.c.id == again.id).values(used_at=1.0))
    assert checked(lab, Limits(keep_bytes=0)).expired == (job.result,)


@pytest.mark.slow
def test_submits_and_collections_at_once_leave_no_answer_without_its_file(lab: Lab) -> None:
    """Users resubmit and read the same specs while several collections remove everything they can.

    Whatever the order, a job that says it has a result has it, or is corrected by the first who asks.
    """
    contents = {seed: bytes([65 + seed]) * 100 for seed in range(4)}
    for seed, content in contents.items():
        lab.done(seed, content)
    # Past the time in which results count as just written, and before litter counts as old.
    lab.now += 2 * SETTLED_S - LATER
    failures: list[str] = []
    stop = threading.Event()

    def collect() -> None:
        while not stop.is_set():
            lab.collector().collect(Limits(keep_bytes=0))

    def use(seed: int) -> None:
        user = LOCAL
        for _ in range(25):
            job = lab.submit(seed, caller=user)
            if job.status == "queued":
                job = lab.finish(job, contents[seed])
            try:
                if lab.service.result(job) != contents[seed]:
                    failures.append(job.id)
            except NotFoundError as error:
                if error.code != "result_expired":
                    failures.append(f"{job.id}: {error}")

    with ThreadPoolExecutor(6) as pool:
        collecting = [pool.submit(collect) for _ in range(2)]
        using = [pool.submit(use, seed) for seed in contents]
        try:
            for future in using:
                future.result()
        finally:
            stop.set()
        for future in collecting:
            future.result()
    assert failures == []
    promised = {job.result for job in lab.table.newest(limit=1000) if job.result_expired_at is None}
    present = {
        name.split("/")[1].removesuffix(".json") for name in lab.files() if name.startswith("results/")
    }
    assert promised <= present


class Killed(BaseException):
    """Stands for `kill -9` at this moment."""


def test_a_collection_that_is_killed_leaves_nothing_dangling(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a collection ends, the jobs that stay have their results, and the next one completes it."""
    kept = lab.done(0, b"kept")
    with lab.database.begin() as connection:
        connection.execute(sa.update(jobs).values(used_at=lab.now))
    for seed in range(1, 4):
        lab.done(seed, bytes([seed]) * 10)
    n_left = 0

    def kill_after(call: Callable[..., None]) -> Callable[..., None]:
        def killed(*args: object) -> None:
            nonlocal n_left
            if n_left == 0:
                raise Killed
            n_left -= 1
            call(*args)

        return killed

    limits = Limits(older_than_s=90 * DAY_S)
    monkeypatch.setattr(lab.queue, "forget", kill_after(lab.queue.forget))
    monkeypatch.setattr(lab.store, "remove", kill_after(lab.store.remove))
    for n_calls in (0, 1, 2, 3, 1):
        n_left = n_calls
        with pytest.raises(Killed):
            lab.collector().collect(limits)
        for job in lab.table.newest(limit=10):
            assert job.result is not None
            assert lab.store.exists(f"results/{job.result}.json")
    n_left = 10
    lab.collector().collect(limits)
    assert lab.files() == {f"results/{kept.result}.json"}


def test_one_collection_at_a_time_and_once_an_hour(lab: Lab) -> None:
    """Of several workers whose sweeps are due at once, one collects; without a limit none does."""
    lab.done(1, b"one")
    idle = (lab.settings, lab.database, lab.store, lab.queue)
    assert collect_if_due(*idle, clock=lambda: lab.now) is None
    settings = lab.settings.model_copy(update={"retention_days": 90})
    due = (settings, lab.database, lab.store, lab.queue)
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: collect_if_due(*due, clock=lambda: lab.now), range(3)))
    collected = [gone for gone in answers if gone is not None]
    assert [len(gone.jobs) for gone in collected] == [1]
    assert collect_if_due(*due, clock=lambda: lab.now + 3500) is None
    assert collect_if_due(*due, clock=lambda: lab.now + 3700) == Garbage()


def test_the_command_says_what_would_go_and_what_went(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """A dry run and the run after it print the same names; bad limits are refused."""
    lab.done(1, b"one")
    with lab.database.begin() as connection:
        connection.execute(sa.update(jobs).values(finished_at=100.0))
    os.utime(next((lab.settings.data_dir / "store" / "results").iterdir()), (100.0, 100.0))
    places = ["--data-dir", str(lab.settings.data_dir), "--database-url", lab.settings.database]
    printed = []
    for more in (["--dry-run"], []):
        assert main(["gc", "--older-than", "90d", "--json", *more, *places]) == 0
        printed.append(json.loads(capsys.readouterr().out))
    dry, real = printed
    assert (dry.pop("dry_run"), real.pop("dry_run")) == (True, False)
    assert dry == real
    assert dry["counts"]["jobs"] == dry["counts"]["files"] == 1
    logging.getLogger("dbos").setLevel(logging.NOTSET)  # As in a process of its own.
    assert main(["gc", "--keep-bytes", "50G", *places]) == 0
    printed_last = capsys.readouterr()
    assert printed_last.out.startswith("removed 0 jobs")
    assert printed_last.err == ""
    for bad in (["--older-than", "soon"], ["--keep-bytes", "-1"]):
        with pytest.raises(SystemExit, match="2"):
            main(["gc", *bad, *places])
