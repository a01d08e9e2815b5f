"""The command line: serve (everything), api, worker, openapi."""

import argparse
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

from equipoise_service.errors import SettingsError
from equipoise_service.processes import die_with_parent, new_worker_id
from equipoise_service.settings import PREFIX, Settings, check_exposure, load_settings
from equipoise_service.sockets import inherited_socket, listen

# Exit codes: bad usage or settings (nothing can be mended by a restart), and everything else.
BAD_USAGE = 2
FAILED = 1

_OPTIONS: dict[str, dict[str, Any]] = {
    "host": {"metavar": "ADDRESS", "help": "address the API listens on (127.0.0.1)"},
    "port": {"metavar": "PORT", "help": "port the API listens on, 0 for a free one (8000)"},
    "data_dir": {"metavar": "FOLDER", "help": "folder of the database and the store (./equipoise-data)"},
    "database_url": {"metavar": "URL", "help": "SQLite or PostgreSQL instead of the file in the folder"},
    "store_url": {"metavar": "URL", "help": "any fsspec URL instead of the store in the folder"},
    "device": {"metavar": "DEVICE", "help": "device to compute on: auto or cpu (auto)"},
    "threads": {"metavar": "N", "help": "threads to compute with (all processors)"},
    "queues": {"metavar": "NAMES", "help": "queues to serve, separated by commas (quick,cpu)"},
    "log_level": {"metavar": "LEVEL", "help": "debug, info, warning or error (info)"},
}
_PLACES = ("data_dir", "database_url", "store_url", "log_level")
_API = ("host", "port")
_WORKER = ("device", "threads", "queues")


def main(arguments: Sequence[str]) -> int:
    """Run a command; returns the exit code."""
    options = _parser().parse_args(arguments)
    overrides = {name: getattr(options, name, None) for name in _OPTIONS}
    try:
        settings = load_settings(overrides)
        _set_up_logging(settings)
        code: int = options.run(settings, options, overrides)
        return code
    except SettingsError as error:
        print(f"equipoise: {error}", file=sys.stderr)  # noqa: T201 - this is a command
        return BAD_USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m equipoise_service",
        description="The Equipoise service. Every option is also a variable, for example EQUIPOISE_PORT.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _command(
        commands, "serve", _serve, "run the API and one worker, and restart either if it dies", _API + _WORKER
    )
    api = _command(commands, "api", _run_api, "run the API alone", _API)
    api.add_argument("--socket", type=int, help=argparse.SUPPRESS)
    api.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    worker = _command(commands, "worker", _run_worker, "run one worker", _WORKER)
    worker.add_argument("--id", help=argparse.SUPPRESS)
    worker.add_argument("--replaces", action="append", default=[], help=argparse.SUPPRESS)
    worker.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    _command(commands, "openapi", _print_openapi, "print the OpenAPI document", ())
    return parser


def _command(commands: Any, name: str, run: Any, text: str, names: Sequence[str]) -> argparse.ArgumentParser:
    # The client's command `equipoise` hands these two on to this module.
    prog = f"equipoise {name}" if name in ("serve", "worker") else None
    description = f"{text[0].upper()}{text[1:]}."
    parser: argparse.ArgumentParser = commands.add_parser(name, prog=prog, help=text, description=description)
    for option in (*names, *_PLACES):
        parser.add_argument(f"--{option.replace('_', '-')}", dest=option, **_OPTIONS[option])
    parser.set_defaults(run=run)
    return parser


def _serve(settings: Settings, _options: argparse.Namespace, overrides: dict[str, Any]) -> int:
    from equipoise_service.probes import check_places
    from equipoise_service.supervisor import serve

    check_exposure(settings)
    check_places(settings)
    environment = {
        PREFIX + name.upper(): str(value) for name, value in overrides.items() if value is not None
    }
    return serve(settings, environment={**os.environ, **environment})


def _run_api(settings: Settings, options: argparse.Namespace, _overrides: dict[str, Any]) -> int:
    import uvicorn

    from equipoise_service.app import create_app
    from equipoise_service.probes import check_places

    check_exposure(settings)
    if options.parent is None:
        check_places(settings)
    else:  # The supervisor has looked.
        die_with_parent(options.parent)
    is_inherited = options.socket is not None
    socket = inherited_socket(options.socket) if is_inherited else listen(settings.host, settings.port)
    config = uvicorn.Config(
        create_app(settings),
        log_config=None,
        access_log=False,
        server_header=False,
        # Open event streams end when the process does.
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=64 * 1024,
    )
    if not is_inherited:
        logging.getLogger(__name__).info("API listens at %s:%d", *socket.getsockname()[:2])
    uvicorn.Server(config).run(sockets=[socket])
    return 0


def _run_worker(settings: Settings, options: argparse.Namespace, _overrides: dict[str, Any]) -> int:
    from equipoise_service.probes import check_places
    from equipoise_service.worker import run_worker

    if options.parent is None:
        check_places(settings)
    else:  # The supervisor has looked.
        die_with_parent(options.parent)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run_worker(settings, worker=options.id or new_worker_id(), replaces=options.replaces, stop=stop)
    # All that counts is recorded; the running chunk is not worth waiting for, its job goes on elsewhere.
    logging.shutdown()
    os._exit(0)


def _print_openapi(settings: Settings, _options: argparse.Namespace, _overrides: dict[str, Any]) -> int:
    from equipoise_service.app import create_app

    print(json.dumps(create_app(settings).openapi(), indent=1, sort_keys=True))  # noqa: T201
    return 0


def _set_up_logging(settings: Settings) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        force=True,
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
