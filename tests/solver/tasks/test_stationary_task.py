"""The task `stationary`, from spec to solution."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise_solver.errors import InvalidModelError, UnsupportedCombinationError
from equipoise_solver.solving import LoadDataset, prepare, solve
from equipoise_solver.specs import Stationary, StationarySolution, parse_solution

# D, d, k, s^2, T: E[v], Var[v], p(b2/b1), P(v < b2/b1), from two independent quadratures that agree.
REFERENCE = [
    (1, 1, 1.0, 1.0, 0.05, 0.937630829186, 0.119801794668, 1.253140728869, 0.617609566188),
    (1, 1, 1.0, 1.0, 0.2, 0.580905119904, 0.372096681717, 0.466703267758, 0.800414607173),
    (1, 3, 0.7, 0.5, 0.1, 0.631531424748, 0.087654930462, 1.478699133729, 0.646162255212),
    (2, 1, 1.0, 1.0, 0.05, 0.870142810385, 0.154699258937, 0.981198360718, 0.690838274327),
]


def ask(**fields: Any) -> StationarySolution:
    """The solution of a `stationary` spec with some fields changed."""
    spec = {"task": "stationary", "model": {"kind": "diagonal", "depth": 1}, "data": {"kind": "gaussian"}}
    solution = solve({**spec, "temperature": 0.05, **fields})
    assert isinstance(solution, StationarySolution)
    return solution


@pytest.mark.parametrize("row", REFERENCE, ids=lambda row: f"D={row[0]}-d={row[1]}-T={row[4]}")
def test_reference_values(row: tuple[Any, ...]) -> None:
    """Mean, variance, density and distribution agree with the reference to all its 12 decimals."""
    depth, width, slope, noise_variance, temperature, mean, variance, density, below = row
    solution = ask(
        model={"kind": "diagonal", "depth": depth, "width": width},
        data={"kind": "gaussian", "slope": slope, "noise_std": noise_variance**0.5},
        temperature=temperature,
        grid={"v": [slope]},
    )
    found = [solution.mean, solution.variance, solution.density.p[0], solution.density.cdf[0]]
    np.testing.assert_allclose(found, [mean, variance, density, below], rtol=1e-12, atol=6e-13)


def test_solution_survives_the_wire() -> None:
    """The JSON of a solution is read back to the same solution, arrays included."""
    solution = ask(data={"kind": "samples", "x": [1.0, -2.0, 0.5], "y": [0.7, -1.5, 0.2]})
    again = parse_solution(solution.model_dump(mode="json"))
    assert again.model_dump_json() == solution.model_dump_json()
    assert isinstance(again, StationarySolution)
    np.testing.assert_array_equal(again.density.p, solution.density.p)
    assert isinstance(again.spec, Stationary)
    assert again.spec == solution.spec


def test_density_integrates_to_its_distribution() -> None:
    """The trapezoid of the returned density follows the returned distribution function."""
    solution = ask(grid={"n_points": 4001})
    v, p, cdf = solution.density.v, solution.density.p, solution.density.cdf
    steps = np.diff(v) * (p[1:] + p[:-1]) / 2
    np.testing.assert_allclose(np.cumsum(steps), cdf[1:] - cdf[0], atol=2e-5)


def test_sparse_phase_is_an_answer() -> None:
    """Beyond the critical temperature all mass is at 0, and the JSON holds no NaN."""
    solution = ask(temperature=0.5)
    assert solution.phase == "sparse"
    assert [(atom.at, atom.mass) for atom in solution.atoms] == [(0.0, 1.0)]
    assert (solution.mean, solution.variance) == (0.0, 0.0)
    assert solution.critical_temperature == pytest.approx(1 / 3)
    assert "NaN" not in solution.model_dump_json()


def test_interpolation_is_an_atom_at_the_teacher() -> None:
    """Without label noise SGD ends at the slope."""
    solution = ask(data={"kind": "gaussian", "slope": 1.3, "noise_std": 0.0})
    assert solution.phase == "interpolating"
    assert [(atom.at, atom.mass) for atom in solution.atoms] == [(1.3, 1.0)]


def test_standardize_is_standardizing() -> None:
    """`standardize` gives the law of the standardised columns."""
    x, y = np.array([1.0, 2.0, 4.0, 7.0]), np.array([10.0, 14.0, 13.0, 30.0])
    by_hand = {"x": (x - x.mean()) / x.std(), "y": (y - y.mean()) / y.std()}
    asked = ask(data={"kind": "samples", "x": x, "y": y, "standardize": True}, temperature=0.01)
    done = ask(data={"kind": "samples", **by_hand}, temperature=0.01)
    assert asked.mean == done.mean


def test_deep_networks_approach_the_limit() -> None:
    """A network of depth 400 and as many units is close to the infinite one, at rate log(d)/D.

    The width enters as d^(2/(D+1)) = exp(2 log(d)/(D+1)), which sets the distance at d = D.
    """
    limit = ask(model={"kind": "diagonal_limit", "width_per_depth": 1.0}).mean
    assert limit is not None
    gaps = []
    for depth in (100, 400):
        mean = ask(model={"kind": "diagonal", "depth": depth, "width": depth}).mean
        assert mean is not None
        gaps.append(abs(mean - limit))
    assert gaps[1] < 0.01 * limit
    assert gaps[0] / gaps[1] == pytest.approx(4 * math.log(100) / math.log(400), rel=0.05)


def test_datasets_are_loaded_by_id() -> None:
    """Data of kind "dataset" come from the loader; without one, or the dataset, the field is named."""
    data = {"kind": "dataset", "id": "ds_" + "0" * 32}
    columns = np.array([1.0, -2.0, 0.5]), np.array([0.7, -1.5, 0.2])
    spec = {**ask().spec.model_dump(), "data": data}
    found = solve(spec, load_dataset={data["id"]: columns}.__getitem__)
    inline = ask(data={"kind": "samples", "x": columns[0], "y": columns[1]})
    assert isinstance(found, StationarySolution)
    assert found.mean == inline.mean
    empty: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    loaders: tuple[LoadDataset | None, ...] = (None, empty.__getitem__)
    for loader in loaders:
        with pytest.raises(InvalidModelError, match=r"data\.id"):
            prepare(spec, load_dataset=loader)


def test_nonsense_is_refused() -> None:
    """Weight decay in the infinite-depth limit, and an unknown device, are refused by name."""
    with pytest.raises(UnsupportedCombinationError, match="weight_decay"):
        ask(model={"kind": "diagonal_limit", "width_per_depth": 1.0}, weight_decay=0.1)
    with pytest.raises(InvalidModelError, match="device"):
        solve(ask().spec, device="tpu")
