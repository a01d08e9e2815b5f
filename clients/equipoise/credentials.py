"""The file of tokens by address that `equipoise serve` keeps for the user who runs it."""

import json
import os
from pathlib import Path
from urllib.parse import urlsplit

from equipoise.errors import InvalidArgumentError

VARIABLE = "EQUIPOISE_CREDENTIALS"
_PORTS = {"http": 80, "https": 443}


def stored_token(url: str) -> str | None:
    """The token for the service at a URL, if the user has one.

    Raises:
        InvalidArgumentError: the file is there and cannot be read.
    """
    path = credentials_path()
    if path is None:
        return None
    try:
        services = json.loads(path.read_text(encoding="utf-8"))["services"]
        tokens = {_origin(address): str(entry["token"]) for address, entry in services.items()}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # The content is not shown: it holds secrets.
        raise InvalidArgumentError(
            VARIABLE,
            given=str(path),
            allowed="a file that `equipoise serve` wrote",
            remedy="Remove it, then start the service again.",
        ) from None
    return tokens.get(_origin(url))


def credentials_path() -> Path | None:
    """Where the file is: EQUIPOISE_CREDENTIALS, else equipoise/credentials.json in the user's settings."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    try:
        settings = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    except RuntimeError:  # A user without a home has no settings.
        return None
    return Path(settings) / "equipoise" / "credentials.json"


def _origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: whoever answers there gets the token, whatever the path."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
