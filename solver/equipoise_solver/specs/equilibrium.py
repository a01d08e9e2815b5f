"""The task `equilibrium`: the noise-balanced point on the orbit of a network's parameters."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from equipoise_solver.specs.base import Count, NonNegative, Part, Real, refusal
from equipoise_solver.specs.dynamics import Temperature
from equipoise_solver.specs.network_data import NetworkData, TeacherData, check_fit
from equipoise_solver.specs.network_models import NetworkModel
from equipoise_solver.specs.network_parameters import NetworkInit, NetworkParameters, check_parameters
from equipoise_solver.specs.schedules import Schedules
from equipoise_solver.specs.symmetry_parts import SymmetryChoice, check_symmetries

LINEAR = ("linear", "matrix_factorization")
"""Models whose gradient statistics under a teacher are known in closed form."""


class NoetherFlow(Part):
    """The way to the equilibrium: charges over time."""

    duration: Annotated[Real, Field(gt=0, le=1e12)] | None = None
    """SDE time; null is as long as it takes to be there."""
    n_points: Annotated[Count, Field(ge=2, le=1000)] = 100
    """Times at which charges are given."""
    schedule: Schedules = ()
    """What multiplies the temperature over time: a schedule, or several."""


class Equilibrium(Part):
    """The noise-balanced point of a network's parameters under its symmetries, and what it changes."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "task": "equilibrium",
                    "model": {"kind": "linear", "widths": [2, 3, 1]},
                    "data": {
                        "kind": "teacher",
                        "teacher": [[1.0, -0.5]],
                        "input_cov": [[2.0, 0.3], [0.3, 0.5]],
                    },
                    "temperature": 0.01,
                    "parameters": {"init": "global_minimum", "seed": 1},
                }
            ]
        }
    )

    task: Literal["equilibrium"] = "equilibrium"
    model: NetworkModel
    """The network."""
    data: NetworkData
    """What it is trained on."""
    temperature: Temperature
    """T = learning_rate / batch_size."""
    weight_decay: NonNegative = 0.0
    """gamma: adds gamma * |theta|^2 to the loss."""
    symmetries: SymmetryChoice = "auto"
    """Along what the parameters move: all symmetries that the network declares, or a list."""
    parameters: NetworkParameters = NetworkInit()
    """Where they start: {"W1": [[...]], "b1": [...], ...}, or how they are drawn."""
    curvature: bool = Field(default=True, strict=True)
    """Also compute the trace and the largest eigenvalue of the Hessian, before and after."""
    flow: NoetherFlow | None = NoetherFlow()
    """Also follow the way there; null leaves it out."""

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        check_fit(self.model, self.data)
        check_parameters(self.model, self.parameters)
        check_symmetries(self.model, self.symmetries)
        if self.temperature == 0 and self.weight_decay == 0:
            raise refusal(
                "temperature",
                given=0.0,
                allowed="a positive temperature, or a positive weight_decay",
                remedy="Without both nothing moves the parameters along their orbit.",
            )
        check_population(self.model.kind, self.data)
        return self


def check_population(kind: str, data: object) -> None:
    """Refuse a teacher without a number of samples for a network whose averages over it are not known.

    Raises:
        PydanticCustomError: they are not.
    """
    if isinstance(data, TeacherData) and data.n_samples is None and kind not in LINEAR:
        raise refusal(
            "data.n_samples",
            given=None,
            allowed=f"a number of samples with model {kind!r}",
            remedy="Averages over all that a teacher draws are known for linear networks alone.",
        )
