"""The audit log: who did what, when, and in which request. Rows are added, never changed."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import sqlalchemy as sa

from equipoise_service.storage.tables import audit_log
from equipoise_service.users.callers import Caller

Action = Literal[
    "submit",
    "cancel",
    "delete",
    "upload",
    "token_create",
    "token_revoke",
    "collect_garbage",
    "backup",
    "restore",
]
ACTIONS: tuple[Action, ...] = get_args(Action)
_LONGEST_SUBJECT = 160
_LONGEST_REQUEST_ID = 64


@dataclass(frozen=True)
class Entry:
    """One line of the log.

    Attributes:
        id: grows with time.
        at: when, [s] since 1970.
        user: who.
        token_id: public part of the token used; None for the shared token, the command line, or no token.
        action: what.
        subject: to what: id of a job, a dataset or a token, or a place.
        request_id: in which request; None on the command line.
        detail: what else is worth knowing.
    """

    id: int
    at: float
    user: str
    token_id: str | None
    action: str
    subject: str
    request_id: str | None
    detail: Mapping[str, Any]


# Built once: building it takes as long as executing it.
_RECORD = audit_log.insert()


def record(
    connection: sa.Connection,
    caller: Caller,
    action: Action,
    subject: str,
    *,
    detail: Mapping[str, Any] | None = None,
    clock: Callable[[], float] = time.time,
) -> None:
    """Write down what somebody did, in the transaction that does it.

    Args:
        connection: in a transaction: both happen, or neither.
        caller: who did it.
        action: what was done.
        subject: to what: id of a job, a dataset or a token, or a place.
        detail: what else is worth knowing, as JSON has it; never a secret.
        clock: seconds since 1970.
    """
    row = {
        "at": clock(),
        "owner": caller.user,
        "token_id": caller.token_id,
        "action": action,
        "subject": subject[:_LONGEST_SUBJECT],
        "request_id": caller.request_id[:_LONGEST_REQUEST_ID] or None,
        "detail": json.dumps(dict(detail or {}), allow_nan=False),
    }
    connection.execute(_RECORD, row)


def read(
    engine: sa.Engine,
    *,
    user: str | None = None,
    action: str | None = None,
    since: float | None = None,
    before: int | None = None,
    limit: int,
) -> list[Entry]:
    """Lines of the log, the newest first.

    Args:
        engine: database of the service.
        user: only what this user did.
        action: only this action.
        since: only from this time on, [s] since 1970.
        before: only lines older than the one with this id.
        limit: at most so many.
    """
    query = sa.select(audit_log).order_by(audit_log.c.id.desc()).limit(limit)
    if user is not None:
        query = query.where(audit_log.c.owner == user)
    if action is not None:
        query = query.where(audit_log.c.action == action)
    if since is not None:
        query = query.where(audit_log.c.at >= since)
    if before is not None:
        query = query.where(audit_log.c.id < before)
    with engine.connect() as connection:
        return [_entry(row) for row in connection.execute(query).mappings()]


def _entry(row: sa.RowMapping) -> Entry:
    detail: dict[str, Any] = json.loads(row["detail"])
    return Entry(
        id=row["id"],
        at=row["at"],
        user=row["owner"],
        token_id=row["token_id"],
        action=row["action"],
        subject=row["subject"],
        request_id=row["request_id"],
        detail=detail,
    )
