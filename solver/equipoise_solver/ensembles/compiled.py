"""How kernels are compiled: strict IEEE arithmetic, no GIL, a disk cache, typed function pointers.

Fused multiply-add and reassociation stay off, so a lane gives the same bits whether the compiler puts it in
a vector or in a remainder loop, and the NumPy reference agrees bit for bit. A kernel is compiled (or read
from the cache) when it is first asked for, never at import. Numba keys its cache by the kernel's own file:
after editing a device function that kernels of other files inline, delete `__pycache__/*.nb?`.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

LANES = 256
"""Paths per block; the state of a block stays in the first-level cache. Part of the format of checkpoints."""

I8, U8, U4, F8 = types.int64, types.uint64, types.uint32, types.float64


def array_of(scalar: Any, n_dims: int) -> Any:
    """Numba type of a C-contiguous array."""
    return types.Array(scalar, n_dims, "C")


def state_scalar(precision: str) -> Any:
    """Numba type of the numbers of the state."""
    return types.float32 if precision == "float32" else types.float64


def noise_signature() -> Any:
    """A noise source: fill(words, active, out, lanes, step, fresh, key, first_path, numbers, table, work).

    words (4, LANES) uint32, the streams; active (LANES,) uint8, the lanes that draw; out (2, LANES) float64;
    step: index of the update; fresh: 1 on the first step of a call; key (2,) uint32, the halves of the seed;
    first_path: path of lane 0; numbers (n,), table (2, n) and work (LANES, n) belong to the source.
    """
    return types.void(
        array_of(U4, 2),
        array_of(types.uint8, 1),
        array_of(F8, 2),
        I8,
        I8,
        I8,
        array_of(U4, 1),
        U8,
        array_of(F8, 1),
        array_of(F8, 2),
        array_of(types.int32, 2),
    )


def flow_signature(precision: str) -> Any:
    """An SDE scheme: step(state, noise, half, left, size, lanes, numbers, work).

    state (n_state, LANES); noise (2, LANES), of which row `half` is used; left (LANES,), time to the next
    sample, reduced by the step taken; size (LANES,), the step taken; numbers (n,); work (n_work, LANES).
    """
    return types.void(
        array_of(state_scalar(precision), 2),
        array_of(F8, 2),
        I8,
        array_of(F8, 1),
        array_of(F8, 1),
        I8,
        array_of(F8, 1),
        array_of(F8, 2),
    )


def update_signature(precision: str) -> Any:
    """An SGD scheme: update(state, momentum, batch, taken, lanes, numbers, work).

    batch (2, LANES) holds A and B; taken (LANES,) counts the updates of paths that have not diverged.
    """
    return types.void(
        array_of(state_scalar(precision), 2),
        array_of(state_scalar(precision), 2),
        array_of(F8, 2),
        array_of(I8, 1),
        I8,
        array_of(F8, 1),
        array_of(F8, 2),
    )


def features_signature(precision: str) -> Any:
    """What a scheme shows of one lane: absorbed = features(state, lane, numbers, out).

    out (3,): v, |theta|^2 and the imbalance between the layers.
    """
    return I8(array_of(state_scalar(precision), 2), I8, array_of(F8, 1), array_of(F8, 1))


def inlined(function: Callable[..., Any]) -> Any:
    """A device function, inlined into every kernel that calls it."""
    return numba.njit(error_model="numpy", forceinline=True)(function)


@cache
def compiled(function: Callable[..., Any], signature: Any) -> Any:
    """The module-level `function` compiled for one signature, from the disk cache where it can."""
    return numba.njit([signature], cache=True, nogil=True, error_model="numpy")(function)


def pointer_to(signature: Any) -> Any:
    """Numba type of a pointer to a kernel of that signature."""
    return types.FunctionType(signature)


def _bitcast(source: Any, target: Any) -> Any:
    """A device function that reads the bits of one scalar type as another of the same size."""

    @intrinsic
    def cast(typing_context: Any, x: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))

        return target(source), generate

    return cast


bits_of = _bitcast(F8, U8)
"""The 64 bits of a float64, as uint64."""
float_of = _bitcast(U8, F8)
"""The float64 of 64 bits."""


def key_of(seed: int) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """The two 32-bit halves of a 64-bit seed, low half first."""
    return np.array([seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF], dtype=np.uint32)
