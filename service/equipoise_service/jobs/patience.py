"""Patience with the database: what a job does to it is repeated until it answers again."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

logger = logging.getLogger(__name__)

AWAY = (OperationalError, InterfaceError, InternalError, PoolTimeoutError)
"""What SQLAlchemy raises when a database restarts, cannot be reached, is locked for too long, or has ended an
idle session."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
P = ParamSpec("P")
T = TypeVar("T")


def outlasting(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """A function that begins again when the database went away, for as long as that takes.

    A job must not fail because a server is restarted; its own time limit bounds the waiting.
    """

    async def insist(*args: P.args, **kwargs: P.kwargs) -> T:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return await function(*args, **kwargs)
            except AWAY as error:
                reason = str(error.__cause__ or error).split("\n")[0]
                logger.warning("the database does not answer: %s", reason)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    return insist


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that uses the database in a thread, outlasting its absence."""

    async def once() -> T:
        return await asyncio.to_thread(function, *args, **kwargs)

    return await outlasting(once)()
