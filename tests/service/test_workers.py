"""What a worker is: its device, its queues, what it says of itself; and refusals at the start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.service.asgi_client import AppClient
from tests.service.workers import working
from tests.support.servers import clean_environment, wait_until

from equipoise_service.command_line.commands import BAD_USAGE, main
from equipoise_service.errors import SettingsError
from equipoise_service.jobs.queues import QUEUES, queues_for, served_by
from equipoise_service.settings import Settings
from equipoise_service.workers.devices import (
    capabilities,
    device_for,
    devices_for_all,
    devices_in_use,
    reserve,
)
from equipoise_service.workers.health import Health


def test_queues_follow_the_device() -> None:
    """Workers on processors and on cards serve different queues, and together all of them."""
    assert served_by("cpu") == ("quick", "urgent", "cpu", "coordinate")
    assert served_by("cuda:3") == ("urgent", "gpu", "coordinate")
    assert {*served_by("cpu"), *served_by("cuda:0")} == set(QUEUES)


def test_a_card_that_is_not_there_is_refused() -> None:
    """A card beyond those of this machine is no device of a worker, and the refusal says what is."""
    with pytest.raises(SettingsError, match=r"EQUIPOISE_DEVICE='cuda:99': need .*'cpu'"):
        device_for("cuda:99")
    assert device_for("cpu") == "cpu"
    assert devices_for_all()[0] == "cpu"
    assert device_for("auto") == [*devices_for_all(), "cpu"][1]


def test_only_a_card_serves_the_queue_of_cards() -> None:
    """A worker without a card never takes a job for one; one with a card has processors as well."""
    assert queues_for("cpu", None) == served_by("cpu")
    assert queues_for("cpu", ("gpu", "cpu")) == ("cpu",)
    assert queues_for("cuda:0", ("gpu", "cpu")) == ("gpu", "cpu")
    both = Settings(queues=("gpu", "cpu"))
    assert devices_in_use(["cpu", "cuda:0"], both) == ["cpu", "cuda:0"]
    assert devices_in_use(["cpu", "cuda:0"], Settings(queues=("gpu",))) == ["cuda:0"]
    with pytest.raises(
        SettingsError, match=r"EQUIPOISE_QUEUES='gpu,cpu': cpu cannot serve gpu.* need some of"
    ):
        devices_in_use(["cpu"], both)


@pytest.mark.parametrize("command", ["worker", "serve"])
def test_the_commands_refuse_a_queue_that_no_device_serves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """`--device cpu --queues gpu` ends at once, as bad usage."""
    folder = str(tmp_path / "data")
    assert main([command, "--device", "cpu", "--queues", "gpu", "--data-dir", folder]) == BAD_USAGE
    assert "EQUIPOISE_QUEUES='gpu': cpu cannot serve gpu" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_refuses_a_card_that_is_not_there(tmp_path: Path) -> None:
    """`worker --devices cuda:99` ends at once, as bad usage."""
    command = [sys.executable, "-m", "equipoise_service", "worker", "--devices", "cuda:99"]
    answer = subprocess.run(
        [*command, "--data-dir", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        env=clean_environment(),
        check=False,
    )
    assert answer.returncode == 2
    assert "EQUIPOISE_DEVICE='cuda:99'" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    ("visible", "device", "left"),
    [(None, "cuda:1", "1"), ("4,6,7", "cuda:1", "6"), ("GPU-a, GPU-b", "cuda:0", "GPU-a")],
)
def test_a_worker_sees_its_own_card_alone(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, device: str, left: str
) -> None:
    """Whichever card a worker has, its work knows it as cuda:0: results do not tell cards apart."""
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert reserve("cpu") == "cpu"
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == visible
    assert reserve(device) == "cuda:0"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == left
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")


def test_health_counts_what_happened() -> None:
    """Rates are those of the last minute, counts those of this life of the worker."""
    now = [100.0]
    health = Health(clock=lambda: now[0])
    assert health.report()["seconds_since_chunk"] is None
    with health.busy("job_1"):
        assert health.report()["job_id"] == "job_1"
    now[0] += 10
    health.count_chunk(3e6, 2.0)
    health.count_end("failed", "unstable")
    now[0] += 10
    health.count_chunk(1e6, 3.0)
    health.count_end("succeeded", None)
    now[0] += 5
    report = health.report()
    assert (report["job_id"], report["seconds_since_chunk"]) == (None, 5.0)
    assert (report["busy_fraction"], report["path_steps_per_second"]) == (0.2, 8e5)
    assert (report["jobs_succeeded"], report["jobs_failed"], report["last_error"]) == (1, 1, "unstable")
    assert report["memory_bytes"] > 0
    now[0] += 120
    assert (health.report()["busy_fraction"], health.report()["path_steps_per_second"]) == (0.0, None)


def test_capabilities_say_what_a_machine_has(settings: Settings) -> None:
    """Processors, memory and versions are named; a worker on processors has no card."""
    found = capabilities("cpu", settings)
    assert (found["threads"], found["card"]) == (settings.worker_threads, None)
    assert found["memory_bytes"] > 2**28
    assert found["cores"] >= 1
    assert found["numba"]


@pytest.mark.slow
def test_workers_show_themselves(api: AppClient, settings: Settings) -> None:
    """What a worker says of itself is in the list of workers."""
    with working(settings, "shown"):
        # It registers before its first beat.
        worker = wait_until(
            lambda: next((w for w in api.get("/v1/workers").json()["workers"] if w["health"]), None),
            what="a beat",
        )
    assert (worker["id"], worker["device"], worker["alive"]) == ("shown", "cpu", True)
    assert worker["queues"] == list(served_by("cpu"))
    assert worker["status"] == "ready"
    assert worker["capabilities"]["python"]
    assert (worker["health"]["jobs_failed"], worker["health"]["job_id"]) == (0, None)
