"""Where the randomness of a plan comes from."""

import math
from typing import TYPE_CHECKING

from equipoise_solver.ensembles.noise import (
    ADAPTIVE_INCREMENTS,
    NoiseSource,
    full_batch,
    increments,
    label_noise,
    minibatch_epoch,
    minibatch_gaussian,
    minibatch_iid,
    normal_rows,
    pairs,
)
from equipoise_solver.ensembles.problem import GaussianPairs, Gd, Langevin, SamplePairs, Sgd, Sgf

if TYPE_CHECKING:
    from equipoise_solver.ensembles.plan import EnsemblePlan


def source_of(plan: "EnsemblePlan") -> NoiseSource:
    """The increments of an SDE, or the batches of an update rule."""
    match plan.dynamics:
        case Langevin():
            return normal_rows.source(plan.width * (plan.depth + 1))
        case Sgf(noise=kind):
            if not plan.has_fixed_clock:
                return ADAPTIVE_INCREMENTS[kind]()
            return increments.source(kind if plan.coarsening == 1 else "coarse")
        case Gd() as gd:
            return _whole_batch(plan, gd)
        case Sgd() as sgd:
            return _pairs(plan, sgd) if plan.model == "tanh1d" else _batches(plan, sgd)


def _whole_batch(plan: "EnsemblePlan", gd: Gd) -> NoiseSource:
    """The whole data set at every step: what is random is the noise on its labels."""
    std = gd.label_noise
    if plan.model == "tanh1d":
        # The scheme holds the pairs and goes through them itself.
        return label_noise.normals_source() if std > 0 else full_batch.source(beta1=0.0, beta2=0.0)
    sums = {"beta1": plan.moments.beta1, "beta2": plan.moments.beta2}
    if std > 0 and isinstance(plan.data, SamplePairs):
        return label_noise.whole_source(**sums, n=plan.data.x.size, std=std)
    return full_batch.source(**sums)


def _batches(plan: "EnsemblePlan", sgd: Sgd) -> NoiseSource:
    """Minibatches as the sums (A, B) that a model linear in x sees of them."""
    match plan.data:
        case GaussianPairs() as law:
            noise_std = math.hypot(law.noise_std, sgd.label_noise)
            numbers = {"slope": law.slope, "noise_std": noise_std, "input_std": law.input_std}
            if plan.is_one_neuron and sgd.batch_size >= minibatch_gaussian.SMALLEST_PAIRED:
                return minibatch_gaussian.pair_source(**numbers, batch_size=sgd.batch_size)
            return minibatch_gaussian.source(**numbers, batch_size=sgd.batch_size)
        case SamplePairs() as samples:
            by_epoch = sgd.sampling == "epoch"
            data = {"x": samples.x, "y": samples.y}
            if sgd.label_noise > 0:
                return label_noise.batch_source(
                    **data, batch_size=sgd.batch_size, by_epoch=by_epoch, std=sgd.label_noise
                )
            draw = minibatch_epoch.source if by_epoch else minibatch_iid.source
            return draw(**data, batch_size=sgd.batch_size)
    raise AssertionError("refusals.check lets no other data through")


def _pairs(plan: "EnsemblePlan", sgd: Sgd) -> NoiseSource:
    """Minibatches pair by pair, for a model that is not linear in x."""
    match plan.data:
        case GaussianPairs() as law:
            return pairs.gaussian_source(
                slope=law.slope,
                noise_std=math.hypot(law.noise_std, sgd.label_noise),
                input_std=law.input_std,
                batch_size=sgd.batch_size,
                precision=plan.precision,
            )
        case SamplePairs() as samples:
            return pairs.sample_source(
                x=samples.x,
                y=samples.y,
                batch_size=sgd.batch_size,
                by_epoch=sgd.sampling == "epoch",
                std=sgd.label_noise,
                precision=plan.precision,
            )
    raise AssertionError("refusals.check lets no other data through")
