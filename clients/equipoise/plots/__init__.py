"""Pictures of solutions by matplotlib, which is imported when the first one is drawn."""

from equipoise.plots.comparison import draw_comparison
from equipoise.plots.diffusion import draw_diffusion
from equipoise.plots.equilibrium import draw_equilibrium
from equipoise.plots.networks import draw_networks
from equipoise.plots.simulation import draw_simulation
from equipoise.plots.stationary import draw_stationary
from equipoise.plots.sweep import draw_sweep
from equipoise.plots.symmetries import draw_symmetries

__all__ = [
    "draw_comparison",
    "draw_diffusion",
    "draw_equilibrium",
    "draw_networks",
    "draw_simulation",
    "draw_stationary",
    "draw_sweep",
    "draw_symmetries",
]
