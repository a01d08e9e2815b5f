"""Networks of torch tensors: architectures, losses, per-sample gradients and their statistics."""

from equipoise_solver.networks.architectures.attention import Attention
from equipoise_solver.networks.architectures.diagonal import Diagonal
from equipoise_solver.networks.architectures.linear import LinearNetwork
from equipoise_solver.networks.architectures.matrix_factorization import MatrixFactorization
from equipoise_solver.networks.architectures.mlp import Mlp
from equipoise_solver.networks.architectures.normalized import NormalizedMlp
from equipoise_solver.networks.data import GaussianTeacher, Pairs
from equipoise_solver.networks.families import Action, Family
from equipoise_solver.networks.network import DenseNetwork, Network
from equipoise_solver.networks.parameters import Block, Parameters

__all__ = [
    "Action",
    "Attention",
    "Block",
    "DenseNetwork",
    "Diagonal",
    "Family",
    "GaussianTeacher",
    "LinearNetwork",
    "MatrixFactorization",
    "Mlp",
    "Network",
    "NormalizedMlp",
    "Pairs",
    "Parameters",
]
