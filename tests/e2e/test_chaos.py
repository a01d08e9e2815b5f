"""Chaos at a small size: everything is killed and frozen at random, the database too."""

from pathlib import Path

import pytest
from tests.chaos.run import Plan, run
from tests.chaos.verdict import Truth, shown

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_every_answer_is_right_and_nothing_is_lost_or_left(tmp_path: Path, database: str, seed: int) -> None:
    """Jobs end as they must, with the bytes of undisturbed runs, once each, whatever was killed or frozen."""
    plan = Plan(n_jobs=40, n_attacks=8, database=database, seed=seed, seconds=0.3, ttl_s=3.0)
    report = run(plan, tmp_path, truth=Truth())
    print(report.as_markdown())  # noqa: T201 - shown where it fails
    assert not [shown(check) for check in report.checks if not check.holds]
    assert len(report.attacks) == plan.n_attacks
