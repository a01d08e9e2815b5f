"""The statistical assertions pass what is right and catch a planted defect of the size they name."""

import numpy as np
import pytest
from tests.support.statistics import (
    assert_fraction,
    assert_law,
    assert_mean,
    assert_same_fraction,
    assert_variance,
)

N = 40_000


def test_mean_passes_and_catches(rng: np.random.Generator) -> None:
    """The mean of N(1.3, 1) is told from one that is off by 0.1."""
    x = rng.normal(1.3, 1.0, N)
    assert_mean(x, 1.3, resolves=0.1)
    with pytest.raises(AssertionError, match="standard errors"):
        assert_mean(x + 0.1, 1.3, resolves=0.1)


def test_variance_passes_and_catches(rng: np.random.Generator) -> None:
    """The variance 2.25 is told from one that is off by 0.3."""
    x = rng.normal(1.3, 1.5, N)
    assert_variance(x, 2.25, resolves=0.3)
    with pytest.raises(AssertionError, match="standard errors"):
        assert_variance(x * np.sqrt(2.55 / 2.25), 2.25, resolves=0.3)


def test_fraction_passes_and_catches(rng: np.random.Generator) -> None:
    """A chance of 0.3 is told from one of 0.33."""
    assert_fraction(int(rng.binomial(N, 0.3)), N, 0.3, resolves=0.03)
    with pytest.raises(AssertionError, match="standard errors"):
        assert_fraction(int(rng.binomial(N, 0.33)), N, 0.3, resolves=0.03)


def test_same_fraction_passes_and_catches(rng: np.random.Generator) -> None:
    """Two samples of one law are told from two that differ by 0.04 in a fraction."""
    x, y = rng.uniform(size=N), rng.uniform(size=N)
    assert_same_fraction(x, y, 0.4, resolves=0.04)
    with pytest.raises(AssertionError, match="standard errors"):
        assert_same_fraction(x * 0.4 / 0.44, y, 0.4, resolves=0.04)


def test_law_passes_and_catches(rng: np.random.Generator) -> None:
    """The uniform law is told from one whose CDF is off by 0.03."""
    x = np.sort(rng.uniform(size=N))
    assert_law(x, x, resolves=0.03)
    with pytest.raises(AssertionError, match="CDF gap"):
        assert_law(x, np.minimum(x + 0.03, 1.0), resolves=0.03)


def test_small_samples_are_refused(rng: np.random.Generator) -> None:
    """A sample that could not see the defect is refused."""
    x = rng.normal(size=50)
    with pytest.raises(AssertionError, match="too small"):
        assert_mean(x, 0.0, resolves=0.1)
    with pytest.raises(AssertionError, match="too small"):
        assert_variance(x, 1.0, resolves=0.1)
    with pytest.raises(AssertionError, match="too small"):
        assert_fraction(25, 50, 0.5, resolves=0.1)
    with pytest.raises(AssertionError, match="too small"):
        assert_same_fraction(x, x, 0.0, resolves=0.1)
    with pytest.raises(AssertionError, match="too small"):
        assert_law(np.sort(x), np.linspace(0, 1, 50), resolves=0.1)
