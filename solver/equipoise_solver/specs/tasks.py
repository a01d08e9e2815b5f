"""The tasks about laws and ensembles of networks that are functions of one number."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator
from typing_extensions import TypeAliasType

from equipoise_solver.specs.base import Bounded, Count, NonNegative, Part, Positive, Real, refusal
from equipoise_solver.specs.data import Data
from equipoise_solver.specs.dynamics import GD, SGD, SGF, Dynamics, Langevin, LawDynamics, Temperature
from equipoise_solver.specs.models import Diagonal, SimulateModel, StationaryModel
from equipoise_solver.specs.network_models import NETWORK_KINDS
from equipoise_solver.specs.network_simulation import SimulateNetwork, kind_of_simulation

MAX_PATHS = 10**8
MAX_STEPS = 10**10
MAX_PATH_STEPS = 10**14
MAX_PARAMETERS = 1024

ObservableName = Literal[
    "value", "loss", "excess_loss", "imbalance", "noise", "sign", "norm", "autocorrelation"
]


def _refuse_lawless(content: Any) -> Any:
    """Refuse, in tasks about laws, what the solver knows no law of: the reason, not only the choices."""
    if not isinstance(content, dict):
        return content
    model, dynamics = (_kind_of(content.get(name)) for name in ("model", "dynamics"))
    if model == "tanh1d":
        remedy = "No stationary law of a tanh unit is known: use task 'simulate'."
        raise refusal("model.kind", given=model, allowed="'diagonal'", remedy=remedy)
    if model in NETWORK_KINDS:
        remedy = "No stationary law of such a network is known: use task 'equilibrium' or 'simulate'."
        raise refusal("model.kind", given=model, allowed="'diagonal'", remedy=remedy)
    if dynamics == "langevin":
        remedy = "Its law is that of Gibbs, not the one compared with: use task 'simulate'."
        raise refusal("dynamics.kind", given=dynamics, allowed="'sgd', 'sgf' or 'gd'", remedy=remedy)
    return content


def _refuse_unknown_model(content: Any) -> Any:
    """Name all models that can be simulated, networks too, where the one given is none."""
    kind = _kind_of(content.get("model")) if isinstance(content, dict) else None
    known = ("diagonal", "tanh1d", *sorted(NETWORK_KINDS))
    if isinstance(kind, str) and kind not in known:
        raise refusal("model.kind", given=kind[:80], allowed=f"one of {', '.join(map(repr, known))}")
    return content


def _kind_of(part: Any) -> Any:
    return part.get("kind") if isinstance(part, dict) else getattr(part, "kind", None)


class Grid(Part):
    """Where the density is returned."""

    n_points: Annotated[Count, Field(ge=16, le=100_001)] = 513
    """Number of points, placed where the law has its mass and its tails; ignored if `v` is given."""
    v: Annotated[tuple[Bounded, ...], Field(min_length=1, max_length=100_001)] | None = None
    """Explicit values of the model coordinate."""


class Stationary(Part):
    """The exact stationary law of a diagonal network under SGD noise."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "task": "stationary",
                    "model": {"kind": "diagonal", "depth": 1, "width": 1},
                    "data": {"kind": "gaussian", "slope": 1.0, "noise_std": 1.0},
                    "temperature": 0.05,
                }
            ]
        }
    )

    task: Literal["stationary"] = "stationary"
    model: StationaryModel
    """The network."""
    data: Data
    """What it is trained on."""
    temperature: Temperature
    """T = learning_rate / batch_size."""
    weight_decay: NonNegative = 0.0
    """gamma: adds gamma * |theta|^2 to the loss."""
    grid: Grid = Grid()
    """Points at which the density of the law is returned."""
    start: Bounded | None = None
    """v at time 0 on the balanced manifold, which decides what atoms weigh; null is any start that learns."""
    relaxation: bool = False
    """Also compute how fast the law is reached."""
    escape: bool = False
    """Also compute how long weight decay leaves deep networks their learned state (phase "metastable")."""
    bayes: bool = False
    """Also compare the law with the Gibbs posterior exp(-L/T')."""

    unspoken: ClassVar[frozenset[str]] = frozenset({"start", "relaxation", "escape", "bayes"})

    _refuse_lawless = model_validator(mode="before")(_refuse_lawless)


class BalancedInit(Part):
    """All |u_i^(k)| equal, their products adding up to `value`."""

    kind: Literal["balanced"] = "balanced"
    value: Bounded | None = None
    """v at the start; null is the least-squares slope of the data."""


