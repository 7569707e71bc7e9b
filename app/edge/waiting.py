"""Waiting for what a worker does while the caller waits, off the threads that others need."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from app.settings import settings

Seen = TypeVar("Seen")

_LOOK_SECONDS: Final = 0.05
# While Stripe is slow many may be waiting, and their looks must not take the threads that others need.
_SLOWER: Final = 1.5
_LOOK_SECONDS_MAX: Final = 0.5


async def seen_later(seen: Seen, look: Callable[[], Awaitable[Seen]], is_settled: Callable[[Seen], bool]) -> Seen:
    """What was seen if it is settled, or else what `look` sees when it is, or when SUBSCRIPTION_LINK_WAIT_SECONDS are over."""
    until = time.monotonic() + settings().subscription_link_wait_seconds
    pause = _LOOK_SECONDS
    while not is_settled(seen) and (left := until - time.monotonic()) > 0:
        await asyncio.sleep(min(pause, left))
        pause = min(pause * _SLOWER, _LOOK_SECONDS_MAX)
        seen = await look()
    return seen
