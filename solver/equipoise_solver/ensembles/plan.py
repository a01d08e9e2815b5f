"""The plan of an ensemble: everything that fixes its numbers, validated."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles import choices
from equipoise_solver.ensembles.accumulators import Bins, bins_of
from equipoise_solver.ensembles.compiled import GROUP, LANES
from equipoise_solver.ensembles.noise import (
    ADAPTIVE_INCREMENTS,
    NoiseSource,
    full_batch,
    increments,
    minibatch_epoch,
    minibatch_gaussian,
    minibatch_iid,
)
from equipoise_solver.ensembles.observables import Scene, check_observables
from equipoise_solver.ensembles.problem import (
    Balanced,
    Data,
    Dynamics,
    GaussianPairs,
    Gd,
    Given,
    Init,
    Langevin,
    MomentsOnly,
    Normal,
    SamplePairs,
    Sgd,
    Sgf,
    require,
)
from equipoise_solver.ensembles.schemes import (
    FLOWS,
    Scheme,
    balanced_flow,
    explicit,
    flow_name,
    linear_splitting,
    product_update,
    reciprocal_splitting,
    two_layer_euler,
    two_layer_update,
)
from equipoise_solver.errors import (
    InvalidModelError,
    LimitExceededError,
    UnstableStepError,
    UnsupportedCombinationError,
)
from equipoise_solver.theory.moments import DataMoments

SHARD_BLOCKS = 65536 // LANES
"""Blocks per shard, 65536 paths, the most that a checkpoint holds the state of."""
TASK_BLOCKS = 4
"""Most blocks that one thread takes at a time."""
STEPS_PER_SAMPLE = 32
"""Typical steps between two samples of a path with an adaptive clock."""
SPACING = 1.5
"""Relaxation times between two samples of a path with a fixed clock."""
MIN_SPACING, MAX_SPACING = 8, 128
"""Fewest and most steps between two samples of a path with a fixed clock."""
STEP_PER_RATE, STEP_PER_RATE_EXPLICIT = 0.16, 0.02
"""Default step, times the rate of the problem, of schemes of weak order 2 and 1."""
MAX_SHARE_BELOW = 1e-3
"""Largest share of the law below the numbers of float32 that is accepted."""
MAX_STEP_PER_RATE = 1.0
"""Largest step, times the rate of the problem, that is accepted."""
FAST_STEP = 0.05
"""Cost of a step of a vectorised scheme, in cheap steps."""
UNIT_WORK = 4_000_000
"""Cheap steps that one piece of work aims at, so that a run can stop and report."""
MAX_SHOWN = 1 << 18
"""Samples (times, paths) that one piece of work keeps, 24 bytes each."""
MAX_PARAMETERS = 1024
MAX_MEMORY = 2 << 30
"""Largest working memory, [bytes]."""
MAX_WORK = 1e15
"""Most work of a plan, in cheap steps: months of a large machine."""
MAX_DRAWN_BATCH = 500_000
"""Largest minibatch that is drawn sample by sample."""
MAX_EPOCH_SAMPLES = 1 << 17
"""Largest data set for sampling by epoch: a thread keeps 512 shuffles of it, 2 KiB per sample."""
QUANTILE_LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(frozen=True, eq=False, kw_only=True)
class EnsemblePlan:
    """An ensemble of trajectories of a network; two equal plans give the same bits.

    Attributes:
        depth: D >= 0; of the tanh model 0 without and 1 with a hidden weight.
        width: d >= 1.
        data: what the network is trained on.
        dynamics: how its parameters move.
        n_paths: independent trajectories, >= 1.
        n_steps: updates per trajectory (Sgd, Gd).
        duration: SDE time per trajectory, [time] (Sgf, Langevin).
        coordinate: "parameters", or "model" for the reduced SDE of v (Sgf with Balanced start).
        init: where the trajectories start.
        burn_in: fraction of the run left out of averages and histogram, [0, 1).
        n_records: times at which observables are recorded after the start; at most n_steps of them are made.
        observables: names from `observables.OBSERVABLES`.
        edges: edges of the histogram, increasing, shape (n + 1,); None for edges about the minimum and about
            0.
        seed: 0 <= seed < 2**64.
        model: "diagonal", or "tanh1d" for tanh(u x) times the parameter of a second layer, if there is one.
        precision: of state and arithmetic; averages are float64. Adaptive schemes keep float64 arithmetic.
        n_snapshots: paths, the first ones, whose v is kept at every record.
        first_passage: level of v whose first passage is timed, for a fixed clock.
        coarsening: 2 takes every two steps of the same Brownian path as one, see `pilot`.

    Raises:
        SolverError: a field, or their combination, makes no sense; see `errors`.
    """

    depth: int
    data: Data
    dynamics: Dynamics
    n_paths: int
    seed: int
    model: Literal["diagonal", "tanh1d"] = "diagonal"
    width: int = 1
    n_steps: int | None = None
    duration: float | None = None
    coordinate: Literal["parameters", "model"] = "parameters"
    init: Init = field(default_factory=Balanced)
    burn_in: float = 0.5
    n_records: int = 200
    observables: tuple[str, ...] = ("value",)
    edges: NDArray[np.float64] | None = None
    precision: Literal["float64", "float32"] = "float64"
    n_snapshots: int = 0
    first_passage: float | None = None
    coarsening: Literal[1, 2] = 1

    def __post_init__(self) -> None:
        for name, value, low in (
            ("model.depth", self.depth, 0),
            ("model.width", self.width, 1),
            ("n_paths", self.n_paths, 1),
            ("n_records", self.n_records, 1),
            ("seed", self.seed, 0),
        ):
            require(name, value, low=low)
        if self.seed >= 2**64:
            raise InvalidModelError("seed", given=self.seed, allowed="an integer below 2**64")
        if not 0 <= self.burn_in < 1:
            raise InvalidModelError("burn_in", given=self.burn_in, allowed="a number in [0, 1)")
        _check_length(self)
        _check_combination(self)
        choices.check(self)
        _check_init(self)
        _check_scheme(self)
        _check_stability(self)
        check_observables(self.observables, self.scene)
        _check_passage(self)
        _check_range(self)
        _check_edges(self.edges)
        _check_memory(self)
        _check_work(self)

    @cached_property
    def moments(self) -> DataMoments:
        """What the SDE sees of the data."""
        return choices.moments_of(self.data, self.dynamics)

    @cached_property
    def scene(self) -> Scene:
        """What observables may use."""
        return Scene(self.moments, self.data.target_power)

    @cached_property
    def start_value(self) -> float:
        """v at a balanced start; the least-squares solution elsewhere, as a typical value."""
        if isinstance(self.init, Balanced) and self.init.value is not None:
            return self.init.value
        return self.moments.minimum

    @cached_property
    def typical_value(self) -> float:
        """|v| by which steps are estimated: at the minimum, or at the start unless it is far out."""
        least, start = abs(self.moments.minimum), abs(self.start_value)
        return max(least, min(start, 10 * least)) if least > 0 else start

    @cached_property
    def temperature(self) -> float:
        """T of the SDE, or of the SDE that matches the update rule."""
        match self.dynamics:
            case Sgf() | Langevin():
                return self.dynamics.temperature
            case Sgd():
                return self.dynamics.learning_rate / (self.dynamics.batch_size * (1 - self.dynamics.momentum))
            case Gd():
                return 0.0

    @cached_property
    def epoch_batches(self) -> int:
        """Batches per epoch; 0 unless batches come by epoch."""
        match self.dynamics, self.data:
            case Sgd(sampling="epoch") as sgd, SamplePairs() as samples:
                return -(-samples.x.size // sgd.batch_size)
        return 0

    @cached_property
    def scheme_name(self) -> str:
        """Kind of scheme in force: a name of `problem.SCHEMES` but "auto"; "update" for sgd and gd."""
        if not isinstance(self.dynamics, Sgf):
            return "update"
        if self.dynamics.scheme != "auto":
            return self.dynamics.scheme
        # Where the noise vanishes at a point, paths end there exactly only by steps that follow the state.
        noise_vanishes = self.moments.floor <= 1e-12 * self.moments.alpha3 and self.temperature > 0
        splits = self.starts_balanced and self.depth <= 1 and not noise_vanishes
        return "splitting" if splits else "taylor"

    @cached_property
    def starts_balanced(self) -> bool:
        """Whether the start lies on the balanced manifold, where the SDE of v is all there is."""
        return self.coordinate == "model" or isinstance(self.init, Balanced)

    @cached_property
    def is_reduced(self) -> bool:
        """Whether the state is v alone: asked for, or the same from a balanced start."""
        if not isinstance(self.dynamics, Sgf) or not self.starts_balanced:
            return False
        if self.coordinate == "model" or self.dynamics.scheme in ("auto", "splitting"):
            return True
        in_parameters = self.dynamics.scheme == "euler" and self.depth == 1 and self.width == 1
        return self.dynamics.scheme != "taylor" and not in_parameters

    @cached_property
    def is_continuous(self) -> bool:
        """Whether the run has a duration in SDE time, instead of a number of updates."""
        return isinstance(self.dynamics, Sgf | Langevin)

    @cached_property
    def has_fixed_clock(self) -> bool:
        """Whether every path takes the same steps."""
        return self.scheme_name != "taylor"

    @cached_property
    def noise_source(self) -> NoiseSource:
        """Where the randomness comes from."""
        if (source := choices.source_of(self)) is not None:
            return source
        match self.dynamics, self.data:
            case Sgf() as flow, _:
                if not self.has_fixed_clock:
                    return ADAPTIVE_INCREMENTS[flow.noise]()
                return increments.source(flow.noise if self.coarsening == 1 else "coarse")
            case Gd(), _:
                return full_batch.source(beta1=self.moments.beta1, beta2=self.moments.beta2)
            case Sgd() as sgd, GaussianPairs() as pairs:
                noise_std = math.hypot(pairs.noise_std, sgd.label_noise)
                data = {"slope": pairs.slope, "noise_std": noise_std, "input_std": pairs.input_std}
                if self._is_one_neuron and sgd.batch_size >= minibatch_gaussian.SMALLEST_PAIRED:
                    return minibatch_gaussian.pair_source(**data, batch_size=sgd.batch_size)
                return minibatch_gaussian.source(**data, batch_size=sgd.batch_size)
            case Sgd() as sgd, SamplePairs() as samples:
                draw = minibatch_epoch.source if sgd.sampling == "epoch" else minibatch_iid.source
                return draw(x=samples.x, y=samples.y, batch_size=sgd.batch_size)
        raise AssertionError("_check_combination refuses everything else")

    @cached_property
    def _is_one_neuron(self) -> bool:
        return (
            self.depth == 1
            and self.width == 1
            and self.model == "diagonal"
            and isinstance(self.dynamics, Sgd | Gd)
            and self.dynamics.momentum == 0
        )

    @cached_property
    def scheme(self) -> Scheme:
        """How a state moves."""
        if (scheme := choices.scheme_of(self)) is not None:
            return scheme
        if isinstance(self.dynamics, Sgd | Gd):
            return self._update_scheme(self.dynamics)
        assert isinstance(self.dynamics, Sgf)
        flow = self.dynamics
        heat = {"temperature": flow.temperature, "weight_decay": flow.weight_decay}
        if self.scheme_name == "taylor":
            name = flow_name(coordinate="model" if self.is_reduced else "parameters", depth=self.depth)
            return FLOWS[name](
                self.moments,
                depth=self.depth,
                width=self.width,
                **heat,
                max_step=flow.step_size or math.inf,
                relative_step=flow.tolerance,
                typical_value=self.typical_value,
                start_value=abs(self.start_value),
            )
        step_size = self.step_size
        if not self.is_reduced:
            return two_layer_euler.scheme(
                self.moments, **heat, step_size=step_size, typical_rate=self.typical_rate
            )
        if self.scheme_name != "splitting":
            return explicit.scheme(
                self.scheme_name,
                self.moments,
                depth=self.depth,
                width=self.width,
                **heat,
                step_size=step_size,
                typical_rate=self.typical_rate,
            )
        if self.depth == 0:
            return linear_splitting.scheme(self.moments, width=self.width, **heat, step_size=step_size)
        return reciprocal_splitting.scheme(
            self.moments,
            **heat,
            step_size=step_size,
            typical_value=self.typical_value,
            precision=self.precision,
        )

    def _update_scheme(self, dynamics: Sgd | Gd) -> Scheme:
        if self._is_one_neuron:
            return two_layer_update.scheme(
                learning_rate=dynamics.learning_rate,
                weight_decay=dynamics.weight_decay,
                power=self.moments.beta1,
                precision=self.precision,
                batch=self.noise_source.numbers if self.noise_source.steps > 1 else None,
            )
        return product_update.scheme(
            depth=self.depth,
            width=self.width,
            learning_rate=dynamics.learning_rate,
            momentum=dynamics.momentum,
            weight_decay=dynamics.weight_decay,
            power=self.moments.beta1,
        )

    @cached_property
    def typical_rate(self) -> float:
        """Rate of relaxation and noise that bounds the step of an SDE near the minimum, [1/time]."""
        if isinstance(self.dynamics, Langevin):
            return choices.langevin_rate(self)
        assert isinstance(self.dynamics, Sgf)
        heat = {"temperature": self.dynamics.temperature, "weight_decay": self.dynamics.weight_decay}
        if self.depth == 0:
            return linear_splitting.rate(self.moments, width=self.width, **heat)
        if self.depth == 1:
            return reciprocal_splitting.rate(self.moments, **heat, value=self.typical_value)
        return balanced_flow.rate(
            self.moments, **heat, depth=self.depth, width=self.width, v=self.typical_value
        )

    @cached_property
    def relaxation_rate(self) -> float:
        """Rate at which v relaxes to the minimum, 2 a |v|^q b1 at a typical v, [1/time]."""
        layers = self.depth + 1
        pull = layers * self.width ** (2 / layers - 1) * self.typical_value ** (2 * self.depth / layers)
        return float(2 * pull * self.moments.beta1)

    @cached_property
    def largest_step(self) -> float:
        """Largest step of a fixed clock, as asked for or by the problem's own rates, [time]."""
        assert isinstance(self.dynamics, Sgf | Langevin)
        if self.dynamics.step_size is not None:
            return self.dynamics.step_size
        is_explicit = self.scheme_name in ("euler", "tamed_euler", "log_euler")
        share = STEP_PER_RATE_EXPLICIT if is_explicit else STEP_PER_RATE
        return share / max(self.typical_rate, 1e-300)

    @cached_property
    def sample_spacing(self) -> int:
        """Steps between two samples that are worth averaging: about the time in which v relaxes.

        Where samples of a process of Ornstein and Uhlenbeck lie 1.5 relaxation times apart, the error of
        their mean is 9 % above that of the mean over all time.
        """
        if isinstance(self.dynamics, Sgf) and not self.has_fixed_clock:
            return STEPS_PER_SAMPLE
        step = self.dynamics.learning_rate if isinstance(self.dynamics, Sgd | Gd) else self.largest_step
        relaxation = self.relaxation_rate * step
        wanted = SPACING / relaxation if relaxation > 0 else math.inf
        return GROUP * round(min(MAX_SPACING, max(MIN_SPACING, wanted)) / GROUP)

    @cached_property
    def intervals(self) -> tuple[int, int]:
        """Sample intervals per record, and steps per interval, of an SDE with a fixed clock."""
        assert self.duration is not None
        steps = self.duration / self.largest_step / self.n_records
        per_record = max(1, math.ceil(steps / self.sample_spacing - 1e-9))
        # Whole groups of steps in an interval, also of steps of twice the size.
        interval = 2 * GROUP * max(1, math.ceil(steps / per_record / (2 * GROUP) - 1e-9))
        return per_record, interval // self.coarsening

    @cached_property
    def flow_steps(self) -> int:
        """Steps of one path of an SDE with a fixed clock."""
        per_record, steps = self.intervals
        return self.n_records * per_record * steps

    @cached_property
    def step_size(self) -> float:
        """Step of an SDE with a fixed clock, at most the largest step, [time]."""
        assert self.duration is not None
        return self.duration / self.flow_steps

    @cached_property
    def typical_steps(self) -> float:
        """Steps of one path, estimated for an adaptive scheme and exact otherwise."""
        if self.n_steps is not None:
            return float(self.n_steps)
        if self.has_fixed_clock:
            return float(self.flow_steps)
        assert isinstance(self.dynamics, Sgf)
        assert self.duration is not None
        step = self.dynamics.tolerance / max(self.scheme.typical_rate, 1e-300)
        return max(1.0, self.duration / min(step, self.dynamics.step_size or math.inf))

    @cached_property
    def path_steps(self) -> float:
        """Steps of all paths, estimated for an SDE."""
        return self.n_paths * self.typical_steps

    @cached_property
    def work_per_step(self) -> float:
        """Cost of a step of one path; 1 is a cheap step, of some 20 ns.

        A network costs by its parameters; a batch of a data set by the samples that it draws or shuffles.
        """
        if (own := choices.work_per_step(self)) is not None:
            return own
        if self.has_fixed_clock and self.noise_source.steps > 1:
            return FAST_STEP
        parameters = 1 if self.is_reduced else self.width * (self.depth + 1)
        drawn = 1.0
        if isinstance(self.data, SamplePairs) and isinstance(self.dynamics, Sgd):
            drawn = self.dynamics.batch_size
            if self.dynamics.sampling == "epoch":
                drawn = 2.0 * min(drawn, self.data.x.size)
        return max(1.0, parameters / 4 + drawn / 2)

    @cached_property
    def work_to_resume(self) -> float:
        """Cost, per path, of going on where a piece of work ended: by epoch, the data are shuffled again."""
        return self.data.x.size / 2 if self.epoch_batches and isinstance(self.data, SamplePairs) else 0.0

    @cached_property
    def work(self) -> float:
        """Cost of all steps of all paths in cheap steps, which limits should bound; see `work_per_step`."""
        return self.path_steps * self.work_per_step

    @cached_property
    def memory_bytes(self) -> float:
        """Largest working memory of a run with few threads, estimated, [bytes]."""
        paths = min(self.n_paths, SHARD_BLOCKS * LANES)
        state = paths * (16.0 * self.scheme.n_state + 144.0)
        thread = 8.0 * LANES * self.scheme.n_work + 4.0 * LANES * self.noise_source.work_columns
        shown = 0.0 if self.has_fixed_clock else 24.0 * MAX_SHOWN * (1 + len(self.observables))
        return 2 * state + 4 * (thread + shown)

    @cached_property
    def histogram_edges(self) -> NDArray[np.float64]:
        """The edges in force, shape (n + 1,)."""
        return default_edges(self) if self.edges is None else np.asarray(self.edges, dtype=np.float64)

    @cached_property
    def zero_repels(self) -> bool:
        """Whether T < Tc = (b2 - gamma)/g(0) in the sector of the start, for the SDE of two layers."""
        if self.depth != 1 or not isinstance(self.dynamics, Sgf) or self.start_value == 0:
            return False
        return self.temperature * self.moments.noise(0.0) < self._pull

    @cached_property
    def _pull(self) -> float:
        """Growth b2 - gamma of small v, in the sector of the start."""
        assert isinstance(self.dynamics, Sgf)
        sign = -1.0 if self.start_value < 0 else 1.0
        return sign * self.moments.beta2 - self.dynamics.weight_decay

    @cached_property
    def share_below_floor(self) -> float:
        """Share of the law of two layers below the floor of the scheme, where p grows as a power of v."""
        heat = self.temperature * self.moments.noise(0.0)
        if not self.zero_repels or heat == 0:
            return 0.0
        return float(self.scheme.floor ** ((self._pull - heat) / (2 * heat)))

    @cached_property
    def passage_variance(self) -> float:
        """Variance of a step of the SDE at the level of first passage; 0 where steps are all there is."""
        if self.first_passage is None or not isinstance(self.dynamics, Sgf):
            return 0.0
        layers, level = self.depth + 1, self.first_passage
        pull = layers * self.width ** (2 / layers - 1) * abs(level) ** (2 * self.depth / layers)
        return float(4 * pull**2 * self.temperature * self.moments.noise(level) * self.step_size)

    @cached_property
    def recorded(self) -> tuple[str, ...]:
        """Observables that are recorded: those asked for, and v where its correlation is asked for."""
        wants_value = "autocorrelation" in self.observables and "value" not in self.observables
        return (*self.observables, "value") if wants_value else self.observables

    @cached_property
    def bins(self) -> Bins:
        """The bins of the histogram."""
        return bins_of(self.histogram_edges)


