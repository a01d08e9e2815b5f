"""Noise equilibrium: the point of an orbit where noise and decay balance along every symmetry."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from equipoise_solver.networks.data import GaussianTeacher, Pairs
from equipoise_solver.networks.families import Family
from equipoise_solver.networks.network import Network
from equipoise_solver.networks.parameters import Parameters
from equipoise_solver.networks.statistics import MAX_BYTES
from equipoise_solver.symmetry.custom import Custom
from equipoise_solver.symmetry.equilibrium_dense import dense_orbit, search_dense
from equipoise_solver.symmetry.equilibrium_problem import problem_of, start_of
from equipoise_solver.symmetry.equilibrium_search import search
from equipoise_solver.symmetry.existence import Escape
from equipoise_solver.symmetry.generators import Generators

Outcome = Literal["CONVERGED", "AT_BOUNDARY", "NO_EQUILIBRIUM", "BUDGET_EXHAUSTED"]
"""CONVERGED         dF = 0 to the tolerance along every generator
AT_BOUNDARY       so it is in a limit of the orbit: weights that nothing reads, or that nothing reaches, are 0
NO_EQUILIBRIUM    F falls for ever along some directions; along all others dF = 0 to the tolerance
BUDGET_EXHAUSTED  neither, after the steps that were allowed or the precision of the numbers
"""


SHOWN = 3
"""Directions without equilibrium that are told one by one."""


@dataclass(frozen=True)
class Equilibrium:
    """The noise equilibrium on the orbit of given parameters.

    Attributes:
        outcome: whether there is one.
        reason: "" if it was found; else which directions have none, and why.
        parameters: theta*, all blocks, float64. In directions without equilibrium theta stays as it is, or,
            at the boundary, has what shrinks taken away.
        exponents: lam, shape (m,), with theta* = exp(sum lam_k A_k) theta (0 along escapes); None where
            generators that do not commute lead further than one exponential.
        residual_before, residual: |dF| over its parts of both signs, at theta and at theta* computed afresh.
        potential_before, potential: F = (T/2) Tr Sigma + 2 gamma |theta|^2 of the blocks that are acted on.
        charges_before, charges: theta' A_k theta, shape (m,).
        forces_before, forces: T Tr[Sigma A_k] - 4 gamma theta' A_k theta, the rate of change of the charges
            under SGD, shape (m,).
        n_iterations: Newton steps.
        generators: the basis A_1 .. A_m, with names.
        is_noiseless: whether gradients differ by rounding alone. They are taken to have no noise then: decay
            balances the norms, and without decay every point is an equilibrium.
    """

    outcome: Outcome
    reason: str
    parameters: Parameters
    exponents: Tensor | None
    residual_before: float
    residual: float
    potential_before: float
    potential: float
    charges_before: Tensor
    charges: Tensor
    forces_before: Tensor
    forces: Tensor
    n_iterations: int
    generators: Generators
    is_noiseless: bool


def find_equilibrium(
    network: Network,
    parameters: Parameters,
    data: Pairs | GaussianTeacher,
    *,
    temperature: float,
    weight_decay: float = 0.0,
    families: Sequence[Family] | None = None,
    custom: Sequence[Custom] = (),
    tolerance: float = 1e-10,
    max_iterations: int = 100,
    max_bytes: int = MAX_BYTES,
) -> Equilibrium:
    """The noise equilibrium of SGD on the orbit of some symmetries.

    The one minimum of F over the orbit (up to what F does not see), whatever the generators: closed forms for
    single pairs, then Newton's method along geodesics, first with statistics carried along the orbit, then
    afresh where that has led, until the residual there is below the tolerance.

    Args:
        network: the model and its loss.
        parameters: theta, by block.
        data: samples, each as likely as any other, or a Gaussian teacher for linear networks.
        temperature: T = learning rate / batch size, >= 0.
        weight_decay: gamma, >= 0; gamma |theta|^2 is added to the loss.
        families: symmetries to use; None for all that the network declares.
        custom: dense generators besides.
        tolerance: residual to reach.
        max_iterations: most Newton steps from one set of statistics.
        max_bytes: memory that a chunk of samples may take, about.

    Raises:
        InvalidModelError: fields "temperature", "weight_decay", "symmetries" (none), "parameters", "data".
        UnsupportedCombinationError: a teacher with a network that is not linear.
        LimitExceededError: statistics or dense generators that are too large.
    """
    problem = problem_of(
        network,
        data,
        temperature=temperature,
        weight_decay=weight_decay,
        families=families,
        custom=custom,
        max_bytes=max_bytes,
    )
    start = start_of(network, parameters)
    is_noiseless = problem.is_noiseless(start)
    if is_noiseless:
        problem = problem.cooled()
    before = dense_orbit(problem, start) if custom else problem.orbit(start)
    look = search_dense if custom else search
    found = look(problem, start, tolerance=tolerance, max_iterations=max_iterations)
    residual = found.orbit.residual()
    outcome, reason = _judged(found.escapes, residual, tolerance)
    return Equilibrium(
        outcome=outcome,
        reason=reason,
        parameters=found.parameters,
        exponents=found.exponents,
        residual_before=before.residual(),
        residual=residual,
        potential_before=before.potential(),
        potential=found.orbit.potential(),
        charges_before=problem.generators.charges(start),
        charges=problem.generators.charges(found.parameters),
        forces_before=problem.forces(before),
        forces=problem.forces(found.orbit),
        n_iterations=found.n_iterations,
        generators=problem.generators,
        is_noiseless=is_noiseless,
    )


def _judged(escapes: Sequence[Escape], residual: float, tolerance: float) -> tuple[Outcome, str]:
    """Outcome and reason."""
    shown = [escape.reason for escape in escapes[:SHOWN]]
    if len(escapes) > SHOWN:
        shown.append(f"So it is with {len(escapes) - SHOWN} more directions.")
    if residual > tolerance:
        shown.append(f"The residual stays at {residual:.3g}, above {tolerance:.3g}.")
    reason = " ".join(shown)
    if escapes and residual <= tolerance and all(escape.is_bounded for escape in escapes):
        return "AT_BOUNDARY", reason
    if escapes:
        return "NO_EQUILIBRIUM", reason
    return ("BUDGET_EXHAUSTED" if residual > tolerance else "CONVERGED"), reason
