"""The progress bar: there when somebody looks, and only then."""

import io
import sys

import pytest
from tests.clients.fake_service import job_state

from equipoise import JobRecord
from equipoise.progress import reporter

RUNNING = JobRecord.model_validate(job_state("running", progress=0.5, live={"mean": 0.25}))
QUEUED = JobRecord.model_validate(job_state("queued", queue_position=3))
DONE = JobRecord.model_validate(job_state("succeeded"))


class Terminal(io.StringIO):
    """A standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_no_bar_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output into a file stays clean."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with reporter(None) as report:
        assert report is None


def test_a_bar_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a terminal the bar shows state, jobs ahead in the queue, percentage and live mean."""
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with reporter(None) as report:
        assert report is not None
        for record in (QUEUED, RUNNING, DONE):
            report(record)
    shown = terminal.getvalue()
    assert "queued (3 ahead)" in shown
    assert "50%" in shown
    assert "mean 0.25" in shown
    assert "100%" in shown


def test_a_finished_job_has_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there at once flashes no bar."""
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with reporter(True) as report:
        assert report is not None
        report(DONE)
    assert terminal.getvalue() == ""


def test_the_bar_can_be_forbidden_and_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    """`progress` overrides what is found out."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    with reporter(False) as report:
        assert report is None
    monkeypatch.setattr(sys, "stderr", plain := io.StringIO())
    with reporter(True) as report:
        assert report is not None
        report(RUNNING)
    assert "50%" in plain.getvalue()
