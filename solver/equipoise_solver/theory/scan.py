"""Stationary laws over arrays of parameters: phases, moments and modes for phase diagrams and the like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise_solver.diffusion.quadrature import integrate, panels_from_edges
from equipoise_solver.errors import InvalidModelError
from equipoise_solver.theory import closed_forms
from equipoise_solver.theory.coefficients import Array, Coefficients, network_coefficients
from equipoise_solver.theory.densities import sector_coordinate
from equipoise_solver.theory.extrema import highest_maximum
from equipoise_solver.theory.integrals import size_moments
from equipoise_solver.theory.moments import DataMoments
from equipoise_solver.theory.phases import law_of

# Points integrated together: enough to amortise numpy's calls, few enough for panels to stay in the cache.
_CHUNK = 64

_NAMES = ("alpha1", "root", "floor", "beta1", "beta2")


@dataclass(frozen=True, slots=True)
class MomentArrays:
    """DataMoments as arrays that broadcast against each other and against the other parameters of a scan."""

    alpha1: Array
    root: Array
    floor: Array
    beta1: Array
    beta2: Array

    @classmethod
    def stack(cls, moments: Sequence[DataMoments]) -> MomentArrays:
        """One axis, one entry per data distribution."""
        return cls(*(np.array([getattr(m, name) for m in moments]) for name in _NAMES))

    @classmethod
    def from_gaussian(
        cls, slope: ArrayLike, noise_std: ArrayLike, input_std: ArrayLike = 1.0
    ) -> MomentArrays:
        """Moments of x ~ N(0, input_std**2), y = slope*x + N(0, noise_std**2), arrays that broadcast.

        Raises:
            InvalidModelError: input_std <= 0, noise_std < 0, or a number that is not finite.
        """
        slopes = _checked("data.slope", slope, least=-np.inf)
        power = _checked("data.input_std", input_std, least=np.nextafter(0.0, 1.0)) ** 2
        floor = _checked("data.noise_std", noise_std, least=0.0) ** 2 * power
        return cls(2.0 * power**2, slopes, floor, power, slopes * power)


def scan(
    moments: DataMoments | MomentArrays,
    temperature: ArrayLike,
    *,
    depth: int,
    width: ArrayLike = 1,
    weight_decay: ArrayLike = 0.0,
) -> dict[str, NDArray[Any]]:
    """The numbers of stationary_law over arrays of parameters that broadcast against each other.

    Args:
        moments: the data, one distribution or arrays of them.
        temperature: T >= 0, [time].
        depth: D >= 0, one for the whole scan.
        width: d >= 1, integers.
        weight_decay: gamma >= 0.

    Returns:
        Arrays of the broadcast shape: phase (strings), mean, variance, mode, critical_temperature, as in
        StationaryLaw, nan where a law has no such number.

    Raises:
        InvalidModelError: an argument outside its range.
    """
    if not isinstance(depth, int) or isinstance(depth, bool) or depth < 0:
        raise InvalidModelError("model.depth", given=depth, allowed="an integer >= 0")
    parameters = np.broadcast_arrays(
        _checked("temperature", temperature, least=0.0),
        _checked("model.width", width, least=1.0),
        _checked("weight_decay", weight_decay, least=0.0),
        *(np.asarray(getattr(moments, name), dtype=np.float64) for name in _NAMES),
    )
    t, d, gamma, *rest = (array.ravel() for array in parameters)
    fields = dict(zip(_NAMES, rest, strict=True))
    c = network_coefficients(fields, depth=depth, width=d, temperature=t, weight_decay=gamma)
    sign = np.where(fields["beta2"] < 0, -1.0, 1.0) if depth else np.ones(c.size)
    found = _laws(c, sign)
    found["critical_temperature"] = closed_forms.critical_temperature(c)
    return {name: values.reshape(parameters[0].shape) for name, values in found.items()}


def _laws(c: Coefficients, sign: Array) -> dict[str, NDArray[Any]]:
    """Phase, mean, variance and mode of every point, shape (n,)."""
    phase = np.full(c.size, "learning", dtype="<U13")
    mean, variance, mode = np.zeros(c.size), np.zeros(c.size), np.zeros(c.size)
    special = _special(c)
    for index in np.flatnonzero(special):
        law = law_of(c.take(np.array([index])), sign=float(sign[index]))
        phase[index] = law.phase
        mean[index], variance[index], mode[index] = (
            np.nan if number is None else number for number in (law.mean, law.variance, law.mode)
        )
    regular = ~special
    if c.depth == 0:
        line = c.take(regular)
        mean[regular], variance[regular] = closed_forms.line_mean(line), closed_forms.line_variance(line)
        mode[regular] = closed_forms.line_mode(line)
    else:
        sparse = regular & ((c.beta2 <= 0) | (c.temperature >= closed_forms.critical_temperature(c)))
        phase[sparse] = "sparse"
        learning = np.flatnonzero(regular & ~sparse)
        numbers = _learned(c.take(learning))
        mean[learning], variance[learning], mode[learning] = (
            sign[learning] * numbers[0],
            numbers[1],
            sign[learning] * numbers[2],
        )
    return {"phase": phase, "mean": mean, "variance": variance, "mode": mode}


def _special(c: Coefficients) -> NDArray[np.bool_]:
    """Points that need the full case analysis: no noise, a wall, or a metastable state."""
    wall = (c.alpha1 > 0) & (c.floor == 0) & ((c.root >= 0) | (c.depth == 0))
    noise_free = (c.temperature == 0) | ((c.alpha1 == 0) & (c.floor == 0))
    result: NDArray[np.bool_] = wall | noise_free | (c.pull > 0)
    return result


def _learned(c: Coefficients) -> tuple[Array, Array, Array]:
    """Mean, variance and mode of densities on the sector v > 0, shape (n,) each."""
    numbers = np.full((3, c.size), np.nan)
    if c.depth == 1:
        from equipoise_solver.theory.two_layer_scan import two_layer_moments  # Compiled only when needed.

        numbers[0], numbers[1] = two_layer_moments(c)
        numbers[2] = closed_forms.two_layer_mode(c)
    left = np.flatnonzero(np.isnan(numbers[0]))
    for start in range(0, left.size, _CHUNK):
        chunk = left[start : start + _CHUNK]
        by_panels = _integrated(c.take(chunk))
        numbers[: len(by_panels), chunk] = by_panels
    return numbers[0], numbers[1], numbers[2]


def _integrated(c: Coefficients) -> tuple[Array, ...]:
    """Mean, variance and, but for depth 1, mode by adaptive panels: slower, and resolves whatever can be."""
    sector = sector_coordinate(c)
    edges, ends = sector.edges(sector.low_edge(), sector.high_edge()), sector.ends()
    panels = panels_from_edges(edges, sector.slope, sector.log_size)
    panels = integrate(panels, ends, sector.slope, sector.log_size)
    moments = size_moments(panels, ends, sector)
    if c.depth == 1:
        return moments.mean, moments.variance
    return moments.mean, moments.variance, sector.anchor * np.exp(highest_maximum(panels, sector))


def _checked(field: str, values: ArrayLike, *, least: float) -> Array:
    array = np.asarray(values, dtype=np.float64)
    bad = ~(np.isfinite(array) & (array >= least))
    if np.any(bad):
        raise InvalidModelError(
            field, given=float(array[bad].flat[0]), allowed=f"finite numbers >= {least:g}"
        )
    return array
