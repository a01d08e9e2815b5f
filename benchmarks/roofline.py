"""What the machine itself can do on two threads: normals, square roots and fused multiply-adds per second."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numba
import numpy as np

from benchmarks.contenders import DTYPES, F32, F64
from benchmarks.reference_kernel import FAST, LANES, THREADS, noise_stage
from benchmarks.timing import Timing, interleaved

INDEPENDENT = 8
"""Chains of operations side by side: two units with a latency of four cycles."""


@dataclass(frozen=True)
class Limit:
    """One operation in one precision, 1e9 per second on both threads."""

    operation: str
    dtype: str
    rate: float
    spread: float


def limits(*, n_rounds: int, n_tries: int, size: int = 1) -> list[Limit]:
    """Every limit, interleaved; a library that is not installed has no row."""
    runs: dict[tuple[str, str], tuple[Callable[[], object], float]] = {}
    for dtype in DTYPES:
        runs["fused multiply-add", dtype] = _arithmetic(dtype, 64, 400_000 // size, _multiply_add(dtype))
        runs["square root", dtype] = _arithmetic(dtype, 4, 200_000 // size, _root)
        runs["normals, reference kernel", dtype] = _own_normals(dtype, 400_000 // size)
        runs["normals, numpy SFC64", dtype] = _numpy_normals(dtype, 4000 // size)
        for name, make in (("torch", _torch_normals), ("jax", _jax_normals)):
            try:
                runs[f"normals, {name}", dtype] = make(dtype, 600 // size)
            except ImportError:
                continue
    timings: dict[tuple[str, str], Timing] = interleaved(
        {key: run for key, (run, _) in runs.items()}, n_rounds=n_rounds, n_tries=n_tries
    )
    return [
        Limit(*key, runs[key][1] / timing.median_s / 1e9, timing.spread) for key, timing in timings.items()
    ]


def bound(found: list[Limit], dtype: str) -> float:
    """Million steps of W1 per second that the square roots alone allow, normals being drawn in float32."""
    roots = {limit.dtype: limit.rate for limit in found if limit.operation == "square root"}
    return 1e3 / (1 / roots[dtype] + 0.5 / roots[F32])


def _threaded(part: Callable[[int], object], total: float) -> tuple[Callable[[], object], float]:
    """The same part on every thread, and the operations of all of them."""

    def run() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(part, range(THREADS)))

    return run, total * THREADS


def _inlined(function: Callable[..., Any]) -> Any:
    return numba.njit(fastmath=FAST, error_model="numpy", forceinline=True)(function)


def _multiply_add(dtype: str) -> Any:
    number = np.dtype(dtype).type
    factor, term = number(0.999), number(1e-3)
    return lambda x: x * factor + term


def _root(x: Any) -> Any:
    return math.sqrt(x)


def _arithmetic(
    dtype: str, n_chained: int, n_rounds: int, operation: Any
) -> tuple[Callable[[], object], float]:
    """Independent chains of operations on vectors of lanes, side by side so that none waits for itself."""
    one = _inlined(operation)

    def all_once(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any) -> Any:
        return one(a), one(b), one(c), one(d), one(e), one(f), one(g), one(h)

    chains = _inlined(all_once)
    for _ in range(n_chained.bit_length() - 1):
        chains = _twice(chains)

    def rounds(lanes: Any, n: int) -> None:
        a, b, c, d = lanes[0], lanes[1], lanes[2], lanes[3]
        e, f, g, h = lanes[4], lanes[5], lanes[6], lanes[7]
        for _ in range(n):
            for j in range(lanes.shape[1]):
                a[j], b[j], c[j], d[j], e[j], f[j], g[j], h[j] = chains(
                    a[j], b[j], c[j], d[j], e[j], f[j], g[j], h[j]
                )

    kernel = numba.njit(fastmath=FAST, error_model="numpy", nogil=True)(rounds)
    width = LANES // INDEPENDENT

    def part(seed: int) -> None:
        kernel(np.linspace(2.0, 3.0, LANES).astype(dtype).reshape(INDEPENDENT, width), n_rounds)

    return _threaded(part, float(n_chained * n_rounds * LANES))


def _twice(function: Any) -> Any:
    return _inlined(lambda a, b, c, d, e, f, g, h: function(*function(a, b, c, d, e, f, g, h)))


def _own_normals(dtype: str, n_fills: int) -> tuple[Callable[[], object], float]:
    fill = noise_stage(F32 if dtype == F32 else F64)

    def fills(words: Any, noise: Any, n: int) -> None:
        for _ in range(n):
            fill(words, noise)

    kernel = numba.njit(nogil=True)(fills)

    def part(seed: int) -> None:
        words = np.random.default_rng(seed).integers(1, 1 << 32, (4, LANES), dtype=np.uint32)
        kernel(words, np.empty((4, LANES), dtype), n_fills)

    return _threaded(part, 4.0 * LANES * n_fills)


def _numpy_normals(dtype: Any, n_fills: int, chunk: int = 16_384) -> tuple[Callable[[], object], float]:
    def part(seed: int) -> None:
        rng, numbers = np.random.Generator(np.random.SFC64(seed)), np.empty(chunk, dtype)
        for _ in range(n_fills):
            rng.standard_normal(out=numbers, dtype=dtype)

    return _threaded(part, float(chunk * n_fills))


def _torch_normals(dtype: str, n_fills: int, chunk: int = 65_536) -> tuple[Callable[[], object], float]:
    """One generator per thread: torch's own threads share one, and wait for it."""
    import torch

    def part(seed: int) -> None:
        generator = torch.Generator()
        generator.manual_seed(seed)
        numbers = torch.empty(chunk, dtype=getattr(torch, dtype))
        for _ in range(n_fills):
            numbers.normal_(generator=generator)

    return _threaded(part, float(chunk * n_fills))


def _jax_normals(dtype: str, n_fills: int, chunk: int = 16_384) -> tuple[Callable[[], object], float]:
    """threefry, on one device per core."""
    import jax
    import jax.numpy as jnp

    import benchmarks.peers  # noqa: F401  # One device per core is asked for before jax is imported.

    jax.config.update("jax_enable_x64", True)
    devices = jax.devices("cpu")

    def fills(seed: Any) -> Any:
        key = jax.random.key(seed)
        draw = partial(jax.random.normal, shape=(chunk,), dtype=dtype)
        return jax.lax.fori_loop(
            0, n_fills, lambda i, total: total + draw(jax.random.fold_in(key, i)), jnp.zeros(chunk, dtype)
        )

    run = jax.pmap(fills, devices=devices)
    seeds = np.arange(len(devices))
    return lambda: run(seeds).block_until_ready(), float(len(devices) * chunk * n_fills)
