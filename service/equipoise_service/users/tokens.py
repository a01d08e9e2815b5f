"""Tokens: `eq_ID_SECRET`, made at random, stored as a hash of the secret, looked up by the id.

The secret has 256 random bits, so a plain SHA-256 of it cannot be turned back, and needs no salt.
"""

import hashlib
import re
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

import sqlalchemy as sa

from equipoise_service.storage.tables import tokens
from equipoise_service.users import audit
from equipoise_service.users.callers import SCOPES, Caller, Scope

TOKEN = re.compile(r"eq_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
TOKEN_ID = re.compile(r"[0-9a-f]{16}")
LONGEST_LABEL = 128
# The last use is written at most this often, so that reading does not turn into writing.
USE_NOTED_EVERY_S = 60.0
_SECRET_BYTES = 32

State = Literal["active", "expired", "revoked"]


@dataclass(frozen=True)
class Token:
    """What is stored of a token. Times are seconds since 1970.

    Attributes:
        id: its public part.
        owner: the user it stands for.
        label: what it is for, in the words of whoever made it.
        scopes: what it allows.
        secret_hash: SHA-256 of its secret, 64 hexadecimal digits.
    """

    id: str
    owner: str
    label: str
    scopes: frozenset[str]
    secret_hash: str = field(repr=False)
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    used_at: float | None

    def state(self, now: float) -> State:
        """Whether it is good at a time."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"

    def matches(self, secret_hash: str) -> bool:
        """Whether a secret with this hash is its own, compared in constant time."""
        return secrets.compare_digest(self.secret_hash, secret_hash)


def hash_of(secret: str) -> str:
    """SHA-256 of a secret, 64 hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


class TokenTable:
    """The tokens as rows.

    Args:
        engine: database of the service.
        clock: seconds since 1970.
    """

    def __init__(self, engine: sa.Engine, *, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock

    def create(
        self,
        by: Caller,
        *,
        owner: str,
        scopes: Iterable[Scope],
        label: str = "",
        lifetime_s: float | None = None,
    ) -> tuple[Token, str]:
        """Make a token; what is stored of it, and the token itself, which nobody can look up later.

        Args:
            by: who makes it, for the audit log.
            owner: the user it stands for.
            scopes: what it allows.
            label: what it is for.
            lifetime_s: seconds until it expires; None for never.
        """
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        now = self._clock()
        made = Token(
            id=secrets.token_hex(8),
            owner=owner,
            label=label[:LONGEST_LABEL],
            scopes=frozenset(scopes),
            secret_hash=hash_of(secret),
            created_at=now,
            expires_at=None if lifetime_s is None else now + lifetime_s,
            revoked_at=None,
            used_at=None,
        )
        detail = {"user": owner, "scopes": _sorted(made.scopes), "label": made.label}
        with self._engine.begin() as connection:
            connection.execute(tokens.insert().values(_row(made)))
            audit.record(connection, by, "token_create", made.id, detail=detail, clock=self._clock)
        return made, f"eq_{made.id}_{secret}"

    def find(self, token_id: str) -> Token | None:
        """The token with this id, in whatever state."""
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(tokens).where(tokens.c.id == token_id)).mappings().first()
        return None if row is None else _token(row)

    def all(self, *, owner: str | None = None) -> list[Token]:
        """All tokens, or those of one user, the newest first."""
        query = sa.select(tokens).order_by(tokens.c.created_at.desc(), tokens.c.id)
        if owner is not None:
            query = query.where(tokens.c.owner == owner)
        with self._engine.connect() as connection:
            return [_token(row) for row in connection.execute(query).mappings()]

    def revoke(self, by: Caller, token_id: str) -> bool:
        """Make a token worthless; whether there is one with this id that was not so before."""
        query = (
            sa.update(tokens)
            .where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
            .values(revoked_at=self._clock())
            .returning(tokens.c.owner)
        )
        with self._engine.begin() as connection:
            owner = connection.scalar(query)
            if owner is not None:
                audit.record(
                    connection, by, "token_revoke", token_id, detail={"user": owner}, clock=self._clock
                )
        return owner is not None

    def note_use(self, token_id: str) -> None:
        """Write down that a token was used, unless that is written for the last minute already."""
        now = self._clock()
        stale = sa.or_(tokens.c.used_at.is_(None), tokens.c.used_at <= now - USE_NOTED_EVERY_S)
        with self._engine.begin() as connection:
            connection.execute(sa.update(tokens).where(tokens.c.id == token_id, stale).values(used_at=now))


def _sorted(scopes: Iterable[str]) -> list[str]:
    return [scope for scope in SCOPES if scope in set(scopes)]


def _row(token: Token) -> dict[str, object]:
    columns = {column.name: getattr(token, column.name) for column in tokens.c if column.name != "scopes"}
    return {**columns, "scopes": " ".join(_sorted(token.scopes))}


def _token(row: sa.RowMapping) -> Token:
    return Token(**{**row, "scopes": frozenset(row["scopes"].split())})
