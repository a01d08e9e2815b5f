"""A bare FastAPI route that returns given bytes: what the service's own reads are measured against.

Run as `python -m benchmarks.bare_route FILE PROCESSES`; prints the port.
"""

import multiprocessing
import os
import socket
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Response

from equipoise_service.http.slow_clients import bounded_protocol
from equipoise_service.http.sockets import listen
from equipoise_service.settings import Settings
from equipoise_service.workers.processes import die_with_parent


def application(content: bytes) -> FastAPI:
    """One route, without middleware, dependencies or parameters but the id in its path."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/{name}", response_class=Response)
    async def get_bytes(name: str) -> Response:
        return Response(content, media_type="application/json")

    return app


def main() -> None:
    """Serve with as many processes as the service's own API."""
    content, n_processes = Path(sys.argv[1]).read_bytes(), int(sys.argv[2])
    listeners = listen("127.0.0.1", 0, n_processes)
    print(listeners[0].getsockname()[1], flush=True)
    for listener in listeners[1:]:
        multiprocessing.get_context("fork").Process(
            target=_help, args=(os.getpid(), content, listener)
        ).start()
    _serve(content, listeners[0])


def _help(parent: int, content: bytes, listener: socket.socket) -> None:
    die_with_parent(parent)
    _serve(content, listener)


def _serve(content: bytes, listener: socket.socket) -> None:
    """Serve with the settings of the service's own API."""
    config = uvicorn.Config(
        application(content),
        log_config=None,
        access_log=False,
        server_header=False,
        http=bounded_protocol(Settings().max_silence_seconds),
        ws="none",
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
