"""Feller's classification of the ends of a diffusion, from the exponents of drift and noise.

Towards an end let z grow: the distance to a finite end is e^-z, and |x| = e^z towards an infinite one. Scale
and speed densities in z go as exp(scale_rate*z) and exp(speed_rate*z), or, where the drift beats the noise by
a power (a steep end), as exp(+-exp(...)). Their signs decide:

    the scale measure is finite (the end attracts) iff scale_rate < 0;
    the speed measure is finite iff speed_rate < 0;
    with scale_rate + speed_rate < 0 an end that attracts is reached in finite time (regular or exit), and one
    that does not is left in finite time (entrance); else it is natural;
    at a steep end the time is the integral of dx/|drift| instead.

Drift and noise are looked at from 10^-15 to 10^-100 (or 10^15 to 10^100). Where the exponents have not
settled, as with logarithms, signs are stated only if they are beyond doubt, else the end is "undecided".

References: S. Karlin and H. M. Taylor, A Second Course in Stochastic Processes (1981), section 15.6.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from equipoise_solver.diffusion.derivative import ZERO
from equipoise_solver.diffusion.exact import Precise
from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.diffusion.problem import Diffusion
from equipoise_solver.expressions import Node

Kind = Literal["regular", "exit", "entrance", "natural", "undecided"]
Side = Literal["low", "high"]
Behaviour = Literal["reflecting", "absorbing"]

_DECADES = (15, 30, 60, 100)
_SETTLED = 1e-9
_TRUSTED = 1e-10
_GROWING = 1e-3
_STEADY = 0.95  # Change per change of log z: a logarithm of z has 1, powers of it more, and 1/z has 0.54.
_LARGE = 25.0  # exp(25) at 10^-100 is far beyond any logarithm.


@dataclass(frozen=True)
class End:
    """What a diffusion does at one end.

    Attributes:
        at: the end, [state]; may be infinite.
        side: "low" or "high".
        kind: Feller's class.
        attracting: whether paths may tend to it without having been elsewhere for ever; None if undecided.
        finite_speed: whether the speed measure next to it is finite; None if undecided.
        scale_rate: d(log of the scale density in z)/dz far out; infinite at a steep end, nan if undecided.
        speed_rate: the same of the speed density.
        reason: why, a sentence.
        behaviour: "reflecting" or "absorbing" where it is reached, else None.
        settled: whether both rates are what they are at the end itself.
        grows: whether the rates grow without bound, slower than by a power, as with a logarithm: the speed
            density then falls or rises faster than all powers.
    """

    at: float
    side: Side
    kind: Kind
    attracting: bool | None
    finite_speed: bool | None
    scale_rate: float
    speed_rate: float
    reason: str
    behaviour: Behaviour | None = None
    settled: bool = True
    grows: bool = False

    @property
    def absorbs(self) -> bool:
        """Whether paths that tend to it stay: an exit, absorbing or attracting natural end."""
        return bool(self.attracting) and self.behaviour != "reflecting"

    @property
    def reached(self) -> bool:
        """Whether it is reached in finite time."""
        return self.kind in ("regular", "exit")


def end_of(diffusion: Diffusion, side: Side, *, behaviour: Behaviour = "reflecting") -> End:
    """Classify one end.

    Args:
        diffusion: the problem.
        side: which end.
        behaviour: what a regular end does; the others leave no choice.
    """
    rates = _rates(diffusion, side)
    at = diffusion.low if side == "low" else diffusion.high
    if rates is None:
        reason = f"Drift or noise have no value, or no digits, next to {_name(at)}."
        return End(at, side, "undecided", None, None, math.nan, math.nan, reason)
    return _steep_end(at, side, rates) if rates.steep else _power_end(at, side, rates, behaviour)


@dataclass(frozen=True)
class _Rates:
    """Rates of growth in z between successive decades, three of each.

    Attributes:
        tilt: dS/dz itself at the last three decades; its sign alone at a steep end.
        measure: of the product of scale and speed density in z.
        drift: of |dz/dx * drift|; nan without drift.
        steep: whether |dS/dz| grows without bounds.
    """

    tilt: Array
    measure: Array
    drift: Array
    steep: bool


def _rates(diffusion: Diffusion, side: Side) -> _Rates | None:
    samples = _samples(diffusion, side)
    if samples is None:
        return None
    sign, log_drift, log_noise = samples
    finite = math.isfinite(diffusion.low if side == "low" else diffusion.high)
    z = np.array(_DECADES) * math.log(10.0)
    log_size = -z if finite else z
    log_tilt = math.log(2.0) + log_drift + log_size - 2.0 * log_noise
    outwards = sign * (1.0 if side == "high" else -1.0)
    measure = np.diff(2.0 * log_size - 2.0 * log_noise) / np.diff(z)
    if not np.all(np.isfinite(log_drift)):
        gone = bool(np.all(log_tilt[~np.isfinite(log_tilt)] == -np.inf)) and log_tilt[-1] == -np.inf
        return _Rates(np.zeros(3), measure, np.full(3, np.nan), steep=False) if gone else None
    growth = np.diff(log_tilt) / np.diff(z)
    drift = np.diff(log_size - log_drift) / np.diff(z)
    if growth[-1] > 0.01 and log_tilt[-1] > _LARGE:
        return _Rates(-outwards[1:], measure, drift, steep=True)
    if growth[-1] < -0.01 and log_tilt[-1] < -_LARGE:
        return _Rates(np.zeros(3), measure, drift, steep=False)
    return _Rates(-outwards[1:] * np.exp(log_tilt[1:]), measure, drift, steep=False)


def _samples(diffusion: Diffusion, side: Side) -> tuple[Array, Array, Array] | None:
    """Sign and logarithm of the drift and logarithm of the noise at the decades, if there are any."""
    at = diffusion.low if side == "low" else diffusion.high
    inwards = 1.0 if side == "low" else -1.0
    if math.isfinite(at):
        limit, rest = at, inwards * 10.0 ** -np.array(_DECADES, dtype=np.float64)
    else:
        limit, rest = math.nan, -inwards * 10.0 ** np.array(_DECADES, dtype=np.float64)
    found = []
    for tree in (diffusion.drift_tree, diffusion.noise_tree):
        sample = _plain_sample(diffusion, tree, limit, rest)
        if sample is None:
            sample = _precise_sample(diffusion, tree, limit, rest)
        if sample is None:
            return None
        found.append(sample)
    (sign, log_drift), (_, log_noise) = found
    return (sign, log_drift, log_noise) if np.all(np.isfinite(log_noise)) else None


def _plain_sample(diffusion: Diffusion, tree: Node, limit: float, rest: Array) -> tuple[Array, Array] | None:
    if tree == ZERO:
        return np.zeros(rest.size), np.full(rest.size, -np.inf)
    near = diffusion.tree_near(tree, limit, rest)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = near.total
        good = np.isfinite(value) & (value != 0) & (near.safe_error <= _TRUSTED * np.abs(value))
        return (np.sign(value), np.log(np.abs(value))) if np.all(good) else None


def _precise_sample(
    diffusion: Diffusion, tree: Node, limit: float, rest: Array
) -> tuple[Array, Array] | None:
    precise = Precise(diffusion.parameters, decades=_DECADES[-1])
    power = 1 if abs(rest[-1]) > 1 else -1
    signs, logs = [], []
    for decade in _DECADES:
        value = precise.value(tree, limit, int(np.sign(rest[0])) * precise.power_of_ten(power * decade))
        if value is None:
            return None
        signs.append(float(value > 0) - float(value < 0))
        logs.append(precise.logarithm(value))
    return np.array(signs), np.array(logs)


def _sign(values: Array) -> int | None:
    """The sign of the limit of three values, None in doubt."""
    value, change = float(values[-1]), abs(float(values[-1] - values[-2]))
    if not math.isfinite(value):
        return None
    if abs(value) <= _SETTLED and change <= _SETTLED:
        return 0
    leaves_zero = value * float(values[-2]) > 0 and abs(value) >= abs(float(values[-2]))
    sure = abs(value) > (0.0 if leaves_zero else 2.0 * change) + _SETTLED
    return int(math.copysign(1, value)) if sure else None


def _name(at: float) -> str:
    return f"x = {at:.12g}" if math.isfinite(at) else ("infinity" if at > 0 else "-infinity")


def _steep_end(at: float, side: Side, rates: _Rates) -> End:
    attracting = bool(rates.tilt[-1] < 0)
    if np.any(rates.tilt != rates.tilt[-1]):
        reason = f"The sign of the drift does not settle towards {_name(at)}."
        return End(at, side, "undecided", None, None, math.nan, math.nan, reason)
    finite_time = _sign(rates.drift)
    scale, speed = (-math.inf, math.inf) if attracting else (math.inf, -math.inf)
    way = "towards" if attracting else "away from"
    start = f"The drift {way} {_name(at)} beats the noise by a power of the distance"
    if finite_time is None:
        reason = f"{start}, but whether in finite time cannot be told from its exponents."
        return End(at, side, "undecided", attracting, not attracting, scale, speed, reason)
    if finite_time < 0:
        kind: Kind = "exit" if attracting else "entrance"
        reason = (
            f"{start} and {'takes paths there' if attracting else 'brings paths from there'} in finite time."
        )
        return End(at, side, kind, attracting, not attracting, scale, speed, reason, _forced(kind))
    reason = f"{start}, but the time integral of dx/|drift| is infinite."
    return End(at, side, "natural", attracting, not attracting, scale, speed, reason)


def _forced(kind: Kind) -> Behaviour | None:
    return "absorbing" if kind == "exit" else None


def _power_end(at: float, side: Side, rates: _Rates, behaviour: Behaviour) -> End:
    growth = -1.0 if math.isfinite(at) else 1.0
    scale, speed = growth + rates.tilt, rates.measure - growth - rates.tilt
    signs = _sign(scale), _sign(speed), _sign(rates.measure)
    own = float(scale[-1]), float(speed[-1])
    settled = bool(abs(scale[-1] - scale[-2]) + abs(speed[-1] - speed[-2]) <= _SETTLED)
    grows = _grows(scale) and _grows(speed)
    powers = _beyond_powers(at) if grows else _powers(at, own[0] - growth, own[1] - growth)
    attracting = None if signs[0] is None else signs[0] < 0
    finite_speed = None if signs[1] is None else signs[1] < 0
    kind = _kind(signs)
    if kind == "undecided":
        reason = f"{powers}, but these exponents have not settled: they are too close to a border to decide."
    else:
        about = "" if settled or grows else " about, and the signs are beyond doubt"
        reason = f"{powers}{about}: {_WHY[kind, bool(attracting)]}."
    chosen = behaviour if kind == "regular" else _forced(kind)
    return End(at, side, kind, attracting, finite_speed, *own, reason, chosen, settled, grows)


def _grows(values: Array) -> bool:
    """Whether three values of an exponent grow at least as the logarithm of z does, and not to a limit."""
    change = np.diff(values) / np.diff(np.log(_DECADES[1:]))
    return bool(
        np.all(np.abs(change) > _GROWING * np.abs(values[0]))
        and change[1] * values[-1] > 0
        and change[1] / change[0] > _STEADY
    )


def _beyond_powers(at: float) -> str:
    return f"Towards {_name(at)} the exponents of the scale and the speed density grow without bound"


def _powers(at: float, scale: float, speed: float) -> str:
    variable, sign = ("d", -1.0) if math.isfinite(at) else ("|x|", 1.0)
    where = f"At distance d from {_name(at)}" if math.isfinite(at) else f"Towards {_name(at)}"
    powers = [f"{variable}^{round(sign * rate, 9) + 0.0:.6g}" for rate in (scale, speed)]
    return f"{where} the scale density goes as {powers[0]} and the speed density as {powers[1]}"


def _kind(signs: tuple[int | None, int | None, int | None]) -> Kind:
    scale, speed, measure = signs
    if measure is None or scale is None:
        return "undecided"
    if measure >= 0:
        return "natural"
    if scale >= 0:
        return "entrance"
    if speed is None:
        return "undecided"
    return "regular" if speed < 0 else "exit"


_WHY: dict[tuple[Kind, bool], str] = {
    ("regular", True): "both can be integrated, so paths reach the end and can come back",
    ("exit", True): "the first can be integrated and the second cannot, so paths reach the end and stay",
    ("entrance", False): "the first cannot be integrated and the way out takes finite time, "
    "so paths start there but never come back",
    (
        "natural",
        True,
    ): "the first can be integrated, but the time cannot, so paths tend there and never arrive",
    ("natural", False): "the first cannot be integrated and the way out takes for ever, "
    "so paths neither reach the end nor start there",
}
