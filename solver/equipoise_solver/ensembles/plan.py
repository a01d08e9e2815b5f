"""The plan of an ensemble: everything that fixes its numbers, validated."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.ensembles import choices, costs, refusals
from equipoise_solver.ensembles.accumulators import Bins, bins_of
from equipoise_solver.ensembles.compiled import GROUP
from equipoise_solver.ensembles.edges import default_edges
from equipoise_solver.ensembles.fingerprint import fingerprint_of
from equipoise_solver.ensembles.noise import NoiseSource
from equipoise_solver.ensembles.observables import Scene
from equipoise_solver.ensembles.problem import (
    Balanced,
    Data,
    Dynamics,
    Gd,
    Init,
    Langevin,
    SamplePairs,
    Sgd,
    Sgf,
)
from equipoise_solver.ensembles.schemes import Scheme
from equipoise_solver.ensembles.sources import source_of
from equipoise_solver.theory.moments import DataMoments

STEPS_PER_SAMPLE = 32
"""Typical steps between two samples of a path with an adaptive clock."""
SPACING = 1.5
"""Relaxation times between two samples of a path with a fixed clock."""
MIN_SPACING, MAX_SPACING = 8, 128
"""Fewest and most steps between two samples of a path with a fixed clock."""


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
        refusals.check(self)

    @cached_property
    def moments(self) -> DataMoments:
        """What the SDE sees of the data, with the noise on the labels of minibatches."""
        std = self.dynamics.label_noise if isinstance(self.dynamics, Sgd) else 0.0
        return self.data.moments.with_label_noise(std) if std > 0 else self.data.moments

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
        """Kind of scheme in force; see `choices.scheme_name`."""
        return choices.scheme_name(self)

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
    def is_one_neuron(self) -> bool:
        """Whether the case that is run most is at hand: descent of u w x without momentum."""
        is_plain = isinstance(self.dynamics, Sgd | Gd) and self.dynamics.momentum == 0
        return is_plain and self.model == "diagonal" and self.depth == 1 and self.width == 1

    @cached_property
    def noise_source(self) -> NoiseSource:
        """Where the randomness comes from."""
        return source_of(self)

    @cached_property
    def scheme(self) -> Scheme:
        """How a state moves."""
        return choices.scheme_of(self)

    @cached_property
    def typical_rate(self) -> float:
        """Rate of relaxation and noise that bounds the step of an SDE near the minimum, [1/time]."""
        return choices.typical_rate(self)

    def pull_at(self, v: float) -> float:
        """|dv/dtheta|^2 = a |v|^q of balanced parameters."""
        layers = self.depth + 1
        return float(layers * self.width ** (2 / layers - 1) * abs(v) ** (2 * self.depth / layers))

    @cached_property
    def relaxation_rate(self) -> float:
        """Rate at which v relaxes to the minimum, 2 a |v|^q b1 at a typical v, [1/time]."""
        return 2 * self.pull_at(self.typical_value) * self.moments.beta1

    @cached_property
    def largest_step(self) -> float:
        """Largest step of a fixed clock, as asked for or by the problem's own rates, [time]."""
        assert isinstance(self.dynamics, Sgf | Langevin)
        if self.dynamics.step_size is not None:
            return self.dynamics.step_size
        return choices.default_step(self)

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
        """Cost of a step of one path, in cheap steps; see `costs.work_per_step`."""
        return costs.work_per_step(self)

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
        return costs.memory_bytes(self)

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
        pull, noise = self.pull_at(self.first_passage), self.moments.noise(self.first_passage)
        return float(4 * pull**2 * self.temperature * noise * self.step_size)

    @cached_property
    def recorded(self) -> tuple[str, ...]:
        """Observables that are recorded: those asked for, and v where its correlation is asked for."""
        wants_value = "autocorrelation" in self.observables and "value" not in self.observables
        return (*self.observables, "value") if wants_value else self.observables

    @cached_property
    def bins(self) -> Bins:
        """The bins of the histogram."""
        return bins_of(self.histogram_edges)

    @cached_property
    def fingerprint(self) -> str:
        """The same for equal plans only: 64 hexadecimal digits."""
        return fingerprint_of(self)
