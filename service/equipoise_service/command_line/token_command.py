"""`equipoise token create | list | revoke | show`: acts on the database of the settings."""

import argparse
import json
import os
import time
from typing import Any

from equipoise_service.command_line.command import Command
from equipoise_service.command_line.command_output import (
    moment_text,
    print_line,
    print_table,
    say,
    seconds_of,
    user_of,
)
from equipoise_service.errors import SettingsError
from equipoise_service.settings import Settings
from equipoise_service.storage.opened_database import opened_database
from equipoise_service.users.callers import LOCAL, SCOPES
from equipoise_service.users.credentials import credentials_path, read_credentials
from equipoise_service.users.tokens import LONGEST_LABEL, TOKEN_ID, Token, TokenTable

_DEFAULT_URL = "http://127.0.0.1:8000"


def _create(settings: Settings, options: argparse.Namespace) -> int:
    with opened_database(settings) as engine:
        token, text = TokenTable(engine).create(
            LOCAL,
            owner=options.user,
            scopes=options.scope or ("submit", "read"),
            label=options.label,
            lifetime_s=options.expires,
        )
    if options.json:
        print_line(json.dumps({**_content(token), "token": text}))
    else:
        print_line(text)
        say(f"Token {token.id} of user {token.owner}: {_summary(token)}. It is not shown again.")
    return 0


def _list(settings: Settings, options: argparse.Namespace) -> int:
    with opened_database(settings) as engine:
        found = TokenTable(engine).all(owner=options.user)
    if options.json:
        print_line(json.dumps([_content(token) for token in found]))
        return 0
    head = ("ID", "USER", "SCOPES", "STATE", "EXPIRES", "LAST USED", "LABEL")
    print_table([head, *(_line(token) for token in found)])
    return 0


def _revoke(settings: Settings, options: argparse.Namespace) -> int:
    with opened_database(settings) as engine:
        table = TokenTable(engine)
        token = table.find(options.id)
        if token is None:
            raise SettingsError(f"There is no token {options.id!r}: see `equipoise token list`.")
        was_revoked = table.revoke(LOCAL, options.id)
    if options.json:
        print_line(json.dumps({"id": token.id, "user": token.owner, "was_active": was_revoked}))
    elif was_revoked:
        print_line(f"Token {token.id} of user {token.owner} is revoked; it is refused within a few seconds.")
    else:
        print_line(f"Token {token.id} of user {token.owner} was revoked before.")
    return 0


def _show(_settings: Settings, options: argparse.Namespace) -> int:
    path = credentials_path(os.environ)
    url = (options.url or os.environ.get("EQUIPOISE_URL") or _DEFAULT_URL).rstrip("/")
    found = read_credentials(path).get(url)
    if found is None:
        raise SettingsError(
            f"There is no token for {url!r} in {path}: `equipoise serve` puts one there for its own address, "
            "and `equipoise token create` makes one. Or name another address by --url."
        )
    print_line(json.dumps({"url": url, "token": found.token}) if options.json else found.token)
    return 0


def _declare_create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", required=True, type=user_of, help="whom the token stands for")
    parser.add_argument(
        "--scope",
        action="append",
        choices=SCOPES,
        help="what it allows; may be repeated (submit and read); admin includes the others",
    )
    parser.add_argument(
        "--expires", type=seconds_of, metavar="TIME", help="for how long, such as 90d, 12h or 30m (for ever)"
    )
    parser.add_argument("--label", type=_label, default="", help="what it is for")
    _declare_json(parser)


def _declare_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", type=user_of, help="only tokens of this user")
    _declare_json(parser)


def _declare_revoke(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", type=_token_id, metavar="ID", help="id of the token, as `list` shows it")
    _declare_json(parser)


def _declare_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help=f"address of the service (EQUIPOISE_URL, else {_DEFAULT_URL})")
    _declare_json(parser)


def _declare_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _label(text: str) -> str:
    if len(text) > LONGEST_LABEL or not text.isprintable():
        raise argparse.ArgumentTypeError(
            f"{text[:100]!r} is no label: need up to {LONGEST_LABEL} printable characters"
        )
    return text


def _token_id(text: str) -> str:
    if not TOKEN_ID.fullmatch(text):
        # It may be a whole token, so it is not repeated here.
        raise argparse.ArgumentTypeError("need the 16 hexadecimal digits that `equipoise token list` shows")
    return text


def _content(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "user": token.owner,
        "scopes": sorted(token.scopes, key=SCOPES.index),
        "label": token.label,
        "state": token.state(time.time()),
        "created_at": moment_text(token.created_at),
        "expires_at": moment_text(token.expires_at),
        "revoked_at": moment_text(token.revoked_at),
        "used_at": moment_text(token.used_at),
    }


def _summary(token: Token) -> str:
    until = "for ever" if token.expires_at is None else f"until {moment_text(token.expires_at)}"
    return f"{', '.join(sorted(token.scopes, key=SCOPES.index))}, {until}"


def _line(token: Token) -> tuple[str, ...]:
    content = _content(token)
    return (
        token.id,
        token.owner,
        ",".join(content["scopes"]),
        content["state"],
        content["expires_at"] or "never",
        content["used_at"] or "never",
        token.label,
    )


TOKENS = Command(
    "token",
    "make, list and revoke tokens of users",
    parts=(
        Command("create", "make a token and print it, once", _create, declare=_declare_create),
        Command("list", "list tokens, the newest first", _list, declare=_declare_list),
        Command("revoke", "make a token worthless", _revoke, declare=_declare_revoke),
        Command("show", "print this user's token for a service", _show, declare=_declare_show),
    ),
)
