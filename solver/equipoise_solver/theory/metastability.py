"""The temperature beyond which weight decay leaves deep networks (depth >= 2) no learned state."""

from __future__ import annotations

import numpy as np

from equipoise_solver.theory import closed_forms
from equipoise_solver.theory.coefficients import Coefficients

_POINTS = 2001
_ZOOMS = 5  # Each narrows the interval around the maximum by about a thousand.


def vanishing_temperature(c: Coefficients) -> float | None:
    """T* at which maximum and barrier of the formal density merge; None if there is none (or never a
    learned state).

    Where the density is stationary, a T = -v^e force(v) / (power*g(v) + v g'(v)): T* is the largest value
    of the right
    side where the force is negative. If the denominator is not positive there, the maximum lives on at
    every T.
    """
    top = float(closed_forms.noise_free_point(c)[0])
    if np.isnan(top):
        return None
    e = c.exponent
    low, high = float(np.log(c.pull / c.beta2)[0] / -e), float(np.log(top))
    best = 0.0
    for _ in range(_ZOOMS):
        x = np.linspace(low, high, _POINTS)
        v = np.exp(x)
        denominator = c.power * c.noise(v) + 2.0 * c.alpha1 * v * (v - c.root)
        signal = -(v**e) * c.force(v)
        if np.any((signal > 0) & (denominator <= 0)):
            return None
        value = signal / (c.amplitude * denominator)
        peak = int(np.argmax(value))
        best = max(best, float(value[peak]))
        low, high = float(x[max(peak - 1, 0)]), float(x[min(peak + 1, _POINTS - 1)])
    return best
