"""Canonical JSON of a spec, and the hash and seed derived from it."""

import hashlib
import json

from equipoise_solver.specs.base import Part
from equipoise_solver.specs.network_simulation import SimulateNetwork
from equipoise_solver.specs.tasks import EnsembleSpec


def canonical_json(spec: Part) -> str:
    """JSON text that is the same for equal specs: keys sorted, no spaces, -0.0 as 0.0.

    Defaults are filled in, but for those of the fields that the spec names `unspoken`.
    """
    fields = type(spec).model_fields
    silent = {name for name in spec.unspoken if getattr(spec, name) == fields[name].default}
    content = spec.model_dump(mode="json", exclude=silent)
    return json.dumps(_positive_zeros(content), sort_keys=True, separators=(",", ":"), allow_nan=False)


def spec_hash(spec: Part) -> str:
    """SHA-256 of the canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(spec).encode()).hexdigest()


def effective_seed(spec: EnsembleSpec | SimulateNetwork) -> int:
    """Seed of a simulation: the one given, else 63 bits of the spec's own hash, so equal specs agree."""
    return int(spec_hash(spec)[:16], 16) >> 1 if spec.seed is None else spec.seed


def _positive_zeros(node: object) -> object:
    match node:
        case float():
            return node + 0.0
        case list():
            return [_positive_zeros(item) for item in node]
        case dict():
            return {key: _positive_zeros(item) for key, item in node.items()}
        case _:
            return node
