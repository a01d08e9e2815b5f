"""Numerics and the problem language of Equipoise: a spec in, a solution out, no I/O."""

from typing import TYPE_CHECKING, Any

from equipoise_solver.version import __version__

if TYPE_CHECKING:
    from equipoise_solver.solving import prepare, solve

__all__ = ["__version__", "prepare", "solve"]


def __getattr__(name: str) -> Any:
    """Import the numerics when they are first asked for: the thin client needs only the specs."""
    if name in ("prepare", "solve"):
        from equipoise_solver.solving import prepare, solve

        return {"prepare": prepare, "solve": solve}[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
