"""torch: a Python loop over networks with one autograd call each, and torch.func's vmap(grad) over all."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.func import grad, vmap

LOOP, FUNC = "torch, a loop over networks", "torch.func vmap(grad), eager"


def runs(
    start: dict[str, Any],
    x: Any,
    y: Any,
    *,
    activation: str,
    learning_rate: float,
    batch_size: int,
    n_steps: int,
) -> dict[str, Callable[[], dict[str, Any]]]:
    """Ways to train all networks; arguments as in `networks_jax.runs`."""
    function = {"tanh": torch.tanh, "relu": torch.relu}[activation]
    inputs, labels = torch.from_numpy(x), torch.from_numpy(y)
    n, n_networks = len(x), start["W1"].shape[0]

    def loss(parameters: Any, batch: Any, wanted: Any) -> Any:
        hidden = function(batch @ parameters["W1"].T + parameters["b1"])
        prediction = hidden @ parameters["W2"].T + parameters["b2"]
        return ((prediction - wanted) ** 2).sum(-1).mean()

    def loop() -> dict[str, Any]:
        # Operations this small only lose by a second thread.
        n_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return one_by_one()
        finally:
            torch.set_num_threads(n_threads)

    def one_by_one() -> dict[str, Any]:
        generator = torch.Generator().manual_seed(1)
        networks = [
            {name: torch.from_numpy(value[i].copy()).requires_grad_() for name, value in start.items()}
            for i in range(n_networks)
        ]
        for _ in range(n_steps):
            for network in networks:
                rows = torch.randint(n, (batch_size,), generator=generator)
                slopes = torch.autograd.grad(
                    loss(network, inputs[rows], labels[rows]), list(network.values())
                )
                with torch.no_grad():
                    for value, slope in zip(network.values(), slopes, strict=True):
                        value.sub_(slope, alpha=learning_rate)
        return {name: np.stack([network[name].detach().numpy() for network in networks]) for name in start}

    def together() -> dict[str, Any]:
        generator = torch.Generator().manual_seed(1)
        slope_of_all: Any = vmap(grad(loss))
        parameters = {name: torch.from_numpy(value.copy()) for name, value in start.items()}
        for _ in range(n_steps):
            rows = torch.randint(n, (n_networks, batch_size), generator=generator)
            slopes = slope_of_all(parameters, inputs[rows], labels[rows])
            for name, slope in slopes.items():
                parameters[name].sub_(slope, alpha=learning_rate)
        return {name: value.numpy() for name, value in parameters.items()}

    return {LOOP: loop, FUNC: together}
