"""Explicit schemes of weak order 1 for the reduced SDE of v, from its drift m and noise s at any depth.

    euler        v + m h + s dW. Drift and noise grow faster than linearly for D >= 1, so paths are lost.
    tamed_euler  v + (m h + s dW)/(1 + |m| h + s^2 h/(2 v^2)): increments stay bounded relative to v.
                 Far out that takes away the noise, which alone turns v round: v then grows by 4/3 per step.
    log_euler    v exp((m/v - (s/v)^2/2) h + (s/v) dW), exponent within [-2, 2]: keeps the sign of v.

Kernels are generated from one template, since a compiled closure is never found again in the disk cache: see
`generated`.

References:
    Kloeden and Platen (1992), section 14.1; Hutzenthaler, Jentzen and Kloeden, Strong convergence of an
    explicit method for SDEs with nonglobally Lipschitz coefficients (2012), for taming.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles.compiled import LANES, inlined
from equipoise_solver.ensembles.device import fma, like
from equipoise_solver.ensembles.elementary import exponential, logarithm
from equipoise_solver.ensembles.generated import module_of
from equipoise_solver.ensembles.models import deep, linear, two_layer
from equipoise_solver.ensembles.schemes.scheme import Scheme
from equipoise_solver.theory.moments import DataMoments

LARGEST_EXPONENT = 2.0
ABSORBED = 1e-300
"""|v| below which v counts as 0, for D >= 1."""
FARTHEST = 1e150
"""|v| from which a path counts as diverged in any case."""
SCHEMES = ("euler", "tamed_euler", "log_euler")
ESCAPE_GROWTH = 1e4
"""Relative change of v in a step from which Euler's path, tamed or not, does not come back.

Euler needs an increment below 1/ESCAPE_GROWTH for that, a chance of 1e-4; the tamed scheme has no noise left
there, and a drift that multiplies v by 4/3 per step (two layers).
"""


@inlined
def euler(v: Any, noise: Any, drift: Any, spread: Any) -> Any:
    """Euler and Maruyama; `drift` and `spread` are those of a step, relative to v."""
    return fma(v, fma(spread, noise, drift), v)


@inlined
def tamed_euler(v: Any, noise: Any, drift: Any, spread: Any) -> Any:
    """Increments over 1 + their own size."""
    damping = fma(like(v, 0.5) * spread, spread, abs(drift)) + like(v, 1.0)
    return fma(v, fma(spread, noise, drift) / damping, v)


@inlined
def log_euler(v: Any, noise: Any, drift: Any, spread: Any) -> Any:
    """Euler of ln |v|, the exponent clipped."""
    change = fma(spread, noise, fma(like(v, -0.5) * spread, spread, drift))
    bound = like(v, LARGEST_EXPONENT)
    # Written out, so that NaN stays NaN on a graphics card too.
    change = bound if bound < change else change
    change = -bound if -bound > change else change
    return v * short_exponential(change)


@inlined
def short_exponential(x: Any) -> Any:
    """exp(x) for |x| <= 2: the eighth root by its series, squared three times; relative error 1e-9."""
    z = like(x, 0.125) * x
    p = fma(z, like(x, 1 / 5040), like(x, 1 / 720))
    p = fma(z, p, like(x, 1 / 120))
    p = fma(z, p, like(x, 1 / 24))
    p = fma(z, p, like(x, 1 / 6))
    p = fma(z, p, like(x, 0.5))
    p = fma(z, p, like(x, 1.0))
    p = fma(z, p, like(x, 1.0))
    p = p * p
    p = p * p
    return p * p


@inlined
def euler_absolute(v: Any, noise: Any, drift: Any, spread: Any) -> Any:
    """Euler and Maruyama, for coefficients that are not relative to v."""
    return fma(spread, noise, v) + drift


@inlined
def tamed_euler_absolute(v: Any, noise: Any, drift: Any, spread: Any) -> Any:
    """Increments over 1 + their own size, for coefficients that are not relative to v."""
    damping = fma(spread, spread, abs(drift)) + like(v, 1.0)
    return fma(spread, noise, drift) / damping + v


_TEMPLATE = """
from equipoise_solver.ensembles.compiled import GROUP, LANES
from equipoise_solver.ensembles.device import like
from equipoise_solver.ensembles.schemes.explicit import {scheme} as move
from {model} import coefficients


