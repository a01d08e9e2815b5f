"""Users, their tokens and what they did, as the API shows them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from equipoise_service.http.schemas import View, moment
from equipoise_service.settings import Settings
from equipoise_service.users.audit import Entry
from equipoise_service.users.callers import SCOPES, Caller, Scope
from equipoise_service.users.tokens import Token


class TokenView(View):
    """A token, without its secret."""

    id: str
    """Its public part."""
    label: str
    """What it is for."""
    created_at: datetime
    """When it was made."""
    expires_at: datetime | None
    """When it ends to be good; null for never."""


class Share(View):
    """How much of a limit is used."""

    used: int
    """So many there are now."""
    allowed: int | None
    """So many there may be; null for no such limit."""


class JobShares(View):
    """Jobs of a user against what a user may have."""

    unfinished: Share
    """Queued or running."""
    running: Share
    """Running; the limit holds for each kind of device."""


class Me(View):
    """The caller."""

    user: str
    """Name of the user."""
    scopes: list[Scope]
    """What the token allows; admin includes the others."""
    token: TokenView | None
    """The token; null for the shared one, or where none is asked for."""
    jobs: JobShares
    """The user's jobs."""
    max_requests_per_second: float
    """Requests of a user that each process answers in the long run, [1/s]."""
    max_request_burst: int
    """Requests of a user that a process answers at once, before that rate holds."""


class AuditEntry(View):
    """Something that somebody did."""

    at: datetime
    """When."""
    user: str
    """Who."""
    token_id: str | None
    """With which token; null for the shared one, the command line, or none."""
    action: str
    """What."""
    subject: str
    """To what: id of a job, a dataset or a token, or a place."""
    request_id: str | None
    """In which request; null on the command line."""
    detail: dict[str, Any]
    """What else is worth knowing."""


class AuditPage(View):
    """Entries of the audit log, the newest first."""

    entries: list[AuditEntry]
    """The entries of this page."""
    next_cursor: str | None
    """Value of `cursor` for the next page; null on the last one."""


def me(caller: Caller, token: Token | None, counts: Mapping[str, int], settings: Settings) -> Me:
    """The caller as the API shows it.

    Args:
        caller: who asks.
        token: what is stored of the token.
        counts: the user's jobs by status.
        settings: settings of the service.
    """
    running = counts.get("running", 0) + counts.get("cancelling", 0)
    shares = JobShares(
        unfinished=Share(
            used=running + counts.get("queued", 0), allowed=settings.max_unfinished_jobs_per_user
        ),
        running=Share(used=running, allowed=settings.max_running_jobs_per_user),
    )
    return Me(
        user=caller.user,
        scopes=[scope for scope in SCOPES if scope in caller.scopes],
        token=None if token is None else _token_view(token),
        jobs=shares,
        max_requests_per_second=settings.max_requests_per_second,
        max_request_burst=settings.max_request_burst,
    )


def audit_entry(entry: Entry) -> AuditEntry:
    """A line of the audit log as the API shows it."""
    return AuditEntry(
        at=moment(entry.at),
        user=entry.user,
        token_id=entry.token_id,
        action=entry.action,
        subject=entry.subject,
        request_id=entry.request_id,
        detail=dict(entry.detail),
    )


def _token_view(token: Token) -> TokenView:
    return TokenView(
        id=token.id,
        label=token.label,
        created_at=moment(token.created_at),
        expires_at=None if token.expires_at is None else moment(token.expires_at),
    )
