"""The data kinds: what the network regresses y on x with."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from equipoise_solver.specs.base import Bounded, NonNegative, Part, Positive, Real, refusal

MAX_INLINE_SAMPLES = 100_000
MomentValue = Annotated[Real, Field(ge=-1e36, le=1e36)]
NonNegativeMoment = Annotated[Real, Field(ge=0, le=1e36)]


class GaussianData(Part):
    """y = slope * x + noise with x ~ N(0, input_std^2) and noise ~ N(0, noise_std^2)."""

    kind: Literal["gaussian"] = "gaussian"
    slope: Bounded = 1.0
    """Slope k of the teacher."""
    noise_std: NonNegative = 1.0
    """Standard deviation of the label noise; 0 is interpolation."""
    input_std: Positive = 1.0
    """Standard deviation of the input."""


class MomentsData(Part):
    """The five numbers through which data enter the stationary law (noise and landscape parameters)."""

    kind: Literal["moments"] = "moments"
    alpha1: NonNegativeMoment
    """Var[x^2]."""
    alpha2: MomentValue
    """E[x^3 y] - E[x^2] E[xy]."""
    alpha3: NonNegativeMoment
    """Var[xy]."""
    beta1: Annotated[Real, Field(gt=0, le=1e18)]
    """E[x^2]."""
    beta2: Annotated[Real, Field(ge=-1e18, le=1e18)]
    """E[xy]."""

    @model_validator(mode="after")
    def _covariance_exists(self) -> Self:
        slack = self.alpha1 * self.alpha3 - self.alpha2**2
        if slack < -1e-9 * self.alpha2**2:
            raise refusal(
                "alpha2",
                given=self.alpha2,
                allowed=f"alpha2^2 <= alpha1 * alpha3 = {self.alpha1 * self.alpha3:.6g} (Cauchy-Schwarz)",
                remedy="No data has these moments.",
            )
        return self


Column = Annotated[tuple[Bounded, ...], Field(min_length=2, max_length=MAX_INLINE_SAMPLES)]


class SamplesData(Part):
    """An empirical distribution: the pairs (x_i, y_i), each with the same weight."""

    kind: Literal["samples"] = "samples"
    x: Column
    """Inputs, shape (n,)."""
    y: Column
    """Labels, shape (n,)."""
    standardize: bool = False
    """Shift and scale x and y to mean 0 and (population) standard deviation 1 first."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if len(self.x) != len(self.y):
            raise refusal(
                "y", given=f"{len(self.y)} entries", allowed=f"as many entries as x has, {len(self.x)}"
            )
        for name, column in (("x", self.x), ("y", self.y)):
            if self.standardize and min(column) == max(column):
                raise refusal(
                    name, given=f"the constant {column[0]!r}", allowed="at least two different values"
                )
        if not any(self.x):
            raise refusal("x", given="zeros alone", allowed="inputs that are not all zero")
        return self


class DatasetData(Part):
    """A dataset uploaded before, by its content-addressed id."""

    kind: Literal["dataset"] = "dataset"
    id: Annotated[str, Field(pattern=r"^ds_[0-9a-f]{32}$")]
    """Id that the upload returned."""
    standardize: bool = False
    """Shift and scale x and y to mean 0 and (population) standard deviation 1 first."""


Data = Annotated[GaussianData | MomentsData | SamplesData | DatasetData, Field(discriminator="kind")]
