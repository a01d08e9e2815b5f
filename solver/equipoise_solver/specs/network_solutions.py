"""The answers to tasks about networks: equilibria, symmetries, ensembles of networks."""

import math
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from equipoise_solver.specs.base import Answer, Numbers
from equipoise_solver.specs.diffusion_solution import Table
from equipoise_solver.specs.equilibrium import Equilibrium
from equipoise_solver.specs.network_simulation import SimulateNetwork
from equipoise_solver.specs.solved import Series, Solved
from equipoise_solver.specs.symmetry_search import Symmetries


def _weights(value: Any) -> NDArray[np.float64]:
    array = np.asarray(value, dtype=np.float64).view()
    array.setflags(write=False)
    return array


def _nested(array: NDArray[np.float64]) -> list[Any]:
    if array.ndim > 1:
        return [_nested(row) for row in array]
    return [x if math.isfinite(x) else None for x in array.tolist()]


_NUMBER = {"anyOf": [{"type": "number"}, {"type": "null"}]}
Weights = Annotated[
    NDArray[np.float64],
    BeforeValidator(_weights),
    PlainSerializer(_nested, when_used="json"),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"anyOf": [{"type": "number"}, {"type": "null"}, {"type": "array", "items": _NUMBER}]},
        }
    ),
]
"""One block of parameters: a matrix (out, in) or a vector."""


class BeforeAfter(Answer):
    """A number at the parameters that were given, and at those of the equilibrium."""

    before: float | None
    """At the start; null if it was not computed."""
    after: float | None
    """At `parameters`; null if it was not computed."""


class Charges(Answer):
    """Noether charges theta' A theta, one for each generator."""

    names: tuple[str, ...]
    """Names of the generators."""
    before: Numbers
    """At the start, shape (m,)."""
    after: Numbers
    """At `parameters`, shape (m,)."""


class SymmetryFamily(Answer):
    """Symmetries of one kind in one place of a network."""

    kind: Literal["rescaling", "scale", "double_rotation", "custom"]
    """What they do."""
    name: str
    """Where they act."""
    dimension: int
    """Number of independent generators; those of a family found earlier in the list are not counted again."""
    structure: Literal["full", "diagonal", "scalar"] | None = None
    """Symmetric matrices K that generate them: any, diagonal ones, multiples of 1; null if of no form."""
    blocks: tuple[str, ...] = ()
    """Names of the parameters that they move, by K from the left or from the right."""
    sides: tuple[Literal["left", "right"], ...] = ()
    """From which side K multiplies each of the blocks."""
    degrees: tuple[float, ...] = ()
    """By what multiple of K."""
    members: tuple[int, ...] | None = None
    """Which entries of a diagonal K, counted from 0; null for all."""


class FlowToEquilibrium(Answer):
    """The Noether flow: the mean path along the orbit, without the noise that leaves it alone."""

    time: Numbers
    """SDE time, shape (n,)."""
    temperature: Numbers
    """Temperature over time, shape (n,)."""
    charges: Table
    """Charges over time, shape (n, m)."""
    exponents: Table
    """Exponents over time, shape (n, m)."""
    residual: Numbers
    """How far from balance, as `residual` of the solution, shape (n,)."""
    time_to_equilibrium: float | None
    """When 1 % of the way is left, as F falls; null if more is left at the end, or nothing is arrived at."""


