"""The task `simulate` with a network: networks trained side by side, in chunks."""

from collections.abc import Sequence
from functools import cached_property

import torch

from equipoise_solver import specs
from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.networks import Network
from equipoise_solver.networks.initial import initial_parameters
from equipoise_solver.networks.top_eigenvalue import top_eigenvalue
from equipoise_solver.networks.training import dynamics as training
from equipoise_solver.networks.training import merging, result, run
from equipoise_solver.networks.training.plan import Given, Initial, Named, TrainingPlan
from equipoise_solver.networks.training.seconds import seconds
from equipoise_solver.parts import check_part
from equipoise_solver.specs import (
    LostNetwork,
    Series,
    SimulateNetwork,
    SimulateNetworkSolution,
    effective_seed,
    spec_hash,
)
from equipoise_solver.tasks.networks import Source, array_of, network_of, parameters_of, source_of
from equipoise_solver.tasks.one_thread import one_thread
from equipoise_solver.tasks.schedules import schedule_of
from equipoise_solver.tasks.work import Cost, LoadDataset
from equipoise_solver.version import __version__

MULTIPLICATIONS = 1000.0
"""Multiplications of a network that cost what one path-step is meant to: limits and budgets count by them."""
WORTH_A_CARD = 1e13
"""Multiplications from which "auto" takes a graphics card: minutes of a CPU."""
RESOLUTION, FEWEST_STEPS = 0.1, 200
"""A step of an SDE, chosen: this over the largest curvature, and at least so many steps."""


