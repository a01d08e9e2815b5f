"""The model coordinate of a diagonal network as a problem for the general tool, in both signs of v.

On either side of 0, with q = 2D/(D+1), a = (D+1) d^(2/(D+1)-1) and g = alpha1 (v - root)^2 + floor,

    dv = [-2 a |v|^q (beta1 v - beta2) + 2 D/(D+1) a^2 sign(v) |v|^(2q-1) T g(v) - 2 (D+1) gamma v] dt
         + 2 a |v|^q sqrt(T g(v)) dW,

where v = 0 (D >= 1) and the point at which g vanishes (floor = 0) cut the line into intervals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from equipoise_solver.diffusion.problem import Diffusion, from_expressions
from equipoise_solver.errors import InvalidModelError
from equipoise_solver.theory.moments import DataMoments

# A force at the wall this small relative to its terms cannot be told from 0, as in coefficients.
_INTERPOLATES = 64.0 * 2.3e-16


@dataclass(frozen=True)
class NetworkDiffusion:
    """Drift and noise as expressions in x, which stands for v, on one of the intervals.

    Attributes:
        drift: of dx (Ito), [state/time].
        noise: factor of dW, [state/time**0.5].
        parameters: the names in both.
        interval: on which no noise vanishes.
    """

    drift: str
    noise: str
    parameters: dict[str, float]
    interval: tuple[float, float]

    def diffusion(self) -> Diffusion:
        """The problem for the general tool."""
        return from_expressions(self.drift, self.noise, parameters=self.parameters, interval=self.interval)


def network_diffusion(
    moments: DataMoments,
    *,
    depth: int,
    temperature: float,
    width: int = 1,
    weight_decay: float = 0.0,
    start: float | None = None,
) -> NetworkDiffusion:
    """The reduced SDE of a diagonal network on the interval that holds `start`.

    Args:
        moments: the data.
        depth: D >= 0.
        temperature: T > 0, [time].
        width: d >= 1.
        weight_decay: gamma >= 0.
        start: a value of v; None for the interval that holds the learned law, or on which it is reached.

    Raises:
        InvalidModelError: an argument outside its range, or a start that is no inner point of an interval.
    """
    _check(depth, width, temperature, weight_decay)
    amplitude = (depth + 1.0) * width ** (2.0 / (depth + 1.0) - 1.0)
    parameters = {
        "amplitude": amplitude,
        "temperature": temperature,
        "alpha1": moments.alpha1,
        "root": moments.root,
        "floor": moments.floor,
        "beta1": moments.beta1,
        "beta2": moments.beta2,
    }
    if start is None:
        start = _learned_point(moments, depth, amplitude, weight_decay)
    interval = interval_of(moments, start, depth=depth)
    size = "x" if interval[0] >= 0 else "(-x)"
    friction = _power(size, 2.0 * depth / (depth + 1.0), "friction", parameters)
    drift = f"-2*amplitude*{friction}({_force(moments)})"
    if depth:
        parameters["induced"] = math.copysign(2.0 * depth / (depth + 1.0), start)
        lift = _power(size, (3.0 * depth - 1.0) / (depth + 1.0), "lift", parameters)
        drift += f" + induced*amplitude**2*{lift}temperature*({_noise_square(moments)})"
    if weight_decay:
        parameters["decay"] = 2.0 * (depth + 1.0) * weight_decay
        drift += " - decay*x"
    noise = f"2*amplitude*{friction}{_noise_root(moments)}"
    names = {name for name in parameters if name in f"{drift} {noise}"}
    return NetworkDiffusion(drift, noise, {name: parameters[name] for name in sorted(names)}, interval)


def interval_of(moments: DataMoments, start: float, *, depth: int) -> tuple[float, float]:
    """The interval around start that no point of vanishing noise cuts.

    Raises:
        InvalidModelError: start is such a point, or not finite.
    """
    cuts = {0.0} if depth else set()
    if moments.floor == 0.0 and moments.alpha1 > 0:
        cuts.add(moments.root)
    if not math.isfinite(start) or start in cuts:
        allowed = f"a finite number other than {sorted(cuts)}, where the noise vanishes"
        raise InvalidModelError("start", given=str(start), allowed=allowed)
    below = max((cut for cut in cuts if cut < start), default=-math.inf)
    return below, min((cut for cut in cuts if cut > start), default=math.inf)


def interpolates(moments: DataMoments) -> bool:
    """Whether force and noise vanish at one point, without weight decay: then the law is an atom there."""
    if moments.floor != 0.0 or moments.alpha1 == 0.0:
        return False
    pull = moments.beta1 * moments.root
    return abs(pull - moments.beta2) <= _INTERPOLATES * (abs(pull) + abs(moments.beta2))


def _learned_point(moments: DataMoments, depth: int, amplitude: float, weight_decay: float) -> float:
    """A point of the interval of the learned law: the least-squares point, or its neighbour at a wall."""
    sign = -1.0 if depth and moments.beta2 < 0 else 1.0
    least = moments.minimum if moments.beta2 or not depth else 1.0
    if moments.floor != 0.0 or moments.alpha1 == 0.0:
        return least
    wall, beta1, beta2 = moments.root, moments.beta1, moments.beta2
    if depth and wall * sign <= 0.0:
        return least
    force = 0.0 if interpolates(moments) else beta1 * wall - beta2
    if weight_decay:
        power = (1.0 - depth) / (1.0 + depth)
        force += sign * (depth + 1.0) * weight_decay / amplitude * abs(wall) ** power
    outside = force * sign < 0.0
    if depth:
        return 2.0 * wall if outside else 0.5 * wall
    return wall + 1.0 if outside else wall - 1.0


def _power(size: str, exponent: float, name: str, parameters: dict[str, float]) -> str:
    """The factor size**exponent, without what is not needed."""
    if exponent in (0.0, 1.0):
        return "" if exponent == 0.0 else f"{size}*"
    parameters[name] = exponent
    return f"{size}**{name}*"


def _force(moments: DataMoments) -> str:
    return "beta1*(x - root)" if interpolates(moments) else "beta1*x - beta2"


def _noise_square(moments: DataMoments) -> str:
    if moments.alpha1 == 0.0:
        return "floor"
    return "alpha1*(x - root)**2" + (" + floor" if moments.floor else "")


def _noise_root(moments: DataMoments) -> str:
    if moments.alpha1 > 0.0 and moments.floor == 0.0:
        return "sqrt(temperature*alpha1)*abs(x - root)"
    return f"sqrt(temperature*({_noise_square(moments)}))"


def _check(depth: int, width: int, temperature: float, weight_decay: float) -> None:
    for field, count, least in (("model.depth", depth, 0), ("model.width", width, 1)):
        if not isinstance(count, int) or isinstance(count, bool) or count < least:
            raise InvalidModelError(field, given=count, allowed=f"an integer >= {least}")
    if not (math.isfinite(temperature) and temperature > 0):
        raise InvalidModelError("temperature", given=str(temperature), allowed="a finite number > 0")
    if not (math.isfinite(weight_decay) and weight_decay >= 0):
        raise InvalidModelError("weight_decay", given=str(weight_decay), allowed="a finite number >= 0")
