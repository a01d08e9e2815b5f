"""Networks of torch tensors: architectures, losses, per-sample gradients and their statistics."""

from equipoise_solver.networks.architectures.linear import LinearNetwork
from equipoise_solver.networks.architectures.mlp import Mlp
from equipoise_solver.networks.data import GaussianTeacher, Pairs
from equipoise_solver.networks.families import Action, Family
from equipoise_solver.networks.network import Network
from equipoise_solver.networks.parameters import Block, Parameters

__all__ = [
    "Action",
    "Block",
    "Family",
    "GaussianTeacher",
    "LinearNetwork",
    "Mlp",
    "Network",
    "Pairs",
    "Parameters",
]
