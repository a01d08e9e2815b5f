"""Kernels put together from parts, one file per combination, so that the disk cache finds them again.

Numba's cache knows a function by its file: a closure over a compiled function is new in every process. A
combination of a model and a scheme is therefore written out as a module of its own, named by the digest of
its text and of the parts it is made of, and imported from the cache folder of the user.
"""

import hashlib
import importlib.util
import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType

CACHE_VARIABLE = "EQUIPOISE_KERNEL_CACHE"
"""Environment variable that names another folder."""
HEADER = '"""Written by Equipoise: a kernel put together from its parts. Safe to delete."""\n\n'


@cache
def cache_folder() -> Path:
    """Folder of generated modules, the user's own; one for this process where none can be written."""
    chosen = os.environ.get(CACHE_VARIABLE)
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(chosen) if chosen else Path(home) / "equipoise" / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder.stat().st_uid != os.getuid():
            raise PermissionError(f"{folder} belongs to somebody else")
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return Path(tempfile.mkdtemp(prefix="equipoise-kernels-"))


@cache
def _bytes_of(module_name: str) -> bytes:
    spec = importlib.util.find_spec(module_name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_bytes()


@cache
def module_of(text: str, parts: tuple[str, ...]) -> ModuleType:
    """The module of that text; written and imported once.

    Args:
        text: Python source.
        parts: names of the modules whose functions it inlines; a change of theirs gives another module.
    """
    digest = hashlib.sha256(text.encode())
    for part in parts:
        digest.update(_bytes_of(part))
    name = f"equipoise_kernel_{digest.hexdigest()[:20]}"
    path = cache_folder() / f"{name}.py"
    content = HEADER + text
    if not path.exists() or path.read_text() != content:
        handle, partial = tempfile.mkstemp(dir=path.parent, suffix=".partial")
        with os.fdopen(handle, "w") as file:
            file.write(content)
        Path(partial).replace(path)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
