"""Whether gradients differ from sample to sample at all, or only by rounding."""

from collections.abc import Collection

import torch

from equipoise_solver.networks.data import GaussianTeacher, Pairs
from equipoise_solver.networks.gaussian_linear import population_statistics
from equipoise_solver.networks.network import Network
from equipoise_solver.networks.parameters import Parameters
from equipoise_solver.networks.statistics import MAX_BYTES, GradientStatistics, gradient_statistics

ALIKE = 1e-13
"""Share of the second moment below which a variance is what rounding leaves of gradients that are alike."""

ROUNDING = 1e-13
"""Relative change of each parameter that counts as rounding: some hundreds of units in the last place."""

ASIDE = 1e-6
"""Relative change of the parameters by which the effect of rounding is measured."""


def has_noise(
    network: Network,
    parameters: Parameters,
    data: Pairs | GaussianTeacher,
    blocks: Collection[str],
    *,
    max_bytes: int = MAX_BYTES,
) -> bool:
    """Whether the gradients of some blocks have a variance that is more than rounding.

    Rounding leaves a variance in two ways. Of gradients that are alike it leaves a share of their square. At
    an exact fit, where all gradients should be 0, it leaves what parameters off by rounding would have:
    gradients grow in proportion to how far they are off, so that a step aside shows how much that is.

    Args:
        network: the model and its loss.
        parameters: by block.
        data: samples, or a Gaussian teacher.
        blocks: names of those that are asked about.
        max_bytes: memory that a chunk of samples may take, about.

    Raises:
        InvalidModelError: data that do not fit.
        UnsupportedCombinationError: a teacher with a network that is not linear.
    """

    def statistics(point: Parameters) -> GradientStatistics:
        if isinstance(data, GaussianTeacher):
            return population_statistics(network, point, data)
        return gradient_statistics(network, point, data, left=(), right=(), max_bytes=max_bytes)

    here = statistics(parameters)
    trace, power = (sum(values[block] for block in blocks) for values in (here.trace, here.power))
    if trace <= ALIKE * power:
        return False
    aside = statistics(_aside(parameters))
    return trace > (ROUNDING / ASIDE) ** 2 * sum(aside.power[block] for block in blocks)


def _aside(parameters: Parameters) -> Parameters:
    """Each parameter changed by its own share, up to 1e-6: by no motion along a symmetry."""
    changed = {}
    for shift, (name, value) in enumerate(parameters.items()):
        waves = torch.cos(torch.arange(value.numel(), dtype=value.dtype) + shift).reshape(value.shape)
        changed[name] = value * (1.0 + ASIDE * waves)
    return changed
