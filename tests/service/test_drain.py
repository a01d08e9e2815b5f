"""Workers that are told to end: the chunk is finished, the job goes on elsewhere from there."""

import json
import signal
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.service.fake_solver import HANGS, SLOW, simulate_spec
from tests.service.workers import Bench, worker_process, working
from tests.support.servers import wait_until

from equipoise_service.errors import SettingsError
from equipoise_service.jobs.solver_version import claim_version, newer_version
from equipoise_service.settings import Settings
from equipoise_service.storage.tables import properties

pytestmark = pytest.mark.slow


def recorded_chunks(bench: Bench, job_id: str) -> list[tuple[str, float]]:
    """Checkpoint and path-steps of every chunk that the engine has recorded, in order."""
    query = (
        f"SELECT output FROM {bench.engine_schema}operation_outputs "
        "WHERE workflow_uuid = :id AND function_name = 'advance' ORDER BY function_id"
    )
    with bench.database.connect() as connection:
        outputs = [json.loads(text) for text in connection.scalars(sa.text(query), {"id": job_id})]
    return [(output["checkpoint"], output["spent"]) for output in outputs]


def test_a_drained_worker_hands_its_job_on_with_its_last_chunk(
    bench: Bench, engine_settings: Settings, tmp_path: Path
) -> None:
    """On SIGTERM the chunk is finished and recorded; the next worker goes on at once and repeats none."""
    spec = simulate_spec(seed=SLOW, n_steps=3 * 10**6)
    log = tmp_path / "drained.log"
    with worker_process(engine_settings, "drained", log=log) as drained:
        job_id = bench.put(spec)
        wait_until(lambda: bench.job(job_id).progress > 0.1, what="some chunks", deadline_s=60)
        drained.send_signal(signal.SIGTERM)
        assert drained.wait(60) == 0
        assert "handed back 1 jobs at the end of their chunks" in log.read_text()
        # Back on its queue before anybody had to notice that the worker is gone.
        assert bench.queue.states([job_id]) == {job_id: "waiting"}
        before = recorded_chunks(bench, job_id)
    with working(engine_settings, "next"):
        job = bench.ended(job_id)
        assert (job.status, job.worker) == ("succeeded", "next")
        chunks = recorded_chunks(bench, job_id)
        assert chunks[: len(before)] == before
        assert len({name for name, _ in chunks}) == len(chunks)
        again = bench.ended(bench.put(spec, owner="somebody-else"))
        assert bench.result(job) == bench.result(again)


def test_a_worker_that_may_not_wait_ends_at_its_deadline_or_the_second_signal(
    bench: Bench, engine_settings: Settings
) -> None:
    """A chunk that takes ten minutes does not hold up the end of its worker; the job is handed back."""
    with worker_process(engine_settings, "impatient", EQUIPOISE_DRAIN_SECONDS="0.2") as impatient:
        job_id = bench.put(simulate_spec(seed=HANGS))
        wait_until(lambda: bench.job(job_id).status == "running", what="the job runs", deadline_s=60)
        impatient.send_signal(signal.SIGTERM)
        assert impatient.wait(30) == 0
        assert bench.queue.states([job_id]) == {job_id: "waiting"}
    with worker_process(engine_settings, "patient", EQUIPOISE_DRAIN_SECONDS="3600") as patient:
        wait_until(lambda: bench.job(job_id).worker == "patient", what="the job is taken", deadline_s=60)
        patient.send_signal(signal.SIGTERM)

        def is_draining() -> bool:
            with bench.database.connect() as connection:
                query = sa.text("SELECT status FROM equipoise_workers WHERE id = 'patient'")
                return bool(connection.scalar(query) == "draining")

        wait_until(is_draining, what="the worker shows that it drains")
        patient.send_signal(signal.SIGTERM)
        assert patient.wait(30) == 0
        assert bench.queue.states([job_id]) == {job_id: "waiting"}


def test_a_worker_of_an_older_version_is_refused_and_drains(bench: Bench, engine_settings: Settings) -> None:
    """The newest version that started counts: an older worker hands its job back, and cannot start again."""
    with worker_process(engine_settings, "older") as older:
        job_id = bench.put(simulate_spec(seed=SLOW, n_steps=10**8))
        wait_until(lambda: bench.job(job_id).progress > 0, what="a chunk", deadline_s=60)
        claim_version(bench.database, version="999.1")
        assert older.wait(60) == 0
        assert bench.queue.states([job_id]) == {job_id: "waiting"}
    with pytest.raises(SettingsError, match=r"version .*0\.1\.0 .* the service runs 999\.1.*Upgrade"):
        claim_version(bench.database, version="0.1.0")


@pytest.mark.parametrize(
    ("recorded", "version", "is_newer"),
    [
        ("0.2.0", "0.10.0", False),
        ("0.10.0", "0.2.0", True),
        ("1.0.0", "1.0.0", False),
        ("1.0.0", "1.0.0rc1", True),
        ("1.0.0rc1", "1.0.0", False),
        ("1.0.0", "1.0.0+local", False),
    ],
)
def test_versions_are_ordered(settings: Settings, recorded: str, version: str, is_newer: bool) -> None:
    """Versions are compared by their numbers; what comes before a release is older than it."""
    bench = Bench(settings)
    with bench.database.begin() as connection:
        connection.execute(properties.insert().values(name="solver_version", value=recorded))
    assert newer_version(bench.database, version=version) == (recorded if is_newer else None)
    bench.close()
