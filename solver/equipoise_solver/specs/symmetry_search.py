"""The task `symmetries`: the exponential symmetries that a network has, found numerically."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from equipoise_solver.specs.base import Count, Part
from equipoise_solver.specs.network_data import NetworkData, check_fit
from equipoise_solver.specs.network_models import NetworkModel, check_network

MAX_SEARCHED = 20_000
"""Most parameters; generators that are not diagonal have more entries, and lower limits."""


class Symmetries(Part):
    """All symmetric generators A with theta' A grad l(theta, z) = 0 for all parameters and samples."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "task": "symmetries",
                    "model": {"kind": "mlp", "widths": [3, 4, 2], "activation": "relu"},
                    "structure": "diagonal",
                }
            ]
        }
    )

    task: Literal["symmetries"] = "symmetries"
    model: NetworkModel
    """The network."""
    data: NetworkData | None = None
    """Samples at which gradients are taken; null is normal inputs, and labels that suit the loss."""
    structure: Literal["auto", "diagonal", "blocks", "full"] = "auto"
    """Generators looked for: diagonal; a matrix on each side of a block; any. "auto" is the widest."""
    seed: Annotated[Count, Field(ge=0, lt=2**63)] = 0
    """Seed of the random parameters and samples."""

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.data is not None:
            check_fit(self.model, self.data)
        remedy = "Symmetries show in narrow networks of the same kind too."
        check_network(self.model, limit=MAX_SEARCHED, remedy=remedy)
        return self