def default_edges(plan: EnsemblePlan) -> NDArray[np.float64]:
    """Edges on the scale of the fluctuations about the minimum, and logarithmic about 0 and outwards."""
    centre = plan.moments.minimum
    curvature = (plan.depth + 1) * plan.width ** (2 / (plan.depth + 1) - 1)
    curvature *= max(abs(centre), 1e-3) ** (2 * plan.depth / (plan.depth + 1))
    variance = curvature * plan.temperature * plan.moments.noise(centre) / plan.moments.beta1
    if isinstance(plan.dynamics, Langevin):
        variance = plan.temperature / (2 * plan.moments.beta1)
    # The law's own scale: a start far out is reached by logarithmic bins, and blurs nothing else.
    typical = plan.typical_value if centre != 0 else min(abs(plan.start_value), 1.0)
    scale = max(typical, math.sqrt(variance), 1e-6)
    spread = min(max(math.sqrt(variance), 1e-4 * scale), scale)
    about_centre = centre + spread * np.sinh(np.linspace(-1, 1, 601) * math.asinh(1e4 * scale / spread))
    top = math.log10(max(10.0, 10 * abs(plan.start_value) / scale))
    decades = scale * np.logspace(-9, top, 20 * math.ceil(9 + top) + 1)
    if plan.depth > 0 and plan.temperature * plan.moments.noise(0.0) > 0.5 * abs(plan.moments.beta2):
        # Close to where 0 attracts, paths spread over hundreds of decades.
        decades = np.concatenate([np.logspace(-300, math.log10(decades[0]), 300)[:-1], decades])
    return np.unique(np.concatenate([about_centre, decades, -decades]))