class NormalInit(Part):
    """Every parameter drawn from N(0, std^2), each path its own."""

    kind: Literal["normal"] = "normal"
    std: Positive = 1.0
    """Standard deviation of each parameter."""


Weights = Annotated[tuple[Bounded, ...], Field(min_length=1, max_length=MAX_PARAMETERS)]


class ParametersInit(Part):
    """The same given parameters on every path."""

    kind: Literal["parameters"] = "parameters"
    u: Annotated[tuple[Weights, ...], Field(min_length=1, max_length=MAX_PARAMETERS)]
    """u[i][k], shape (width, depth + 1); [[v]] or [[u, w]] of a tanh1d model."""


Init = Annotated[BalancedInit | NormalInit | ParametersInit, Field(discriminator="kind")]


class EnsembleSpec(Part):
    """What a simulation needs; the base of `simulate` and `compare`."""

    model: SimulateModel
    """The network."""
    data: Data
    """What it is trained on."""
    dynamics: Dynamics
    """How its parameters move."""
    n_paths: Annotated[Count, Field(ge=1, le=MAX_PATHS)] = 4096
    """Independent trajectories."""
    n_steps: Annotated[Count, Field(ge=1, le=MAX_STEPS)] | None = None
    """Updates per trajectory (sgd, gd)."""
    duration: Annotated[Real, Field(gt=0, le=1e12)] | None = None
    """SDE time per trajectory (sgf, langevin); one update of SGD takes the time learning_rate."""
    coordinate: Literal["parameters", "model"] = "parameters"
    """"parameters": every u_i^(k); "model": the reduced SDE of v on the balanced manifold (sgf only)."""
    noise: Literal["gaussian", "three_point", "two_point"] = "gaussian"
    """Increments of the Brownian motion (sgf only)."""
    burn_in: Annotated[Real, Field(ge=0, lt=1)] = 0.5
    """Fraction of the run left out of averages."""
    init: Init = BalancedInit()
    """Where the trajectories start."""
    seed: Annotated[Count, Field(ge=0, lt=2**63)] | None = None
    """Seed of all random streams; null derives it from the spec's own hash. The solution returns it."""
    precision: Literal["float64", "float32"] = "float64"
    """Of states and arithmetic; averages are float64. Normal numbers of fixed-step schemes are float32."""
    observables: tuple[ObservableName, ...] = ("value",)
    """What is followed over time."""
    n_records: Annotated[Count, Field(ge=1, le=10_000)] = 200
    """Times at which observables are recorded."""
    n_snapshots: Annotated[Count, Field(ge=0, le=64)] = 0
    """Paths, the first ones, whose v is returned at every record."""
    first_passage: Real | None = None
    """Level of v whose first passage is timed, with the chance of one between two steps; null for none."""

    @model_validator(mode="after")
    def _length_fits_dynamics(self) -> Self:
        continuous = isinstance(self.dynamics, SGF | Langevin)
        wanted, other = ("duration", "n_steps") if continuous else ("n_steps", "duration")
        if getattr(self, wanted) is None:
            raise refusal(
                wanted, given=None, allowed=f"a positive number, with dynamics {self.dynamics.kind!r}"
            )
        if getattr(self, other) is not None:
            raise refusal(
                other,
                given=getattr(self, other),
                allowed=f"{wanted} alone, with dynamics {self.dynamics.kind!r}",
            )
        if not continuous and self.n_paths * (self.n_steps or 0) > MAX_PATH_STEPS:
            raise refusal(
                "n_steps",
                given=self.n_steps,
                allowed=f"at most {MAX_PATH_STEPS:.0e} path-steps, n_paths * n_steps",
                remedy=f"This is {self.n_paths * (self.n_steps or 0):.3g}: ask for fewer paths or steps.",
            )
        return self

    @model_validator(mode="after")
    def _options_fit_dynamics(self) -> Self:
        if not isinstance(self.dynamics, SGF):
            for name, default in (("coordinate", "parameters"), ("noise", "gaussian")):
                if getattr(self, name) != default:
                    raise refusal(
                        name,
                        given=getattr(self, name),
                        allowed=f"{default!r} with dynamics {self.dynamics.kind!r}",
                        remedy="Other values are for dynamics 'sgf'.",
                    )
        if self.data.kind == "moments" and isinstance(self.dynamics, SGD):
            raise refusal(
                "data.kind",
                given="moments",
                allowed="'gaussian', 'samples' or 'dataset' with dynamics 'sgd'",
                remedy="Minibatches cannot be drawn from moments: use 'sgf' or 'gd' with them.",
            )
        if (
            isinstance(self.dynamics, SGD)
            and self.dynamics.sampling == "epoch"
            and self.data.kind == "gaussian"
        ):
            raise refusal(
                "dynamics.sampling",
                given="epoch",
                allowed="'iid' with gaussian data, which are drawn afresh",
                remedy="Epochs need a finite data set ('samples' or 'dataset').",
            )
        return self

    @model_validator(mode="after")
    def _parameters_fit_model(self) -> Self:
        n_parameters = self.model.width * (self.model.depth + 1)
        if self.coordinate == "parameters" and n_parameters > MAX_PARAMETERS:
            raise refusal(
                "model",
                given=f"{n_parameters} parameters",
                allowed=f"at most {MAX_PARAMETERS} parameters, width * (depth + 1), in a simulation",
            )
        if isinstance(self.init, ParametersInit):
            shape = {len(row) for row in self.init.u}
            if len(self.init.u) != self.model.width or shape != {self.model.depth + 1}:
                raise refusal(
                    "init.u",
                    given=f"{len(self.init.u)} rows of lengths {sorted(shape)}",
                    allowed=f"{self.model.width} rows (width) of {self.model.depth + 1} numbers (depth + 1)",
                )
        if self.coordinate == "model" and not isinstance(self.init, BalancedInit):
            raise refusal(
                "init.kind",
                given=self.init.kind,
                allowed="'balanced' with coordinate='model', which has no parameters to set",
            )
        return self


