"""Sockets of the API: a process each, which all get connections, and no port that is another's."""

import contextlib
import select
import socket
import sys

import pytest

from equipoise_service.errors import SettingsError
from equipoise_service.http.sockets import listen

HOST = "127.0.0.1"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not spread connections")
def test_connections_spread_over_the_processes() -> None:
    """Clients that come together are shared out, and none is lost."""
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(listener) for listener in listen(HOST, 0, 2)]
        (port,) = {listener.getsockname()[1] for listener in listeners}
        for _ in range(64):
            stack.enter_context(socket.create_connection((HOST, port), timeout=10))
        taken = [0, 0]
        while sum(taken) < 64:
            ready, _, _ = select.select(listeners, [], [], 10)
            assert ready, taken
            for listener in ready:
                stack.enter_context(listener.accept()[0])
                taken[listeners.index(listener)] += 1
    # Of 2^64 ways to share out 64 connections, 3 in 10^9 give one process fewer than 10.
    assert min(taken) >= 10


@pytest.mark.parametrize("n_first", [1, 2])
@pytest.mark.parametrize("n_second", [1, 2])
def test_a_port_is_not_shared_with_another_service(n_first: int, n_second: int) -> None:
    """Who comes second is refused, also where both would run several processes."""
    with contextlib.ExitStack() as stack:
        first = [stack.enter_context(listener) for listener in listen(HOST, 0, n_first)]
        port = first[0].getsockname()[1]
        with pytest.raises(SettingsError, match=f"EQUIPOISE_PORT={port} is taken"):
            listen(HOST, port, n_second)