def _check_length(plan: EnsemblePlan) -> None:
    flow = plan.is_continuous
    name, other = ("duration", "n_steps") if flow else ("n_steps", "duration")
    if getattr(plan, other) is not None:
        raise UnsupportedCombinationError(other, given=getattr(plan, other), allowed=f"{name} alone here")
    length = getattr(plan, name)
    if length is None:
        raise InvalidModelError(name, given=None, allowed="a positive number, which these dynamics need")
    require(name, length, low=0, strict=True)


def _check_combination(plan: EnsemblePlan) -> None:
    if isinstance(plan.dynamics, Sgd):
        if isinstance(plan.data, MomentsOnly):
            raise UnsupportedCombinationError(
                "data.kind",
                given="moments",
                allowed="gaussian or samples data for sgd",
                remedy="Moments do not fix the law of a minibatch: use sgf or gd.",
            )
        _check_batch(plan, plan.dynamics)
        if plan.dynamics.sampling == "epoch":
            _check_epoch(plan)
    if plan.coordinate == "model" and not isinstance(plan.dynamics, Sgf):
        raise UnsupportedCombinationError(
            "coordinate",
            given="model",
            allowed='"parameters" for dynamics other than sgf',
            remedy="A balanced start stays balanced under sgd and gd; langevin leaves it.",
        )
    if plan.coordinate == "model" and not isinstance(plan.init, Balanced):
        raise UnsupportedCombinationError(
            "init.kind", given=type(plan.init).__name__.lower(), allowed='"balanced" for coordinate="model"'
        )
    n = plan.width * (plan.depth + 1)
    if plan.coordinate == "parameters" and n > MAX_PARAMETERS:
        raise LimitExceededError(
            "model.width",
            given=plan.width,
            allowed=f"at most {MAX_PARAMETERS} parameters, width * (depth + 1)",
            remedy='For the balanced SDE use coordinate="model".',
        )


