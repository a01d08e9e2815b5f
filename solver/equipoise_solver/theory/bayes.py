"""The stationary law of SGD against the Gibbs posterior exp(-L/T') that Bayesian readings of SGD assume.

For the squared loss L(v) = beta1*v**2 - 2*beta2*v + E[y**2] and a prior that is flat in the model coordinate
v, the posterior is normal, of mean beta2/beta1 and variance T'/(2 beta1), whatever the depth. (Weights that
are flat a priori would do for depth 0 only: deeper, the loss is constant along rescalings, exp(-L/T') has no
integral over the weights, and any proper prior on them brings a scale of its own.)

In the space of the parameters there is nothing to compare, see PARAMETER_SPACE; on v there is.

T' is free. By default it is matched to SGD: to the temperature at which both laws have the same variance as
T -> 0, which is T' = 2 a |v|^q T g(v) at v = beta2/beta1 (a and q of theory/coefficients.py), and so
2 d T g(v) for linear regression (depth 0), 4 |v| T g(v) for two layers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise_solver.errors import InvalidModelError
from equipoise_solver.theory.bayes_divergences import (
    Normal,
    expected_log_density,
    expected_own_log_density,
    total_variation,
)
from equipoise_solver.theory.coefficients import Array
from equipoise_solver.theory.coordinates import LineCoordinate, SectorCoordinate
from equipoise_solver.theory.laws import StationaryLaw
from equipoise_solver.theory.moments import DataMoments
from equipoise_solver.theory.stationary import stationary_law

PARAMETER_SPACE = (
    "In the space of the parameters the divergence between SGD's law and exp(-L/T') is infinite both ways: "
    "for depth >= 1 gradient noise balances the layers, so SGD's law lives on the balanced manifold "
    "|u_i^(k)| = |v_i|^(1/(D+1)), a set of Lebesgue measure 0 that the posterior gives probability 0, "
    "and the posterior puts all its mass where SGD's law has none."
)
"""Why the comparison is made on the model coordinate."""


@dataclass(frozen=True, slots=True, eq=False)
class BayesComparison:
    """SGD's law P against the posterior Q on the model coordinate, arrays of shape (n,) over temperatures.

    Attributes:
        temperature: T of SGD, [time].
        gibbs_temperature: T' of the posterior, [loss].
        phase: of P, as in StationaryLaw.
        kl_sgd_gibbs: KL(P|Q), nats; inf where P has an atom or, for depth 0, no variance.
        kl_gibbs_sgd: KL(Q|P), nats; inf where Q has mass outside the support of P, and where the support of P
            ends at a wall, at which log p diverges like -1/distance.
        total_variation: sup over events of |P - Q|; 1 where P is an atom.
        outside: the mass that the posterior on the whole line puts outside the support of P.
    """

    temperature: Array
    gibbs_temperature: Array
    phase: NDArray[np.str_]
    kl_sgd_gibbs: Array
    kl_gibbs_sgd: Array
    total_variation: Array
    outside: Array


def matched_gibbs_temperature(
    moments: DataMoments, temperature: ArrayLike, *, depth: int, width: int = 1
) -> Array:
    """T' of the posterior whose variance is that of SGD's law as T -> 0, 2 a |v|^q T g(v), [loss]."""
    least = moments.minimum
    amplitude = (depth + 1.0) * width ** (2.0 / (depth + 1.0) - 1.0)
    friction = abs(least) ** (2.0 * depth / (depth + 1.0))
    result: Array = 2.0 * amplitude * friction * moments.noise(least) * np.asarray(temperature, dtype=float)
    return result


def bayes_comparison(
    moments: DataMoments,
    temperature: ArrayLike,
    *,
    depth: int,
    width: int = 1,
    gibbs_temperature: ArrayLike | None = None,
    conditional: bool = False,
) -> BayesComparison:
    """Compare over temperatures; without weight decay, which would be a prior of its own.

    Args:
        moments: the data.
        temperature: T > 0 of SGD, shape (n,) or scalar, [time].
        depth: D >= 0.
        width: d >= 1.
        gibbs_temperature: T' > 0, [loss], broadcast against temperature; matched to SGD if None.
        conditional: compare with the posterior conditional on the support of SGD's law (for depth >= 1 the
            sector v > 0 or v < 0): then KL(Q|P) is finite.

    Raises:
        InvalidModelError: an argument outside its range.
        LimitExceededError: a law too sharp for its place.
    """
    t = np.atleast_1d(np.asarray(temperature, dtype=np.float64))
    if gibbs_temperature is None:
        gibbs = matched_gibbs_temperature(moments, t, depth=depth, width=width)
    else:
        gibbs = np.asarray(gibbs_temperature, dtype=np.float64)
    t, gibbs = (np.array(x, dtype=np.float64) for x in np.broadcast_arrays(t, gibbs))
    _require_positive("temperature", t, "")
    _require_positive("gibbs_temperature", gibbs, "The matched one is 0 for data that interpolate: give one.")
    if depth and moments.beta2 < 0:  # Divergences do not know the sign of v.
        moments = moments.mirrored()
    laws = [stationary_law(moments, depth=depth, width=width, temperature=float(x)) for x in t]
    stds = np.sqrt(gibbs / (2.0 * moments.beta1))
    rows = [
        _compared(law, moments.minimum, float(std), conditional) for law, std in zip(laws, stds, strict=True)
    ]
    columns = np.array(rows).reshape(-1, 4).T
    return BayesComparison(t, gibbs, np.array([law.phase for law in laws]), *columns)


def _compared(
    law: StationaryLaw, center: float, std: float, conditional: bool
) -> tuple[float, float, float, float]:
    """KL(P|Q), KL(Q|P), total variation and the mass outside the support, of one law."""
    density = law.density
    if density is None:
        return math.inf, math.inf, 1.0, 1.0
    inside, whole = Normal(center, std, *law.support), Normal(center, std)
    posterior = inside if conditional else whole
    own = expected_own_log_density(density)
    if law.mean is None or law.variance is None:
        forwards = math.inf
    else:
        forwards = own - posterior.log_moment(law.mean, law.variance)
    backwards, is_open = math.inf, isinstance(density.coordinate, SectorCoordinate | LineCoordinate)
    if is_open and (conditional or law.support == (-math.inf, math.inf)):
        backwards = _own_log_moment(inside) - expected_log_density(law, inside)
    return forwards, backwards, total_variation(law, posterior), -math.expm1(inside.log_mass)


def _own_log_moment(normal: Normal) -> float:
    """E[log q(V)] for V of the truncated normal law q itself."""
    bounds = np.array([normal.low, normal.high])
    z = (bounds - normal.center) / normal.std
    # E[z^2] = 1 + (a phi(a) - b phi(b))/mass.
    edge = [0.0 if math.isinf(x) else x * math.exp(-0.5 * x * x - normal.log_mass) for x in z]
    square = 1.0 + (edge[0] - edge[1]) / math.sqrt(2.0 * math.pi)
    return -0.5 * square - math.log(normal.std * math.sqrt(2.0 * math.pi)) - normal.log_mass


def _require_positive(field: str, values: Array, remedy: str) -> None:
    bad = ~(np.isfinite(values) & (values > 0))
    if np.any(bad):
        raise InvalidModelError(
            field, given=str(values[bad].flat[0]), allowed="finite numbers > 0", remedy=remedy
        )
