"""Memory of processes with many threads."""

import re
import subprocess
import sys

import pytest

_POOLS = """
import ctypes, sys, threading
from equipoise_service.workers.processes import share_memory_pools
if sys.argv[1] == "shared":
    share_memory_pools()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier(9)
def allocate():
    libc.malloc(50_000)
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads:
    thread.start()
together.wait()
libc.fdopen.restype = ctypes.c_void_p
out = libc.fdopen(1, b"w")
libc.malloc_info(0, ctypes.c_void_p(out))
libc.fflush(ctypes.c_void_p(out))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts the pools of the GNU C library")
def test_threads_share_pools_of_memory() -> None:
    """Eight threads have two pools, where each would have its own."""

    def pools(how: str) -> int:
        command = [sys.executable, "-c", _POOLS, how]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        return len(re.findall(r"<heap nr=", answer.stdout))

    assert pools("shared") == 2
    assert pools("own") > 2
