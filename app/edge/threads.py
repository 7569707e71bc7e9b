"""The one bridge from the event loop to the sync core."""

from collections.abc import Callable
from functools import cache
from typing import TypeVar, TypeVarTuple

from anyio import CapacityLimiter, to_thread

from app.settings import settings

Arguments = TypeVarTuple("Arguments")
Answer = TypeVar("Answer")


async def in_thread(function: Callable[[*Arguments], Answer], *arguments: *Arguments) -> Answer:
    """Run a service call in a worker thread. As many at once as the pool has connections; the rest wait here, in order."""
    return await to_thread.run_sync(function, *arguments, limiter=_limiter())


@cache
def _limiter() -> CapacityLimiter:
    return CapacityLimiter(settings().database_pool_size)