class SimulateNetworkWork:
    """A `simulate` spec with a network, ready to be computed."""

    def __init__(
        self, spec: SimulateNetwork, *, load_dataset: LoadDataset | None = None, device: str = "cpu"
    ) -> None:
        self.spec = spec
        self._network = network_of(spec.model)
        self._source = source_of(spec.data, self._network, load_dataset=load_dataset)
        self._plan = TrainingPlan(
            network=self._network,
            data=self._source,
            dynamics=self._dynamics,
            n_paths=spec.n_paths,
            seed=effective_seed(spec),
            n_steps=spec.n_steps,
            duration=spec.duration,
            initial=_initial(spec, self._network, self._source),
            observables=spec.observables,
            n_records=spec.n_records,
            n_snapshots=spec.n_snapshots,
            balance_temperature=spec.balance_temperature,
            precision=spec.precision,
        )
        self._device = _resolved(device, self._plan)

    @property
    def runs_on_card(self) -> bool:
        """Whether a graphics card takes it, be there one or not: torch takes every network."""
        return True

    @property
    def cost(self) -> Cost:
        """Path-steps, each counted by its multiplications."""
        steps = self._plan.path_steps * self._plan.work_per_step / MULTIPLICATIONS
        engine = "compiled" if self._plan.uses_lanes else "torch"
        return Cost(
            path_steps=steps,
            memory_bytes=self._plan.memory_bytes,
            is_quick=False,
            seconds=seconds(self._plan),
            kind=f"networks/{self.spec.model.kind}/{self.spec.dynamics.kind}/{engine}/{self._plan.precision}",
        )

    @cached_property
    def n_shards(self) -> int:
        """One part for every group of networks that train together."""
        with one_thread():
            return merging.n_shards(self._plan)

    def begin(self, shard: tuple[int, int] | None = None) -> Checkpoint:
        """State before the first chunk, of the whole or of a part."""
        check_part(shard, self.n_shards)
        with one_thread():
            return run.begin(self._plan, shard, fingerprint=spec_hash(self.spec))

    def advance(self, checkpoint: Checkpoint, budget: int, *, threads: int) -> Checkpoint:
        """Do about `budget` path-steps more, counted by their multiplications."""
        steps = budget * MULTIPLICATIONS / self._plan.work_per_step
        return run.advance(self._plan, checkpoint, budget=steps, threads=threads, device=self._device)

    def merge(self, checkpoints: Sequence[Checkpoint]) -> Checkpoint:
        """What the whole ends in, from all its parts in order."""
        return merging.merge(self._plan, checkpoints, fingerprint=spec_hash(self.spec))

    def finish(self, checkpoint: Checkpoint) -> SimulateNetworkSolution:
        """The statistics."""
        spec, found = self.spec, result.finish(self._plan, checkpoint)
        return SimulateNetworkSolution(
            spec=spec,
            spec_hash=spec_hash(spec),
            solver_version=__version__,
            device=self._device,
            n_paths=found.n_paths,
            n_diverged=found.n_diverged,
            path_steps=found.path_steps,
            step_size=None if spec.duration is None else self._plan.clock_step,
            seed=self._plan.seed,
            outcome="DIVERGED" if found.n_diverged else "COMPLETED",
            observables={
                name: Series(time=series.time, mean=series.mean, standard_error=series.standard_error)
                for name, series in found.observables.items()
            },
            learned=found.learned,
            snapshots=found.snapshots if spec.n_snapshots else {},
            parameters={name: values[0] for name, values in found.parameters.items()},
            diverged=tuple(LostNetwork(path=lost.path, step=lost.steps) for lost in found.lost),
            notes=(*self._notes, *found.notes),
        )

    @property
    def _notes(self) -> tuple[str, ...]:
        is_chosen = isinstance(self.spec.dynamics, specs.SGF | specs.Langevin)
        if not is_chosen or self.spec.dynamics.step_size is not None:  # type: ignore[union-attr]
            return ()
        assert self.spec.duration is not None
        is_short = self._chosen_step == self.spec.duration / FEWEST_STEPS
        reason = f"as 1/{FEWEST_STEPS} of the duration" if is_short else "from the curvature of the loss"
        step = f"step_size={self._plan.clock_step:.3g} was chosen {reason}"
        return (f"{step}: give half of it to see what it does to the numbers.",)

    @cached_property
    def _dynamics(self) -> training.Dynamics:
        spec = self.spec.dynamics
        schedule = tuple(map(schedule_of, self.spec.schedule))
        match spec:
            case specs.SGD():
                return training.Sgd(
                    learning_rate=spec.learning_rate,
                    batch_size=spec.batch_size,
                    weight_decay=spec.weight_decay,
                    momentum=spec.momentum,
                    sampling=spec.sampling,
                    label_noise=spec.label_noise,
                    schedule=schedule,
                )
            case specs.GD():
                return training.Gd(
                    learning_rate=spec.learning_rate,
                    weight_decay=spec.weight_decay,
                    momentum=spec.momentum,
                    label_noise=spec.label_noise,
                    schedule=schedule,
                )
            case specs.SGF():
                step = spec.step_size or self._chosen_step
                return training.Sgf(spec.temperature, step, spec.weight_decay, schedule)
            case specs.Langevin():
                step = spec.step_size or self._chosen_step
                return training.Langevin(spec.temperature, step, spec.weight_decay, schedule)

    @cached_property
    def _chosen_step(self) -> float:
        """Step of the SDE from the largest curvature at the start, and where such networks usually start."""
        spec, network, source = self.spec, self._network, self._source
        assert spec.duration is not None
        with one_thread():
            starts = [
                parameters_of(spec.parameters, network, source),
                initial_parameters(network, "kaiming", seed=0),
            ]
            curvatures = [
                top_eigenvalue(network, start, source, tolerance=0.01, max_products=40).value
                for start in starts
            ]
        largest = max(curvatures) + 2 * spec.dynamics.weight_decay
        longest = spec.duration / FEWEST_STEPS
        return min(longest, RESOLUTION / largest) if largest > 0 else longest


def _initial(spec: SimulateNetwork, network: Network, source: Source) -> Initial:
    """Where the networks start: drawn with a seed or given, all at one place; else each at its own."""
    start = spec.parameters
    if isinstance(start, specs.NetworkInit) and start.seed is None:
        return Named(start.init, scale=start.scale)
    parameters = parameters_of(start, network, source)
    return Given({name: array_of(value) for name, value in parameters.items()})


def _resolved(device: str, plan: TrainingPlan) -> str:
    """The device that a plan runs on: a card for "auto" if there is one and the work is long.

    Raises:
        UnsupportedCombinationError: torch does not see that card.
    """
    if device != "auto":
        run.check_device(device)
        return device
    is_long = plan.path_steps * plan.work_per_step >= WORTH_A_CARD
    return "cuda:0" if is_long and torch.cuda.is_available() else "cpu"
