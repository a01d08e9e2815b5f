"""What users ask besides the law: what the start decides, rates, lifetimes, the Gibbs posterior."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np

from equipoise_solver.errors import LimitExceededError, SolverError, UnsupportedCombinationError
from equipoise_solver.specs import CollapseTime, Diagonal, GibbsComparison, RelaxationTimes, Stationary
from equipoise_solver.tasks.diffusion_parts import asked, finite
from equipoise_solver.theory import DataMoments, StationaryLaw
from equipoise_solver.theory.bayes import PARAMETER_SPACE, bayes_comparison, matched_gibbs_temperature
from equipoise_solver.theory.reduced import LongRunMixture, escape, long_run_mixture, relaxation

Part = TypeVar("Part")


class StationaryParts:
    """The parts of one spec; why one is left out is added to the notes.

    Attributes:
        notes: sentences, in the order in which parts are asked for.
    """

    def __init__(self, spec: Stationary, moments: DataMoments) -> None:
        self._spec, self._moments = spec, moments
        self.notes: list[str] = []

    def law_from_start(self, law: StationaryLaw) -> StationaryLaw:
        """The law in the long run of paths from the start; the law itself if none is given."""
        if self._spec.start is None:
            return law
        return self._try("start", lambda: self._from_start(law)) or law

    def relaxation(self) -> RelaxationTimes | None:
        """The slowest rate and the memory of v."""
        return self._try("relaxation", self._relaxation) if self._spec.relaxation else None

    def escape(self) -> CollapseTime | None:
        """The mean time to the collapse of the learned state."""
        return self._try("escape", self._escape) if self._spec.escape else None

    def bayes(self) -> GibbsComparison | None:
        """The Gibbs posterior beside the law that is learned."""
        return self._try("bayes", self._bayes) if self._spec.bayes else None

    def _try(self, part: str, answer: Callable[[], Part]) -> Part | None:
        try:
            with np.errstate(all="ignore"), asked(part, ()):  # Densities run over more decades than numbers.
                return answer()
        except SolverError as error:
            self.notes.append(f"`{part}` is left out: {error}")
            return None

    def _from_start(self, law: StationaryLaw) -> StationaryLaw:
        spec = self._spec
        depth, width = self._network()
        if law.phase == "metastable":  # Data without noise do not come here.
            self.notes.append("`start` changes nothing: all mass is at 0 in the end, wherever paths start.")
            return law
        mixture = long_run_mixture(
            self._moments,
            spec.start or 0.0,
            depth=depth,
            width=width,
            temperature=spec.temperature,
            weight_decay=spec.weight_decay,
        )
        if mixture.learned == 0.0:
            return _atoms_only(law, mixture)
        if law.density is None:  # Rounding at a critical point: two ways to find out whether 0 attracts.
            raise LimitExceededError(
                "temperature", given=spec.temperature, allowed="a temperature further from the critical one"
            )
        if mixture.atoms:
            self.notes.append(
                "Density, distribution and quantiles are those of what does not end in an atom; "
                "mean and variance are those of all paths from the start."
            )
        return _mixed(law, mixture)

    def _relaxation(self) -> RelaxationTimes:
        spec = self._spec
        depth, width = self._network()
        found = relaxation(
            self._moments,
            depth=depth,
            width=width,
            temperature=spec.temperature,
            weight_decay=spec.weight_decay,
            count=1,
        )
        edge = found.spectrum.continuum
        return RelaxationTimes(
            gap=found.rate,
            time=found.time,
            continuum=None if edge is None else finite(edge),
            autocorrelation_time=found.autocorrelation_time,
        )

    def _escape(self) -> CollapseTime:
        spec, moments = self._spec, self._moments
        depth, width = self._network()
        found = escape(
            moments, depth=depth, width=width, temperature=spec.temperature, weight_decay=spec.weight_decay
        )
        sign = -1.0 if moments.beta2 < 0 else 1.0
        return CollapseTime(
            well=sign * found.learned,
            saddle=sign * found.barrier,
            target=sign * found.level,
            barrier=found.height,
            mean=finite(found.passage.mean),
            log_mean=finite(found.passage.log_mean),
            kramers=finite(found.kramers_time),
            log_kramers=found.log_kramers_time,
            ratio=finite(float(np.exp(found.passage.log_mean - found.log_kramers_time))),
            rate=found.law.rate if found.law else None,
            survivors_mean=finite(sign * found.law.mean) if found.law else None,
        )

    def _bayes(self) -> GibbsComparison:
        spec, moments = self._spec, self._moments
        depth, width = self._network()
        if spec.weight_decay:
            raise UnsupportedCombinationError(
                "weight_decay", given=spec.weight_decay, allowed="0: decay would be a prior of its own"
            )
        matched = matched_gibbs_temperature(moments, spec.temperature, depth=depth, width=width)
        if not matched > 0:
            raise UnsupportedCombinationError(
                "data",
                given="no noise on v at the least-squares solution",
                allowed="data with noise there, which sets the temperature of the posterior",
            )
        found = bayes_comparison(moments, spec.temperature, depth=depth, width=width, conditional=True)
        return GibbsComparison(
            gibbs_temperature=float(found.gibbs_temperature[0]),
            kl_law_gibbs=finite(float(found.kl_sgd_gibbs[0])),
            kl_gibbs_law=finite(float(found.kl_gibbs_sgd[0])),
            total_variation=float(found.total_variation[0]),
            outside=float(found.outside[0]),
            parameter_space=PARAMETER_SPACE if depth else None,
        )

    def _network(self) -> tuple[int, int]:
        """Depth and width of a network with noise.

        Raises:
            UnsupportedCombinationError: the limit of infinite depth, temperature 0, data without noise.
        """
        model = self._spec.model
        if not isinstance(model, Diagonal):
            raise UnsupportedCombinationError(
                "model.kind", given=model.kind, allowed="'diagonal', a network of finite depth"
            )
        if self._spec.temperature == 0:
            raise UnsupportedCombinationError("temperature", given=0.0, allowed="a temperature > 0")
        if self._moments.alpha1 == 0 and self._moments.floor == 0:
            raise UnsupportedCombinationError(
                "data", given="no gradient noise", allowed="data that make noise: paths follow gradient flow"
            )
        return model.depth, model.width


def _mixed(law: StationaryLaw, mixture: LongRunMixture) -> StationaryLaw:
    """The density with the atoms that the start gives, and the moments of both together."""
    parts = [(law.mean, law.variance, mixture.learned)]
    parts += [(atom.at, 0.0, atom.mass or 0.0) for atom in mixture.atoms]
    mean, variance, second_moment = _moments_of(parts)
    return replace(law, atoms=mixture.atoms, mean=mean, variance=variance, second_moment=second_moment)


def _atoms_only(law: StationaryLaw, mixture: LongRunMixture) -> StationaryLaw:
    """All mass in atoms: what belongs to a density is left out."""
    atoms = tuple(atom for atom in mixture.atoms if atom.mass)
    places = [atom.at for atom in atoms]
    mean, variance, second_moment = _moments_of([(atom.at, 0.0, atom.mass or 0.0) for atom in atoms])
    return replace(
        law,
        phase="sparse" if places == [0.0] else law.phase,
        atoms=atoms,
        support=(min(places), max(places)),
        mean=mean,
        variance=variance,
        second_moment=second_moment,
        mode=places[0] if len(places) == 1 else None,
        tail_exponent=None,
        density=None,
        log_normalisation=None,
        reference=None,
    )


def _moments_of(
    parts: list[tuple[float | None, float | None, float]],
) -> tuple[float | None, float | None, float | None]:
    """Mean, variance and second moment of a mixture of laws, each with its mean, variance and weight."""
    if any(mean is None for mean, _, _ in parts):
        return None, None, None
    center = math.fsum(weight * (mean or 0.0) for mean, _, weight in parts)
    if any(variance is None for _, variance, _ in parts):
        return center, None, None
    spread = math.fsum(
        weight * ((variance or 0.0) + ((mean or 0.0) - center) ** 2) for mean, variance, weight in parts
    )
    return center, spread, spread + center**2
