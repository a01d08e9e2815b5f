"""Feller's classification of the ends of the reduced diffusion, from the leading powers of its scale and
speed.

With scale density s = exp(-int 2 drift/diffusion^2) and speed density m = 2/(diffusion^2 s), an end is
attracting if s is integrable there, and accessible if m * int s is. For v > 0 (q = 2D/(D+1), D >= 1):

- v = 0, alpha3 > 0. Depth 1: the diffusion is a geometric Brownian motion, s ~ v^(-1-k), k = (Tc/T - 1)/2:
  natural, attracting iff T > Tc. Deeper: the drift ~ v^q (pull = 0) or ~ v (pull > 0) takes infinite time
  to leave
  or reach 0 as q >= 1: natural; s ~ exp(+const/v^..) unless pull > 0, where s ~ exp(-const/v^..), or beta2
  = 0, where s ~ v^(-D/(D+1)): attracting in these two cases.
- v = 0, alpha3 = 0: the drift rules, s ~ exp(+-const/v^..): natural, attracting iff the force is positive
  there.
- v = inf. alpha1 > 0: s ~ v^(-D/(D+1)), never attracting, and m int_v^inf s' ... ~ v^(-1-4D/(D+1)):
  entrance. alpha1 = 0:
  the drift -v^(q+1) comes down from infinity: entrance. Depth 0 has linear drift and noise: natural.
- A wall (delta = 0) with a force: noise ~ |v - wall| and a drift that points inwards: entrance. Without
  force: natural, attracting (a geometric Brownian motion that is drawn in).
- The barrier of a metastable state is an ordinary point of the diffusion: regular.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from equipoise_solver.theory.coefficients import Coefficients

BoundaryKind = Literal["natural", "entrance", "exit", "regular"]


@dataclass(frozen=True, slots=True)
class Boundary:
    """One end of the interval on which the diffusion lives.

    Attributes:
        at: where, +-inf allowed.
        kind: Feller's kind.
        attracting: whether paths end there with positive probability (in infinite time if the kind is
        natural).
    """

    at: float
    kind: BoundaryKind
    attracting: bool


def zero_boundary(c: Coefficients) -> Boundary:
    """v = 0, for depth >= 1 and one point (n = 1)."""
    beta2, pull, alpha3 = float(c.beta2[0]), float(c.pull[0]), float(c.alpha3[0])
    if alpha3 == 0.0 or c.temperature[0] == 0.0:
        attracting = pull > 0 or beta2 <= 0
    elif c.depth == 1:
        attracting = float(c.temperature[0]) * alpha3 > beta2
    else:
        attracting = pull > 0 or beta2 == 0
    return Boundary(0.0, "natural", attracting)


def infinite_boundary(c: Coefficients, *, at: float = math.inf) -> Boundary:
    """v = +-inf, one point (n = 1)."""
    return Boundary(at, "natural" if c.depth == 0 else "entrance", False)


def wall_boundary(c: Coefficients, *, interpolates: bool) -> Boundary:
    """The zero of g, one point (n = 1)."""
    kind: BoundaryKind = "natural" if interpolates else "entrance"
    return Boundary(float(c.root[0]), kind, interpolates)


def barrier_boundary(at: float) -> Boundary:
    """The top of the barrier of a metastable state."""
    return Boundary(at, "regular", True)
