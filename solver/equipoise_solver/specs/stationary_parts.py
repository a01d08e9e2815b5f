"""What the task `stationary` answers besides the law: rates, lifetimes, the Gibbs posterior."""

from equipoise_solver.specs.base import Answer


class RelaxationTimes(Answer):
    """How fast a network relaxes to its law."""

    gap: float | None
    """Slowest rate of relaxation, [1/time]; null if not known."""
    time: float | None
    """1 / gap, [time]."""
    continuum: float | None
    """Where the continuous spectrum begins, [1/time]; null if there is none, or that is not known."""
    autocorrelation_time: float | None
    """Integral of the autocorrelation of v under the law, [time]; null if v has no variance."""


class CollapseTime(Answer):
    """How long paths stay at the learned state before weight decay takes them to 0."""

    well: float
    """The learned state, where paths start: stable zero of Stratonovich's drift."""
    saddle: float
    """The unstable zero that is crossed."""
    target: float
    """Where a path counts as collapsed: a tenth of the saddle."""
    barrier: float
    """Height of the barrier: integral of 2 drift/noise^2 from the saddle to the well."""
    mean: float | None
    """Exact mean time, [time]; null beyond the largest number."""
    log_mean: float | None
    """Its natural logarithm; null if the mean is infinite."""
    kramers: float | None
    """Mean time by Kramers' formula, [time]; null beyond the largest number."""
    log_kramers: float
    """Its natural logarithm."""
    ratio: float | None
    """Exact mean time over that of Kramers, 1 for high barriers."""
    rate: float | None
    """Rate at which survivors collapse after long, [1/time]; null behind barriers too high for it: 1/mean."""
    survivors_mean: float | None
    """Mean of v among survivors after long; null where the rate is."""


class GibbsComparison(Answer):
    """The law P beside the Gibbs posterior Q on v, normal, of the prior that is flat in v.

    Q is conditional on the support of P: beside the whole posterior KL(P|Q) is larger by -log(1 - outside),
    and KL(Q|P) is infinite if outside > 0.
    """

    gibbs_temperature: float
    """T' of Q, at which both laws have the same variance as T -> 0, [loss]."""
    kl_law_gibbs: float | None
    """KL(P|Q), nats; null if infinite."""
    kl_gibbs_law: float | None
    """KL(Q|P), nats; null if infinite."""
    total_variation: float
    """Largest difference of the probabilities of an event."""
    outside: float
    """Mass of the whole posterior outside the support of P."""
    parameter_space: str | None
    """Why KL is infinite both ways in the space of the parameters; null for depth 0."""
