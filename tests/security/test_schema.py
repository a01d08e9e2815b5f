"""Requests made from the API's own document get answers that fit it; a longer run is a command of its own."""

from pathlib import Path

import pytest
from tests.security.schema_fuzz import fuzzer

N_CASES, PER_ROUND = 200, 4


@pytest.mark.slow
def test_every_answer_fits_the_document(tmp_path: Path) -> None:
    """No 5xx, and no answer that the document does not describe."""
    with fuzzer(tmp_path) as one:
        report = one.run(N_CASES, seed=0, per_round=PER_ROUND)
    assert report.n_cases >= N_CASES
    assert len(report.statuses) >= 5
    assert not report.failures, report.text()
