"""SGD at finite step: exact laws of its Markov chains, their critical line, explosions and balance."""

from equipoise_solver.theory.discrete.affine import AffineMoments, affine_moments
from equipoise_solver.theory.discrete.answer import discrete_law
from equipoise_solver.theory.discrete.balance import (
    BalanceRates,
    balance_rates,
    imbalance_factor,
    mean_balance_rates,
)
from equipoise_solver.theory.discrete.critical_line import CriticalLine, critical_line, lyapunov_exponent
from equipoise_solver.theory.discrete.data import GaussianData, SampleData, Training
from equipoise_solver.theory.discrete.gap import LawGap, gaps_at_temperature, law_gap
from equipoise_solver.theory.discrete.law import DiscreteLaw

__all__ = [
    "AffineMoments",
    "BalanceRates",
    "CriticalLine",
    "DiscreteLaw",
    "GaussianData",
    "LawGap",
    "SampleData",
    "Training",
    "affine_moments",
    "balance_rates",
    "critical_line",
    "discrete_law",
    "gaps_at_temperature",
    "imbalance_factor",
    "law_gap",
    "lyapunov_exponent",
    "mean_balance_rates",
]
