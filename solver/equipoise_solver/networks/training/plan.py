"""The plan of an ensemble of networks: everything that fixes its numbers, validated."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from equipoise_solver.networks.data import GaussianTeacher, Pairs
from equipoise_solver.networks.families import Family
from equipoise_solver.networks.network import Network
from equipoise_solver.networks.parameters import n_parameters
from equipoise_solver.networks.training import refusals
from equipoise_solver.networks.training.dynamics import Dynamics, Gd, Langevin, Sgd, Sgf
from equipoise_solver.networks.training.layout import Layout, layout_of, trains_in_lanes
from equipoise_solver.networks.training.schedules import factors
from equipoise_solver.networks.training.tiles import LANES

MAX_JOINED_PARAMETERS = 2048
"""Larger networks that train through torch do so one by one: joined, they would not be faster."""


@dataclass(frozen=True)
class Named:
    """Initial parameters drawn by a rule.

    Attributes:
        kind: a name in `networks.initial.INITIALIZATIONS`.
        scale: factor on all parameters, > 0.
        is_common: the same for all paths, those of path 0; otherwise each path draws its own.
    """

    kind: str = "kaiming"
    scale: float = 1.0
    is_common: bool = False


@dataclass(frozen=True, eq=False)
class Given:
    """The same given parameters for all paths.

    Attributes:
        parameters: arrays by block.
    """

    parameters: Mapping[str, object]


Initial = Named | Given


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingPlan:
    """Networks that train side by side; two equal plans give the same bits.

    Attributes:
        network: the model and its loss.
        data: samples, or a Gaussian teacher whose samples are drawn afresh.
        dynamics: how parameters move.
        n_paths: networks, >= 1.
        seed: 0 <= seed < 2**64.
        n_steps: updates per network (Sgd, Gd).
        duration: SDE time per network, [time] (Sgf, Langevin).
        initial: where the networks start.
        observables: names from `observables.OBSERVABLES`.
        families: symmetries whose charges and balance are observed; None for those that the network
            declares.
        n_records: times at which observables are recorded after the start; at most as many as steps.
        n_snapshots: networks, the first ones, whose observables are kept one by one.
        n_observed: most samples that observables are averaged over; fixed ones out of more, or of a teacher.
        balance_temperature: T in the balance of charges; None for that of the dynamics.
        precision: of parameters and updates; observables are float64.

    Raises:
        SolverError: a field, or their combination, makes no sense; see `errors`.
    """

    network: Network
    data: Pairs | GaussianTeacher
    dynamics: Dynamics
    n_paths: int
    seed: int
    n_steps: int | None = None
    duration: float | None = None
    initial: Initial = field(default_factory=Named)
    observables: tuple[str, ...] = ("loss",)
    families: tuple[Family, ...] | None = None
    n_records: int = 100
    n_snapshots: int = 0
    n_observed: int = 4096
    balance_temperature: float | None = None
    precision: Literal["float64", "float32"] = "float64"

    def __post_init__(self) -> None:
        refusals.check(self)

    @cached_property
    def n_parameters(self) -> int:
        """Length p of the flat vector of parameters."""
        return n_parameters(self.network)

    @cached_property
    def n_updates(self) -> int:
        """Steps per network."""
        if self.n_steps is not None:
            return self.n_steps
        assert self.duration is not None
        assert isinstance(self.dynamics, Sgf | Langevin)
        return max(1, math.ceil(self.duration / self.dynamics.step_size * (1 - 1e-12)))

    @cached_property
    def clock_step(self) -> float:
        """What a step adds to the clock: 1 update (Sgd, Gd), or the step in SDE time (Sgf, Langevin)."""
        return 1.0 if self.duration is None else self.duration / self.n_updates

    def rates(self, first: int, n: int) -> NDArray[np.float64]:
        """Learning rate, or size in SDE time, of steps first .., shape (n,)."""
        if isinstance(self.dynamics, Sgf | Langevin):
            return np.full(n, self.clock_step)
        return self.dynamics.learning_rate * self._factors(first, n)

    def spreads(self, first: int, n: int) -> NDArray[np.float64]:
        """How far the noise of steps first .. spreads, shape (n,); 0 for dynamics without noise of its own.

        For Sgf the spread sqrt(T/(h n)) of the samples' weights, for Langevin sqrt(2 T h).
        """
        match self.dynamics:
            case Sgf():
                assert isinstance(self.data, Pairs)
                return np.sqrt(self.temperatures(first, n) / (self.clock_step * self.data.n))
            case Langevin():
                return np.sqrt(2 * self.temperatures(first, n) * self.clock_step)
            case _:
                return np.zeros(n)

    def temperatures(self, first: int, n: int) -> NDArray[np.float64]:
        """Temperature T of steps first .., shape (n,); eta/(S (1 - momentum)) for Sgd, 0 for Gd."""
        match self.dynamics:
            case Sgf() | Langevin():
                base = self.dynamics.temperature
            case Sgd():
                base = self.dynamics.learning_rate / (self.dynamics.batch_size * (1 - self.dynamics.momentum))
            case Gd():
                base = 0.0
        return base * self._factors(first, n)

    def _factors(self, first: int, n: int) -> NDArray[np.float64]:
        return factors(
            self.dynamics.schedule, np.arange(first, first + n, dtype=np.float64) * self.clock_step
        )

    @cached_property
    def uses_lanes(self) -> bool:
        """Whether the compiled kernel trains the networks on a CPU; else torch does."""
        return trains_in_lanes(self.network, self.samples_per_step)

    @cached_property
    def layout(self) -> Layout:
        """Places in the compiled kernel of networks that it trains."""
        return layout_of(self.network)

    @cached_property
    def group_size(self) -> int:
        """Networks per group; it does not depend on their number, so more of them change none."""
        return LANES if self.uses_lanes or self.n_parameters <= MAX_JOINED_PARAMETERS else 1

    @cached_property
    def n_groups(self) -> int:
        """Groups of networks, the last one filled up."""
        return -(-self.n_paths // self.group_size)

    @cached_property
    def symmetries(self) -> tuple[Family, ...]:
        """Families that are observed."""
        return self.network.families() if self.families is None else self.families

    @cached_property
    def samples_per_step(self) -> int:
        """Gradients of samples that a step takes."""
        if isinstance(self.dynamics, Sgd):
            return self.dynamics.batch_size
        assert isinstance(self.data, Pairs)
        return self.data.n

    @cached_property
    def path_steps(self) -> int:
        """Steps of all networks together."""
        return self.n_paths * self.n_updates

    @cached_property
    def work_per_step(self) -> float:
        """Multiplications per step of one network, about; what fixed costs amount to is added."""
        return 1e3 + 3.0 * self.samples_per_step * self.n_parameters

    @cached_property
    def memory_bytes(self) -> float:
        """Largest working memory of a run with few threads, estimated, [bytes]."""
        states = 2 * 8.0 * self.n_groups * self.group_size * self.n_parameters
        samples = (
            0.0 if not isinstance(self.data, Pairs) else 8.0 * (self.data.x.numel() + self.data.y.numel())
        )
        drawn = 8.0 * LANES * max(self.samples_per_step, 1)
        return states + 2 * samples + 4 * drawn + 2.0**27
