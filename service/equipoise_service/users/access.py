"""Who is let in: the caller behind a token, without asking the database for every request."""

import hashlib
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, replace

import anyio
from anyio import to_thread
from sqlalchemy.exc import SQLAlchemyError

from equipoise_service.errors import MalformedError
from equipoise_service.settings import Settings
from equipoise_service.users.callers import LOCAL, Caller
from equipoise_service.users.rate_limits import RateLimiter, network_of, rate_limited
from equipoise_service.users.tokens import TOKEN, USE_NOTED_EVERY_S, Token, TokenTable, hash_of

logger = logging.getLogger(__name__)

# A token that was revoked is refused after this time at the latest, by every process.
CACHE_S = 3.0
MOST_CACHED = 4096
# Share of a user's requests that an address without a valid token may have refused for that.
FAILURE_SHARE = 0.1
# What the secret of a token that does not exist is compared with, so that all refusals take one path.
_NOBODY = hash_of("")
_CHALLENGE = {"WWW-Authenticate": "Bearer"}


@dataclass
class _Held:
    """What was found under an id, and when; None if there is no such token."""

    token: Token | None
    looked_at: float
    noted_at: float


class Access:
    """Lets callers in by their tokens, each at a bounded rate. Used from one event loop.

    Args:
        settings: settings of the service.
        table: tokens of the users.
        clock: seconds since 1970, for expiry.
        monotonic: seconds, never going back, for the age of what was looked up, and for rates.
    """

    def __init__(
        self,
        settings: Settings,
        table: TokenTable,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._is_open = settings.auth == "none"
        self._shared = None if settings.token is None else _digest(settings.token.get_secret_value())
        self._table = table
        self._clock = clock
        self._monotonic = monotonic
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._loading: dict[str, anyio.Event] = {}
        rate, burst = settings.max_requests_per_second, settings.max_request_burst
        self._requests = RateLimiter(rate, burst, clock=monotonic)
        self._failures = RateLimiter(
            FAILURE_SHARE * rate, max(1, round(FAILURE_SHARE * burst)), clock=monotonic
        )
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="token-use")

    def close(self) -> None:
        """Finish what is being written."""
        self._writer.shutdown(wait=True, cancel_futures=True)

    async def admit(self, text: str, *, address: str, request_id: str = "") -> Caller:
        """The caller that a token stands for, if there is room for one more request.

        Args:
            text: the token, or "" if none was given.
            address: where the request comes from.
            request_id: id of the request.

        Raises:
            MalformedError: the token is missing, wrong, expired or revoked, or too many requests came.
        """
        if self._is_open:  # One user: there is nobody to be fair to.
            return replace(LOCAL, request_id=request_id)
        caller = await self._identify(text, address)
        wait_s = self._requests.take(caller.user)
        if wait_s > 0:
            raise rate_limited("You send more requests than this service answers for one user.", wait_s)
        return replace(caller, request_id=request_id)

    async def still_admits(self, caller: Caller) -> bool:
        """Whether the token of a caller who was let in is still good, for answers that last."""
        if caller.token_id is None:
            return True
        token = await self._look_up(caller.token_id)
        return token is not None and token.state(self._clock()) == "active"

    async def while_admitted(self, events: AsyncGenerator[str, None], caller: Caller) -> AsyncIterator[str]:
        """The events, until the caller's token is no longer good."""
        async with aclosing(events):
            async for event in events:
                if not await self.still_admits(caller):
                    return
                yield event

    async def token_of(self, caller: Caller) -> Token | None:
        """What is stored of a caller's token."""
        return None if caller.token_id is None else await self._look_up(caller.token_id)

    async def _identify(self, text: str, address: str) -> Caller:
        # Digests of one length are compared in constant time, so that nothing can be found bit by bit.
        if self._shared is not None and secrets.compare_digest(_digest(text), self._shared):
            return LOCAL
        parts = TOKEN.fullmatch(text)
        if parts is None:
            raise self._refusal(address)
        token_id, secret_hash = parts[1], hash_of(parts[2])
        if not self._has_seen(token_id, secret_hash):
            # Only strangers pay for the failures of their address: its other users go on.
            self._check_failures(address)
        token = await self._look_up(token_id)
        is_right = secrets.compare_digest(_NOBODY if token is None else token.secret_hash, secret_hash)
        if token is None or not is_right:
            raise self._refusal(address)
        state = token.state(self._clock())
        if state != "active":
            raise self._refusal(
                address, detail=f"This token has {_STATES[state]}: ask an admin for a new one."
            )
        self._note_use(token)
        return Caller(token.owner, token.scopes, token.id)

    def _refusal(self, address: str, *, detail: str | None = None) -> MalformedError:
        self._check_failures(address)
        self._failures.take(network_of(address))
        text = detail or "This service needs a valid token: send the header Authorization: Bearer TOKEN."
        return MalformedError(text, code="unauthorized", headers=_CHALLENGE)

    def _check_failures(self, address: str) -> None:
        wait_s = self._failures.wait_s(network_of(address))
        if wait_s > 0:
            raise rate_limited("Too many requests without a valid token came from your address.", wait_s)

    def _has_seen(self, token_id: str, secret_hash: str) -> bool:
        """Whether the secret was right when the token was looked up last, however long ago."""
        held = self._held.get(token_id)
        return held is not None and held.token is not None and held.token.matches(secret_hash)

    async def _look_up(self, token_id: str) -> Token | None:
        """What is stored under an id, at most CACHE_S old; requests at the same time share one query."""
        while True:
            held = self._held.get(token_id)
            if held is not None and self._monotonic() - held.looked_at < CACHE_S:
                return held.token
            loading = self._loading.get(token_id)
            if loading is not None:
                await loading.wait()
                continue
            loading = self._loading[token_id] = anyio.Event()
            try:
                asked_at = self._monotonic()  # Before the query: what it finds is no younger than that.
                token = await to_thread.run_sync(self._table.find, token_id)
                self._keep(token_id, token, asked_at)
                return token
            finally:
                del self._loading[token_id]
                loading.set()

    def _keep(self, token_id: str, token: Token | None, looked_at: float) -> None:
        before = self._held.pop(token_id, None)
        used_at = 0.0 if token is None else token.used_at or 0.0
        noted_at = used_at if before is None else max(before.noted_at, used_at)
        self._held[token_id] = _Held(token, looked_at, noted_at)
        if len(self._held) > MOST_CACHED:
            self._held.popitem(last=False)

    def _note_use(self, token: Token) -> None:
        held = self._held.get(token.id)
        now = self._clock()
        if held is not None and now - held.noted_at >= USE_NOTED_EVERY_S:
            held.noted_at = now
            self._writer.submit(self._write_use, token.id)

    def _write_use(self, token_id: str) -> None:
        try:
            self._table.note_use(token_id)
        except SQLAlchemyError as error:
            logger.warning("the use of token %s was not written: %s", token_id, type(error).__name__)


_STATES = {"expired": "expired", "revoked": "been revoked"}


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
