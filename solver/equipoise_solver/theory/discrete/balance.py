"""The law of balance at finite step: how fast C = u**2 - w**2 of a two-layer network decays.

A step with the minibatch's m = mean x (u w x - y) is u' = delta u - 2 eta m w, w' = delta w - 2 eta m u, so

    u'**2 - w'**2 = (delta**2 - 4 eta**2 m**2) (u**2 - w**2)

exactly, whatever m. With E m**2 = (b1 v - b2)**2 + g(v)/S the mean factor holds the second moment of the
gradient dl/d(uw) = 2 m where the SDE has its variance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.theory.discrete.data import Training
from equipoise_solver.theory.discrete.law import DiscreteLaw
from equipoise_solver.theory.moments import DataMoments

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BalanceRates:
    """Mean relative decay of the imbalance per step.

    Attributes:
        discrete: 1 - E[C'/C] = 1 - delta**2 + 4 eta**2 E m**2, exact.
        continuous: eta (T C_0 + 4 gamma), C_0 = Var[dl/d(uw)] = 4 g(v): one step of the SDE's law of balance.
    """

    discrete: float
    continuous: float

    @property
    def gap(self) -> float:
        """discrete - continuous = 4 eta**2 (b1 v - b2)**2 - 4 eta**2 gamma**2, averaged."""
        return self.discrete - self.continuous


def imbalance_factor(residual: Array | float, run: Training) -> Array | float:
    """C'/C = delta**2 - 4 eta**2 m**2 of one step with the minibatch's residual m = A v - B."""
    return run.retention**2 - 4.0 * run.learning_rate**2 * residual**2


def balance_rates(moments: DataMoments, run: Training, v: float) -> BalanceRates:
    """Decay of the imbalance per step at v."""
    return _rates(moments, run, v, v * v)


def mean_balance_rates(moments: DataMoments, law: DiscreteLaw) -> BalanceRates | None:
    """Decay of the imbalance per step under a law of v; None where it has no second moment."""
    if law.mean is None or law.second_moment is None:
        return None
    run = Training(law.learning_rate, law.batch_size, law.weight_decay)
    return _rates(moments, run, law.mean, law.second_moment)


def _rates(moments: DataMoments, run: Training, first: float, second: float) -> BalanceRates:
    """From E v and E v**2, since all that enters is quadratic in v."""
    spread = second - first * first
    noise = moments.noise(first) + moments.alpha1 * spread
    descent = (moments.beta1 * first - moments.beta2) ** 2 + moments.beta1**2 * spread
    eta, gamma = run.learning_rate, run.weight_decay
    decay = 4.0 * eta * gamma
    from_noise = 4.0 * eta**2 * noise / run.batch_size
    return BalanceRates(decay - decay * eta * gamma + from_noise + 4.0 * eta**2 * descent, decay + from_noise)
