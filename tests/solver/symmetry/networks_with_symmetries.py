"""Networks, each with a declared symmetry, that the tests of symmetries share."""

from equipoise_solver.networks import LinearNetwork, Mlp, Network
from equipoise_solver.networks.architectures.attention import Attention
from equipoise_solver.networks.architectures.diagonal import Diagonal
from equipoise_solver.networks.architectures.matrix_factorization import MatrixFactorization
from equipoise_solver.networks.architectures.normalized import NormalizedMlp

DECLARING: dict[str, Network] = {
    "linear": LinearNetwork((3, 5, 4, 2)),
    "linear logistic": LinearNetwork((4, 3, 2), loss="logistic"),
    "matrix factorization": MatrixFactorization((4, 3, 5)),
    "diagonal": Diagonal(3, 4),
    "relu": Mlp((3, 6, 5, 2), "relu"),
    "relu without bias": Mlp((3, 6, 2), "relu", bias=False),
    "leaky relu": Mlp((3, 4, 5, 2), "leaky_relu", loss="cross_entropy"),
    "squared relu": Mlp((3, 4, 2), "relu2"),
    "linear with bias": Mlp((3, 4, 2), "linear"),
    "attention": Attention(3, 4, 2, 3),
    "net A": NormalizedMlp((3, 5, 4, 2), "relu", "layer"),
    "net A, tanh": NormalizedMlp((3, 5, 2), "tanh", "layer", loss="cross_entropy"),
    "net B": NormalizedMlp((3, 5, 4, 2), "tanh", "network"),
}
"""One of each architecture and loss."""
