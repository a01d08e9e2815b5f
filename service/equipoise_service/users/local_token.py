"""The token of whoever runs `serve`: made at the first start, kept where the client on this machine looks."""

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import make_url

from equipoise_service.settings import Settings
from equipoise_service.storage.database import connect
from equipoise_service.storage.migrations import migrate
from equipoise_service.users.callers import LOCAL, LOCAL_USER, SCOPES
from equipoise_service.users.credentials import (
    Credential,
    credentials_path,
    read_credentials,
    store_credential,
)
from equipoise_service.users.tokens import TOKEN, TokenTable, hash_of

logger = logging.getLogger(__name__)

LABEL = "made by serve, for this machine"
_EVERYWHERE = ("0.0.0.0", "::")  # nosec B104 # compared with, not bound


def keep_local_token(
    settings: Settings, host: str, port: int, *, environment: Mapping[str, str] = os.environ
) -> Path | None:
    """Give the user who starts the service a token for it; where it was stored, None if it was not.

    A token that this user has for the same database is used again. The service starts without one where the
    file cannot be written: tokens can be made by hand.
    """
    database = make_url(settings.database).render_as_string(hide_password=True)
    engine = connect(settings.database)
    try:
        migrate(engine)
        table = TokenTable(engine)
        path = credentials_path(environment)
        token = _usable(path, database, table)
        if token is None:
            _make(table, path, addresses(host, port), database)
        else:
            store_credential(path, addresses(host, port), Credential(token, database))
        return path
    except (OSError, RuntimeError) as error:  # The latter for a user without a home.
        logger.warning(
            "the token of this machine cannot be stored (%s): set EQUIPOISE_CREDENTIALS to a file "
            "that can be written, or make a token: equipoise token create --user NAME",
            error,
        )
        return None
    finally:
        engine.dispose()


def _make(table: TokenTable, path: Path, urls: list[str], database: str) -> None:
    made, token = table.create(LOCAL, owner=LOCAL_USER, scopes=SCOPES, label=LABEL)
    try:
        store_credential(path, urls, Credential(token, database))
    except OSError:
        table.revoke(LOCAL, made.id)  # Nobody has it.
        raise


def addresses(host: str, port: int) -> list[str]:
    """URLs under which a service that listens there is asked on this machine."""
    names = ["127.0.0.1", "localhost", "[::1]"] if host in _EVERYWHERE else [host]
    if host == "127.0.0.1":
        names = ["127.0.0.1", "localhost"]
    elif host == "::1":
        names = ["[::1]", "localhost"]
    elif ":" in host and host not in _EVERYWHERE:
        names = [f"[{host}]"]
    return [f"http://{name}:{port}" for name in names]


def _usable(path: Path, database: str, table: TokenTable) -> str | None:
    """A token of the local user in this database that the file knows and that is still good."""
    for credential in read_credentials(path).values():
        parts = TOKEN.fullmatch(credential.token)
        if credential.database == database and parts is not None:
            token = table.find(parts[1])
            if (
                token is not None
                and token.matches(hash_of(parts[2]))
                and token.state(time.time()) == "active"
            ):
                return credential.token
    return None
