"""The kernel of a noise source and a scheme, in a module of its own: numba finds it again in its cache."""

from functools import cache
from types import ModuleType
from typing import Any

from equipoise_solver.ensembles.cuda import draws
from equipoise_solver.ensembles.generated import module_of
from equipoise_solver.ensembles.models import deep, linear, two_layer
from equipoise_solver.ensembles.plan import EnsemblePlan
from equipoise_solver.ensembles.schemes import (
    linear_splitting,
    reciprocal_splitting,
    two_layer_euler,
    two_layer_update,
)
from equipoise_solver.ensembles.schemes.explicit import SCHEMES

_PACKAGE = "equipoise_solver.ensembles"
_PARTS = tuple(
    f"{_PACKAGE}.{name}"
    for name in (
        "accumulators.samples",
        "compiled",
        "cuda.draws",
        "cuda.paths",
        "device",
        "drivers",
        "elementary",
        "elementary_tables",
        "noise.increments",
        "noise.minibatch_gaussian",
        "normals",
        "observables",
        "schemes.explicit",
        "schemes.linear_splitting",
        "schemes.reciprocal_splitting",
        "schemes.two_layer_euler",
        "schemes.two_layer_update",
        "schemes.two_layers",
        "streams",
    )
)
_IN_GROUPS = {
    "linear_splitting": linear_splitting,
    "reciprocal_splitting": reciprocal_splitting,
    "two_layer_euler": two_layer_euler,
    "two_layer_update": two_layer_update,
}
"""Schemes that are written out, each in a module of its name. It offers, beside the kernels of a block,

    group(x, y, noise, p)           the state (x, y) of a path after the steps that four numbers serve,
                                    and how many of them were made
    first_of_group(x, y, noise, p)  the same after the first step, where a run may end within a group

p are the scheme's numbers in the precision of the state; y is x again where the state is one number. `min` of
a state is written out in them: on a card it would lose NaN, by which lost paths are known.
"""
_HEAD = """
import numpy as np
from numba import cuda

from equipoise_solver.ensembles.compiled import inlined
from equipoise_solver.ensembles.cuda.draws import {draw} as draw
from equipoise_solver.ensembles.cuda.paths import following
from equipoise_solver.ensembles.schemes.{scheme} import extra_of, value_of
"""
_WRITTEN = """from equipoise_solver.ensembles.schemes.{scheme} import {offered}
"""
_EXPLICIT = """
from equipoise_solver.ensembles.device import like
from equipoise_solver.ensembles.schemes.explicit import {move} as move
from {model} import coefficients


@inlined
def group(x, y, noise, p):
{moves}    return x, y, {steps}
"""
_MOVE = """    drift, spread = coefficients(x, p)
    x = move(x, like(x, noise[{row}]), drift, spread)
"""
_BODY = """

@inlined
def advance(x, y, a, b, c, d, n, p):
    made = np.int32(0)
    for _ in range(n // {steps}):
        noise, a, b, c, d = draw(a, b, c, d)
        x, y, more = group(x, y, noise, p)
        made += np.int32(more)
{rest}    return x, y, a, b, c, d, made


follow = following(advance, value_of, extra_of, np.{real})


@cuda.jit(cache=True)
def kernel({arguments}):
    follow({arguments})
"""
_REST = """    if n % {steps} > 0:
        noise, a, b, c, d = draw(a, b, c, d)
        x, y, more = first_of_group(x, y, noise, p)
        made += np.int32(more)
"""
_ARGUMENTS = """state words status taken sums anchors n_paths times places first_kept end_kept
counts_itself p numbers bound origin anchor_place edges counts in_shared shown first_place
snapshots n_snapshots"""


def has_kernel(plan: EnsemblePlan) -> bool:
    """Whether the card can follow the paths of a plan."""
    known = plan.scheme.name in SCHEMES or plan.scheme.name in _IN_GROUPS
    is_watched = plan.first_passage is not None
    return plan.has_fixed_clock and plan.noise_source.fill in draws.NAMES and known and not is_watched


def kernel_of(plan: EnsemblePlan) -> Any:
    """The kernel that follows the paths of a plan; `paths.following` says what it takes."""
    name, steps = plan.scheme.name, plan.noise_source.steps
    common = {"draw": draws.NAMES[plan.noise_source.fill], "steps": steps, "real": plan.precision}
    if name in SCHEMES:
        model = linear if plan.depth == 0 else two_layer if plan.depth == 1 else deep
        move = name if model.IS_RELATIVE else f"{name}_absolute"
        moved = "".join(_MOVE.format(row=row) for row in range(steps))
        explicit = {"move": move, "model": model.__name__, "moves": moved}
        return _module(_HEAD + _EXPLICIT + _BODY, scheme="explicit", rest="", **common, **explicit).kernel
    ends_within = hasattr(_IN_GROUPS[name], "first_of_group")
    offered = "first_of_group, group" if ends_within else "group"
    rest = _REST.format(steps=steps) if ends_within else ""
    return _module(_HEAD + _WRITTEN + _BODY, scheme=name, offered=offered, rest=rest, **common).kernel


@cache
def _module(template: str, *, model: str | None = None, **names: Any) -> ModuleType:
    arguments = ", ".join(_ARGUMENTS.split())
    text = template.format(model=model, arguments=arguments, **names)
    return module_of(text, _PARTS if model is None else (*_PARTS, model))
