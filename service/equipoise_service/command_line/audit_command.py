"""`equipoise audit`: who did what, from the database of the settings."""

import argparse
import json
import time
from datetime import UTC, datetime
from typing import Any

from equipoise_service.command_line.command import Command
from equipoise_service.command_line.command_output import (
    moment_text,
    print_line,
    print_table,
    seconds_of,
    user_of,
)
from equipoise_service.settings import Settings
from equipoise_service.storage.opened_database import opened_database
from equipoise_service.users import audit


def _print_log(settings: Settings, options: argparse.Namespace) -> int:
    with opened_database(settings) as engine:
        found = audit.read(
            engine, user=options.user, action=options.action, since=options.since, limit=options.limit
        )
    if options.json:
        print_line(json.dumps([_content(entry) for entry in found]))
        return 0
    head = ("TIME", "USER", "TOKEN", "ACTION", "SUBJECT", "REQUEST", "DETAIL")
    print_table([head, *(_line(entry) for entry in found)])
    return 0


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", type=user_of, help="only what this user did")
    parser.add_argument("--action", choices=audit.ACTIONS, help="only this")
    parser.add_argument(
        "--since", type=_start, metavar="TIME", help="only from this date or time on, or for so long, as 7d"
    )
    parser.add_argument("--limit", type=_number, default=100, help="at most so many lines (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _start(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return time.time() - seconds_of(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _number(text: str) -> int:
    if not text.isdecimal() or not 1 <= len(text) <= 7 or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text[:100]!r} is no number of lines: need 1 to 9999999")
    return int(text)


def _content(entry: audit.Entry) -> dict[str, Any]:
    return {
        "at": moment_text(entry.at),
        "user": entry.user,
        "token_id": entry.token_id,
        "action": entry.action,
        "subject": entry.subject,
        "request_id": entry.request_id,
        "detail": dict(entry.detail),
    }


def _line(entry: audit.Entry) -> tuple[str, ...]:
    detail = " ".join(f"{name}={value}" for name, value in entry.detail.items() if value not in ("", [], {}))
    return (
        moment_text(entry.at) or "",
        entry.user,
        entry.token_id or "-",
        entry.action,
        entry.subject,
        entry.request_id or "-",
        detail,
    )


AUDIT = Command("audit", "show who did what, the newest first", _print_log, declare=_declare)
