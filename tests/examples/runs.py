"""Runs of the gallery's figures at reduced size."""

from examples.gallery.figure import Solutions
from examples.gallery.registry import FIGURES

from equipoise import Client


def solved(name: str, seed: int) -> Solutions:
    """Solutions of the specs of a figure at the size "small"."""
    with Client.local() as lab:
        asked = FIGURES[name].specs("small", seed)
        return Solutions({part: lab.solve(spec) for part, spec in asked.items()})
