"""Kernels of the card compiled without a card: PTX by NVVM, and what an H100 needs to run it by nvJitLink."""

import re
from dataclasses import dataclass
from typing import Any

from numba import cuda as _untyped_cuda
from numba import types as _untyped_types

from equipoise_solver.ensembles import EnsemblePlan
from equipoise_solver.ensembles.cuda.kernels import kernel_of

cuda: Any = _untyped_cuda
types: Any = _untyped_types
CAPABILITY = (9, 0)
"""Of an H100."""


def assembly(plan: EnsemblePlan) -> str:
    """PTX of the kernel of a plan."""
    text, _ = cuda.compile_ptx(kernel_of(plan).py_func, signature(plan), cc=CAPABILITY)
    return str(text)


def signature(plan: EnsemblePlan) -> tuple[Any, ...]:
    """Types of the arguments that `launch.drive_steps` passes."""
    real = types.float32 if plan.precision == "float32" else types.float64
    n = plan.scheme.numbers.size
    i8, f8, flag = types.int64, types.float64, types.boolean
    return (
        _array(real, 3),
        _array(types.uint32, 3),
        _array(types.uint8, 2),
        _array(i8, 2),
        _array(f8, 3),
        _array(f8, 2),
        i8,
        _array(i8, 1),
        _array(i8, 1),
        i8,
        i8,
        flag,
        types.UniTuple(real, n),
        types.UniTuple(f8, n),
        f8,
        f8,
        i8,
        _array(f8, 1),
        _array(i8, 1),
        flag,
        _array(f8, 3),
        i8,
        _array(f8, 2),
        i8,
    )


def _array(scalar: Any, n_dims: int) -> Any:
    return types.Array(scalar, n_dims, "C")


def stepping_loop(text: str) -> list[str]:
    """Instructions of the innermost loop that draws random words, which rotates bits: one group of steps."""
    lines = [line.strip() for line in text.splitlines()]
    labels = {line[:-1]: i for i, line in enumerate(lines) if re.fullmatch(r"\$L\w+:", line)}
    loops = []
    for i, line in enumerate(lines):
        jump = re.search(r"\bbra\S*\s+(\$L\w+);", line)
        if jump and labels.get(jump[1], i) < i:
            loops.append([each for each in lines[labels[jump[1]] : i + 1] if re.match(r"@|[a-z]", each)])
    return min((loop for loop in loops if any("shf.l" in each for each in loop)), key=len)


@dataclass(frozen=True)
class Resources:
    """What a thread takes: registers, and bytes of stack and of local memory, where registers spill to."""

    registers: int
    stack: int
    local: int


def resources(text: str) -> Resources:
    """What the machine code of a kernel takes."""
    from cuda.bindings import nvjitlink

    options = [f"-arch=sm_{CAPABILITY[0]}{CAPABILITY[1]}", "-verbose"]
    handle = nvjitlink.create(len(options), options)
    code = text.encode()
    nvjitlink.add_data(handle, nvjitlink.InputType.PTX, code, len(code), "kernel")
    nvjitlink.complete(handle)
    log = bytearray(nvjitlink.get_info_log_size(handle))
    nvjitlink.get_info_log(handle, log)
    nvjitlink.destroy(handle)
    found = re.search(rb"used (\d+) registers.*?(\d+) stack.*?(\d+) bytes lmem", bytes(log), re.DOTALL)
    assert found, bytes(log)
    return Resources(*(int(number) for number in found.groups()))
