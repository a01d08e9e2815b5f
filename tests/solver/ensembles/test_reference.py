"""The compiled kernels agree bit for bit with their plain NumPy references.

References emulate the fused multiply-add exactly, so they agree in every bit, in both precisions.
"""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from tests.solver.ensembles.runs import final_states

from equipoise_solver.ensembles import (
    Balanced,
    EnsemblePlan,
    GaussianPairs,
    Gd,
    Given,
    Normal,
    SamplePairs,
    Sgd,
    Sgf,
)
from equipoise_solver.ensembles.reference import reference_paths
from equipoise_solver.ensembles.reference.fused import fma

PAIRS = GaussianPairs(1.1, 0.8, 1.2)
SAMPLES = SamplePairs(np.linspace(-1, 2, 7), np.sin(np.arange(7.0)))

FLOWS = [
    (depth, width, coordinate, noise)
    for depth, width in ((0, 2), (1, 1), (1, 3), (2, 2), (3, 1))
    for coordinate in ("model", "parameters")
    for noise in ("gaussian", "three_point", "two_point")
]
FIXED = [
    ("splitting", 0, 2),
    ("splitting", 1, 1),
    ("splitting", 1, 3),
    ("euler", 0, 2),
    ("euler", 1, 2),
    ("euler", 2, 2),
    ("tamed_euler", 1, 2),
    ("tamed_euler", 3, 1),
    ("log_euler", 1, 1),
    ("log_euler", 2, 2),
]
BATCHES: list[dict[str, Any]] = [
    *({"data": PAIRS, "dynamics": Sgd(0.03, size, 0.01, 0.3)} for size in (1, 2, 5, 16, 40)),
    *({"data": SAMPLES, "dynamics": Sgd(0.03, 3, 0.01, 0.3, kind)} for kind in ("iid", "epoch")),
    {"data": PAIRS, "dynamics": Gd(0.03, 0.01, 0.5)},
]
ONE_NEURON: list[dict[str, Any]] = [
    *({"data": PAIRS, "dynamics": Sgd(0.03, size, 0.01)} for size in (1, 15, 16, 17, 300)),
    *({"data": SAMPLES, "dynamics": Sgd(0.03, 3, 0.01, 0.0, kind)} for kind in ("iid", "epoch")),
    {"data": PAIRS, "dynamics": Gd(0.03, 0.01)},
]


def check(**parts: Any) -> None:
    plan = EnsemblePlan(n_paths=300, seed=0x9E3779B97F4A7C15, n_records=3, **parts)
    expected = reference_paths(plan, np.arange(40))
    assert (expected[-1, 0] != expected[0, 0]).all()
    np.testing.assert_array_equal(final_states(plan)[:, :40], expected[-1])


def test_the_emulated_fma_rounds_once(rng: np.random.Generator) -> None:
    """On numbers that cancel nearly or far apart, the reference's a*b + c is the exact one rounded once."""
    n = 400
    a, b = rng.normal(size=(2, n))
    c = np.where(rng.random(n) < 0.5, -a * b * (1 + rng.integers(-3, 4, n) * 2.0**-52), rng.normal(size=n))
    c *= np.where(rng.random(n) < 0.3, 2.0 ** rng.integers(-70, 70, n), 1.0)
    exact = [float(Fraction(x) * Fraction(y) + Fraction(z)) for x, y, z in zip(a, b, c, strict=True)]
    np.testing.assert_array_equal(fma(a, b, c), exact)
    assert (a * b + c != exact).sum() > 20
    # In float32 the exact sum is rounded to 53 bits toward odd and then to 24, which is rounding it once.
    single = [x.astype(np.float32) for x in (a, b, c)]
    wide = [x.astype(np.longdouble) for x in single]
    np.testing.assert_array_equal(fma(*single), (wide[0] * wide[1] + wide[2]).astype(np.float32))


@pytest.mark.parametrize(("depth", "width", "coordinate", "noise"), FLOWS)
def test_adaptive_schemes_agree_bit_for_bit(depth: int, width: int, coordinate: Any, noise: Any) -> None:
    """Every adaptive scheme with every kind of increments gives the states of its reference."""
    dynamics = Sgf(0.1, weight_decay=0.02, noise=noise, scheme="taylor")
    check(depth=depth, width=width, coordinate=coordinate, dynamics=dynamics, data=PAIRS, duration=0.5)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("noise", ["gaussian", "three_point", "two_point"])
@pytest.mark.parametrize(("scheme", "depth", "width"), FIXED)
def test_fixed_clocks_agree_bit_for_bit(
    scheme: str, depth: int, width: int, noise: Any, precision: Any
) -> None:
    """Every scheme with a fixed clock gives the states of its reference, in both precisions."""
    dynamics = Sgf(0.03, weight_decay=0.02, noise=noise, scheme=scheme)
    parts: dict[str, Any] = {"depth": depth, "width": width, "coordinate": "model", "precision": precision}
    check(dynamics=dynamics, data=PAIRS, duration=0.2, **parts)


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_the_negative_sector_agrees_bit_for_bit(precision: Any) -> None:
    """Paths that start at v < 0, away from the minimum, are those of the reference."""
    check(
        depth=1,
        dynamics=Sgf(0.1, 0.02),
        data=PAIRS,
        duration=0.5,
        init=Balanced(-0.7),
        precision=precision,
    )


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_explicit_parameters_agree_bit_for_bit(precision: Any) -> None:
    """Euler of the parameters of one neuron, from an unbalanced start where there is one."""
    parts: dict[str, Any] = {"data": PAIRS, "duration": 0.2, "precision": precision}
    dynamics = Sgf(0.03, 0.02, scheme="euler")
    check(depth=1, dynamics=dynamics, **parts)
    check(depth=1, dynamics=dynamics, init=Given(((0.4, 1.3),)), **parts)


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("parts", BATCHES, ids=lambda parts: f"{parts['dynamics']}")
def test_updates_agree_bit_for_bit(depth: int, parts: dict[str, Any]) -> None:
    """Every minibatch source with the update rule gives the states of its reference, momentum among them."""
    check(depth=depth, width=2, n_steps=31, init=Normal(0.7), **parts)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("parts", ONE_NEURON, ids=lambda parts: f"{parts['dynamics']}")
def test_updates_of_one_neuron_agree_bit_for_bit(parts: dict[str, Any], precision: Any) -> None:
    """The update written out for one neuron does, with intervals that are no multiples of two batches."""
    check(depth=1, n_steps=31, init=Normal(0.7), precision=precision, **parts)
