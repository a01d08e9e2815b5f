"""Where the service is and how to be let in: arguments first, then the environment, then what is stored."""

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from equipoise.credentials import stored_token
from equipoise.errors import InvalidArgumentError

DEFAULT_URL = "http://127.0.0.1:8000"
URL_VARIABLE = "EQUIPOISE_URL"
TOKEN_VARIABLE = "EQUIPOISE_TOKEN"  # nosec B105 # the name of a variable


@dataclass(frozen=True)
class Connection:
    """Address and token of a service.

    Attributes:
        base_url: without the slash at the end.
        token: sent as `Authorization: Bearer`, or None; kept out of the repr.
        timeout_s: longest silence to bear from the service.
    """

    base_url: str
    token: str | None = field(repr=False)
    timeout_s: float

    @property
    def headers(self) -> dict[str, str]:
        """Headers that every request carries."""
        headers = {"User-Agent": f"equipoise/{client_version()}", "Accept": "application/json"}
        return headers | ({"Authorization": f"Bearer {self.token}"} if self.token else {})


def resolve(base_url: str | None, token: str | None, timeout_s: float) -> Connection:
    """Fill in what was not given from EQUIPOISE_URL, EQUIPOISE_TOKEN and the tokens stored on this machine.

    Raises:
        InvalidArgumentError: the URL is no http(s) URL, the token is no header, or the timeout not positive.
    """
    url = (base_url or os.environ.get(URL_VARIABLE) or DEFAULT_URL).rstrip("/")
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_url = False
    if not is_url:
        raise InvalidArgumentError(
            "base_url", given=url, allowed=f"an http or https URL such as {DEFAULT_URL!r}"
        )
    token = token or os.environ.get(TOKEN_VARIABLE) or stored_token(url)
    if token and not (token.isascii() and token.isprintable() and " " not in token):
        raise InvalidArgumentError("token", given="...", allowed="printable ASCII without spaces")
    return Connection(url, token, positive_seconds("timeout_s", timeout_s))


def positive_seconds(argument: str, value: float) -> float:
    """Return a duration if it is a positive finite number.

    Raises:
        InvalidArgumentError: it is not.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 < value < float("inf"):
        raise InvalidArgumentError(argument, given=value, allowed="a positive, finite number of seconds")
    return float(value)


def client_version() -> str:
    """Version of the installed distribution."""
    # Imported here because it is slow, and `import equipoise` is not to be.
    from importlib.metadata import version

    return version("equipoise")
