"""Who is asking, and what they may do."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

Scope = Literal["submit", "read", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
USER_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}$"
USER = re.compile(USER_PATTERN)
LOCAL_USER = "local"
"""Owner of everything where the service has one user, and of what was there before it had more."""


@dataclass(frozen=True)
class Caller:
    """The user behind a request.

    Attributes:
        user: name of the user.
        scopes: what the token allows; "admin" includes the others.
        token_id: public part of the token; None for the shared token, or where none is asked for.
        request_id: id of the request, for the log.
    """

    user: str
    scopes: frozenset[str]
    token_id: str | None = None
    request_id: str = ""

    @property
    def is_admin(self) -> bool:
        """Whether this caller sees and touches what belongs to others."""
        return "admin" in self.scopes

    def may(self, scope: Scope) -> bool:
        """Whether the token allows what the scope stands for."""
        return scope in self.scopes or self.is_admin

    def owns(self, owner: str) -> bool:
        """Whether what belongs to `owner` is this caller's to see and touch."""
        return owner == self.user or self.is_admin


LOCAL = Caller(LOCAL_USER, frozenset(SCOPES))
"""Whoever asks a service without authentication, and the holder of the shared token."""
