"""The public names of each package; `python -m tests.contract.public_surface` rewrites the stored list."""

import importlib
import json
from pathlib import Path

PACKAGES = ("equipoise", "equipoise_solver", "equipoise_solver.specs", "equipoise_service")
STORED = Path(__file__).parents[1] / "golden" / "public_surface.json"


def public_surface() -> dict[str, list[str]]:
    """What each package re-exports in `__all__`, sorted."""
    modules = {package: importlib.import_module(package) for package in PACKAGES}
    return {package: sorted(getattr(module, "__all__", [])) for package, module in modules.items()}


if __name__ == "__main__":
    STORED.write_text(json.dumps(public_surface(), indent=1) + "\n", encoding="utf-8")
