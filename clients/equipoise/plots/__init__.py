"""Pictures of solutions by matplotlib, which is imported when the first one is drawn."""

from equipoise.plots.comparison import draw_comparison
from equipoise.plots.diffusion import draw_diffusion
from equipoise.plots.simulation import draw_simulation
from equipoise.plots.stationary import draw_stationary

__all__ = ["draw_comparison", "draw_diffusion", "draw_simulation", "draw_stationary"]
