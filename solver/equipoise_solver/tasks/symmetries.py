"""The task `symmetries`: the exponential symmetries of a network, found numerically."""

import math

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.errors import LimitExceededError
from equipoise_solver.networks import Network
from equipoise_solver.networks.parameters import n_parameters
from equipoise_solver.specs import Symmetries, SymmetriesSolution, SymmetryFamily, spec_hash
from equipoise_solver.symmetry.detect import MOST_COORDINATES, detect_symmetries
from equipoise_solver.symmetry.detect_structures import BlocksSpace, FullSpace, SearchSpace
from equipoise_solver.symmetry.recognise import Found
from equipoise_solver.tasks.networks import array_of, network_of, source_of
from equipoise_solver.tasks.one_part import AtOnce
from equipoise_solver.tasks.one_thread import one_thread
from equipoise_solver.tasks.symmetry_choice import describe_family
from equipoise_solver.tasks.work import Cost, LoadDataset
from equipoise_solver.version import __version__

QUICK_PARAMETERS = 32
"""Parameters up to which a search is done on the spot: a full one has 528 unknowns then."""


class SymmetriesWork(AtOnce):
    """A `symmetries` spec, ready to be solved."""

    def __init__(self, spec: Symmetries, *, load_dataset: LoadDataset | None = None) -> None:
        self.spec = spec
        self._network = network_of(spec.model)
        self._source = (
            None if spec.data is None else source_of(spec.data, self._network, load_dataset=load_dataset)
        )

        _check_size(self._network, spec.structure)

    @property
    def cost(self) -> Cost:
        """Small networks are quick."""
        n = n_parameters(self._network)
        return Cost(
            path_steps=0.0,
            memory_bytes=1e9,
            is_quick=n <= QUICK_PARAMETERS,
            # Gradients, and the singular values of as many as there are unknowns; measured.
            seconds=0.01 + 3e-4 * n + 1e-11 * n**3,
            kind=f"symmetries/{self.spec.structure}",
        )

    def finish(self, checkpoint: Checkpoint) -> SymmetriesSolution:
        """Search, and name what is found."""
        spec = self.spec
        with one_thread():
            found = detect_symmetries(
                self._network, data=self._source, seed=spec.seed, structure=spec.structure
            )
        return SymmetriesSolution(
            spec=spec,
            spec_hash=spec_hash(spec),
            solver_version=__version__,
            device="cpu",
            structure=found.structure,
            dimension=found.dimension,
            families=tuple(map(_described, found.found)),
            declared=tuple(map(describe_family, self._network.families())),
            undetected=found.undetected,
            spectrum=array_of(found.spectrum),
            gap=found.gap if math.isfinite(found.gap) else None,
            residual=found.residual,
            n_points=found.n_points,
            notes=found.notes,
        )


def _check_size(network: Network, structure: str) -> None:
    """Refuse a search of more unknowns than one takes, before anything is computed.

    Raises:
        LimitExceededError: field "structure".
    """
    spaces: dict[str, SearchSpace] = {
        "full": FullSpace(network.blocks),
        "blocks": BlocksSpace(network.blocks),
    }
    if structure in spaces and spaces[structure].dimension > MOST_COORDINATES:
        raise LimitExceededError(
            "structure",
            given=f"{structure} with {spaces[structure].dimension} unknowns",
            allowed=f"at most {MOST_COORDINATES}",
            remedy='Take structure "diagonal" or a smaller network of the same kind.',
        )


def _described(found: Found) -> SymmetryFamily:
    """A symmetry that was found, as users read it."""
    if found.family is None:
        return SymmetryFamily(kind=found.kind, name=found.name, dimension=found.dimension)
    content = describe_family(found.family)
    named = {"kind": found.kind, "name": found.name, "dimension": found.dimension, "members": found.members}
    return content.model_copy(update=named)
