"""The task `simulate` with a network: networks trained side by side."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from equipoise_solver.specs.base import Count, NonNegative, Part, Real, refusal
from equipoise_solver.specs.dynamics import GD, SGD, SGF, Dynamics, Langevin
from equipoise_solver.specs.network_data import NetworkData, TeacherData, check_fit
from equipoise_solver.specs.network_models import NETWORK_KINDS, Network, NetworkModel, check_network
from equipoise_solver.specs.network_parameters import NetworkInit, NetworkParameters, check_parameters
from equipoise_solver.specs.schedules import Schedules

MAX_NETWORKS = 65_536
MAX_NETWORK_STEPS = 10**9
MAX_FULL_NOISE = 2048

NetworkObservable = Literal[
    "loss",
    "norm",
    "charges",
    "noise_trace",
    "sharpness",
    "balance_residual",
    "alignment",
    "effective_rank",
]


class SimulateNetwork(Part):
    """An ensemble of networks trained side by side, each with its own noise."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "task": "simulate",
                    "model": {"kind": "linear", "widths": [2, 3, 1]},
                    "data": {"kind": "teacher", "teacher": [[1.0, -0.5]]},
                    "dynamics": {"kind": "sgd", "learning_rate": 0.01, "batch_size": 4},
                    "n_paths": 16,
                    "n_steps": 1000,
                    "observables": ["loss", "norm"],
                    "seed": 1,
                }
            ]
        }
    )

    task: Literal["simulate"] = "simulate"
    model: NetworkModel
    """The network."""
    data: NetworkData
    """What it is trained on."""
    dynamics: Dynamics
    """How its parameters move."""
    schedule: Schedules = ()
    """What multiplies the learning rate (sgd, gd) or the temperature (sgf, langevin): one, or several."""
    n_paths: Annotated[Count, Field(ge=1, le=MAX_NETWORKS)] = 16
    """Networks trained side by side, each with its own noise."""
    n_steps: Annotated[Count, Field(ge=1, le=MAX_NETWORK_STEPS)] | None = None
    """Updates per network (sgd, gd)."""
    duration: Annotated[Real, Field(gt=0, le=1e12)] | None = None
    """SDE time per network (sgf, langevin); one update of SGD takes the time learning_rate."""
    parameters: NetworkParameters = NetworkInit()
    """Where they start: given, or drawn with a seed, all at one place; drawn without, each at its own."""
    seed: Annotated[Count, Field(ge=0, lt=2**63)] | None = None
    """Seed of all noise; null derives it from the spec's own hash. The solution returns it."""
    precision: Literal["float64", "float32"] = "float64"
    """Of parameters and arithmetic."""
    observables: Annotated[tuple[NetworkObservable, ...], Field(min_length=1)] = ("loss", "norm")
    """What is followed over time."""
    n_records: Annotated[Count, Field(ge=1, le=10_000)] = 100
    """Times at which observables are recorded."""
    balance_temperature: NonNegative | None = None
    """T in `balance_residual`; null is that of the dynamics, which "gd" and "langevin" do not have."""
    n_snapshots: Annotated[Count, Field(ge=0, le=64)] = 0
    """Networks, the first ones, whose observables are returned one by one."""

    @model_validator(mode="after")
    def _length_fits_dynamics(self) -> Self:
        is_flow = isinstance(self.dynamics, SGF | Langevin)
        wanted, other = ("duration", "n_steps") if is_flow else ("n_steps", "duration")
        if getattr(self, wanted) is None:
            allowed = f"a positive number, with dynamics {self.dynamics.kind!r}"
            raise refusal(wanted, given=None, allowed=allowed)
        if getattr(self, other) is not None:
            allowed = f"{wanted} alone, with dynamics {self.dynamics.kind!r}"
            raise refusal(other, given=getattr(self, other), allowed=allowed)
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        check_fit(self.model, self.data)
        check_parameters(self.model, self.parameters)
        _check_dynamics(self.model, self.data, self.dynamics)
        return self


def _check_dynamics(model: Network, data: object, dynamics: GD | SGD | SGF | Langevin) -> None:
    is_endless = isinstance(data, TeacherData) and data.n_samples is None
    if is_endless and not isinstance(dynamics, SGD):
        raise refusal(
            "data.n_samples",
            given=None,
            allowed=f"a number of samples with dynamics {dynamics.kind!r}, which use all of them",
            remedy="Data that are drawn afresh are for 'sgd'.",
        )
    match dynamics:
        case SGD(sampling="epoch") if is_endless:
            raise refusal(
                "dynamics.sampling",
                given="epoch",
                allowed="'iid' with data that are drawn afresh",
                remedy="Epochs need a finite data set: give data.n_samples, samples or a dataset.",
            )
        case SGF():
            _check_scheme(dynamics)
            remedy = "The noise of 'sgf' has a full covariance: use 'sgd'."
            check_network(model, limit=MAX_FULL_NOISE, remedy=remedy)


def _check_scheme(dynamics: SGF) -> None:
    if dynamics.scheme not in ("auto", "euler"):
        raise refusal(
            "dynamics.scheme",
            given=dynamics.scheme,
            allowed="'auto' or 'euler' with a network: its steps are Euler's",
            remedy="Give step_size to make the steps smaller.",
        )


def kind_of_simulation(content: Any) -> str:
    """Tag of a `simulate` spec: "(network)" if its model is a network, else "simulate".

    A diagonal network is one where the data are vectors, or where it has a loss.
    """
    if isinstance(content, SimulateNetwork):
        return "(network)"
    model, data = _part(content, "model"), _part(content, "data")
    kind = _part(model, "kind")
    if isinstance(kind, str) and kind in NETWORK_KINDS:
        return "(network)"
    is_vector = _part(data, "kind") == "teacher" or _holds_rows(_part(data, "x"))
    is_network = kind == "diagonal" and (is_vector or _part(model, "loss") is not None)
    return "(network)" if is_network else "simulate"


def is_network_simulation(spec: Any) -> bool:
    """Whether a spec of task `simulate`, as JSON content or a model, is about a network."""
    return kind_of_simulation(spec) == "(network)"


def _part(content: Any, name: str) -> Any:
    return content.get(name) if isinstance(content, Mapping) else getattr(content, name, None)


def _holds_rows(x: Any) -> bool:
    if hasattr(x, "ndim"):
        return bool(x.ndim == 2)
    is_list = isinstance(x, list | tuple) and len(x) > 0
    return is_list and (isinstance(x[0], list | tuple) or len(getattr(x[0], "shape", ())) == 1)
