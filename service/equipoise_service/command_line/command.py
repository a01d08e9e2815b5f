"""What a command of the service is made of, and the options that commands share."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from equipoise_service.settings import PREFIX, Settings

Run = Callable[[Settings, argparse.Namespace], int]
Declare = Callable[[argparse.ArgumentParser], object]

OPTIONS: dict[str, dict[str, Any]] = {
    "host": {"metavar": "ADDRESS", "help": "address the API listens on (127.0.0.1)"},
    "port": {"metavar": "PORT", "help": "port the API listens on, 0 for a free one (8000)"},
    "data_dir": {"metavar": "FOLDER", "help": "folder of the database and the store (./equipoise-data)"},
    "database_url": {"metavar": "URL", "help": "SQLite or PostgreSQL instead of the file in the folder"},
    "store_url": {"metavar": "URL", "help": "any fsspec URL instead of the store in the folder"},
    "device": {
        "metavar": "DEVICE",
        "help": "cpu, cuda:N, auto (a card if there is one) or all (a worker each)",
    },
    "threads": {"metavar": "N", "help": "threads to compute with (all processors)"},
    "queues": {"metavar": "NAMES", "help": "queues to serve, separated by commas (those of the device)"},
    "log_level": {"metavar": "LEVEL", "help": "debug, info, warning or error (info)"},
    "log_format": {"metavar": "FORMAT", "help": "text for people or json for machines (text)"},
}
"""Settings that may be given on the command line, under the name of the setting."""
PLACES = ("data_dir", "database_url", "store_url", "log_level", "log_format")
"""Settings that every command takes."""


@dataclass(frozen=True)
class Command:
    """One command, or a group of them.

    Attributes:
        name: the word on the command line.
        text: what it does, in lower case without a full stop.
        run: does it and returns the exit code; imports what is heavy itself. None for a group.
        options: settings it takes beside `PLACES`, keys of `OPTIONS`.
        declare: adds arguments of its own.
        parts: the commands of a group.
        prog: what a user types before its arguments.
    """

    name: str
    text: str
    run: Run | None = None
    options: Sequence[str] = ()
    declare: Declare | None = None
    parts: Sequence["Command"] = field(default=())
    prog: str = "equipoise"

    def add_to(self, commands: Any) -> None:
        """Add the command to the subcommands of a parser."""
        prog = f"{self.prog} {self.name}"
        description = f"{self.text[0].upper()}{self.text[1:]}."
        parser: argparse.ArgumentParser = commands.add_parser(
            self.name, prog=prog, help=self.text, description=description
        )
        if self.parts:
            inner = parser.add_subparsers(required=True, metavar="COMMAND")
            for part in self.parts:
                replace(part, prog=prog).add_to(inner)
            return
        for option in (*self.options, *PLACES):
            parser.add_argument(f"--{option.replace('_', '-')}", dest=option, **OPTIONS[option])
        if self.declare is not None:
            self.declare(parser)
        parser.set_defaults(run=self.run)


def overrides(options: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given on the command line."""
    given = {name: getattr(options, name, None) for name in OPTIONS}
    return {name: value for name, value in given.items() if value is not None}


def as_environment(options: argparse.Namespace) -> dict[str, str]:
    """The settings that were given on the command line, as variables for a child."""
    return {PREFIX + name.upper(): str(value) for name, value in overrides(options).items()}
