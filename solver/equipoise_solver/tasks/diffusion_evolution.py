"""The law of a diffusion at given times, from a point or from a density that a user writes."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.diffusion.evolution import evolve
from equipoise_solver.diffusion.profile import Profile
from equipoise_solver.errors import InvalidModelError, LimitExceededError
from equipoise_solver.expressions import VARIABLE, parse
from equipoise_solver.specs import Diffusion, Evolution, Evolve
from equipoise_solver.tasks.diffusion_parts import asked

Array = NDArray[np.float64]
COARSE, UNRESOLVED = 0.005, 0.1
"""Errors of the distribution function from which on a note says so, and nothing is answered."""
MOST_NODES = 400
"""So many values of x are returned, at most."""
_SCAN = np.linspace(-60.0, 60.0, 24_001)
"""Places of the solver's coordinate at which a density is looked at, close enough for the trapezium rule."""
_CUT = 1e-6
"""Largest density in that coordinate, over its integral, at the first and the last of these places."""


def evolution(profile: Profile, spec: Diffusion, notes: list[str]) -> Evolution | None:
    """The law at the times asked."""
    wanted = spec.evolve
    if wanted is None:
        return None
    start = _density(profile, spec, wanted) if wanted.start is None else wanted.start
    # A rate that is no number would never end its step: it is refused where it arises.
    with asked("evolve", ("start", "times", "low", "high", "n_cells")), np.errstate(invalid="raise"):
        found = evolve(
            profile.line.diffusion,
            start,
            np.array(wanted.times),
            behaviours=spec.end_behaviour,
            below=wanted.low,
            above=wanted.high,
            n_cells=wanted.n_cells,
        )
    worst = float(found.grid_error.max())
    if not worst <= UNRESOLVED:
        raise _unresolved(worst, found.times[int(np.argmax(found.grid_error))])
    if worst > COARSE:
        notes.append(
            f"evolve is not resolved: its grid leaves errors of about {worst:.2g} in the cdf. "
            "Raise n_cells, start nearer to where the process lives, or set levels."
        )
    n_shown = min(MOST_NODES, found.x.size)
    chosen = np.linspace(0, found.x.size - 1, n_shown).round().astype(np.intp)
    return Evolution(
        time=found.times,
        x=found.x[chosen],
        density=found.density[:, chosen],
        cdf=found.cdf[:, chosen],
        mean=found.mean,
        lost_low=found.absorbed[:, 0],
        lost_high=found.absorbed[:, 1],
        mass_error=found.mass_error,
        grid_error=found.grid_error,
        time_error=found.time_error,
    )


def _unresolved(error: float, time: float) -> LimitExceededError:
    return LimitExceededError(
        "evolve",
        given=f"a law that the grid does not resolve: its error at time {time:.6g} is about {error:.2g}",
        allowed=f"errors up to {UNRESOLVED} of the distribution function",
        remedy="Raise n_cells, start nearer to where the process lives, or ask for later times alone.",
    )


def _density(profile: Profile, spec: Diffusion, wanted: Evolve) -> Callable[[Array], Array]:
    """The density of the start, made to integrate to 1 between the levels."""
    tree = parse(wanted.density or "", parameters=tuple(spec.params), field="evolve.density")

    def shape(x: Array) -> Array:
        return np.broadcast_to(tree.evaluate({**spec.params, VARIABLE: x}), x.shape)

    coordinate = profile.line.coordinate
    x = coordinate.value(_SCAN)
    low = -math.inf if wanted.low is None else wanted.low
    high = math.inf if wanted.high is None else wanted.high
    y = _SCAN[(x > max(low, coordinate.low)) & (x < min(high, coordinate.high))]
    x = coordinate.value(y)
    values = shape(x)
    wrong = x[~(np.isfinite(values) & (values >= 0))]
    if wrong.size:
        raise _no_density(f"no density at x = {wrong[0]:.7g}")
    in_y = values * np.exp(coordinate.log_jacobian(y))
    total = float(np.trapezoid(in_y, y))
    cut = in_y[np.isin(y, _SCAN[[0, -1]])].sum()
    if not (0 < total < math.inf and cut <= _CUT * total):
        raise _no_density("a density that is 0, or without an integral")
    return lambda x: shape(x) / total


def _no_density(given: str) -> InvalidModelError:
    return InvalidModelError(
        "evolve.density", given=given, allowed="an expression that is never negative and can be integrated"
    )
