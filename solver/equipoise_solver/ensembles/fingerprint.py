"""A fingerprint of plans, by which a checkpoint is known as another plan's."""

import hashlib
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def fingerprint_of(value: Any) -> str:
    """SHA-256 of the fields of a dataclass: numbers, words, arrays, and dataclasses of such; 64 digits."""
    digest = hashlib.sha256()
    _feed(digest, value)
    return digest.hexdigest()


def _feed(digest: Any, value: Any) -> None:
    if isinstance(value, np.ndarray):
        digest.update(f"{value.dtype.str}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value))
    elif is_dataclass(value):
        digest.update(f"{type(value).__name__}{len(fields(value))}".encode())
        for field in fields(value):
            digest.update(field.name.encode())
            _feed(digest, getattr(value, field.name))
    else:
        plain = value.item() if isinstance(value, np.generic) else value
        digest.update(f"{plain!r};".encode())