def step(state, noise, row, taken, numbers, work):
    zero = state[0, 0]
    p = ({numbers})
    for i in range(GROUP):
        for j in range(LANES):
            v = state[0, j]
            drift, spread = coefficients(v, p)
            state[0, j] = move(v, like(v, noise[i, j]), {over_step})


def single(state, noise, row, taken, numbers, work):
    zero = state[0, 0]
    p = ({numbers})
    for j in range(LANES):
        v = state[0, j]
        drift, spread = coefficients(v, p)
        state[0, j] = move(v, like(v, noise[row, j]), {over_step})
"""
_PARTS = tuple(
    f"equipoise_solver.ensembles.{name}" for name in ("device", "elementary", "compiled", "schemes.explicit")
)


def kernels(scheme: str, model: str, n_numbers: int, *, over_step: str = "drift, spread") -> tuple[Any, Any]:
    """The kernels (step, single) of a move for the model in module `model`.

    Args:
        scheme: name of the move, "euler" and so on.
        model: module with `coefficients`.
        n_numbers: how many numbers p it takes.
        over_step: drift and noise of a step, from those that `coefficients` returns and p.
    """
    names = ", ".join(f"like(zero, numbers[{i}])" for i in range(n_numbers))
    text = _TEMPLATE.format(scheme=scheme, model=model, numbers=f"{names},", over_step=over_step)
    module = module_of(text, (*_PARTS, model))
    return module.step, module.single


@inlined
def value_of(x: Any, same: Any, numbers: Any) -> Any:
    """What is shown of v, and whether it is absorbed at 0; the last numbers are D + 1 and d."""
    v = np.float64(x)
    return v, abs(v) < (ABSORBED if numbers[len(numbers) - 2] > 1.0 else -1.0)


@inlined
def extra_of(x: Any, same: Any, v: Any, numbers: Any) -> Any:
    """|theta|^2 of equal parameters, and the imbalance."""
    layers, width = numbers[len(numbers) - 2], numbers[len(numbers) - 1]
    share = abs(v) / width
    share = ABSORBED if share < ABSORBED else share
    return width * layers * exponential(2.0 / layers * logarithm(share)), 0.0


def value(state: Any, numbers: Any, out: Any) -> None:
    """Put v and absorption into `out`; see `compiled.show_signature`."""
    for j in range(LANES):
        out[0, j], absorbed = value_of(state[0, j], state[0, j], numbers)
        out[3, j] = 1.0 if absorbed else 0.0


def extra(state: Any, numbers: Any, out: Any) -> None:
    """Put |theta|^2 and the imbalance into `out`, which holds v."""
    for j in range(LANES):
        out[1, j], out[2, j] = extra_of(state[0, j], state[0, j], out[0, j], numbers)


def escape_bound(
    moments: DataMoments, *, depth: int, width: int, temperature: float, step_size: float
) -> float:
    """|v| at which the noise or the drift of a step is ESCAPE_GROWTH times v; `FARTHEST` for depth 0."""
    layers = depth + 1
    pull = 2 * layers * width ** (2 / layers - 1)
    growth = pull * max(math.sqrt(temperature * moments.alpha1 * step_size), moments.beta1 * step_size)
    if depth == 0 or growth <= 0:
        return FARTHEST
    return float(min((ESCAPE_GROWTH / growth) ** (layers / (2 * depth)), FARTHEST))


def scheme(
    name: str,
    moments: DataMoments,
    *,
    depth: int,
    width: int,
    temperature: float,
    weight_decay: float,
    step_size: float,
    typical_rate: float,
) -> Scheme:
    """An explicit scheme for a balanced network of any depth; its state is v."""
    model: Any = (linear, two_layer)[depth] if depth <= 1 else deep
    own = model.numbers(
        moments,
        depth=depth,
        width=width,
        temperature=temperature,
        weight_decay=weight_decay,
        step_size=step_size,
    )
    move = name if model.IS_RELATIVE else f"{name}_absolute"
    step, single = kernels(move, model.__name__, len(own))

    def to_state(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values[:1]

    return Scheme(
        name=name,
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
        numbers=np.array([*own, depth + 1, width], dtype=np.float64),
        to_state=to_state,
        bound=FARTHEST
        if name == "log_euler"
        else escape_bound(moments, depth=depth, width=width, temperature=temperature, step_size=step_size),
        typical_rate=typical_rate,
    )
