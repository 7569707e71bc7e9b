"""The one bridge from the event loop to the sync core."""

import math
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import cache
from typing import TypeVar, TypeVarTuple

from anyio import CapacityLimiter, to_thread

from app.errors import OverloadedError
from app.settings import settings

# How long a call may wait for what another one holds, such as a counter.
PATIENCE_SECONDS = 5.0
# Some seconds' work. Whoever comes later is better told to come again than left to wait.
WAITING_MAX = 1_000
# They wait a quarter of a second each, with a connection, for a lock that they may not get (`app.db`).
_SECOND_TRIES = 2

Arguments = TypeVarTuple("Arguments")
Answer = TypeVar("Answer")

_Turn = AbstractAsyncContextManager[None]


async def in_thread(function: Callable[[*Arguments], Answer], *arguments: *Arguments) -> Answer:
    """Run a service call in a worker thread. As many at once as the pool has connections; the rest wait here, in order.

    A call that is held up gives its thread back and queues for a further try, as often as 5 seconds allow. So whoever holds a
    counter for long delays those who need it, and hardly anybody else.

    Raises:
        OverloadedError: too many are waiting already, and nothing was done; or the call raises it.
    """
    if _limiter().statistics().tasks_waiting >= WAITING_MAX:
        raise OverloadedError("The server has more calls waiting than it can do in time. Nothing was done.")
    return await _patiently(function, *arguments, first=_limiter(), further=_second_tries())


async def in_lane_thread(function: Callable[[*Arguments], Answer], *arguments: *Arguments) -> Answer:
    """As `in_thread`, at once: a lane runs one batch at a time, and has a connection of its own."""
    return await _patiently(function, *arguments, first=nullcontext(), further=nullcontext())


async def _patiently(
    function: Callable[[*Arguments], Answer], *arguments: *Arguments, first: _Turn, further: _Turn
) -> Answer:
    until = time.monotonic() + PATIENCE_SECONDS
    turn: _Turn = first
    held_up: OverloadedError | None = None
    while True:
        async with turn:
            if held_up is not None and time.monotonic() >= until:
                raise held_up
            try:
                return await to_thread.run_sync(function, *arguments, limiter=_unlimited())
            except OverloadedError as busy:
                if not busy.held_up:
                    raise
                turn, held_up = further, busy


@cache
def _limiter() -> CapacityLimiter:
    return CapacityLimiter(settings().database_pool_size)


@cache
def _second_tries() -> CapacityLimiter:
    return CapacityLimiter(_SECOND_TRIES)


@cache
def _unlimited() -> CapacityLimiter:
    return CapacityLimiter(math.inf)
