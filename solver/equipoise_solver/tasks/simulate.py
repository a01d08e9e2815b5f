"""The task `simulate`: an ensemble of trajectories, computed in chunks."""

from collections.abc import Sequence

from equipoise_solver import ensembles
from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.ensembles.cuda.kernels import has_kernel
from equipoise_solver.ensembles.devices import CPU, resolve_device
from equipoise_solver.parts import check_part
from equipoise_solver.specs import Ensemble, Simulate, SimulateSolution, spec_hash
from equipoise_solver.tasks.ensemble import cost_of, describe_ensemble, plan_of
from equipoise_solver.tasks.work import Cost, LoadDataset
from equipoise_solver.version import __version__


class SimulateWork:
    """A `simulate` spec, ready to be computed."""

    def __init__(self, spec: Simulate, *, load_dataset: LoadDataset | None = None, device: str = CPU) -> None:
        self.spec = spec
        self._plan = plan_of(spec, load_dataset=load_dataset)
        self._device = resolve_device(device, self._plan)

    @property
    def cost(self) -> Cost:
        """Path-steps and memory of the ensemble."""
        return cost_of(self._plan, "simulate")

    @property
    def runs_on_card(self) -> bool:
        """Whether a graphics card has kernels for it, be there one or not."""
        return has_kernel(self._plan)

    @property
    def n_shards(self) -> int:
        """One part for every 65536 paths."""
        return ensembles.n_shards(self._plan)

    def begin(self, shard: tuple[int, int] | None = None) -> Checkpoint:
        """State before the first chunk, of the whole or of a part."""
        check_part(shard, self.n_shards)
        return ensembles.begin(self._plan, shard)

    def advance(self, checkpoint: Checkpoint, budget: int, *, threads: int) -> Checkpoint:
        """Do about `budget` path-steps more."""
        return ensembles.advance(self._plan, checkpoint, budget=budget, threads=threads, device=self._device)

    def merge(self, checkpoints: Sequence[Checkpoint]) -> Checkpoint:
        """What the whole ends in, from all its parts in order."""
        return ensembles.merge(self._plan, checkpoints)

    def finish(self, checkpoint: Checkpoint) -> SimulateSolution:
        """The statistics."""
        answer = describe_ensemble(ensembles.finish(self._plan, checkpoint), self._plan)
        return SimulateSolution(
            spec=self.spec,
            spec_hash=spec_hash(self.spec),
            solver_version=__version__,
            device=self._device,
            **{name: getattr(answer, name) for name in Ensemble.model_fields},
        )
