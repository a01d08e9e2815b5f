"""The solutions as the client returns them: those of the specs, with plots."""

from typing import TYPE_CHECKING, Any

from equipoise.answers import read_model
from equipoise.errors import UnexpectedAnswerError
from equipoise_solver import specs

# defer_build: validators are built when the first solution is read, which keeps `import equipoise` quick.

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class StationarySolution(specs.StationarySolution, defer_build=True):
    """The exact stationary law, with a plot of it."""

    def plot(self, ax: "Axes | None" = None, *, tails: bool = True) -> "Axes":
        """Draw the density, its atoms, mode and mean.

        Args:
            ax: axes to draw into; a new figure if not given.
            tails: add a small double-logarithmic picture that shows both ends.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        from equipoise.plots import draw_stationary

        return draw_stationary(self, ax, tails=tails)


class SimulateSolution(specs.SimulateSolution, defer_build=True):
    """An ensemble of trajectories, with a plot of it."""

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the histogram and, in a new figure, the observables over time below it.

        Args:
            ax: axes to draw the histogram into; then the observables are left out.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        from equipoise.plots import draw_simulation

        return draw_simulation(self, ax)


class CompareSolution(specs.CompareSolution, defer_build=True):
    """Theory and simulation of one model, with a plot of one over the other."""

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the exact density over the simulated histogram.

        Args:
            ax: axes to draw into; a new figure if not given.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        from equipoise.plots import draw_comparison

        return draw_comparison(self, ax)


class DiffusionSolution(specs.DiffusionSolution, defer_build=True):
    """What was asked of a diffusion, with a plot of it."""

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the law in the long run and, in a new figure, every other part beside it.

        Args:
            ax: axes to draw the law into; then the other parts are left out.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        from equipoise.plots import draw_diffusion

        return draw_diffusion(self, ax)


class SimulateNetworkSolution(specs.SimulateNetworkSolution, defer_build=True):
    """An ensemble of networks, with a plot of it."""

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw every observable over time, with a band of two standard errors.

        Args:
            ax: axes to draw the first observable into; then the others are left out.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        from equipoise.plots import draw_networks

        return draw_networks(self, ax)


class EquilibriumSolution(specs.EquilibriumSolution, defer_build=True):
    """The noise equilibrium of a network, with a plot of what it changes."""

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw norms and noise of each block before and after and, in a new figure, the way there.

        Args:
            ax: axes to draw the norms into; then the other parts are left out.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        from equipoise.plots import draw_equilibrium

        return draw_equilibrium(self, ax)


class SymmetriesSolution(specs.SymmetriesSolution, defer_build=True):
    """The symmetries of a network, with a plot of the spectrum that shows them."""

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the singular values and the gap below which generators are symmetries.

        Args:
            ax: axes to draw into; a new figure if not given.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        from equipoise.plots import draw_symmetries

        return draw_symmetries(self, ax)


class SweepSolution(specs.SweepSolution, defer_build=True):
    """Solutions over a grid of specs, with plots of them."""

    def plot(self, ax: "Axes | None" = None, *, output: str | None = None) -> "Axes":
        """Draw an output along the swept field, or over two swept fields as a map.

        Args:
            ax: axes to draw into; a new figure if not given.
            output: one of `outputs`; the first if not given.

        Raises:
            InvalidArgumentError: there is no such output, or more than two fields were swept.
            MissingExtraError: matplotlib is not installed.
        """
        from equipoise.plots import draw_sweep

        return draw_sweep(self, ax, output=output)


AnySolution = (
    StationarySolution
    | SimulateSolution
    | SimulateNetworkSolution
    | CompareSolution
    | DiffusionSolution
    | EquilibriumSolution
    | SymmetriesSolution
    | SweepSolution
)

_CLASSES: dict[str, type[AnySolution]] = {
    "stationary": StationarySolution,
    "simulate": SimulateSolution,
    "compare": CompareSolution,
    "diffusion": DiffusionSolution,
    "equilibrium": EquilibriumSolution,
    "symmetries": SymmetriesSolution,
    "sweep": SweepSolution,
}


def read_solution(content: Any) -> AnySolution:
    """Read a solution from the JSON content that the service answers.

    Raises:
        UnexpectedAnswerError: it is no solution that this version knows.
    """
    task = content.get("task") if isinstance(content, dict) else None
    if task not in _CLASSES:
        raise UnexpectedAnswerError(
            f"The answer is a solution of task {task!r}: this version knows {', '.join(_CLASSES)}. "
            "Upgrade the client."
        )
    is_network = task == "simulate" and specs.is_network_simulation(content.get("spec"))
    chosen: type[AnySolution] = SimulateNetworkSolution if is_network else _CLASSES[task]
    return read_model(chosen, content)
