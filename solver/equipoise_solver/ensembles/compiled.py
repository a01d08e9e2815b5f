"""How kernels are compiled: strict IEEE arithmetic, no GIL, a disk cache, typed function pointers.

The compiler may neither contract nor reassociate, so a lane gives the same bits whether it sits in a vector
or in a remainder loop, whatever the width of vectors; fused multiply-adds are written where they are wanted
(`device.fma`). A kernel is compiled (or read
from the cache) when it is first asked for, never at import. Numba keys its cache by the kernel's own file:
after editing a device function that kernels of other files inline, delete `__pycache__/*.nb?`.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
from numba import types
from numba.core import config as _numba_config

LANES = 512
"""Paths per block; the state of a block stays in the first-level cache. Part of the format of checkpoints."""
GROUP = 4
"""Steps that a block takes per call of a kernel with a fixed clock."""


def _use_wide_vectors() -> None:
    """Let the compiler use 512-bit vectors where the host has them: left alone it stops at 256 bits.

    Only a choice of instructions: every operation is rounded the same. Whoever has set numba's own variables
    keeps them.
    """
    config: Any = _numba_config
    features = llvm.get_host_cpu_features()
    if config.CPU_FEATURES is None and config.CPU_NAME is None and features.get("avx512f"):
        config.CPU_NAME = llvm.get_host_cpu_name()
        config.CPU_FEATURES = features.flatten() + ",-prefer-256-bit"


_use_wide_vectors()

I8, U8, U4, F4, F8 = types.int64, types.uint64, types.uint32, types.float32, types.float64


@cache
def array_of(scalar: Any, n_dims: int) -> Any:
    """Numba type of a C-contiguous array."""
    return types.Array(scalar, n_dims, "C")


@cache
def state_scalar(precision: str) -> Any:
    """Numba type of the numbers of the state."""
    return types.float32 if precision == "float32" else types.float64


@cache
def noise_signature(out: str = "float64") -> Any:
    """A noise source: fill(words, active, out, lanes, step, fresh, key, first_path, numbers, table, work).

    words (4, LANES) uint32, the streams; active (LANES,) uint8, the lanes that draw, where clocks differ;
    out (rows, LANES), of the given precision; step: index of the update; fresh: 1 on the first step of a
    call; key (2,) uint32, the halves of the seed; first_path: path of lane 0; numbers (n,), table (2, n) and
    work (LANES, n) belong to the source.
    """
    return types.void(
        array_of(U4, 2),
        array_of(types.uint8, 1),
        array_of(state_scalar(out), 2),
        I8,
        I8,
        I8,
        array_of(U4, 1),
        U8,
        array_of(F8, 1),
        array_of(F8, 2),
        array_of(types.int32, 2),
    )


@cache
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


@cache
def step_signature(precision: str, noise: str) -> Any:
    """A scheme with a fixed clock: step(state, noise, row, taken, numbers, work).

    state (n_state, LANES); noise (rows, LANES), of its own precision; row: first row to use, for a kernel
    that takes one step; taken (LANES,) int32, steps of each lane, which an update rule counts; numbers (n,);
    work (n_work, LANES).
    """
    return types.void(
        array_of(state_scalar(precision), 2),
        array_of(state_scalar(noise), 2),
        I8,
        array_of(types.int32, 1),
        array_of(F8, 1),
        array_of(F8, 2),
    )


@cache
def show_signature(precision: str) -> Any:
    """What a scheme with a fixed clock shows: value(state, numbers, out) and extra(state, numbers, out).

    out (4, LANES): `value` puts v into row 0 and 1 where v has been absorbed at 0 into row 3; `extra`, called
    after it where something is recorded, puts |theta|^2 and the imbalance between the layers into 1 and 2.
    """
    return types.void(array_of(state_scalar(precision), 2), array_of(F8, 1), array_of(F8, 2))


@cache
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


@cache
def pointer_to(signature: Any) -> Any:
    """Numba type of a pointer to a kernel of that signature."""
    return types.FunctionType(signature)


class Pointer:
    """A compiled kernel as an argument of another: of the kernel itself numba seeks the address at each call.

    Attributes:
        kernel: what it points to, to be called from Python.
    """

    def __init__(self, kernel: Any, signature: Any) -> None:
        self.kernel = kernel
        # What numba asks an argument for: its type, and the address to call.
        self._numba_type_ = pointer_to(signature)
        compilation = kernel.get_compile_result(signature)
        name = compilation.fndesc.llvm_cfunc_wrapper_name
        self._address = int(compilation.library.get_pointer_to_function(name))

    def __wrapper_address__(self) -> int:
        return self._address


@cache
def pointed(function: Callable[..., Any], signature: Any) -> Pointer:
    """A pointer to the module-level `function`, compiled for one signature."""
    return Pointer(compiled(function, signature), signature)


def key_of(seed: int) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """The two 32-bit halves of a 64-bit seed, low half first."""
    return np.array([seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF], dtype=np.uint32)
