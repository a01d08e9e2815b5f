"""Secrets in what is logged: known ones are replaced wherever they stand, others by how they look."""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote, urlsplit

from equipoise_service.settings import Settings

HIDDEN = "(hidden)"
# Shorter words may be part of others; in URLs and after "password=" they are hidden by the patterns.
_SHORTEST = 6
# A traceback fits; what is longer is cut.
_LONGEST = 50_000
_SECRET_VARIABLE = re.compile(
    r"(?i)(token|secret|password|passwd|access_key|api_key|credential|otlp_.*headers)"
)
_NOT_A_SECRET = re.compile(r"(?i)_(file|path|uri|url|id)$")
# The words that name secrets.
_SECRET_WORD = r"token|password|passwd|secret|api[_-]?key|access[_-]?key|signature|credential"  # nosec B105
# The lengths are bounded, so that no text makes the search slow.
_SECRET_NAME = rf"(?:(?:{_SECRET_WORD})[\w-]{{0,40}}|\b(?:sig|pwd))"

# Each with words of which one stands in every text it matches: most lines are searched for these alone.
_PATTERNS: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = tuple(
    (words, re.compile(pattern), replacement)
    for words, pattern, replacement in (
        # The password of a URL.
        (("://",), r"(://[^\s:/@]*:)[^\s/]*@", rf"\1{HIDDEN}@"),
        # What authenticates a request, as a header or alone.
        (("bearer",), r"(?i)\b(bearer\s+)[^\s\"',;)\]}]+", rf"\1{HIDDEN}"),
        (("basic",), r"\b([Bb]asic\s+)(?=[^\s\"']*[0-9=A-Z])[A-Za-z0-9+/]{6,}=*", rf"\1{HIDDEN}"),
        (
            ("authorization", "x-api-key", "x-auth-token", "cookie"),
            r"(?i)\b((?:proxy-)?authorization|x-api-key|x-auth-token|(?:set-)?cookie)(\s*[:=]\s*)[^\r\n]+",
            rf"\1\2{HIDDEN}",
        ),
        # token=..., "password": "...", &X-Amz-Signature=...
        (
            ("=",),
            rf"(?i)({_SECRET_NAME}[\"']?\s*=\s*)(?:\"[^\"]*\"|'[^']*'|[^\s\"'&,;)\]}}]+)",
            rf"\1{HIDDEN}",
        ),
        (
            ("':", '":', "' :", '" :'),
            rf"(?i)({_SECRET_NAME}[\"']\s*:\s*)(?:\"[^\"]*\"|'[^']*'|[^\s,}}]+)",
            rf"\1{HIDDEN}",
        ),
        # Tokens of this service, whose first part names them and is no secret.
        (("eq_",), r"\b(eq_[0-9a-f]{16}_)[A-Za-z0-9_-]{8,}", rf"\1{HIDDEN}"),
        # Signed web tokens.
        (("eyj",), r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*", HIDDEN),
        # The values of a query that failed.
        (("[parameters: ",), r"(\[parameters: ).*", rf"\1{HIDDEN}]"),
    )
)


def secrets_of(settings: Settings, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The secrets that the settings and the environment hold, the longest first."""
    found = {value for name, value in environment.items() if _holds_secret(name)}
    if settings.token is not None:
        found.add(settings.token.get_secret_value())
    for url in (settings.database_url, settings.store_url):
        found |= _of_url(url)
    found |= {quote(secret, safe="") for secret in found}
    return tuple(sorted((secret for secret in found if len(secret) >= _SHORTEST), key=len, reverse=True))


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """A text without secrets.

    Args:
        text: what is to be logged.
        secrets: words that must not stand in it.
    """
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]} ... ({len(text) - _LONGEST} more characters)"
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    lowered = text.lower()
    for words, pattern, replacement in _PATTERNS:
        if any(word in lowered for word in words):
            text = pattern.sub(replacement, text)
    return text


def _holds_secret(name: str) -> bool:
    return bool(_SECRET_VARIABLE.search(name)) and not _NOT_A_SECRET.search(name)


def _of_url(url: str | None) -> set[str]:
    try:
        password = urlsplit(url or "").password or ""
    except ValueError:
        return set()
    return {password, unquote(password)}
