"""jax: jit of vmap(grad) over networks, lax.scan over steps, minibatches drawn inside or all at once."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

ONE, ALL, AHEAD = (
    "jax jit(vmap(grad)), scan",
    "jax pmap(vmap(grad)) over both cores, scan",
    "jax pmap(vmap(grad)) over both cores, scan, batches drawn ahead",
)


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
    """Ways to train all networks, each a function that gives their final parameters.

    Args:
        start: initial parameters by block, leading axis networks, in the precision to be used.
        x: inputs, shape (n, in).
        y: labels, shape (n, out).
        activation: "tanh" or "relu".
        learning_rate: of SGD.
        batch_size: samples per step, drawn with replacement.
        n_steps: steps.
    """
    function = {"tanh": jnp.tanh, "relu": jax.nn.relu}[activation]
    n_networks = start["W1"].shape[0]

    def loss(parameters: Any, inputs: Any, labels: Any) -> Any:
        hidden = function(inputs @ parameters["W1"].T + parameters["b1"])
        prediction = hidden @ parameters["W2"].T + parameters["b2"]
        return ((prediction - labels) ** 2).sum(-1).mean()

    def update(parameters: Any, rows: Any, inputs: Any, labels: Any) -> Any:
        slope = jax.grad(loss)(parameters, inputs[rows], labels[rows])
        return jax.tree.map(lambda p, g: p - jnp.asarray(learning_rate, p.dtype) * g, parameters, slope)

    update_all = jax.vmap(update, in_axes=(0, 0, None, None))

    def draw(seed: Any, step: Any, n: int) -> Any:
        key = jax.random.fold_in(jax.random.key(seed), step)
        return jax.random.randint(key, (n, batch_size), 0, len(x), dtype=jnp.int32)

    def drawn_inside(parameters: Any, seed: Any, inputs: Any, labels: Any) -> Any:
        n = parameters["W1"].shape[0]

        def step(state: Any, index: Any) -> Any:
            return update_all(state, draw(seed, index, n), inputs, labels), None

        return jax.lax.scan(step, parameters, jnp.arange(n_steps))[0]

    def drawn_ahead(parameters: Any, seed: Any, inputs: Any, labels: Any) -> Any:
        n = parameters["W1"].shape[0]
        shape = (n_steps, n, batch_size)
        rows = jax.random.randint(jax.random.key(seed), shape, 0, len(x), dtype=jnp.int32)

        def step(state: Any, chosen: Any) -> Any:
            return update_all(state, chosen, inputs, labels), None

        return jax.lax.scan(step, parameters, rows)[0]

    n_devices = len(jax.devices("cpu"))
    spread = {
        name: value.reshape(n_devices, n_networks // n_devices, *value.shape[1:])
        for name, value in start.items()
    }
    one = jax.jit(drawn_inside)
    everywhere, ahead = (jax.pmap(way, in_axes=(0, 0, None, None)) for way in (drawn_inside, drawn_ahead))
    inputs, labels = jnp.asarray(x), jnp.asarray(y)
    own = {name: jnp.asarray(value) for name, value in start.items()}
    seeds = np.arange(n_devices)

    def joined(final: Any) -> dict[str, Any]:
        return {name: np.asarray(value).reshape(start[name].shape) for name, value in final.items()}

    return {
        ONE: lambda: joined(one(own, 0, inputs, labels)),
        ALL: lambda: joined(everywhere(spread, seeds, inputs, labels)),
        AHEAD: lambda: joined(ahead(spread, seeds, inputs, labels)),
    }
