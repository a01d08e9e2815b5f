"""The file of tokens by address, from which the client on this machine takes its own: private to the user.

    {"services": {"http://127.0.0.1:8000": {"token": "eq_...", "database": "sqlite:////home/..."}}}

`database` is there where `serve` made the token, so that the next one for the same tables uses it again.
"""

import contextlib
import fcntl
import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

logger = logging.getLogger(__name__)

VARIABLE = "EQUIPOISE_CREDENTIALS"
# Addresses that are kept: with --port 0 every start has another one.
MOST_ADDRESSES = 100


@dataclass(frozen=True)
class Credential:
    """How to be let in at one address.

    Attributes:
        token: the token; kept out of the repr.
        database: URL of the database it is in, where `serve` made it, without a password.
    """

    token: str = field(repr=False)
    database: str | None = None


def credentials_path(environment: Mapping[str, str]) -> Path:
    """Where the file is: EQUIPOISE_CREDENTIALS, else equipoise/credentials.json in the user's settings."""
    named = environment.get(VARIABLE)
    if named:
        return Path(named)
    settings = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME") or Path.home()) / ".config"
    return Path(settings) / "equipoise" / "credentials.json"


def read_credentials(path: Path) -> dict[str, Credential]:
    """Credentials by address; none if the file is not there or cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(url): Credential(str(entry["token"]), entry.get("database"))
            for url, entry in content["services"].items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        logger.warning("%s holds no credentials that can be read (%s)", path, type(error).__name__)
        return {}


def store_credential(path: Path, urls: list[str], credential: Credential) -> None:
    """Put a credential under some addresses, and drop those whose database has gone.

    Raises:
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _locked(path):
        known = {url: entry for url, entry in read_credentials(path).items() if url not in urls}
        kept = [(url, entry) for url, entry in known.items() if not _has_gone(entry)]
        # The newest come last; those that a person wrote are never dropped.
        surplus = len(kept) + len(urls) - MOST_ADDRESSES
        for url, entry in list(kept):
            if surplus > 0 and entry.database is not None:
                kept.remove((url, entry))
                surplus -= 1
        _write(path, {**dict(kept), **dict.fromkeys(urls, credential)})


def _has_gone(entry: Credential) -> bool:
    prefix = "sqlite:///"
    database = entry.database or ""
    return database.startswith(prefix) and not Path(database.removeprefix(prefix)).exists()


def _write(path: Path, credentials: Mapping[str, Credential]) -> None:
    services = {
        url: {"token": entry.token, **({} if entry.database is None else {"database": entry.database})}
        for url, entry in credentials.items()
    }
    # A file made by mkstemp is readable by its owner alone; it replaces the old one at once.
    number, temporary = tempfile.mkstemp(dir=path.parent, prefix=".credentials-")
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            json.dump({"services": services}, file, indent=1)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One writer at a time."""
    lock = path.with_name(f".{path.name}.lock")
    with os.fdopen(os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
