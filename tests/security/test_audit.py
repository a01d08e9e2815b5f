"""The audit of the packages never claims what it did not do."""

import json
import sys
from typing import Any

import pytest
from tests.security.audit import NOT_AUDITED, VULNERABLE, audit

NEVER = (sys.executable, "-c", "raise SystemExit('this must not run')")
FINE = {"name": "a", "version": "1", "vulns": []}
WEAK = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
UNKNOWN = {"name": "c", "skip_reason": "not found"}
OURSELVES = {"name": "equipoise", "skip_reason": "editable"}


def reporting(*packages: dict[str, Any]) -> list[str]:
    """A command that reports these packages as the auditor does."""
    return [sys.executable, "-c", f"print({json.dumps({'dependencies': packages})!r})"]


@pytest.mark.parametrize(("is_required", "code"), [(False, 0), (True, NOT_AUDITED)])
def test_advisories_that_cannot_be_fetched_are_said_to_be_missing(is_required: bool, code: int) -> None:
    said: list[str] = []
    assert audit(is_required=is_required, show=said.append, why=lambda: "no route", command=NEVER) == code
    assert "NOT AUDITED" in said[0]
    assert "no route" in said[0]


@pytest.mark.parametrize(
    ("packages", "code", "code_if_required", "words"),
    [
        ([FINE, OURSELVES], 0, 0, "1 packages audited, 0 with"),
        ([FINE, WEAK], VULNERABLE, VULNERABLE, "b 2: PYSEC-1, mended in 3"),
        ([FINE, UNKNOWN], 0, NOT_AUDITED, "NOT AUDITED: 1 packages"),
        ([UNKNOWN], 0, NOT_AUDITED, "0 packages audited"),
        ([], 0, NOT_AUDITED, "0 packages audited"),
    ],
)
def test_what_is_found_is_the_outcome(
    packages: list[dict[str, Any]], code: int, code_if_required: int, words: str
) -> None:
    for is_required, wanted in ((False, code), (True, code_if_required)):
        said: list[str] = []
        command = reporting(*packages)
        assert audit(is_required=is_required, show=said.append, why=str, command=command) == wanted
        assert words in "".join(said)


def test_an_auditor_that_fails_is_said_to_have_failed() -> None:
    said: list[str] = []
    command = [sys.executable, "-c", "raise SystemExit(2)"]
    assert audit(is_required=False, show=said.append, why=str, command=command) == 2
    assert "NOT AUDITED" in said[0]