def _check_batch(plan: EnsemblePlan, sgd: Sgd) -> None:
    if isinstance(plan.data, SamplePairs) and sgd.batch_size > MAX_DRAWN_BATCH:
        raise LimitExceededError(
            "dynamics.batch_size",
            given=sgd.batch_size,
            allowed=f"at most {MAX_DRAWN_BATCH} samples drawn per step",
            remedy='Batches as large hardly fluctuate: use "gd", or "sgf" at that temperature.',
        )


def _check_epoch(plan: EnsemblePlan) -> None:
    if not isinstance(plan.data, SamplePairs):
        raise UnsupportedCombinationError(
            "dynamics.sampling",
            given="epoch",
            allowed='"iid" for data that are drawn afresh',
            remedy="Epochs need a finite data set.",
        )
    if plan.data.x.size > MAX_EPOCH_SAMPLES:
        raise LimitExceededError(
            "dynamics.sampling",
            given="epoch",
            allowed=f"at most {MAX_EPOCH_SAMPLES} samples by epoch",
            remedy='This data set is larger: use "iid".',
        )


def _check_init(plan: EnsemblePlan) -> None:
    if not isinstance(plan.init, Given):
        return
    lengths = {len(row) for row in plan.init.u}
    if len(plan.init.u) != plan.width or lengths != {plan.depth + 1}:
        raise InvalidModelError(
            "init.u",
            given=[len(plan.init.u), sorted(lengths)],
            allowed=f"width={plan.width} rows of depth + 1 = {plan.depth + 1} numbers",
        )


