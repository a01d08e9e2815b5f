"""Sockets the API listens on: opened once by the supervisor, so that a restart of the API refuses nobody."""

import errno
import os
import socket

from equipoise_service.errors import SettingsError

_BACKLOG = 1024


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket.

    Raises:
        SettingsError: the address is unknown or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except socket.gaierror as error:
        raise SettingsError(
            f"EQUIPOISE_HOST={host!r} is no address of this machine ({error.strerror}). "
            "Use --host 127.0.0.1, or an address that `hostname -I` shows."
        ) from error
    except OSError as error:
        raise SettingsError(_why(host, port, error)) from error
    listener.listen(_BACKLOG)
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
