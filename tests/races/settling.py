"""Callers who do not give up: each repeats a call with the same key until it knows what became of it."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import httpx

from tests.races.books import Books
from tests.races.doors import Door, RefusedError
from tests.races.proof import prove
from tests.races.shop import FEATURE
from tests.until import until

_PAUSE_SECONDS = 0.02


class Callers:
    """Load on a few users, through any doors. Every third call has no key, and is not repeated."""

    def __init__(self, doors: Sequence[Door], users: Sequence[str]) -> None:
        self.told: dict[str, dict[str, Any]] = {}
        """By key, the answer."""
        self.told_without_key: list[dict[str, Any]] = []
        self.failures: list[Exception] = []
        self.repeats = 0
        self._doors = itertools.cycle(doors)
        self._users = itertools.cycle(users)
        self._series = users[0]
        self._numbers = itertools.count()
        self._done = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, count: int) -> None:
        self._tasks = [asyncio.create_task(self._call_until_done()) for _ in range(count)]

    async def finish(self) -> None:
        """Each caller first gets the answer that it still waits for."""
        self._done.set()
        await asyncio.gather(*self._tasks)

    async def more(self, count: int) -> None:
        """Until so many more calls have been answered."""
        enough = self.answers + count
        await until(lambda: self.answers >= enough)

    async def fail(self, count: int) -> None:
        """Until so many more calls have failed."""
        enough = len(self.failures) + count
        await until(lambda: len(self.failures) >= enough)

    @property
    def answers(self) -> int:
        return len(self.told) + len(self.told_without_key)

    async def _call_until_done(self) -> None:
        while not self._done.is_set():
            number = next(self._numbers)
            fields = {"userId": next(self._users), "featureId": FEATURE, "delta": number % 3 + 1}
            if number % 3 == 0:
                await self._try(fields)
            else:
                await self._settle(fields | {"idempotencyKey": f"{self._series}-{number}"})

    async def _settle(self, fields: dict[str, Any]) -> None:
        while not await self._try(fields):
            self.repeats += 1
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _try(self, fields: dict[str, Any]) -> bool:
        try:
            answer = await next(self._doors).record(**fields)
        except (httpx.TransportError, RefusedError) as failure:
            self.failures.append(failure)
            return False
        if "idempotencyKey" in fields:
            self.told[fields["idempotencyKey"]] = answer
        else:
            self.told_without_key.append(answer)
        return True

    def assert_booked(self, books: Books, users: Sequence[str]) -> None:
        """What was acknowledged is in the ledger once, what was refused is not counted, and nobody else's totals are wrong."""
        ledger = {str(event.id): event for user in users for event in books.events(user)}
        by_key = {event.idempotency_key: event_id for event_id, event in ledger.items() if event.idempotency_key}
        assert by_key == {key: answer["eventId"] for key, answer in self.told.items()}
        assert sum(event.idempotency_key is not None for event in ledger.values()) == len(by_key)
        answers = [*self.told.values(), *self.told_without_key]
        assert len({answer["eventId"] for answer in answers}) == len(answers)
        for answer in answers:
            event = ledger[answer["eventId"]]
            assert event.recorded is answer["recorded"]
            assert event.applied == (event.delta if answer["recorded"] else 0)
        prove(books.database_url, books.tenant_id)

    @property
    def duplicates(self) -> int:
        """How many repeats found that the call had happened the first time."""
        return sum(answer["duplicate"] for answer in self.told.values())