def _check_scheme(plan: EnsemblePlan) -> None:
    """Refuse a scheme that does not fit the model or the start, and a step beyond stability."""
    if not isinstance(plan.dynamics, Sgf):
        return
    name = plan.scheme_name
    if name == "splitting" and (plan.depth > 1 or not plan.starts_balanced):
        raise UnsupportedCombinationError(
            "dynamics.scheme",
            given=name,
            allowed="depth 0 or 1 and a balanced start",
            remedy='"taylor" takes any depth and start.',
        )
    if name in ("log_euler", "tamed_euler") and plan.depth == 0:
        raise UnsupportedCombinationError(
            "dynamics.scheme",
            given=name,
            allowed="depth >= 1; for depth 0 nothing explodes",
            remedy='Use "splitting" or "euler".',
        )
    if name in ("log_euler", "tamed_euler", "euler") and not plan.starts_balanced:
        in_parameters = name == "euler" and plan.depth == 1 and plan.width == 1
        if not in_parameters:
            raise UnsupportedCombinationError(
                "dynamics.scheme",
                given=name,
                allowed="a balanced start, or euler with depth 1 and width 1",
                remedy='"taylor" takes any start.',
            )
    if plan.has_fixed_clock and plan.largest_step * plan.typical_rate > MAX_STEP_PER_RATE:
        bound = MAX_STEP_PER_RATE / plan.typical_rate
        raise UnstableStepError(
            "dynamics.step_size",
            given=plan.dynamics.step_size,
            allowed=f"step_size <= {bound:.4g}, at which noise and relaxation change v by its own size",
            remedy=f"Leave it null for {bound * STEP_PER_RATE:.4g} or less.",
        )


