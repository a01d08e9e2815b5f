"""Processes: who is alive on this machine, children that die with their parent, memory of many threads."""

import ctypes
import os
import signal
import socket
import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG = 1
# From malloc.h of the GNU C library, and how many pools of memory the threads of a process share.
_M_ARENA_MAX, _N_ARENAS = -8, 2


def die_with_parent(parent: int, *, on_orphaned: Callable[[], None] | None = None) -> None:
    """Make this process end when its parent ends, even by `kill -9`.

    Linux does it in the kernel; a thread that watches the parent's id does it everywhere.

    Args:
        parent: process id of the parent, as the parent gave it.
        on_orphaned: what to do instead of ending at once.
    """
    end = on_orphaned or _end_now
    if sys.platform == "linux" and on_orphaned is None:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        end()
        return

    def watch() -> None:
        forever = threading.Event()
        while os.getppid() == parent:
            forever.wait(0.25)
        end()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def share_memory_pools() -> None:
    """Let all threads allocate from few pools: by default each gets its own, and keeps what it once needed.

    To be called before there are threads. Where the C library is not GNU's, nothing is done.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _N_ARENAS)


def _end_now() -> None:
    os._exit(1)


def host_name() -> str:
    """Name of this machine."""
    return socket.gethostname()


def process_space() -> str:
    """Names the space in which process ids mean something: this boot of this machine or container."""
    parts = [socket.gethostname()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            parts.append(str(Path(path).readlink()) if "ns" in path else Path(path).read_text().strip())
        except OSError:
            parts.append("")
    return "/".join(parts)


def process_name(pid: int) -> str:
    """Process id with the start time, so that a reused id is another name."""
    return f"{pid}:{_start_time(pid)}"


def is_process_alive(name: str) -> bool:
    """Whether the process that `process_name` named still runs in this process space."""
    pid_text, start_time = name.split(":", 1)
    pid = int(pid_text)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return _start_time(pid) == start_time
    return _start_time(pid) == start_time


def _start_time(pid: int) -> str:
    """Start time in clock ticks since boot; "dead" for a zombie, "" where /proc does not exist."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # The command name, in parentheses, may hold spaces; fields are counted from the last one.
    fields = stat.rsplit(")", 1)[1].split()
    return "dead" if fields[0] in "ZX" else fields[19]


def new_worker_id() -> str:
    """Id of one life of one worker process, never used before."""
    return f"{host_name()[:100]}/{uuid.uuid4().hex[:12]}"
