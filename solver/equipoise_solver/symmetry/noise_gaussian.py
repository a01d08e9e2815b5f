"""Gradient noise of linear networks under a Gaussian teacher, exact at any parameters."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from equipoise_solver.networks.data import GaussianTeacher
from equipoise_solver.networks.gaussian_linear import LayerMoments, layer_moments
from equipoise_solver.networks.network import Network
from equipoise_solver.networks.parameters import Parameters
from equipoise_solver.symmetry.noise import StoredNoise


@dataclass(frozen=True)
class GaussianNoise:
    """Gradients G = 2 u h' of one layer with Gaussian u and h.

    Attributes:
        moments: second moments of u and h.
    """

    moments: LayerMoments

    def left(self, weight: Tensor | None) -> Tensor:
        """E[G weight G'] centred."""
        m = self.moments
        return m.left(torch.eye(m.forward.shape[0], dtype=m.forward.dtype) if weight is None else weight)

    def right(self, weight: Tensor | None) -> Tensor:
        """E[G' weight G] centred."""
        m = self.moments
        return m.right(torch.eye(m.backward.shape[0], dtype=m.forward.dtype) if weight is None else weight)

    def moved(self, left: Tensor | None, right: Tensor | None) -> "GaussianNoise":
        """Factors left u and right' h."""
        m = self.moments
        if left is not None:
            m = replace(m, backward=left @ m.backward @ left.T, cross=left @ m.cross)
        if right is not None:
            m = replace(m, forward=right.T @ m.forward @ right, cross=m.cross @ right)
        return GaussianNoise(m)


def noise_of_teacher(network: Network, parameters: Parameters, teacher: GaussianTeacher) -> StoredNoise:
    """Noise of fresh samples of a teacher.

    Raises:
        InvalidModelError: the teacher does not fit.
        UnsupportedCombinationError: field "model", the network is not linear.
    """
    values = {name: value.detach().to("cpu", torch.float64) for name, value in parameters.items()}
    law = GaussianTeacher(
        *(m.to("cpu", torch.float64) for m in (teacher.teacher, teacher.input_cov, teacher.noise_cov))
    )
    return StoredNoise({m.weight: GaussianNoise(m) for m in layer_moments(network, values, law)})
