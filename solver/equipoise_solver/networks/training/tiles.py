"""Products of small matrices for many networks at once: network l of a group is lane l of every vector.

A "lane array" is a flat array whose entry number e of network l lies at e*LANES + l, so one vector
instruction does the same entry for all networks, whatever the shapes. A tile keeps ROWS x COLUMNS entries of
the product in registers. Each entry sums its terms in order, every one by a fused multiply-add, so the bits
depend neither on the tile nor on the width of the machine's vectors.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils as _untyped_builder_tools
from numba.extending import intrinsic as _untyped_intrinsic

LANES = 16
"""Networks per group. Part of the format of checkpoints."""
ROWS, COLUMNS = 4, 4
_VECTOR_BYTES = 64
_INTP = types.intp
intrinsic: Any = _untyped_intrinsic
cgutils: Any = _untyped_builder_tools


def _tile(rows: int, columns: int) -> Any:
    """A device function: c[i, j] (+)= sum_k a[i, k] b[k, j] for rows x columns entries and LANES networks.

    tile(a, a_at, a_row, a_term, b, b_at, b_term, b_column, c, c_at, c_row, c_column, terms, adds): lane
    arrays, the number of their first entry, their strides in entries, the number of terms, and 1 to add to
    what c holds or 0 to write over it.
    """

    @intrinsic
    def tile(
        typing_context: Any,
        a: Any,
        a_at: Any,
        a_row: Any,
        a_term: Any,
        b: Any,
        b_at: Any,
        b_term: Any,
        b_column: Any,
        c: Any,
        c_at: Any,
        c_row: Any,
        c_column: Any,
        terms: Any,
        adds: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _generate_tile(context, builder, signature, arguments, rows, columns)
            return context.get_dummy_value()

        return types.void(a, *[_INTP] * 3, b, *[_INTP] * 3, c, *[_INTP] * 5), generate

    return tile


def _generate_tile(
    context: Any, builder: Any, signature: Any, arguments: Any, rows: int, columns: int
) -> None:
    """Emit the loop over the vectors of a group and, in it, the loop over the terms."""
    (_, a_at, a_row, a_term, _, b_at, b_term, b_column, _, c_at, c_row, c_column, terms, adds) = arguments
    scalar = context.get_value_type(signature.args[0].dtype)
    width = _VECTOR_BYTES // (4 if signature.args[0].dtype == types.float32 else 8)
    vector = ir.VectorType(scalar, width)
    fused = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{width}f{512 // width}"
    )
    starts = [
        context.make_array(signature.args[place])(context, builder, value=arguments[place]).data
        for place in (0, 4, 8)
    ]
    whole = ir.IntType(64)
    lanes = ir.Constant(whole, LANES)
    sums = [[cgutils.alloca_once(builder, vector) for _ in range(columns)] for _ in range(rows)]

    def at(start: Any, entry: Any, offset: Any) -> Any:
        place = builder.add(builder.mul(entry, lanes), offset)
        return builder.bitcast(builder.gep(start, [place]), vector.as_pointer())

    def load(start: Any, entry: Any, offset: Any) -> Any:
        loaded = builder.load(at(start, entry, offset))
        loaded.align = scalar_bytes
        return loaded

    scalar_bytes = _VECTOR_BYTES // width

    def times(stride: Any, index: int) -> Any:
        return builder.mul(stride, ir.Constant(whole, index))

    with cgutils.for_range(builder, ir.Constant(whole, LANES // width)) as part:
        offset = builder.mul(part.index, ir.Constant(whole, width))
        entries = [
            [builder.add(c_at, builder.add(times(c_row, i), times(c_column, j))) for j in range(columns)]
            for i in range(rows)
        ]
        with builder.if_else(builder.icmp_signed("!=", adds, ir.Constant(whole, 0))) as (then, otherwise):
            with then:
                for i in range(rows):
                    for j in range(columns):
                        builder.store(load(starts[2], entries[i][j], offset), sums[i][j])
            with otherwise:
                for i in range(rows):
                    for j in range(columns):
                        builder.store(ir.Constant(vector, [0.0] * width), sums[i][j])
        with cgutils.for_range(builder, terms) as term:
            left_at = builder.add(a_at, builder.mul(a_term, term.index))
            right_at = builder.add(b_at, builder.mul(b_term, term.index))
            left = [load(starts[0], builder.add(left_at, times(a_row, i)), offset) for i in range(rows)]
            right = [
                load(starts[1], builder.add(right_at, times(b_column, j)), offset) for j in range(columns)
            ]
            for i in range(rows):
                for j in range(columns):
                    held = builder.load(sums[i][j])
                    builder.store(builder.call(fused, [left[i], right[j], held]), sums[i][j])
        for i in range(rows):
            for j in range(columns):
                stored = builder.store(builder.load(sums[i][j]), at(starts[2], entries[i][j], offset))
                stored.align = scalar_bytes


_full, _row, _column, _entry = _tile(ROWS, COLUMNS), _tile(1, COLUMNS), _tile(ROWS, 1), _tile(1, 1)


@numba.njit(error_model="numpy")
def multiply(
    a: Any,
    a_at: Any,
    a_row: Any,
    a_term: Any,
    b: Any,
    b_at: Any,
    b_term: Any,
    b_column: Any,
    c: Any,
    c_at: Any,
    c_row: Any,
    c_column: Any,
    rows: Any,
    terms: Any,
    columns: Any,
    adds: Any,
) -> None:
    """c (+)= a b for LANES networks, matrices of rows x terms and terms x columns entries; see `_tile`."""
    full_rows, full_columns = rows - rows % ROWS, columns - columns % COLUMNS
    for i in range(0, full_rows, ROWS):
        a_i, c_i = a_at + i * a_row, c_at + i * c_row
        for j in range(0, full_columns, COLUMNS):
            b_j, c_j = b_at + j * b_column, c_i + j * c_column
            _full(a, a_i, a_row, a_term, b, b_j, b_term, b_column, c, c_j, c_row, c_column, terms, adds)
        for j in range(full_columns, columns):
            b_j, c_j = b_at + j * b_column, c_i + j * c_column
            _column(a, a_i, a_row, a_term, b, b_j, b_term, b_column, c, c_j, c_row, c_column, terms, adds)
    for i in range(full_rows, rows):
        a_i, c_i = a_at + i * a_row, c_at + i * c_row
        for j in range(0, full_columns, COLUMNS):
            b_j, c_j = b_at + j * b_column, c_i + j * c_column
            _row(a, a_i, a_row, a_term, b, b_j, b_term, b_column, c, c_j, c_row, c_column, terms, adds)
        for j in range(full_columns, columns):
            b_j, c_j = b_at + j * b_column, c_i + j * c_column
            _entry(a, a_i, a_row, a_term, b, b_j, b_term, b_column, c, c_j, c_row, c_column, terms, adds)


def aligned_lanes(n: int, dtype: Any) -> "np.ndarray[Any, np.dtype[Any]]":
    """A zeroed lane array of n entries that starts at a cache line."""
    size = np.dtype(dtype).itemsize
    held = np.zeros(n * LANES + _VECTOR_BYTES // size, dtype=dtype)
    skip = -held.ctypes.data % _VECTOR_BYTES // size
    return held[skip : skip + n * LANES]
