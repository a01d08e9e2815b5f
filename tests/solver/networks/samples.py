"""Small networks of every kind, with random parameters and data."""

import numpy as np
import torch

from equipoise_solver.networks import (
    Attention,
    Diagonal,
    LinearNetwork,
    MatrixFactorization,
    Mlp,
    Network,
    NormalizedMlp,
    Pairs,
    Parameters,
)
from equipoise_solver.networks.losses import LOSSES

NETWORKS: dict[str, Network] = {
    "linear": LinearNetwork((4, 3, 5, 2)),
    "mlp relu": Mlp((4, 5, 3, 2)),
    "mlp leaky relu without bias": Mlp((4, 5, 3, 2), activation="leaky_relu", bias=False),
    "mlp relu squared": Mlp((4, 5, 3), activation="relu2"),
    "mlp without activation": Mlp((4, 5, 3), activation="linear"),
    "mlp tanh": Mlp((4, 5, 2), activation="tanh"),
    "mlp logistic": Mlp((3, 6, 2), activation="gelu", loss="logistic"),
    "mlp cross entropy": Mlp((3, 6, 4), activation="relu", loss="cross_entropy"),
    "matrix factorization": MatrixFactorization((4, 2, 3)),
    "diagonal": Diagonal(2, 4),
    "diagonal regression": Diagonal(0, 3),
    "diagonal logistic": Diagonal(1, 3, loss="logistic"),
    "attention": Attention(3, 4, 2, 2),
    "attention with one wide head": Attention(2, 2, 1, 3),
    "net a": NormalizedMlp((4, 5, 3, 2)),
    "net b": NormalizedMlp((4, 5, 3), activation="relu", normalization="network"),
}


def random_parameters(network: Network, rng: np.random.Generator, *, size: float = 0.8) -> Parameters:
    """Parameters with entries N(0, size^2)."""
    return {block.name: torch.from_numpy(size * rng.standard_normal(block.shape)) for block in network.blocks}


def random_pairs(network: Network, rng: np.random.Generator, *, n: int) -> Pairs:
    """Inputs N(0, 1) and random labels that fit the network's loss."""
    x = torch.from_numpy(rng.standard_normal((n, network.n_inputs)))
    width = LOSSES[network.loss].label_width(network.n_outputs)
    match network.loss:
        case "squared_error":
            y = rng.standard_normal((n, width))
        case "logistic":
            y = rng.integers(0, 2, (n, width)).astype(np.float64)
        case _:
            y = rng.integers(0, network.n_outputs, (n, width)).astype(np.float64)
    return Pairs(x, torch.from_numpy(y))