class Simulate(EnsembleSpec):
    """An ensemble of SGD or SDE trajectories."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "task": "simulate",
                    "model": {"kind": "diagonal", "depth": 1, "width": 1},
                    "data": {"kind": "gaussian", "slope": 1.0, "noise_std": 1.0},
                    "dynamics": {"kind": "sgd", "learning_rate": 0.05, "batch_size": 1},
                    "n_paths": 1024,
                    "n_steps": 2000,
                    "seed": 1,
                }
            ]
        }
    )

    task: Literal["simulate"] = "simulate"

    _refuse_unknown_model = model_validator(mode="before")(_refuse_unknown_model)


class Compare(EnsembleSpec):
    """The stationary law and the simulation of one model, with the distance between them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "task": "compare",
                    "model": {"kind": "diagonal", "depth": 1, "width": 1},
                    "data": {"kind": "gaussian", "slope": 1.0, "noise_std": 1.0},
                    "dynamics": {"kind": "sgf", "temperature": 0.1},
                    "n_paths": 1024,
                    "duration": 20.0,
                    "seed": 1,
                }
            ]
        }
    )

    task: Literal["compare"] = "compare"
    model: Diagonal
    """The network."""
    dynamics: LawDynamics
    """How its parameters move."""
    temperature: Temperature | None = None
    """Temperature of the law; null takes the dynamics' learning_rate / (batch_size (1 - momentum))."""
    weight_decay: NonNegative | None = None
    """Weight decay of the law; null takes that of the dynamics."""
    grid: Grid = Grid()
    """Points at which the density of the law is returned."""

    _refuse_lawless = model_validator(mode="before")(_refuse_lawless)

    @model_validator(mode="after")
    def _label_noise_has_law(self) -> Self:
        if isinstance(self.dynamics, GD) and self.dynamics.label_noise > 0:
            raise refusal(
                "dynamics.label_noise",
                given=self.dynamics.label_noise,
                allowed="0 with dynamics 'gd' in task 'compare'",
                remedy="The law is that of minibatch noise: use task 'simulate', or 'sgd'.",
            )
        return self

    @property
    def law_temperature(self) -> float:
        """Temperature of the stationary law that the simulation is compared with."""
        if self.temperature is not None:
            return self.temperature
        match self.dynamics:
            case SGF():
                return self.dynamics.temperature
            case SGD():
                return self.dynamics.learning_rate / (self.dynamics.batch_size * (1 - self.dynamics.momentum))
            case GD():
                return 0.0

    @property
    def law_weight_decay(self) -> float:
        """Weight decay of the stationary law that the simulation is compared with."""
        return self.dynamics.weight_decay if self.weight_decay is None else self.weight_decay


# A type with a name of its own stands in the JSON Schema once, and a mapping of tasks can point to it.
AnySimulate = TypeAliasType(
    "AnySimulate",
    Annotated[
        Annotated[Simulate, Tag("simulate")] | Annotated[SimulateNetwork, Tag("(network)")],
        Discriminator(kind_of_simulation),
    ],
)
