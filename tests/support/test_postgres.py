"""A machine without PostgreSQL: skipped where somebody develops, a failure in CI."""

import pytest
from tests.support.postgres import go_without


def test_ci_does_not_go_without_postgresql() -> None:
    """In CI a missing PostgreSQL fails the test and says what to install."""
    with pytest.raises(pytest.fail.Exception, match="install the package postgresql"):
        go_without({"CI": "1"})


@pytest.mark.parametrize("environment", [{}, {"CI": ""}])
def test_a_developer_may_go_without_postgresql(environment: dict[str, str]) -> None:
    """Elsewhere the test is skipped, with the reason."""
    with pytest.raises(pytest.skip.Exception, match="PostgreSQL is not installed"):
        go_without(environment)
