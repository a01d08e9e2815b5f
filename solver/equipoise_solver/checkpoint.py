"""A checkpoint: what a computation needs to go on, as arrays and JSON; equal content has equal bytes."""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Part of the format: a reader refuses what another layout of checkpoints wrote.
CHECKPOINT_VERSION = 2
_META = "meta.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # The earliest time a ZIP can carry: equal content gives equal bytes.


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """State of a computation between two chunks.

    Attributes:
        fraction: share of the work that is done, 0..1.
        arrays: named arrays, any shape and plain dtype.
        scalars: named JSON values.
        live: small numbers worth showing while the work goes on.
    """

    fraction: float
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    scalars: Mapping[str, Any] = field(default_factory=dict)
    live: Mapping[str, float | int | None] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to advance."""
        return self.fraction >= 1.0

    def to_bytes(self) -> bytes:
        """Serialise; equal content gives equal bytes, and nothing is pickled."""
        meta = {
            "version": CHECKPOINT_VERSION,
            "fraction": self.fraction,
            "scalars": dict(self.scalars),
            "live": dict(self.live),
        }
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(zipfile.ZipInfo(_META, _EPOCH), json.dumps(meta, sort_keys=True))
            for name in sorted(self.arrays):
                content = io.BytesIO()
                np.lib.format.write_array(
                    content, np.ascontiguousarray(self.arrays[name]), allow_pickle=False
                )
                archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), content.getvalue())
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Checkpoint":
        """Read what `to_bytes` wrote.

        Raises:
            ValueError: the bytes are no checkpoint, or one of another version.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                meta = json.loads(archive.read(_META))
                arrays = {
                    name.removesuffix(".npy"): np.lib.format.read_array(
                        io.BytesIO(archive.read(name)), allow_pickle=False
                    )
                    for name in archive.namelist()
                    if name != _META
                }
        except (zipfile.BadZipFile, KeyError) as error:
            raise ValueError(f"{len(data)} bytes are no checkpoint: {error}") from error
        if meta["version"] != CHECKPOINT_VERSION:
            raise ValueError(
                f"checkpoint version {meta['version']}: this solver reads {CHECKPOINT_VERSION}. Start afresh."
            )
        return cls(fraction=meta["fraction"], arrays=arrays, scalars=meta["scalars"], live=meta["live"])
