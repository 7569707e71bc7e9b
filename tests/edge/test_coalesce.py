"""The two lanes of usage: who waits for a counter that somebody holds, and who does not."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import psycopg
import pytest

from app.contract.actors import Actor
from app.contract.usage import RecordedUsage, RecordUsage
from app.domain.metering import Enforcement
from app.edge import coalesce
from app.edge.coalesce import UsageLanes
from app.errors import MeterlineError, OverloadedError, UserNotFoundError
from app.services.usage import Call
from tests.services.shop import NOWHERE, Shop, counted
from tests.tenants import Tenant
from tests.until import until

ACTOR = Actor(tenant_id=1, app_id="test_shop", enforcement=Enforcement.REFUSE)


def call(user_id: str) -> Call:
    return ACTOR, RecordUsage(user_id=user_id, feature_id="calls")


def answer(user_id: str) -> RecordedUsage:
    return RecordedUsage(recorded=True, reason=None, event_id=user_id, duplicate=False, consumption=None)


class Till:
    """Answers at once, but for the users whose counters are held."""

    def __init__(self, *held: str) -> None:
        self.held = set(held)
        self.batches: list[list[str]] = []

    def record(self, calls: Sequence[Call]) -> list[RecordedUsage | MeterlineError | None]:
        asked = [command.user_id for _, command in calls]
        self.batches.append(asked)
        return [None if user_id in self.held else answer(user_id) for user_id in asked]

    async def asked(self, user_id: str, times: int) -> None:
        """Until somebody has asked so often."""
        await until(lambda: sum(batch.count(user_id) for batch in self.batches) >= times)


@pytest.fixture
async def asking() -> AsyncIterator[list[asyncio.Task[RecordedUsage]]]:
    """Calls that are under way; none is left behind."""
    tasks: list[asyncio.Task[RecordedUsage]] = []
    yield tasks
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_only_the_calls_of_a_held_counter_wait_until_it_is_free(
    asking: list[asyncio.Task[RecordedUsage]],
) -> None:
    till = Till("ada")
    lanes = UsageLanes(till.record)
    asking.append(asyncio.create_task(lanes.record(call("ada"))))
    await till.asked("ada", 2)

    assert await lanes.record(call("bob")) == answer("bob")
    assert not asking[0].done()

    till.held.clear()
    assert await asking[0] == answer("ada")


async def test_while_a_counter_is_held_its_later_calls_are_asked_apart_and_afterwards_with_the_others_again(
    asking: list[asyncio.Task[RecordedUsage]],
) -> None:
    till = Till("ada")
    lanes = UsageLanes(till.record)
    asking.append(asyncio.create_task(lanes.record(call("ada"))))
    await till.asked("ada", 2)

    asking.append(asyncio.create_task(lanes.record(call("ada"))))
    await asyncio.gather(*(lanes.record(call("bob")) for _ in range(20)))
    till.held.clear()
    await asyncio.gather(*asking)

    assert not any({"ada", "bob"} <= set(batch) for batch in till.batches)
    till.batches.clear()
    await asyncio.gather(lanes.record(call("ada")), lanes.record(call("bob")))
    assert till.batches == [["ada", "bob"]]


async def test_once_a_counter_was_had_new_calls_do_not_stand_behind_those_who_still_wait(
    asking: list[asyncio.Task[RecordedUsage]],
) -> None:
    till = Till("ada", "bob")
    lanes = UsageLanes(till.record)
    asking += [asyncio.create_task(lanes.record(call(user_id))) for user_id in ("ada", "ada", "bob")]
    await till.asked("ada", 4)

    till.held.remove("ada")
    await asyncio.gather(*asking[:2])

    till.batches.clear()
    assert await lanes.record(call("ada")) == answer("ada")
    assert ["ada"] in till.batches
    assert not any({"ada", "bob"} <= set(batch) for batch in till.batches)


async def test_who_has_waited_long_enough_is_told_to_come_again() -> None:
    lanes = UsageLanes(Till("ada").record, patience_seconds=0.01)

    with pytest.raises(OverloadedError, match="hold the user's counter"):
        await lanes.record(call("ada"))


async def test_only_so_many_wait_for_held_counters(asking: list[asyncio.Task[RecordedUsage]]) -> None:
    till = Till("ada")
    lanes = UsageLanes(till.record, held_up_max=0)

    with pytest.raises(OverloadedError, match="Nothing was done"):
        await lanes.record(call("ada"))

    assert till.batches == [["ada"]]
    assert await lanes.record(call("bob")) == answer("bob")


async def test_with_a_real_counter_held_neighbours_are_recorded_and_its_own_calls_once_it_is_free(
    product: str, tenant: Tenant
) -> None:
    shop = Shop(tenant.actor)
    shop.feature()
    shop.package("pro", counted(10))
    for user_id in ("ada", "bob"):
        shop.user(user_id)
        shop.subscribe("pro", user_id=user_id)
    shop.record(1)

    async def record(user_id: str) -> RecordedUsage:
        return await coalesce.record_usage(tenant.actor, RecordUsage(user_id=user_id, feature_id="calls"))

    with psycopg.connect(product) as holder:
        holder.execute("SELECT FROM consumptions WHERE tenant_id = %s FOR UPDATE", (tenant.actor.tenant_id,))
        asked = asyncio.gather(record("ada"), record("bob"), record(NOWHERE), return_exceptions=True)
        # Bob has no counter yet; his is made beside the held one.
        bobs = await record("bob")
        assert not asked.done()
    ada, bob, stranger = await asked

    assert (ada.consumption.used, {bob.consumption.used, bobs.consumption.used}) == (2, {1, 2})
    assert isinstance(stranger, UserNotFoundError)
    assert shop.used() == 2
