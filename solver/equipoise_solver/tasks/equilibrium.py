"""The task `equilibrium`: the noise equilibrium of a network, and what it changes."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.networks import Parameters
from equipoise_solver.networks.objective import mean_loss
from equipoise_solver.networks.parameters import n_parameters
from equipoise_solver.networks.sharpness import HessianTrace, hessian_trace
from equipoise_solver.networks.top_eigenvalue import top_eigenvalue
from equipoise_solver.specs import BeforeAfter, Charges, Equilibrium, EquilibriumSolution, spec_hash
from equipoise_solver.symmetry import equilibrium as numerics
from equipoise_solver.tasks.equilibrium_flow import FOUND, flow_of
from equipoise_solver.tasks.equilibrium_parts import alignments, noise_traces, squared_norms
from equipoise_solver.tasks.networks import (
    array_of,
    arrays_of,
    network_of,
    parameters_of,
    size_of,
    source_of,
)
from equipoise_solver.tasks.one_part import AtOnce
from equipoise_solver.tasks.one_thread import one_thread
from equipoise_solver.tasks.symmetry_choice import (
    check_generators,
    chosen_symmetries,
    describe_custom,
    describe_family,
)
from equipoise_solver.tasks.work import Cost, LoadDataset
from equipoise_solver.version import __version__

QUICK_WORK = 2e6
"""Samples times parameters up to which an equilibrium is found on the spot; about a second."""
QUICK_GENERATORS = 100
QUICK_FLOW_WORK, QUICK_FLOW_GENERATORS = 1e5, 6
"""The same where the flow is followed too, which takes most of the time."""
NOISELESS = (
    "The gradients of all samples are alike, to rounding: there is no noise, and without weight decay every "
    "point of the orbit is as balanced as any other."
)
DECAY_ALONE = (
    "The gradients of all samples are alike, to rounding: there is no noise, and weight decay alone balances."
)
MOST_VERIFIED = 200_000
"""Parameters up to which declared symmetries are verified, with gradients at some tens of points."""


class EquilibriumWork(AtOnce):
    """An `equilibrium` spec, ready to be solved."""

    def __init__(self, spec: Equilibrium, *, load_dataset: LoadDataset | None = None) -> None:
        self.spec = spec
        self._network = network_of(spec.model)
        self._source = source_of(spec.data, self._network, load_dataset=load_dataset)
        self._families, self._custom = chosen_symmetries(self._network, spec.symmetries)
        if self._custom:
            check_generators(self._network, (), self._custom, self._source)

    @property
    def cost(self) -> Cost:
        """What is small is quick: few generators, few samples of a small network."""
        n_generators = sum(family.dimension for family in self._families) + len(self._custom)
        size = size_of(self._source)
        work = size * n_parameters(self._network)
        if self.spec.flow is None:
            is_quick = work <= QUICK_WORK and n_generators <= QUICK_GENERATORS
        else:
            # Nobody knows beforehand how stiff a flow over a given time gets; schedules have many pieces.
            is_bounded = self.spec.flow.duration is None and not self.spec.flow.schedule
            is_quick = is_bounded and work <= QUICK_FLOW_WORK and n_generators <= QUICK_FLOW_GENERATORS
        memory = 5e8 + 8.0 * size * (self._network.n_inputs + self._network.n_outputs) * 4
        point = 0.07 + 7e-8 * work
        flow = 0.0 if self.spec.flow is None else 1.8 + 0.06 * n_generators
        return Cost(
            path_steps=0.0,
            memory_bytes=memory,
            is_quick=is_quick,
            seconds=point + flow,  # Measured on the reference machine.
            kind="equilibrium" if self.spec.flow is None else "equilibrium/flow",
        )

    def finish(self, checkpoint: Checkpoint) -> EquilibriumSolution:
        """The equilibrium, numbers before and after, and the way there."""
        with one_thread():
            return self._answer()

    @cached_property
    def _start(self) -> Parameters:
        return parameters_of(self.spec.parameters, self._network, self._source)

    def _answer(self) -> EquilibriumSolution:
        spec, network, notes = self.spec, self._network, list[str]()
        if n_parameters(network) <= MOST_VERIFIED:
            check_generators(network, self._families, (), self._source)
        else:
            notes.append("Symmetries of so large a network are taken as declared, not verified.")

        found = numerics.find_equilibrium(
            network,
            self._start,
            self._source,
            temperature=spec.temperature,
            weight_decay=spec.weight_decay,
            families=self._families,
            custom=self._custom,
        )
        sides = (self._start, found.parameters)
        traces = [noise_traces(network, side, self._source) for side in sides]
        aligned = [alignments(network, side, self._source) for side in sides]
        curvature = [self._curvature(side, notes) for side in sides]
        if found.is_noiseless:
            notes.append(DECAY_ALONE if spec.weight_decay > 0 else NOISELESS)
        elif found.outcome == "BUDGET_EXHAUSTED":
            notes.append(
                f"The residual is {found.residual:.2g}: the search ended at the precision of numbers."
            )
        return EquilibriumSolution(
            spec=spec,
            spec_hash=spec_hash(spec),
            solver_version=__version__,
            device="cpu",
            converged=found.outcome in FOUND,
            outcome=found.outcome,
            reason=found.reason,
            residual=found.residual,
            n_iterations=found.n_iterations,
            parameters=arrays_of(found.parameters),
            families=(
                *map(describe_family, self._families),
                *(describe_custom(one, network) for one in self._custom),
            ),
            exponents=None if found.exponents is None else array_of(found.exponents),
            charges=Charges(
                names=tuple(found.generators.names),
                before=array_of(found.charges_before),
                after=array_of(found.charges),
            ),
            loss=_pair(*(mean_loss(network, side, self._source) for side in sides)),
            noise_trace=_pair(*(sum(each.values()) for each in traces)),
            sharpness=_pair(*(each[0] for each in curvature)),
            top_eigenvalue=_pair(*(each[1] for each in curvature)),
            norms=_pairs(*(squared_norms(side) for side in sides)),
            noise_traces=_pairs(*traces),
            alignment=_pairs(*aligned),
            flow=flow_of(
                spec, network, self._start, self._source, families=self._families, found=found, notes=notes
            ),
            notes=tuple(dict.fromkeys(notes)),
        )

    def _curvature(self, parameters: Parameters, notes: list[str]) -> tuple[float | None, float | None]:
        """Trace and largest eigenvalue of the Hessian of the loss; nothing if they were not asked for."""
        if not self.spec.curvature:
            return None, None
        trace = hessian_trace(self._network, parameters, self._source)
        if trace.n_probes:
            notes.append(_estimate(trace))
        top = top_eigenvalue(self._network, parameters, self._source)
        if top.outcome != "CONVERGED":
            notes.append(f"The largest eigenvalue is known to within {top.error_bound:.1g}.")
        return trace.value, top.value


def _estimate(trace: HessianTrace) -> str:
    error = trace.standard_error / abs(trace.value) if trace.value else np.inf
    return (
        f"The trace of the Hessian is an estimate from {trace.n_probes} random vectors, "
        f"standard error {error:.1%}."
    )


def _pair(before: float | None, after: float | None) -> BeforeAfter:
    return BeforeAfter(before=before, after=after)


def _pairs(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, BeforeAfter]:
    return {name: _pair(before[name], after[name]) for name in before}
