"""A working day in a few seconds: everything that counts usage, at once, over a few users whom all of it meets."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.races.conftest import Ways
from tests.races.doors import RefusedError
from tests.races.shop import FEATURE

_BATCH = """
mutation Batch($input: [CreateUsageEventInput!]!, $all: Boolean) {
  recordUsages(input: $input, allOrNothing: $all) { results { recorded eventId duplicate } }
}
"""


class Traffic:
    """Callers who do one thing after the other until the time is up, each thing chosen anew."""

    def __init__(self, ways: Ways, users: list[str], seed: str) -> None:
        self.told: dict[str, bool] = {}
        """By event id, whether it was said to be recorded."""
        self.done: Counter[str] = Counter()
        self.refused: list[RefusedError] = []
        self._ways = ways
        self._users = users
        self._chance = random.Random(seed)  # noqa: S311 — it decides what is tried, not who may
        self._keys: list[dict[str, Any]] = []
        self._added: list[str] = []

    async def run(self, *, callers: int, seconds: float) -> None:
        until = time.monotonic() + seconds
        actions: list[Callable[[], Awaitable[None]]] = [
            *[self.single] * 6,
            self.repeat,
            self.late,
            *[self.batch] * 2,
            *[self.reservation] * 2,
            self.revert,
            *[self.access] * 2,
        ]

        async def caller() -> None:
            while time.monotonic() < until:
                action = self._chance.choice(actions)
                try:
                    await action()
                except RefusedError as refusal:
                    self.refused.append(refusal)
                self.done[action.__name__] += 1

        await asyncio.gather(*(caller() for _ in range(callers)))

    async def single(self) -> None:
        fields = self._event()
        if self._chance.random() < 0.5:
            fields["idempotencyKey"] = f"key-{self._chance.getrandbits(64):x}"
            self._keys.append(fields)
        self._note(fields, await self._door().record(**fields))

    async def repeat(self) -> None:
        """Of a call that may be under way at this moment."""
        if self._keys:
            fields = self._chance.choice(self._keys)
            self._note(fields, await self._door().record(**fields))

    async def late(self) -> None:
        at = datetime.now(UTC) - timedelta(minutes=self._chance.randint(1, 35 * 24 * 60))
        fields = self._event() | {"timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
        self._note(fields, await self._door().record(**fields))

    async def batch(self) -> None:
        """Over users in one order or the other."""
        users = sorted(self._chance.sample(self._users, 12), reverse=self._chance.random() < 0.5)
        events = [self._event(user) for user in users]
        all_or_nothing = self._chance.random() < 0.5
        if self._chance.random() < 0.5:
            body = {"events": events, "allOrNothing": all_or_nothing}
            results = (await self._chance.choice(self._ways.rest).post("/v1/usage/batch", body))["results"]
        else:
            graphql = self._chance.choice(self._ways.graphql)
            answer = await graphql.execute(_BATCH, {"input": events, "all": all_or_nothing})
            results = answer["recordUsages"]["results"]
        for fields, result in zip(events, results, strict=True):
            self._note(fields, result)

    async def reservation(self) -> None:
        first, second = self._chance.sample(self._ways.rest, 2)
        wanted = {"userId": self._chance.choice(self._users), "featureId": FEATURE, "delta": self._chance.randint(1, 9)}
        answer = await first.post("/v1/reservations", wanted)
        if not answer["reserved"]:
            return
        path = f"/v1/reservations/{answer['reservation']['id']}"
        if self._chance.random() < 0.3:
            await second.post(f"{path}/release")
            return
        body = {"delta": self._chance.randint(0, wanted["delta"])}
        settled = await asyncio.gather(second.post(f"{path}/commit", body), first.post(f"{path}/commit", body))
        assert settled[0]["eventId"] == settled[1]["eventId"]
        self.told[settled[0]["eventId"]] = True

    async def revert(self) -> None:
        """Of an event that was acknowledged, by whichever process; sometimes twice."""
        if self._added:
            event = self._chance.choice(self._added[-40:])
            answer = await self._chance.choice(self._ways.rest).post(f"/v1/usage/events/{event}/revert")
            self.told[answer["eventId"]] = True

    async def access(self) -> None:
        user = self._chance.choice(self._users)
        answer = await self._chance.choice(self._ways.rest).call("GET", f"/v1/users/{user}/features/{FEATURE}/access")
        consumption = answer["consumption"]
        assert consumption["used"] + consumption["reserved"] <= consumption["budget"]

    def _event(self, user: str | None = None) -> dict[str, Any]:
        fields = {"userId": user or self._chance.choice(self._users), "featureId": FEATURE}
        if self._chance.random() < 0.05:
            return fields | {"action": "SET", "delta": self._chance.randint(0, 30)}
        return fields | {"delta": self._chance.choice([-4, -1, 1, 1, 2, 3, 5])}

    def _door(self) -> Any:
        return self._chance.choice([*self._ways.rest, *self._ways.graphql])

    def _note(self, fields: dict[str, Any], answer: dict[str, Any]) -> None:
        self.told[answer["eventId"]] = answer["recorded"]
        # Only these: whoever takes back a taking back may pass the limit, and that is another test.
        if answer["recorded"] and "action" not in fields and fields["delta"] > 0:
            self._added.append(answer["eventId"])
