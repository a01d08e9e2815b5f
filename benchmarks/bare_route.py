"""A bare FastAPI route that returns given bytes: what the service's own reads are measured against.

Run as `python -m benchmarks.bare_route FILE`; prints the port.
"""

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Response

from equipoise_service.http.slow_clients import bounded_protocol
from equipoise_service.http.sockets import listen
from equipoise_service.settings import Settings


def application(content: bytes) -> FastAPI:
    """One route, without middleware, dependencies or parameters but the id in its path."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/{name}", response_class=Response)
    async def get_bytes(name: str) -> Response:
        return Response(content, media_type="application/json")

    return app


def main() -> None:
    """Serve with the settings of the service's own API."""
    listener = listen("127.0.0.1", 0)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(
        application(Path(sys.argv[1]).read_bytes()),
        log_config=None,
        access_log=False,
        server_header=False,
        http=bounded_protocol(Settings().max_silence_seconds),
        ws="none",
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
