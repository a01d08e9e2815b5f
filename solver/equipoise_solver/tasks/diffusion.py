"""The task `diffusion`: any one-dimensional SDE, each part of the question answered by its own function."""

import math
from collections.abc import Callable

import numpy as np

from equipoise_solver.checkpoint import Checkpoint
from equipoise_solver.diffusion.ends import End
from equipoise_solver.diffusion.problem import from_expressions
from equipoise_solver.diffusion.profile import profile_of
from equipoise_solver.specs import Diffusion, DiffusionEnd, DiffusionSolution, spec_hash
from equipoise_solver.tasks.diffusion_evolution import evolution
from equipoise_solver.tasks.diffusion_laws import long_run_law, survival_law
from equipoise_solver.tasks.diffusion_parts import Part, attempted, finite
from equipoise_solver.tasks.diffusion_times import escape_time, passage_times, relaxation, splitting
from equipoise_solver.tasks.one_part import AtOnce
from equipoise_solver.tasks.work import Cost
from equipoise_solver.version import __version__

QUICK_RATES, QUICK_STARTS = 6, 10
"""So many rates and distributions of passage times, at most, are answered on the spot."""


class DiffusionWork(AtOnce):
    """A `diffusion` spec, ready to be solved."""

    def __init__(self, spec: Diffusion) -> None:
        self.spec = spec
        low, high = spec.interval
        self._problem = from_expressions(
            spec.drift,
            spec.noise,
            parameters=spec.params,
            interval=(-math.inf if low is None else low, math.inf if high is None else high),
            interpretation=spec.interpretation,
        )

    @property
    def cost(self) -> Cost:
        """Seconds; what is asked is quick unless there are many rates or distributions."""
        spectrum, passage = self.spec.spectrum, self.spec.passage_time
        n_rates = 0 if spectrum is None else spectrum.n
        n_starts = 0 if passage is None else len(passage.start)
        is_quick = n_rates <= QUICK_RATES and n_starts <= QUICK_STARTS
        return Cost(
            path_steps=0.0,
            memory_bytes=5e8,
            is_quick=is_quick,
            seconds=self._seconds(n_rates, n_starts),
            kind="diffusion" if spectrum is None else "diffusion/spectrum",
        )

    def _seconds(self, n_rates: int, n_starts: int) -> float:
        """Processor seconds on the reference machine, [s]; between those of smooth and of singular ends."""
        evolve = self.spec.evolve
        evolving = 0.0 if evolve is None else 0.5 + 3e-6 * evolve.n_cells * len(evolve.times)
        passing = 0.03 * n_starts
        return 0.2 + 0.028 * n_rates**2 + passing + evolving

    def finish(self, checkpoint: Checkpoint) -> DiffusionSolution:
        """Answer every part that can be."""
        with np.errstate(all="ignore"):  # Densities run over more decades than numbers have.
            return self._answer()

    def _answer(self) -> DiffusionSolution:
        spec, notes = self.spec, list[str]()
        low, high = spec.end_behaviour
        profile = profile_of(self._problem, low_behaviour=low, high_behaviour=high)

        def part(name: str, answer: Callable[[], Part]) -> Part | None:
            return attempted(name, notes, answer)

        return DiffusionSolution(
            spec=spec,
            spec_hash=spec_hash(spec),
            solver_version=__version__,
            device="cpu",
            boundaries=(_end(profile.low), _end(profile.high)),
            stationary=part("stationary", lambda: long_run_law(profile, spec, notes)),
            hitting=part("hitting", lambda: splitting(profile, spec)),
            passage_time=part("passage_time", lambda: passage_times(profile, spec, notes)),
            escape=part("escape", lambda: escape_time(profile, spec, notes)),
            quasi_stationary=part("quasi_stationary", lambda: survival_law(profile, spec, notes)),
            spectrum=part("spectrum", lambda: relaxation(profile, spec, notes)),
            evolve=part("evolve", lambda: evolution(profile, spec, notes)),
            notes=tuple(notes),
        )


def _end(end: End) -> DiffusionEnd:
    return DiffusionEnd(
        at=finite(end.at),
        kind=end.kind,
        attracting=end.attracting,
        behaviour=end.behaviour,
        reason=end.reason,
    )
