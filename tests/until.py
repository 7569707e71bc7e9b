"""Waiting for what comes in its own time, while the event loop goes on."""

import asyncio
import time
from collections.abc import Callable

PATIENCE_SECONDS = 20.0


async def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.005)
