"""The one bridge from the event loop to the sync core."""

import math
import time
from collections.abc import Callable
from functools import cache
from typing import TypeVar, TypeVarTuple

from anyio import CapacityLimiter, to_thread

from app.errors import OverloadedError
from app.settings import settings

# How long a call may wait for a thread, and for what another one holds, such as a counter. Callers seldom wait longer.
PATIENCE_SECONDS = 5.0
# Some seconds' work.
WAITING_MAX = 1_000
# They wait a quarter of a second each, with a connection, for a lock that they may not get (`app.db`).
_SECOND_TRIES = 2

Arguments = TypeVarTuple("Arguments")
Answer = TypeVar("Answer")


async def in_thread(function: Callable[[*Arguments], Answer], *arguments: *Arguments) -> Answer:
    """Run a service call in a worker thread, one of as many as the pool has connections. See `Threads.run`."""
    return await _threads().run(function, *arguments)


async def in_door_thread(function: Callable[[*Arguments], Answer], *arguments: *Arguments) -> Answer:
    """Find out who is calling, in one of two threads that nobody else takes. See `Threads.run`."""
    return await _door_thread().run(function, *arguments)


async def in_monitor_thread(function: Callable[[*Arguments], Answer], *arguments: *Arguments) -> Answer:
    """Ask how it is going, in a thread that no caller of the product needs. See `Threads.run`."""
    return await _monitor_thread().run(function, *arguments)


async def in_lane_thread(function: Callable[[*Arguments], Answer], *arguments: *Arguments) -> Answer:
    """Run a lane's batch at once: there is one at a time, and it has a connection of its own. Held up, it is tried again."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return await to_thread.run_sync(function, *arguments, limiter=_unlimited())
        except OverloadedError as busy:
            if not busy.held_up or time.monotonic() >= until:
                raise


class Threads:
    """So many threads for calls that each need one of as many connections. Lives on one event loop."""

    def __init__(
        self, count: int, *, waiting_max: int = WAITING_MAX, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._first_tries = CapacityLimiter(count)
        self._further_tries = CapacityLimiter(_SECOND_TRIES)
        self._waiting_max = waiting_max
        self._patience_seconds = patience_seconds

    async def run(self, function: Callable[[*Arguments], Answer], *arguments: *Arguments) -> Answer:
        """What the function returns. Calls take turns in the order in which they came.

        One that is held up gives its thread back and queues for a further try, as often as its patience allows. So whoever
        holds a counter for long delays those who need it, and hardly anybody else.

        Raises:
            OverloadedError: too many are waiting already, or it was not its turn in time, and nothing was done; or the function
                raises it.
        """
        too_late = OverloadedError("The server has more calls waiting than it can do in time. Nothing was done.")
        if self._first_tries.statistics().tasks_waiting >= self._waiting_max:
            raise too_late
        until = time.monotonic() + self._patience_seconds
        turns = self._first_tries
        while True:
            async with turns:
                if time.monotonic() >= until:
                    raise too_late
                try:
                    return await to_thread.run_sync(function, *arguments, limiter=_unlimited())
                except OverloadedError as busy:
                    if not busy.held_up:
                        raise
                    too_late = busy
            turns = self._further_tries


@cache
def _threads() -> Threads:
    return Threads(settings().database_pool_size)


@cache
def _door_thread() -> Threads:
    return Threads(2)


@cache
def _monitor_thread() -> Threads:
    return Threads(1)


@cache
def _unlimited() -> CapacityLimiter:
    return CapacityLimiter(math.inf)
