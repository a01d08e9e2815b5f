"""The command line of the service: one line per command, each in a module of its own."""

import argparse
import sys
from collections.abc import Sequence

from equipoise_service.command_line.audit_command import AUDIT
from equipoise_service.command_line.backup_command import BACKUP, RESTORE
from equipoise_service.command_line.command import Command, overrides
from equipoise_service.command_line.retention_command import GC
from equipoise_service.command_line.serve_command import API, OPENAPI, SERVE
from equipoise_service.command_line.token_command import TOKENS
from equipoise_service.command_line.worker_command import WORKER
from equipoise_service.errors import SettingsError
from equipoise_service.settings import load_settings
from equipoise_service.telemetry import logs, tracing

# Exit codes: bad usage or settings (nothing can be mended by a restart), and everything else.
BAD_USAGE = 2
FAILED = 1

# To add one: a module `NAME_command.py` that makes a `Command`, and a line here. If users are to type
# `equipoise NAME` as well, a line in SERVICE_COMMANDS of the client's commands.py.
COMMANDS: tuple[Command, ...] = (
    SERVE,
    API,
    WORKER,
    TOKENS,
    AUDIT,
    GC,
    BACKUP,
    RESTORE,
    OPENAPI,
)


def main(arguments: Sequence[str]) -> int:
    """Run a command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        settings = load_settings(overrides(options))
        logs.set_up(settings, process=arguments[0])
        tracing.set_up(arguments[0])
        code: int = options.run(settings, options)
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
    for command in COMMANDS:
        command.add_to(commands)
    return parser
