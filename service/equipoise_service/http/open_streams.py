"""How many event streams each user holds open at a time, in this process."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import Depends, Request

from equipoise_service.errors import MalformedError
from equipoise_service.http.deps import ReaderDep

_RETRY_AFTER_S = 5


class OpenStreams:
    """Counts open streams by user.

    Args:
        most: most of one user at a time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: Counter[str] = Counter()

    @contextmanager
    def one(self, user: str) -> Iterator[None]:
        """Hold a stream open.

        Raises:
            MalformedError: the user has as many as one may have.
        """
        if self._open[user] >= self._most:
            raise MalformedError(
                f"You follow {self._most} jobs at a time already: this process of the service takes no more. "
                "Close a stream, or ask for the jobs' states instead.",
                code="rate_limited",
                headers={"Retry-After": str(_RETRY_AFTER_S)},
            )
        self._open[user] += 1
        try:
            yield
        finally:
            self._open[user] -= 1
            if not self._open[user]:
                del self._open[user]


async def _hold(request: Request, caller: ReaderDep) -> AsyncIterator[None]:
    streams: OpenStreams = request.app.state.open_streams
    with streams.one(caller.user):
        yield


StreamSlotDep = Annotated[None, Depends(_hold)]
"""A stream of the caller, held open until the answer is complete."""
