"""Group commit: calls that arrive while the previous batch is at the database become the next batch.

There is no timer. A lone call goes at once; a busy process fills its batches by itself, and a batch costs the database little
more than one call did. Every caller is answered after its batch has committed, not before.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from app.contract.actors import Actor
from app.contract.usage import CheckAccess, Entitlement, RecordedUsage, RecordUsage
from app.edge.threads import in_thread
from app.errors import MeterlineError, OverloadedError
from app.services.entitlements import check_many
from app.services.usage import record_many

# More in one transaction would only hold its locks for longer.
BATCH_MAX = 512
# About a second's work. Whoever comes later is better told to come again than left to wait.
WAITING_MAX = 5_000

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


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
        self._waiting: deque[tuple[Asked, asyncio.Future[Answer]]] = deque()
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
            raise OverloadedError("The server has more calls waiting than it can do in a second. Nothing was done.")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while batch := self._next_batch():
                await self._settle(batch)
        finally:
            self._running = None

    def _next_batch(self) -> list[tuple[Asked, asyncio.Future[Answer]]]:
        batch: list[tuple[Asked, asyncio.Future[Answer]]] = []
        while self._waiting and len(batch) < self._batch_max:
            asked, future = self._waiting.popleft()
            if not future.cancelled():
                batch.append((asked, future))
        return batch

    async def _settle(self, batch: Sequence[tuple[Asked, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await in_thread(self._answer_all, [asked for asked, _ in batch])
        except Exception as failure:  # noqa: BLE001 — whatever it is, somebody waits for it
            await self._settle_one_by_one(batch, failure)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            _settle(future, answer)

    async def _settle_one_by_one(
        self, batch: Sequence[tuple[Asked, asyncio.Future[Answer]]], failure: Exception
    ) -> None:
        """A batch that failed was rolled back whole. Alone, each call fails for its own reasons only.

        Not so when the database is busy or away: then all would wait for the same thing, one after the other.
        """
        if len(batch) == 1 or isinstance(failure, OverloadedError):
            for _, future in batch:
                if not future.done():
                    future.set_exception(failure)
            return
        for one in batch:
            await self._settle([one])


def _settle(future: asyncio.Future[Answer], answer: Answer | MeterlineError) -> None:
    if future.done():
        return  # the caller has gone
    if isinstance(answer, MeterlineError):
        future.set_exception(answer)
    else:
        future.set_result(answer)


class _Lanes:
    """The lanes of one event loop. In a server there is one; tests have several."""

    def __init__(self) -> None:
        self.usage: Lane[tuple[Actor, RecordUsage], RecordedUsage] = Lane(record_many)
        self.access: Lane[tuple[Actor, CheckAccess], Entitlement] = Lane(check_many)


_lanes: WeakKeyDictionary[asyncio.AbstractEventLoop, _Lanes] = WeakKeyDictionary()


def _own_lanes() -> _Lanes:
    loop = asyncio.get_running_loop()
    lanes = _lanes.get(loop)
    if lanes is None:
        lanes = _lanes[loop] = _Lanes()
    return lanes


async def record_usage(actor: Actor, command: RecordUsage) -> RecordedUsage:
    """`services.usage.record_usage`, in one transaction with whatever else this process is asked for at the moment."""
    return await _own_lanes().usage.ask((actor, command))


async def check_access(actor: Actor, command: CheckAccess) -> Entitlement:
    """`services.entitlements.check_access`, likewise. Sees every write that was acknowledged before, by any process."""
    return await _own_lanes().access.ask((actor, command))
