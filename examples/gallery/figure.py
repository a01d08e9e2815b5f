"""What a figure of the gallery is made of: a claim, specs, a measurement and a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from matplotlib.axes import Axes

from equipoise import specs
from equipoise.solutions import AnySolution

Size = Literal["full", "small"]
"""Of the runs: "full" for the picture, "small" for the tests, which are to be quick."""
Spec = dict[str, Any]
Verdict = Literal["shown", "shown in part", "not shown"]
STANDARD_ERRORS = 5.0
"""What a figure holds two numbers to differ by, at least, or to agree within."""


@dataclass(frozen=True)
class Findings:
    """What the runs of a figure say about its claim.

    Attributes:
        numbers: what was measured, by name.
        verdict: whether the runs show the claim.
        sentence: the same in words, with the numbers that matter.
    """

    numbers: Mapping[str, float]
    verdict: Verdict
    sentence: str


@dataclass(frozen=True)
class Solutions:
    """The solutions of a figure's specs, by name."""

    by_name: Mapping[str, AnySolution]

    def law(self, name: str) -> specs.StationarySolution:
        """A stationary law."""
        solution = self.by_name[name]
        assert isinstance(solution, specs.StationarySolution)
        return solution

    def ensemble(self, name: str) -> specs.SimulateSolution:
        """An ensemble of trajectories."""
        solution = self.by_name[name]
        assert isinstance(solution, specs.SimulateSolution)
        return solution

    def comparison(self, name: str) -> specs.CompareSolution:
        """A law and the ensemble that should follow it."""
        solution = self.by_name[name]
        assert isinstance(solution, specs.CompareSolution)
        return solution

    def networks(self, name: str) -> specs.SimulateNetworkSolution:
        """An ensemble of networks."""
        solution = self.by_name[name]
        assert isinstance(solution, specs.SimulateNetworkSolution)
        return solution

    def equilibrium(self, name: str) -> specs.EquilibriumSolution:
        """A noise equilibrium."""
        solution = self.by_name[name]
        assert isinstance(solution, specs.EquilibriumSolution)
        return solution


class Figure(Protocol):
    """One figure; a module of this package is one."""

    TITLE: str
    """A few words."""
    PAPER: str
    """Where the claim stands."""
    CLAIM: str
    """What the paper claims, in one sentence."""
    PANELS: tuple[int, int]
    """Rows and columns of the picture."""

    def specs(self, size: Size, seed: int) -> dict[str, Spec]:
        """What to solve, by name, the same for the same size and seed."""

    def measure(self, solutions: Solutions) -> Findings:
        """Whether the solutions show the claim; it holds at every size and seed."""

    def draw(self, solutions: Solutions, axes: Sequence[Axes]) -> None:
        """Draw the panels, in rows from the left."""
