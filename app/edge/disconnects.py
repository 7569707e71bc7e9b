"""A caller that goes away while it waits: what it waits for is called off, unless somebody has begun it."""

import asyncio
from types import TracebackType
from typing import Final, Self

from litestar.types import Receive

# Nearly everybody is answered sooner, and to watch somebody costs the server as much as a fifth of a call.
PATIENCE_SECONDS: Final = 0.25
# What nginx logs when nobody waits for the answer any more.
CLIENT_GONE_STATUS: Final = 499


class ClientGoneError(Exception):
    """The caller has gone, and what it waited for was called off."""


class WhileConnected:
    """Around what the caller of this task waits for, once its body has been read.

    If the server says that the caller has gone, the wait is cancelled: a call that waits for its batch leaves the queue, one
    whose batch is under way happens all the same (see `coalesce.Lane.ask`).

    Raises:
        ClientGoneError: on leaving.
    """

    def __init__(self, receive: Receive, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._receive = receive
        self._patience_seconds = patience_seconds
        self._watching: asyncio.Task[None] | None = None
        self._is_gone = False

    def __enter__(self) -> Self:
        self._waiting = asyncio.current_task()
        self._patience = asyncio.get_running_loop().call_later(self._patience_seconds, self._begin_to_watch)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._patience.cancel()
        if self._watching is None:
            return
        self._watching.cancel()
        # Somebody else may have cancelled the task as well; then theirs goes on.
        if self._is_gone and self._waiting and self._waiting.uncancel() == 0:
            raise ClientGoneError from error

    def _begin_to_watch(self) -> None:
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._is_gone = True
        if self._waiting:
            self._waiting.cancel()
