"""What a lane calls, in the tests of who waits in it."""

import asyncio
import threading
from collections.abc import Sequence

from app.errors import InvalidInputError, MeterlineError


class Desk:
    """A function that answers batches: it notes them, and can be held at work."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.is_at_work = threading.Event()

    def answer_all(self, asked: Sequence[int]) -> list[int | MeterlineError]:
        self.batches.append(list(asked))
        self.is_at_work.set()
        self.may_go_on.wait(10)
        if -1 in asked:
            raise ZeroDivisionError("a poisoned call")
        return [InvalidInputError("number", "is odd") if number % 2 else number * 10 for number in asked]

    async def busy(self) -> None:
        """Until a batch is under way."""
        await asyncio.to_thread(self.is_at_work.wait, 10)
