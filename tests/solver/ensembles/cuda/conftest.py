"""numba-cuda has no wheels for macOS: there is nothing to test without it."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("numba_cuda") else ["test_*.py"]
