"""Where the compiled kernel finds what: places of a chain's layers among parameters and in the workspace."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.networks.losses import LOSSES
from equipoise_solver.networks.network import DenseNetwork, Network
from equipoise_solver.networks.parameters import n_parameters
from equipoise_solver.networks.training.curves import CURVES
from equipoise_solver.networks.training.lane_kernel import CHUNK, LOSS_CODES

MAX_LANE_PARAMETERS, MAX_LANE_WORK = 4096, 4e5
"""Networks train in lanes that have so few parameters, or so few parameters times samples of a step: LANES of
them then cost less than one does by torch, or about as much (20-200-20 with 16 samples: 0.34 and 0.40 ms)."""
LARGEST_IN_LANES = 2**15
"""Largest networks of all that train in lanes: LANES of them fill four megabytes."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Places of a chain of dense layers; see `lane_kernel`.

    Attributes:
        layers: a row per layer: widths in and out, places of weight and bias among the parameters, places
            of outputs and slopes in the workspace.
        places: of x, y, weights, the two deltas and the gradient in the workspace, and the number of
            parameters.
        n_entries: length of the workspace.
    """

    layers: NDArray[np.int64]
    places: tuple[int, ...]
    n_entries: int


def trains_in_lanes(network: Network, samples_per_step: int) -> bool:
    """Whether the compiled kernel knows the network and it is small enough to gain by it."""
    if not isinstance(network, DenseNetwork):
        return False
    p = n_parameters(network)
    is_small = p <= MAX_LANE_PARAMETERS or p * samples_per_step <= MAX_LANE_WORK
    is_known = network.activation in CURVES and network.loss in LOSS_CODES
    return is_known and is_small and p <= LARGEST_IN_LANES


def layout_of(network: Network) -> Layout:
    """Places of a network that `trains_in_lanes`."""
    assert isinstance(network, DenseNetwork)
    starts, p = {}, 0
    for block in network.blocks:
        starts[block.name] = p
        p += block.size
    shapes = {block.name: block.shape for block in network.blocks}
    widest = max(max(shapes[weight]) for weight, _ in network.dense_layers)
    sizes = [network.n_inputs, LOSSES[network.loss].label_width(network.n_outputs), 1, widest, widest]
    *places, at = (int(place) for place in np.cumsum([0, *(CHUNK * size for size in sizes)]))
    places += [at, p]
    at += p
    layers = []
    for weight, bias in network.dense_layers:
        n_out, n_in = shapes[weight]
        bias_at = -1 if bias is None else starts[bias]
        layers.append([n_in, n_out, starts[weight], bias_at, at, at + CHUNK * n_out])
        at += 2 * CHUNK * n_out
    return Layout(np.array(layers, dtype=np.int64), tuple(places), at)
