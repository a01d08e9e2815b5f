"""What is to be said about the numbers of a run: sentences that qualify them, and the tails behind some."""

from equipoise_solver.ensembles.plan import EnsemblePlan
from equipoise_solver.ensembles.problem import GaussianPairs, Langevin, Sgd, Sgf


def notes_of(plan: EnsemblePlan, *, n_lost: int, n_absorbed: int) -> tuple[str, ...]:
    """The sentences.

    Args:
        plan: the ensemble.
        n_lost: paths that diverged.
        n_absorbed: paths that ended at v = 0.
    """
    notes = []
    if n_lost:
        notes.append(
            f"{n_lost} of {plan.n_paths} paths diverged; left out of averages: they are conditional on "
            f"survival. Time series, histogram and quantiles hold their samples up to |v| = "
            f"{plan.scheme.bound:.3g}."
        )
    if n_absorbed:
        notes.append(f"{n_absorbed} of {plan.n_paths} paths were absorbed at v = 0 and count as 0.")
    if n_absorbed and plan.zero_repels:
        notes.append(
            f"At this temperature 0 does not attract: the floor of the scheme's numbers, |v| = "
            f"{plan.scheme.floor:.0e}, absorbed paths that would come back."
        )
    elif plan.share_below_floor > 1e-6:
        notes.append(
            f"A share of about {plan.share_below_floor:.1g} of the law lies below |v| = "
            f"{plan.scheme.floor:.0e}, where the scheme's numbers end: what is shown is the law above."
        )
    if plan.scheme_name in ("log_euler", "tamed_euler", "euler") and plan.depth > 0:
        notes.append(
            f'{plan.scheme_name} distorts the tail of v, and so the variance, at any step: "auto" does not.'
        )
    is_fine = plan.has_fixed_clock and plan.duration is not None and plan.step_size * plan.typical_rate < 1e-3
    if plan.precision == "float32" and is_fine:
        notes.append("In float32 steps this small round part of the drift away: take float64.")
    if n_lost + n_absorbed < plan.n_paths and has_power_tail(plan) and has_heavy_tail(plan):
        notes.append(
            "The tail of v is heavy: E[v^4] is infinite, so variance_standard_error is not reliable. "
            "Quantiles are robust."
        )
    if spreads_without_end(plan):
        notes.append(
            "Without weight decay the Gibbs law of two or more layers cannot be normalised: the parameters "
            "spread along the valley of equal v without end, and averages depend on the length of the run."
        )
    return tuple(notes)


def spreads_without_end(plan: EnsemblePlan) -> bool:
    """Whether the noise of Langevin dynamics moves parameters along a valley in which nothing holds them."""
    is_free = isinstance(plan.dynamics, Langevin) and plan.dynamics.weight_decay == 0
    return is_free and plan.depth > 0 and plan.temperature > 0


def has_power_tail(plan: EnsemblePlan) -> bool:
    """Whether v has a law whose tail is a power: noise that grows with v, at 0 not drawn in by it."""
    if plan.model != "diagonal" or plan.temperature == 0 or plan.moments.alpha1 == 0:
        return False
    if plan.moments.floor <= 1e-12 * plan.moments.alpha3:
        return False
    return plan.depth != 1 or not isinstance(plan.dynamics, Sgf) or plan.zero_repels


def has_heavy_tail(plan: EnsemblePlan) -> bool:
    """Whether E[v^4] of the stationary law is infinite.

    For the SDE with D >= 1 the density falls as v^(-5 + 3/(D+1)); for D = 0 the drift and the noise of
    E[v^4], -8 (d b1 + gamma) + 24 d^2 T a1, decide. SGD has the same tail or a heavier one on unbounded data.
    """
    if plan.model != "diagonal":
        return False
    unbounded = isinstance(plan.dynamics, Sgf) or (
        isinstance(plan.dynamics, Sgd) and isinstance(plan.data, GaussianPairs)
    )
    if not unbounded or plan.temperature == 0 or plan.moments.alpha1 == 0:
        return False
    if plan.depth >= 1:
        return True
    pull = plan.width * plan.moments.beta1 + plan.dynamics.weight_decay
    return bool(3 * plan.width**2 * plan.temperature * plan.moments.alpha1 >= pull)