class EquilibriumSolution(Solved):
    """Answer to `equilibrium`."""

    task: Literal["equilibrium"] = "equilibrium"
    spec: Equilibrium
    """The spec that was solved."""
    converged: bool
    """Whether the equilibrium was found."""
    outcome: Literal["CONVERGED", "AT_BOUNDARY", "NO_EQUILIBRIUM", "BUDGET_EXHAUSTED"]
    """"AT_BOUNDARY": found in a limit of the orbit, where weights that do nothing are 0; "NO_EQUILIBRIUM":
    balance lies at no finite parameters; "BUDGET_EXHAUSTED": the search ended before, see `residual`."""
    reason: str
    """Why; empty if the equilibrium was found."""
    residual: float | None
    """Largest |T Tr(Sigma A) - 4 gamma theta' A theta| at the end, over the sizes of its terms."""
    n_iterations: int
    """Steps of the convex solver; 0 where a closed form gave the answer."""
    parameters: dict[str, Weights]
    """Parameters at the equilibrium by name; along directions that have none they stay where they were."""
    families: tuple[SymmetryFamily, ...]
    """Symmetries along which the parameters moved."""
    exponents: Numbers | None
    """lam of each generator, theta* = exp(sum lam A) theta, shape (m,); null where one exponential is not
    enough, as generators do not commute."""
    charges: Charges
    """Noether charges, before and after."""
    loss: BeforeAfter
    """Training loss without weight decay: the same before and after."""
    noise_trace: BeforeAfter
    """Tr Sigma, trace of the covariance of the gradient of one sample."""
    sharpness: BeforeAfter
    """Tr H, trace of the Hessian of the loss."""
    top_eigenvalue: BeforeAfter
    """Largest eigenvalue of H."""
    norms: dict[str, BeforeAfter]
    """Squared norm of each block of parameters."""
    noise_traces: dict[str, BeforeAfter]
    """Trace of the gradient covariance of each block."""
    alignment: dict[str, BeforeAfter]
    """Cosine between W Sx W' and U' Se U for pairs of adjacent linear maps; 1 is aligned."""
    flow: FlowToEquilibrium | None
    """The way there; null if it was not asked for, or see the notes."""
    notes: tuple[str, ...]
    """What a reader should know."""


class SymmetriesSolution(Solved):
    """Answer to `symmetries`."""

    task: Literal["symmetries"] = "symmetries"
    spec: Symmetries
    """The spec that was solved."""
    structure: Literal["diagonal", "blocks", "full"]
    """Structure of the generators that were looked for."""
    dimension: int
    """Number of independent generators found."""
    families: tuple[SymmetryFamily, ...]
    """The generators, recognised: which kind, where, how many."""
    declared: tuple[SymmetryFamily, ...]
    """What the network declares by its architecture."""
    undetected: tuple[str, ...]
    """Names of declared ones, or parts of them, that are no symmetries on these samples."""
    spectrum: Numbers
    """Singular values of the conditions on A, descending, relative to the largest, shape (k,)."""
    gap: float | None
    """Smallest singular value that counts as a condition over the largest of a symmetry, or over rounding if
    there is none; null if there are no conditions."""
    residual: float
    """Largest violation of a condition of unit length by the symmetries, at points not used to find them."""
    n_points: int
    """Random pairs (theta, z) at which the conditions were set up."""
    notes: tuple[str, ...]
    """What a reader should know."""


class LostNetwork(Answer):
    """A network that left the finite numbers."""

    path: int
    """Number of the network."""
    step: int
    """Update at which it did."""


class SimulateNetworkSolution(Solved):
    """Answer to `simulate` with a network."""

    task: Literal["simulate"] = "simulate"
    spec: SimulateNetwork
    """The spec that was solved."""
    n_paths: int
    """Networks asked for."""
    n_diverged: int
    """Networks that left the finite numbers; averages leave them out from then on."""
    path_steps: int
    """Updates of single networks taken in all."""
    step_size: float | None
    """Step of the SDE scheme in force; null for sgd and gd."""
    seed: int
    """Seed of the random streams."""
    outcome: Literal["COMPLETED", "DIVERGED"]
    """"DIVERGED" if any network left the finite numbers."""
    observables: dict[str, Series]
    """Observables over time by name; those of several numbers have one entry each, as in "norm.W1"."""
    learned: Numbers
    """Sum of the learning rates by each of these times (sgd, gd), else the time itself, shape (n,)."""
    snapshots: dict[str, Table]
    """The same observables of the first networks, shape (n_snapshots, n); empty if none were asked for."""
    parameters: dict[str, Weights]
    """Parameters of the first network at the end."""
    diverged: tuple[LostNetwork, ...]
    """The first few networks that left the finite numbers."""
    notes: tuple[str, ...]
    """What a reader should know."""
