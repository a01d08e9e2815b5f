"""Equilibria of generators given as dense matrices, beside families or alone, for small networks."""

from dataclasses import replace

import torch
from torch import Tensor

from equipoise_solver.errors import LimitExceededError
from equipoise_solver.networks.data import GaussianTeacher
from equipoise_solver.networks.gaussian_linear import covariance_times
from equipoise_solver.networks.parameters import Parameters, flatten, unflatten
from equipoise_solver.networks.statistics import full_covariance
from equipoise_solver.symmetry.equilibrium_newton import minimize
from equipoise_solver.symmetry.equilibrium_problem import Problem
from equipoise_solver.symmetry.equilibrium_search import ROUNDS, Found
from equipoise_solver.symmetry.existence import FAR, UNBALANCED, Escape
from equipoise_solver.symmetry.orbit_dense import DenseOrbit, spectra_of

MOST_BYTES = 2**29
"""Memory that all generators together may take as dense matrices."""

SAME = 1e-9
"""Relative difference up to which one exponential is said to lead to the same parameters."""

VANISHED = 1e-8
"""Share of the largest curvature below which there is none."""


def search_dense(problem: Problem, start: Parameters, *, tolerance: float, max_iterations: int) -> Found:
    """The equilibrium of all generators, families turned into dense matrices too."""
    orbit = dense_orbit(problem, start)
    total = torch.zeros(orbit.basis.shape[0], dtype=torch.float64)
    point, n_iterations = start, 0
    best: Found | None = None
    escapes: list[Escape] = []
    lost: list[Escape] = []
    for _ in range(ROUNDS):
        found_here = _one_sided(problem, orbit)
        escapes += found_here
        orbit = replace(orbit, kept=orbit.kept * _mask(found_here, total.numel()))
        end, way = minimize(orbit, tolerance=1e-2 * tolerance, max_iterations=max_iterations)
        n_iterations += len(way.steps)
        total = total + sum(way.steps, torch.zeros_like(total))
        running = _runaways(problem, end, total)
        if running:
            escapes += running
            orbit = replace(dense_orbit(problem, start), kept=end.kept * _mask(running, total.numel()))
            total, point = torch.zeros_like(total), start
            continue
        if not lost and orbit.reach(total) > FAR:
            lost = _vanished(dense_orbit(problem, start), end)
        point = unflatten(end.parameters, problem.network.blocks)
        orbit = replace(dense_orbit(problem, point), kept=end.kept)
        found = Found(point, orbit, _exponents(problem, start, point, total), (), n_iterations)
        if best is not None and orbit.residual() > 0.5 * best.orbit.residual():
            break
        best = found
        if orbit.residual() <= 1e-2 * tolerance:
            break
    if best is None:
        best = Found(point, orbit, total, tuple(escapes), n_iterations)
    return best._replace(escapes=(*escapes, *lost), n_iterations=n_iterations)


def dense_orbit(problem: Problem, parameters: Parameters) -> DenseOrbit:
    """A point of the orbit of all generators, with its covariance.

    Raises:
        LimitExceededError: too many parameters or generators.
    """
    generators = problem.generators
    m, p = generators.dimension, sum(block.size for block in problem.network.blocks)
    if 8 * m * p**2 > MOST_BYTES:
        raise LimitExceededError(
            "symmetries",
            given=f"{m} generators of {p} parameters as dense matrices",
            allowed=f"at most {MOST_BYTES // (8 * p**2)} of them",
            remedy="Leave out the custom generators, or use fewer families beside them.",
        )
    units = torch.eye(m, dtype=torch.float64)
    basis = torch.stack([generators.dense(unit) for unit in units])
    theta = flatten(parameters, problem.network.blocks)
    kept = torch.ones(m, dtype=torch.float64)
    covariance = _covariance(problem, parameters, p)
    return DenseOrbit(
        basis, spectra_of(basis), theta, covariance, problem.temperature, problem.weight_decay, kept
    )


def _covariance(problem: Problem, parameters: Parameters, p: int) -> Tensor:
    if problem.temperature == 0.0:
        return torch.zeros((p, p), dtype=torch.float64)
    network, data = problem.network, problem.data
    if not isinstance(data, GaussianTeacher):
        covariance = full_covariance(network, parameters, data, max_bytes=problem.max_bytes)
        return covariance.to("cpu", torch.float64)
    columns = [
        flatten(covariance_times(network, parameters, data, unflatten(unit, network.blocks)), network.blocks)
        for unit in torch.eye(p, dtype=torch.float64)
    ]
    return torch.stack(columns)


def _one_sided(problem: Problem, orbit: DenseOrbit) -> list[Escape]:
    """Generators along which only one side pushes."""
    down, up = orbit.falling, orbit.rising
    largest = float((down + up).max())
    found = []
    for k, name in enumerate(problem.generators.names):
        pushes = [float(part[k]) > 1e-14 * largest for part in (down, up)]
        if float(orbit.kept[k]) > 0 and pushes[0] != pushes[1]:
            found.append(_escape(name, k, 1 if pushes[0] else -1, orbit))
    return found


def _runaways(problem: Problem, orbit: DenseOrbit, total: Tensor) -> list[Escape]:
    """Generators that were followed far without coming to balance."""
    down, up = orbit.falling, orbit.rising
    is_running = (total.abs() > FAR) & ((down - up) * total.sign() >= UNBALANCED * (down + up))
    names = problem.generators.names
    places = torch.nonzero(is_running & (orbit.kept > 0)).reshape(-1).tolist()
    return [_escape(names[k], k, int(total[k].sign()), orbit) for k in places]


def _vanished(start: DenseOrbit, end: DenseOrbit) -> list[Escape]:
    """Combinations of generators whose curvature has vanished on the way: F falls along them for ever."""
    n_flat = []
    for orbit in (start, end):
        units = torch.eye(orbit.kept.numel(), dtype=torch.float64)
        values = torch.linalg.eigvalsh(torch.stack([orbit.curvature(unit) for unit in units]))
        n_flat.append(int((values < VANISHED * values[-1]).sum()))
    if n_flat[1] <= n_flat[0]:
        return []
    reason = (
        f"Along {n_flat[1] - n_flat[0]} combinations of the generators F falls for ever; "
        "the parameters are close to the limit."
    )
    return [Escape(-1, 1, torch.zeros(0, dtype=torch.float64), False, reason)]


def _escape(name: str, index: int, sign: int, orbit: DenseOrbit) -> Escape:
    vector = torch.zeros(orbit.kept.numel(), dtype=torch.float64)
    vector[index] = 1.0
    way = "+infinity" if sign > 0 else "-infinity"
    what = "noise or decay" if orbit.weight_decay > 0.0 else "noise"
    return Escape(
        -1, sign, vector, False, f"{name}: the exponent goes to {way}, since no {what} pushes back."
    )


def _mask(found: list[Escape], size: int) -> Tensor:
    return sum((-escape.vector for escape in found), torch.ones(size, dtype=torch.float64))


def _exponents(problem: Problem, start: Parameters, point: Parameters, total: Tensor) -> Tensor | None:
    """The sum of all steps, if one exponential of it leads to the same point: so it is if all commute."""
    blocks = problem.network.blocks
    there = flatten(problem.generators.move(total, start), blocks)
    here = flatten(point, blocks)
    same = float((there - here).norm()) <= SAME * float(here.norm())
    return total if same else None
