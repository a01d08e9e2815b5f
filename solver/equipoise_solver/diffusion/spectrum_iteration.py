"""The slowest modes of an operator: block Krylov iteration with its inverse.

Rates far below the next one (metastable states) are locked and projected out as they converge, so that they
do not drown the digits of the faster ones. A mode of survival so slow that rounding in its projection drowns
them all the same (1e-16 squared times the ratio of rates) is a term of rank one of the inverse, and is left
out of it: what that changes is of the order of the ratio.
"""

from __future__ import annotations

import numpy as np

from equipoise_solver.diffusion.near_end import Array
from equipoise_solver.diffusion.operator import Operator

_SPARE = 3
_DEPTH = 5  # applications of the inverse between restarts
_CONVERGED = 1e-13
_PATIENCE = 3.0  # the change that is accepted grows by this factor per cycle, to 1e-9 in the last.
_MOST_CYCLES = 9
_NOISE = 1e-13
_POLISHES = 3
_TRAPPED = 1e-12  # Relative to the next rate: a slower first mode is taken out of the inverse in closed form.
_SEPARATE = 1e3  # a mode that is slower by this factor is locked: it converges by 1e3**_DEPTH per cycle.


def lowest_modes(operator: Operator, count: int, *, ceiling: float = np.inf) -> tuple[Array, Array]:
    """The smallest rates of the operator and their modes; rate 0 is left out.

    Args:
        operator: -L.
        count: how many.
        ceiling: rates above need not converge.

    Returns:
        rates, shape (count,), ascending, [1/time]; modes (node, count) with sum mass*mode**2 = 1, positive at
        the last node that carries any.
    """
    root = np.sqrt(operator.mass)[:, None]
    rates, modes, n_locked = _iterated(operator, count, ceiling, np.zeros((root.size, 0)))
    if count > 1 and n_locked and not operator.conservative:
        rest, trap = operator.without_trap()
        trap = (trap / np.sqrt(operator.mass @ trap**2))[:, None]
        others = _iterated(rest, count - 1, ceiling, root * trap)
        if rates[0] < _TRAPPED * others[0][0]:
            rates = np.concatenate([rates[:1], others[0]])
            modes = np.column_stack([modes[:, :1], others[1]])
    return rates, _signed(modes, root)


def _iterated(operator: Operator, count: int, ceiling: float, known: Array) -> tuple[Array, Array, int]:
    """The smallest rates and modes orthogonal to known ones, times sqrt(mass), and how many were locked."""
    root = np.sqrt(operator.mass)[:, None]
    block = _start(root, count + _SPARE)
    locked, locked_rates, n_known = known, np.zeros(0), known.shape[1]
    rates, previous = np.zeros(0), np.zeros(0)
    for cycle in range(_MOST_CYCLES):
        values, vectors = _cycle(operator, root, block, locked)
        rates = np.concatenate([locked_rates, 1.0 / values])
        while values.size > 1 and values[0] > _SEPARATE * values[1] and previous.size:
            locked = np.column_stack([locked, vectors[:, 0]])
            locked_rates = np.append(locked_rates, 1.0 / values[0])
            values, vectors = values[1:], vectors[:, 1:]
        block = vectors[:, : count + _SPARE]
        if previous.size and _settled(
            rates[:count], previous[:count], _CONVERGED * _PATIENCE**cycle, ceiling
        ):
            break
        previous = rates
    order = np.argsort(rates[:count], kind="stable")
    modes = np.column_stack([locked[:, n_known:], block])[:, :count][:, order]
    n_locked = locked.shape[1]
    polished = _polished(
        operator, np.column_stack([known, modes]) / root, rates[:count][order], n_locked, n_known
    )
    return rates[:count][order], polished[:, n_known:], n_locked - n_known


def _polished(operator: Operator, modes: Array, rates: Array, n_locked: int, n_known: int) -> Array:
    """Modes with relative precision even where they carry nothing: next to absorbing ends and in barriers."""
    weight = np.abs(modes) * np.sqrt(operator.mass)[:, None]
    modes = np.where(weight > _NOISE * weight.max(axis=0), modes, 0.0)
    for _ in range(_POLISHES):
        modes[:, n_known:] = operator.inverse(modes[:, n_known:]) * rates
        slow = modes[:, :n_locked] / np.sqrt(operator.mass @ modes[:, :n_locked] ** 2)
        modes[:, n_locked:] -= slow @ (slow.T @ (operator.mass[:, None] * modes[:, n_locked:]))
    return np.asarray(modes / np.sqrt(operator.mass @ modes**2))


def _start(root: Array, columns: int) -> Array:
    place = np.linspace(-1.0, 1.0, root.size)
    return np.asarray(root * np.polynomial.chebyshev.chebvander(place, columns)[:, 1:])


def _settled(rates: Array, previous: Array, tolerance: float, ceiling: float) -> bool:
    if rates.size != previous.size:
        return False
    return not np.any((np.abs(rates - previous) > tolerance * rates) & (rates < ceiling))


def _cycle(operator: Operator, root: Array, block: Array, locked: Array) -> tuple[Array, Array]:
    """Ritz values (descending) and vectors of the inverse on the Krylov space of a block."""

    def apply(columns: Array) -> Array:
        return _without(operator.inverse(columns / root) * root, locked)

    kernel = root / np.linalg.norm(root) if operator.conservative else root[:, :0]
    basis = _orthonormal(block, np.column_stack([kernel, locked]))
    images = apply(basis)
    newest = images
    depth = min(_DEPTH, (root.size - 2) // basis.shape[1] - 2)
    for _ in range(depth):
        newest = _orthonormal(newest, np.column_stack([kernel, locked, basis]))
        image = apply(newest)
        basis, images = np.column_stack([basis, newest]), np.column_stack([images, image])
        newest = image
    projected = basis.T @ images
    values, rotation = np.linalg.eigh(0.5 * (projected + projected.T))
    best = np.argsort(-values)[: 2 * block.shape[1]]
    best = best[values[best] > 0]
    return values[best], basis @ rotation[:, best]


def _orthonormal(columns: Array, others: Array) -> Array:
    """Orthonormal columns, orthogonal to the others; again, as nearly parallel columns lose this in a QR."""
    for _ in range(3):
        columns = np.linalg.qr(_without(columns, others))[0]
    return columns


def _without(columns: Array, basis: Array) -> Array:
    result: Array = columns - basis @ (basis.T @ columns)
    return result


def _signed(modes: Array, root: Array) -> Array:
    weight = np.abs(root * modes)
    carries = weight > 1e-3 * weight.max(axis=0)
    last = modes.shape[0] - 1 - np.argmax(carries[::-1], axis=0)
    return np.asarray(modes * np.sign(modes[last, np.arange(modes.shape[1])]))
