"""Euler and Maruyama, plain or tamed, for a diffusion given by expressions: weak order 1.

euler        x + m h + s dW
tamed_euler  x + (m h + s dW)/(1 + (|m| + s^2) h): no step explodes where m or s grow faster than x
"""

import math
from typing import Literal

import numpy as np

from equipoise_solver.ensembles.models.expression import ExpressionModel
from equipoise_solver.ensembles.schemes.explicit import extra, kernels, value
from equipoise_solver.ensembles.schemes.scheme import Scheme, identity

ONE_LAYER = (1.0, 1.0)
"""Depth and width that `value` and `extra` ask for: x counts as the one parameter, and is never absorbed."""


def scheme(
    name: Literal["euler", "tamed_euler"],
    model: ExpressionModel,
    *,
    step_size: float,
    typical_rate: float = 0.0,
) -> Scheme:
    """The scheme; its state is x."""
    n = len(model.numbers)
    over_step = f"p[{n}] * drift, p[{n + 1}] * spread"
    step, single = kernels(f"{name}_absolute", model.module, n + 2, over_step=over_step)
    return Scheme(
        name=f"expression_{name}",
        clock="steps",
        interpretation="ito",
        noise_type="scalar",
        weak_order=1,
        step=step,
        single=single,
        value=value,
        extra=extra,
        n_state=1,
        n_work=1,
        numbers=np.array([*model.numbers, step_size, math.sqrt(step_size), *ONE_LAYER], dtype=np.float64),
        to_state=identity,
        typical_rate=typical_rate,
    )
