"""A question about noise equilibria, checked: network, data, temperature, decay and generators."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.networks.data import GaussianTeacher, Pairs, check_data, check_teacher
from equipoise_solver.networks.families import Family
from equipoise_solver.networks.network import Network
from equipoise_solver.networks.parameters import Parameters, check_parameters
from equipoise_solver.symmetry.custom import Custom
from equipoise_solver.symmetry.existence import Kept
from equipoise_solver.symmetry.generators import Generators
from equipoise_solver.symmetry.noise import Noise, StoredNoise
from equipoise_solver.symmetry.noise_gaussian import noise_of_teacher
from equipoise_solver.symmetry.noise_samples import noise_of_samples
from equipoise_solver.symmetry.noiseless import has_noise
from equipoise_solver.symmetry.orbit import FamilyOrbit
from equipoise_solver.symmetry.orbit_dense import DenseOrbit
from equipoise_solver.symmetry.orbit_sides import Sides, columns, sides_of


@dataclass(frozen=True)
class Problem:
    """Whose equilibrium, under what noise.

    Attributes:
        network: the model and its loss.
        data: samples, or the teacher whose population is meant.
        temperature: T >= 0.
        weight_decay: gamma >= 0.
        generators: the symmetries.
        max_bytes: memory that a chunk of samples may take, about.
    """

    network: Network
    data: Pairs | GaussianTeacher
    temperature: float
    weight_decay: float
    generators: Generators
    max_bytes: int

    @property
    def sides(self) -> Sides:
        """Where the families act."""
        return sides_of(self.generators.families, self.network.blocks)

    def orbit(self, parameters: Parameters, kept: Kept | None = None) -> FamilyOrbit:
        """A point of the orbit of the families, with statistics taken there."""
        sides = self.sides
        free: Kept = (None,) * len(sides.families)
        return FamilyOrbit(
            sides,
            columns(parameters, list(sides.acting)),
            self._noise(parameters, sides),
            self.temperature,
            self.weight_decay,
            free if kept is None else kept,
        )

    def _noise(self, parameters: Parameters, sides: Sides) -> Noise:
        if self.temperature == 0.0:
            return StoredNoise({})
        if isinstance(self.data, GaussianTeacher):
            return noise_of_teacher(self.network, parameters, self.data)
        return noise_of_samples(self.network, parameters, self.data, sides, max_bytes=self.max_bytes)

    def is_noiseless(self, parameters: Parameters) -> bool:
        """Whether T > 0, and yet gradients differ by rounding alone; so it is on the whole orbit then."""
        if self.temperature == 0.0:
            return False
        blocks = [b.name for b in self.network.blocks] if self.generators.custom else self.sides.acting
        return not has_noise(self.network, parameters, self.data, list(blocks), max_bytes=self.max_bytes)

    def cooled(self) -> "Problem":
        """The same at T = 0, for what has no noise."""
        return replace(self, temperature=0.0)

    def forces(self, orbit: FamilyOrbit | DenseOrbit) -> Tensor:
        """T Tr[Sigma A_k] - 4 gamma theta' A_k theta of all generators, shape (m,)."""
        if isinstance(orbit, DenseOrbit):
            return orbit.falling - orbit.rising
        slopes = [down - up for down, up in zip(orbit.falling, orbit.rising, strict=True)]
        return self.generators.coefficients(slopes)


def problem_of(
    network: Network,
    data: Pairs | GaussianTeacher,
    *,
    temperature: float,
    weight_decay: float,
    families: Sequence[Family] | None,
    custom: Sequence[Custom],
    max_bytes: int,
) -> Problem:
    """A checked problem; families None are all that the network declares.

    Raises:
        InvalidModelError: fields "temperature", "weight_decay", "symmetries" or "data".
    """
    for field, value in (("temperature", temperature), ("weight_decay", weight_decay)):
        if not (math.isfinite(value) and value >= 0.0):
            raise InvalidModelError(field, given=value, allowed="a finite number >= 0")
    if temperature == 0.0 and weight_decay == 0.0:
        raise InvalidModelError(
            "temperature",
            given=0.0,
            allowed="> 0, unless there is weight decay",
            remedy="Without noise and decay nothing moves along a symmetry.",
        )
    chosen = tuple(network.families() if families is None else families)
    generators = Generators(network.blocks, chosen, tuple(custom))
    if generators.dimension == 0:
        raise InvalidModelError(
            "symmetries",
            given="none",
            allowed="at least one symmetry",
            remedy="This network declares none." if families is None else "",
        )
    if isinstance(data, GaussianTeacher):
        check_teacher(network, data)
    else:
        check_data(network, data, n_min=2)
        data = Pairs(*(values.to("cpu", torch.float64) for values in (data.x, data.y)))
    return Problem(network, data, temperature, weight_decay, generators, max_bytes)


def start_of(network: Network, parameters: Parameters) -> Parameters:
    """Given parameters, checked, float64, on the CPU."""
    checked = check_parameters(network, parameters)
    return {name: value.detach().to("cpu", torch.float64) for name, value in checked.items()}
