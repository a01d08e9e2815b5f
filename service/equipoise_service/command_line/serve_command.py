"""Commands that run: `serve` (everything) and `api`; and `openapi`, which prints."""

import argparse
import json
import logging
import os
import sys

from equipoise_service.command_line.command import Command, as_environment
from equipoise_service.command_line.worker_command import OPTIONS as WORKER_OPTIONS
from equipoise_service.http.sockets import inherited_socket, listen
from equipoise_service.settings import Settings, check_exposure
from equipoise_service.workers.processes import die_with_parent, share_memory_pools

_API = ("host", "port")
_MODULE = "python -m equipoise_service"
_SWITCH_EVERY_S = 0.001


def _serve(settings: Settings, options: argparse.Namespace) -> int:
    from equipoise_service.jobs.solver_version import claim_version_at
    from equipoise_service.storage.probes import check_places
    from equipoise_service.users.local_token import keep_local_token
    from equipoise_service.workers.supervisor import serve

    check_exposure(settings)
    check_places(settings)
    claim_version_at(settings.database)

    def keep_token(host: str, port: int) -> None:
        if settings.auth == "tokens" and settings.token is None:
            keep_local_token(settings, host, port)

    environment = {**os.environ, **as_environment(options)}
    return serve(settings, environment=environment, on_listening=keep_token)


def _run_api(settings: Settings, options: argparse.Namespace) -> int:
    import uvicorn

    from equipoise_service.http.app import create_app
    from equipoise_service.http.slow_clients import bounded_protocol
    from equipoise_service.jobs.solver_version import claim_version_at
    from equipoise_service.storage.probes import check_places
    from equipoise_service.workers.supervisor import run_apis

    check_exposure(settings)
    if options.parent is None:
        check_places(settings)
        claim_version_at(settings.database)
        if settings.n_apis > 1:
            return run_apis(settings, environment={**os.environ, **as_environment(options)})
    else:  # The supervisor has looked.
        die_with_parent(options.parent)
    share_memory_pools()
    # Threads that solve hand over to the one that answers this often.
    sys.setswitchinterval(_SWITCH_EVERY_S)
    is_inherited = options.socket is not None
    socket = inherited_socket(options.socket) if is_inherited else listen(settings.host, settings.port)[0]
    config = uvicorn.Config(
        create_app(settings),
        log_config=None,
        access_log=False,
        server_header=False,
        http=bounded_protocol(settings.max_silence_seconds),
        ws="none",
        # Open event streams end when the process does.
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=64 * 1024,
    )
    if not is_inherited:
        logging.getLogger(__name__).info("API listens at %s:%d", *socket.getsockname()[:2])
    uvicorn.Server(config).run(sockets=[socket])
    return 0


def _print_openapi(settings: Settings, _options: argparse.Namespace) -> int:
    from equipoise_service.http.app import create_app

    print(json.dumps(create_app(settings).openapi(), indent=1, sort_keys=True))  # noqa: T201
    return 0


def _declare_api(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--socket", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)


SERVE = Command(
    "serve",
    "run the API and the workers of this machine, and restart what dies",
    _serve,
    _API + WORKER_OPTIONS,
)
API = Command("api", "run the API alone", _run_api, _API, _declare_api, prog=_MODULE)
OPENAPI = Command("openapi", "print the OpenAPI document", _print_openapi, prog=_MODULE)
