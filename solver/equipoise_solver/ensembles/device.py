"""Operations of device functions that plain numba operators do not give: each is one machine instruction.

Numba promotes uint32 arithmetic to 64 bits and a literal beside a float32 to float64; both halve the speed of
a vector. `fma` rounds once: written out, it gives the same bits on every machine, in vectors and in single
lanes, on CPU and GPU, which a compiler free to contract a*b + c does not.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic as _untyped_intrinsic

from equipoise_solver.ensembles.compiled import inlined

intrinsic: Any = _untyped_intrinsic
_U4, _I4, _F4, _F8, _U8 = types.uint32, types.int32, types.float32, types.float64, types.uint64


def _binary(instruction: str) -> Any:
    """A device function of two uint32 that stays in 32 bits."""

    @intrinsic
    def operation(typing_context: Any, a: Any, b: Any) -> Any:
        if a != _U4 or b != _U4:
            return None

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, instruction)(*arguments)

        return _U4(_U4, _U4), generate

    return operation


add32, sub32 = _binary("add"), _binary("sub")
and32, or32, xor32 = _binary("and_"), _binary("or_"), _binary("xor")
shift_left, shift_right = _binary("shl"), _binary("lshr")


@intrinsic
def signed_shift_right(typing_context: Any, a: Any, b: Any) -> Any:
    """The uint32 `a`, read as int32, shifted right by `b` with its sign: int32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ashr(*arguments)

    return _I4(_U4, _U4), generate


@intrinsic
def multiply_high(typing_context: Any, a: Any, b: Any) -> Any:
    """High 32 bits of the product of two uint32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(64)
        product = builder.mul(*(builder.zext(x, wide) for x in arguments))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 32)), ir.IntType(32))

    return _U4(_U4, _U4), generate


@intrinsic
def multiply_low(typing_context: Any, a: Any, b: Any) -> Any:
    """Low 32 bits of the product of two uint32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.mul(*arguments)

    return _U4(_U4, _U4), generate


def _bitcast(source: Any, target: Any) -> Any:
    """A device function that reads the bits of one scalar type as another of the same size."""

    @intrinsic
    def cast(typing_context: Any, x: Any) -> Any:
        if x != source:
            return None

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))

        return target(source), generate

    return cast


bits_of, float_of = _bitcast(_F8, _U8), _bitcast(_U8, _F8)
"""The bits of a float64 as uint64, and back."""
bits_of_single, single_of = _bitcast(_F4, _U4), _bitcast(_U4, _F4)
"""The bits of a float32 as uint32, and back."""


@intrinsic
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """a*b + c, rounded once; all of one float type."""
    if a not in (_F4, _F8) or b != a or c != a:
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = context.get_value_type(signature.return_type)
        function = builder.module.declare_intrinsic(
            "llvm.fma", [kind], ir.FunctionType(kind, [kind, kind, kind])
        )
        return builder.call(function, arguments)

    return a(a, a, a), generate


@intrinsic
def floor(typing_context: Any, x: Any) -> Any:
    """The largest whole number up to x, as a float."""
    if x not in (_F4, _F8):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = context.get_value_type(signature.return_type)
        function = builder.module.declare_intrinsic("llvm.floor", [kind], ir.FunctionType(kind, [kind]))
        return builder.call(function, arguments)

    return x(x), generate


@intrinsic
def like(typing_context: Any, x: Any, number: Any) -> Any:
    """`number` in the float type of `x`."""
    if x not in (_F4, _F8):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.cast(builder, arguments[1], signature.args[1], signature.return_type)

    return x(x, number), generate


@inlined
def polynomial3(x: Any, c0: Any, c1: Any, c2: Any, c3: Any) -> Any:
    """c0 + c1 x + c2 x^2 + c3 x^3, coefficients in the type of x."""
    return fma(fma(fma(c3, x, c2), x, c1), x, c0)


ONE_BITS = np.uint32(0x3F800000)
"""Bits of the float32 1.0."""
SIGN_BIT = np.uint32(0x80000000)
