"""How fast a subnetwork of the wrong sign dies beside those that have learned.

With dX = 2 (beta1 v - beta2) dt - 2 sqrt(T g) dW and p = |v_i|^((D-1)/(D+1)), balanced weights obey

    d log|v_i| = (D+1) [-sign(v_i) p dX - 2 p^2 T g dt - 2 gamma dt].

While the others follow their stationary law, dX has the mean rate -2 (beta2 - beta1 E[v]): the average of
d log v over the law (depth 1), or of d v^(-(D-1)/(D+1)), is 0. The small v_i of the other sign then falls as

    depth 1     |v_i| ~ exp(-rate*t),                    rate = 8 (beta2 - beta1 E[v]),
    depth >= 2  |v_i| ~ (rate*t)^(-(D+1)/(D-1)),         rate = 2 (D-1) (beta2 - beta1 E[v]), gamma = 0.

For depth 1, d log|v_i v_j| = -(8 T g + 8 gamma) dt for two of opposite signs, without noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from equipoise_solver.errors import InvalidModelError, UnsupportedCombinationError
from equipoise_solver.theory.moments import DataMoments
from equipoise_solver.theory.stationary import stationary_law


@dataclass(frozen=True)
class WrongSignDecay:
    """The fall of a small |v_i| of the wrong sign.

    Attributes:
        rate: [1/time] at depth 1; [state**-((D-1)/(D+1))/time] deeper.
        exponent: s in |v_i| ~ (rate*t)**-s; inf for the exponential of depth 1.
    """

    rate: float
    exponent: float


def wrong_sign_decay(
    moments: DataMoments, *, depth: int, temperature: float, width: int = 1, weight_decay: float = 0.0
) -> WrongSignDecay:
    """The rate at which a subnetwork of the sign opposite to E[xy] dies.

    Args:
        moments: the data.
        depth: D >= 1.
        temperature: T > 0, [time].
        width: d >= 1, the number of subnetworks that follow the stationary law.
        weight_decay: gamma >= 0; 0 for depth >= 2.

    Raises:
        InvalidModelError: depth 0, which has no signs, or an argument outside its range.
        UnsupportedCombinationError: weight decay at depth >= 2: nothing is learned for ever there.
    """
    if depth == 0:
        raise InvalidModelError("model.depth", given=depth, allowed="an integer >= 1")
    law = stationary_law(
        moments, depth=depth, width=width, temperature=temperature, weight_decay=weight_decay
    )
    if depth >= 2 and weight_decay > 0:
        raise UnsupportedCombinationError(
            "weight_decay", given=weight_decay, allowed="0 for depth >= 2", remedy="Ask for the escape time."
        )
    if law.mean is None:
        raise UnsupportedCombinationError(
            "data", given="a law without a mean", allowed="data for which the start does not decide"
        )
    signal = abs(moments.beta2)
    if law.phase == "sparse":  # All subnetworks are small, so g = alpha3; deeper, E[xy] = 0 drives nothing.
        lyapunov = 4.0 * (signal + temperature * moments.alpha3 + weight_decay)
        return WrongSignDecay(lyapunov, math.inf) if depth == 1 else WrongSignDecay(0.0, math.nan)
    force = signal - moments.beta1 * abs(law.mean)
    if depth == 1:
        return WrongSignDecay(8.0 * force, math.inf)
    return WrongSignDecay(2.0 * (depth - 1.0) * force, (depth + 1.0) / (depth - 1.0))
