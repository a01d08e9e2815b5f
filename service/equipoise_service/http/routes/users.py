"""Users: who am I, and who did what."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query

from equipoise_service.errors import RefusedError, blame
from equipoise_service.http.deps import AdminDep, CallerDep, ResourcesDep
from equipoise_service.http.user_views import AuditPage, Me, audit_entry, me
from equipoise_service.users import audit
from equipoise_service.users.callers import USER_PATTERN
from equipoise_service.users.user_shares import unfinished_by_status

_FIRST_YEAR, _LAST_YEAR = 1970, 9999
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

router = APIRouter(tags=["users"])


@router.get("/me")
async def get_me(resources: ResourcesDep, caller: CallerDep) -> Me:
    """Show whom your token stands for, what it allows, and how much of your share you use."""
    token = await resources.access.token_of(caller)
    counts = await to_thread.run_sync(unfinished_by_status, resources.database, caller.user)
    return me(caller, token, counts, resources.settings)


@router.get("/audit")
def get_audit(
    resources: ResourcesDep,
    _caller: AdminDep,
    user: Annotated[str | None, Query(pattern=USER_PATTERN, description="Only what this user did.")] = None,
    action: Annotated[audit.Action | None, Query(description="Only this.")] = None,
    since: Annotated[datetime | None, Query(description="Only from this time on.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Most entries of a page.")] = 100,
    cursor: Annotated[
        str | None, Query(max_length=100, description="next_cursor of the page before.")
    ] = None,
) -> AuditPage:
    """List who did what, the newest first; for admins."""
    found = audit.read(
        resources.database,
        user=user,
        action=action,
        since=None if since is None else _moment(since),
        before=None if cursor is None else _read_cursor(cursor),
        limit=limit + 1,
    )
    page = found[:limit]
    return AuditPage(
        entries=[audit_entry(entry) for entry in page],
        next_cursor=_write_cursor(page[-1].id) if len(found) > limit else None,
    )


def _moment(since: datetime) -> float:
    """A time as seconds since 1970."""
    # Years beyond these have no such number everywhere, and the log begins later.
    if _FIRST_YEAR <= since.year <= _LAST_YEAR:
        zoned = since if since.tzinfo is not None else since.replace(tzinfo=UTC)
        return (zoned - _EPOCH).total_seconds()
    given = since.isoformat()
    allowed = f"a time of the years {_FIRST_YEAR} to {_LAST_YEAR}"
    message = f"since={given!r} is out of range: need {allowed}, such as 2026-01-31T12:00:00Z."
    raise RefusedError(message, errors=[blame("since", message, given=given, allowed=allowed)])


def _write_cursor(entry_id: int) -> str:
    return urlsafe_b64encode(str(entry_id).encode()).decode()


def _read_cursor(cursor: str) -> int:
    try:
        text = urlsafe_b64decode(cursor.encode()).decode("ascii")
        # Beyond this no database has an id.
        if text.isdecimal() and len(text) <= 18:
            return int(text)
    except (ValueError, binascii.Error):
        pass
    message = f"cursor={cursor!r} is none that this service gave: take next_cursor of the page before."
    allowed = "the next_cursor of the page before"
    raise RefusedError(message, errors=[blame("cursor", message, given=cursor, allowed=allowed)])
