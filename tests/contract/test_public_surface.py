"""The public names of the packages change by decision only."""

import importlib
import json

import pytest
from tests.contract.public_surface import PACKAGES, STORED, public_surface


def test_public_surface_is_the_stored_one() -> None:
    """`__all__` of each package is what the stored list says."""
    assert public_surface() == json.loads(STORED.read_text(encoding="utf-8"))


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_exist(package: str) -> None:
    """Every name in `__all__` can be had."""
    module = importlib.import_module(package)
    assert [name for name in getattr(module, "__all__", []) if not hasattr(module, name)] == []