def _check_range(plan: EnsemblePlan) -> None:
    """Refuse float32 where too much of the law lies below its numbers."""
    if plan.precision == "float32" and plan.share_below_floor > MAX_SHARE_BELOW:
        raise UnsupportedCombinationError(
            "precision",
            given="float32",
            allowed='"float64" this close to the critical temperature',
            remedy=f"A share of {plan.share_below_floor:.2g} of the law lies below |v| = "
            f"{plan.scheme.floor:.0e}.",
        )


def _check_passage(plan: EnsemblePlan) -> None:
    require("n_snapshots", plan.n_snapshots, low=0)
    if plan.n_snapshots > LANES:
        raise LimitExceededError(
            "n_snapshots",
            given=plan.n_snapshots,
            allowed=f"at most {LANES} paths",
            remedy="The histogram holds all samples of all paths.",
        )
    if plan.first_passage is None:
        return
    require("first_passage", plan.first_passage)
    if not plan.has_fixed_clock:
        raise UnsupportedCombinationError(
            "first_passage",
            given=plan.first_passage,
            allowed='null for the scheme "taylor", which steps through sample times at its own pace',
            remedy='Name one with fixed steps, "splitting" (depth 0 and 1) or "log_euler", or use sgd or gd.',
        )


def _check_stability(plan: EnsemblePlan) -> None:
    """Full-batch descent of depth 0 is linear: refuse a learning rate that certainly explodes."""
    if plan.depth > 0 or not isinstance(plan.dynamics, Gd) or plan.model != "diagonal":
        return
    stiffness = 2 * (plan.moments.beta1 * plan.width + plan.dynamics.weight_decay)
    bound = 2 * (1 + plan.dynamics.momentum) / stiffness
    if plan.dynamics.learning_rate >= bound:
        raise UnstableStepError(
            "dynamics.learning_rate",
            given=plan.dynamics.learning_rate,
            allowed=f"learning_rate < 2 (1 + momentum)/curvature = {bound:.6g}",
            remedy="Reduce it.",
        )


