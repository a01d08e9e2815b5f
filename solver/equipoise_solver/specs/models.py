"""The models: what maps x to a prediction."""

from typing import Annotated, Literal

from pydantic import Field

from equipoise_solver.specs.base import Count, Part, Real

MAX_DEPTH = 1_000
MAX_WIDTH = 1_000_000


class Diagonal(Part):
    """Diagonal linear network f(x) = sum_{i=1..width} prod_{k=0..depth} u_i^(k) x."""

    kind: Literal["diagonal"] = "diagonal"
    depth: Annotated[Count, Field(ge=0, le=MAX_DEPTH)] = 1
    """D: 0 is linear regression, 1 a two-layer network."""
    width: Annotated[Count, Field(ge=1, le=MAX_WIDTH)] = 1
    """d: number of parallel products."""


class DiagonalLimit(Part):
    """The limit of diagonal networks whose depth and width grow together."""

    kind: Literal["diagonal_limit"] = "diagonal_limit"
    width_per_depth: Annotated[Real, Field(ge=1e-9, le=1e9)]
    """d/D, fixed while both grow."""


class Tanh1D(Part):
    """One tanh unit on a number x: f(x) = tanh(v x), or f(x) = w tanh(u x) with a hidden weight.

    The value v of averages and histograms is the slope of f at x = 0: the parameter v itself, or w u.
    """

    kind: Literal["tanh1d"] = "tanh1d"
    hidden: bool = Field(default=False, strict=True)
    """Whether a second weight w multiplies the unit; parameters are then (u, w) in place of (v)."""

    @property
    def depth(self) -> int:
        """Layers of weights beyond the first."""
        return 1 if self.hidden else 0

    @property
    def width(self) -> int:
        """Units side by side."""
        return 1


SimulateModel = Annotated[Diagonal | Tanh1D, Field(discriminator="kind")]
StationaryModel = Annotated[Diagonal | DiagonalLimit, Field(discriminator="kind")]
