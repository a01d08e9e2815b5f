"""Initial parameters of paths."""

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from equipoise_solver.ensembles.compiled import F8, I8, U4, U8, array_of, compiled, key_of
from equipoise_solver.ensembles.elementary import normal_pair
from equipoise_solver.ensembles.plan import EnsemblePlan
from equipoise_solver.ensembles.problem import Balanced, Given, Normal
from equipoise_solver.ensembles.streams import INITIAL_STATE, next_word, start_stream


def _fill_normals(out: Any, key: Any, first_path: Any, purpose: Any) -> None:
    for j in range(out.shape[1]):
        a, b, c, d = start_stream(key, first_path + np.uint64(j), purpose, 0)
        for i in range(0, out.shape[0], 2):
            high, a, b, c, d = next_word(a, b, c, d)
            low, a, b, c, d = next_word(a, b, c, d)
            turn, a, b, c, d = next_word(a, b, c, d)
            z1, z2 = normal_pair(high, low, turn)
            out[i, j] = z1
            if i + 1 < out.shape[0]:
                out[i + 1, j] = z2


def path_normals(seed: int, *, first_path: int, n_paths: int, n: int) -> NDArray[np.float64]:
    """N(0, 1) numbers from the initial-state stream of each path, shape (n, n_paths)."""
    out = np.empty((n, n_paths))
    kernel = compiled(_fill_normals, types.void(array_of(F8, 2), array_of(U4, 1), U8, I8))
    kernel(out, key_of(seed), np.uint64(first_path), INITIAL_STATE)
    return out


def initial_states(plan: EnsemblePlan, *, first_path: int, n_paths: int) -> NDArray[np.float64]:
    """States of paths first_path .. at the start.

    Returns:
        shape (n_state, n_paths).
    """
    if plan.is_reduced:
        return plan.scheme.to_state(np.full((1, n_paths), plan.start_value))
    n = plan.width * (plan.depth + 1)
    match plan.init:
        case Normal(std):
            theta = std * path_normals(plan.seed, first_path=first_path, n_paths=n_paths, n=n)
        case Given(u):
            theta = np.repeat(np.array(u, dtype=np.float64).reshape(n, 1), n_paths, axis=1)
        case Balanced():
            theta = np.repeat(balanced_parameters(plan).reshape(n, 1), n_paths, axis=1)
    return plan.scheme.to_state(theta)


def balanced_parameters(plan: EnsemblePlan) -> NDArray[np.float64]:
    """Parameters of equal size whose products are start_value/width each, shape (width, depth + 1)."""
    each = plan.start_value / plan.width
    u = np.full((plan.width, plan.depth + 1), abs(each) ** (1 / (plan.depth + 1)))
    u[:, 0] *= np.sign(each)
    return u
