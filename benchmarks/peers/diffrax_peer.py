"""diffrax: Euler, with UnsafeBrownianPath and ForwardMode (fast for fixed steps), or the default tree."""

from functools import partial
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import lineax
import numpy as np

from benchmarks.contenders import DTYPES, Contender, Run
from benchmarks.workloads import A1, A2, A3, B1, B2, FLOW, START, STEP_SIZE, TEMPERATURE, WEIGHTS, Workload

jax.config.update("jax_enable_x64", True)

N_PATHS, N_STEPS = 1 << 17, 100
TREE_PATHS, TREE_STEPS, TREE_CHECKED_PATHS = 1 << 15, 50, 1 << 11


def contenders(workload: Workload, device: str = "cpu") -> list[Contender]:
    """Rows of diffrax on all devices of one kind; it solves SDEs only."""
    if workload.key not in (FLOW.key, WEIGHTS.key):
        return []
    fast = [
        Contender(
            "diffrax Euler, UnsafeBrownianPath, batched, pmap",
            dtype,
            partial(_prepare, workload, dtype, "unsafe", device),
            N_PATHS,
            N_STEPS,
        )
        for dtype in DTYPES
    ]
    documented = [
        Contender(
            "diffrax Euler, VirtualBrownianTree, batched, pmap",
            dtype,
            partial(_prepare, workload, dtype, "tree", device),
            TREE_PATHS,
            TREE_STEPS,
            checked_paths=TREE_CHECKED_PATHS,
        )
        for dtype in DTYPES
        if workload.key == FLOW.key
    ]
    return [*fast, *documented]


def _prepare(workload: Workload, dtype: str, brownian: str, device: str, n_paths: int, n_steps: int) -> Run:
    devices = jax.devices(device)
    n, duration = n_paths // len(devices), n_steps * STEP_SIZE

    is_flow = workload.key == FLOW.key
    drift = _drift if is_flow else _drifts
    noise_of = partial(diffrax.ControlTerm, _diffusion) if is_flow else SharedNoise

    def simulate(key: Any) -> Any:
        shape = jax.ShapeDtypeStruct((n,), dtype)
        if brownian == "unsafe":
            path = diffrax.UnsafeBrownianPath(shape=shape, key=key)
        else:
            path = diffrax.VirtualBrownianTree(0.0, duration, tol=STEP_SIZE / 2, shape=shape, key=key)
        start = jnp.full((n,), START, dtype)
        solution = diffrax.diffeqsolve(
            diffrax.MultiTerm(diffrax.ODETerm(drift), noise_of(path)),
            diffrax.Euler(),
            0.0,
            duration,
            dt0=STEP_SIZE,
            y0=start if is_flow else (start, start),
            saveat=diffrax.SaveAt(t1=True),
            max_steps=n_steps + 10,
            adjoint=diffrax.ForwardMode(),
            throw=False,
        )
        final = jax.tree_util.tree_map(lambda rows: rows[0], solution.ys)
        return final if is_flow else final[0] * final[1]

    simulate_all = jax.pmap(simulate, devices=devices)
    keys = jax.random.split(jax.random.key(0), len(devices))
    return lambda: np.asarray(simulate_all(keys))


def _drift(t: Any, v: Any, args: Any) -> Any:
    return 4 * v * (TEMPERATURE * _noise(v) - B1 * v + B2)


def _diffusion(t: Any, v: Any, args: Any) -> Any:
    return lineax.DiagonalLinearOperator(4 * v * jnp.sqrt(TEMPERATURE * _noise(v)))


def _drifts(t: Any, state: Any, args: Any) -> Any:
    u, w = state
    force = 2 * (B1 * u * w - B2)
    return -w * force, -u * force


class SharedNoise(diffrax.AbstractTerm):  # type: ignore[misc]
    """W2's noise: both weights feel the one path."""

    path: Any

    def vf(self, t: Any, y: Any, args: Any) -> Any:
        """Diffusion of u and of w, each of shape (path,)."""
        u, w = y
        amplitude = 2 * jnp.sqrt(TEMPERATURE * _noise(u * w))
        return w * amplitude, u * amplitude

    def contr(self, t0: Any, t1: Any, **_: Any) -> Any:
        """dW, shape (path,)."""
        return self.path.evaluate(t0, t1)

    def prod(self, vf: Any, control: Any) -> Any:
        """(du, dw)."""
        return vf[0] * control, vf[1] * control


def _noise(v: Any) -> Any:
    return (A1 * v - 2 * A2) * v + A3
