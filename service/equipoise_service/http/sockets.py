"""Sockets the API listens on: kept open by the supervisor, so that a restart of the API refuses nobody."""

import errno
import os
import socket
import sys
from typing import Any

from equipoise_service.errors import SettingsError

_BACKLOG = 1024


# Linux spreads the connections of a port over the sockets that listen there.
_SPREADS = sys.platform == "linux"


def listen(host: str, port: int, n_processes: int = 1) -> list[socket.socket]:
    """Open a listening socket for each process.

    With one socket for all, the process that wakes up first takes all connections that come together, and
    keeps them. Where the system does not spread connections, the processes do share one.

    Raises:
        SettingsError: the address is unknown or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # This one fails where anybody listens already, even another service that shares its port.
        listeners = [_bound(socket.socket(family, kind, protocol), address)]
        if n_processes > 1 and _SPREADS:
            address = listeners[0].getsockname()
            listeners[0].close()
            listeners = [
                _bound(socket.socket(family, kind, protocol), address, is_shared=True)
                for _ in range(n_processes)
            ]
    except socket.gaierror as error:
        raise SettingsError(
            f"EQUIPOISE_HOST={host!r} is no address of this machine ({error.strerror}). "
            "Use --host 127.0.0.1, or an address that `hostname -I` shows."
        ) from error
    except OSError as error:
        raise SettingsError(_why(host, port, error)) from error
    for listener in listeners:
        listener.listen(_BACKLOG)
    return listeners if len(listeners) == n_processes else listeners * n_processes


def _bound(listener: socket.socket, address: Any, *, is_shared: bool = False) -> socket.socket:
    if os.name == "posix":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def inherited_socket(number: int) -> socket.socket:
    """The listening socket that the supervisor handed down."""
    return socket.socket(fileno=number)


def _why(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"EQUIPOISE_PORT={port} is taken on {host}: another program listens there, perhaps this service. "
            "Stop it, or choose another port, for example --port 0 for a free one."
        )
    if error.errno == errno.EACCES:
        return f"EQUIPOISE_PORT={port} needs privileges: choose a port from 1024 on, for example --port 8000."
    return f"EQUIPOISE_HOST={host!r}, EQUIPOISE_PORT={port}: cannot listen there ({error.strerror})."