def _check_memory(plan: EnsemblePlan) -> None:
    if plan.memory_bytes > MAX_MEMORY:
        raise LimitExceededError(
            "n_paths",
            given=plan.n_paths,
            allowed=f"at most {MAX_MEMORY / 2**30:g} GiB; this takes {plan.memory_bytes / 2**30:.1f} GiB",
            remedy='Ask for fewer paths or parameters, or use coordinate="model".',
        )


def _check_work(plan: EnsemblePlan) -> None:
    if plan.work <= MAX_WORK:
        return
    by_batch = isinstance(plan.data, SamplePairs) and isinstance(plan.dynamics, Sgd)
    by_batch = by_batch and plan.work > 10 * plan.path_steps
    raise LimitExceededError(
        "dynamics.batch_size" if by_batch else "n_paths",
        given=plan.dynamics.batch_size if by_batch and isinstance(plan.dynamics, Sgd) else plan.n_paths,
        allowed=f"at most {MAX_WORK:.0e} cheap steps of work; this takes about {plan.work:.2g}",
        remedy="Ask for smaller batches, fewer paths or a shorter run.",
    )


def _check_edges(edges: NDArray[np.float64] | None) -> None:
    if edges is None:
        return
    values = np.asarray(edges, dtype=np.float64)
    if values.ndim != 1 or values.size < 2 or not np.all(np.isfinite(values)) or np.any(np.diff(values) <= 0):
        raise InvalidModelError("edges", given="edges", allowed="at least two finite numbers, increasing")


__all__ = ["QUANTILE_LEVELS", "EnsemblePlan", "Normal", "default_edges"]
