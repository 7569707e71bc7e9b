"""Lanes: one batch after the other through one function. Calls that arrive while one is under way become the next.

There is no timer. A lone call goes at once; a busy process fills its batches by itself, and a batch costs the database little
more than one call did. Every caller is answered after its batch has committed, not before.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.edge.threads import in_lane_thread
from app.errors import MeterlineError, OverloadedError

# More in one transaction would only hold its locks for longer.
BATCH_MAX = 512
# About two seconds' work. Whoever comes later is better told to come again than left to wait.
WAITING_MAX = 5_000

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


@dataclass(slots=True, eq=False)
class _Place(Generic[Asked, Answer]):
    """A place in the queue: what is asked, and where the answer goes."""

    asked: Asked
    future: asyncio.Future[Answer]

    def settle(self, answer: Answer | Exception) -> None:
        if self.future.done():
            return  # the caller has gone
        if isinstance(answer, Exception):
            self.future.set_exception(answer)
        else:
            self.future.set_result(answer)


class Lane(Generic[Asked, Answer]):
    """One batch after the other through one function. Lives on one event loop."""

    def __init__(
        self,
        answer_all: Callable[[Sequence[Asked]], Sequence[Answer | MeterlineError]],
        *,
        batch_max: int = BATCH_MAX,
        waiting_max: int = WAITING_MAX,
    ) -> None:
        self._answer_all = answer_all
        self._batch_max = batch_max
        self._waiting_max = waiting_max
        self._waiting: deque[_Place[Asked, Answer]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def ask(self, asked: Asked) -> Answer:
        """The answer, once the batch that holds it has committed.

        A caller that is cancelled while it waits is left out of its batch; one whose batch is under way is not: what it asked
        for happens.

        Raises:
            OverloadedError: too many are waiting already; nothing was done.
            MeterlineError: the answer is an error.
        """
        if len(self._waiting) >= self._waiting_max:
            raise OverloadedError("The server has more calls waiting than it can do in time. Nothing was done.")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Place(asked, future))
        if self._running is None:
            # In a context of its own: what it does belongs to no request more than to another.
            self._running = asyncio.create_task(self._run(), context=Context())
        return await future

    async def _run(self) -> None:
        try:
            while batch := self._next_batch():
                await self._settle(batch)
        finally:
            self._running = None

    def _next_batch(self) -> list[_Place[Asked, Answer]]:
        batch: list[_Place[Asked, Answer]] = []
        while self._waiting and len(batch) < self._batch_max:
            place = self._waiting.popleft()
            if not place.future.cancelled():
                batch.append(place)
        return batch

    async def _settle(self, batch: Sequence[_Place[Asked, Answer]]) -> None:
        try:
            answers = await in_lane_thread(self._answer_all, [place.asked for place in batch])
        except Exception as failure:  # noqa: BLE001 — whatever it is, somebody waits for it
            await self._settle_one_by_one(batch, failure)
            return
        for place, answer in zip(batch, answers, strict=True):
            place.settle(answer)

    async def _settle_one_by_one(self, batch: Sequence[_Place[Asked, Answer]], failure: Exception) -> None:
        """A batch that failed was rolled back whole. Alone, each call fails for its own reasons only.

        Not so when the database is busy or away: then all would wait for the same thing, one after the other. If it was away
        from the start, so would those who wait for the next batch.
        """
        if len(batch) > 1 and not isinstance(failure, OverloadedError):
            for place in batch:
                await self._settle([place])
            return
        for place in batch:
            place.settle(failure)
        if isinstance(failure, OverloadedError) and failure.nothing_done and not failure.held_up:
            while self._waiting:
                self._waiting.popleft().settle(OverloadedError(failure.message))
