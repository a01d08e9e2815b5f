"""What commands read and print: times, tables, and lines on the two outputs."""

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from equipoise_service.users.callers import USER

_SECONDS = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_LONGEST_S = 36_500 * 86400.0


def seconds_of(text: str) -> float:
    """A span of time such as 90d, 12h or 30m in seconds; the type of an option.

    Raises:
        ArgumentTypeError: it is none.
    """
    parts = re.fullmatch(r"([0-9]{1,6})([mhdw])", text)
    seconds = int(parts[1]) * _SECONDS[parts[2]] if parts else 0.0
    if not 0 < seconds <= _LONGEST_S:
        raise argparse.ArgumentTypeError(
            f"{text[:100]!r} is no time: need a number with m, h, d or w, such as 90d, up to 36500d"
        )
    return seconds


def user_of(text: str) -> str:
    """The name of a user; the type of an option.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not USER.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text[:100]!r} is no name of a user: need 1 to 63 of a-z, 0-9, '.', '_' and '-', "
            "beginning with a letter or digit"
        )
    return text


def moment_text(seconds: float | None) -> str | None:
    """A number of seconds since 1970 as date and time, UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns as wide as they must be; the first row is the head."""
    # What users wrote must not move the cursor of whoever reads it.
    rows = [["".join(c if c.isprintable() else "?" for c in cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print_line("  ".join(cells).rstrip())


def print_line(text: str) -> None:
    """Print a line of the result."""
    sys.stdout.write(f"{text}\n")


def say(text: str) -> None:
    """Print a message to the person, beside the result."""
    sys.stderr.write(f"{text}\n")
