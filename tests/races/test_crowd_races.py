"""64 clients at once, on one counter and over ten thousand users, into two processes: what was acknowledged is what is booked."""

import random
from collections import Counter
from typing import Any

import pytest

from tests.races.books import Books
from tests.races.conftest import Ways
from tests.races.crowd import make_crowd
from tests.races.doors import Door, at_once, refused
from tests.races.proof import prove
from tests.races.shop import FEATURE, Shop

pytestmark = pytest.mark.processes

CLIENTS = 64


async def recorded(doors: list[Door], calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers, in the order of the calls; none may fail."""
    pairs = zip(doors, calls, strict=True)
    outcomes = await at_once((door.record(featureId=FEATURE, **fields) for door, fields in pairs), most=CLIENTS)
    assert refused(outcomes) == []
    return outcomes  # type: ignore[return-value]


async def test_on_one_hot_counter_the_limit_holds_and_every_acknowledged_amount_is_booked(
    either: Ways, shop: Shop, books: Books
) -> None:
    amounts, limit = random.Random("hot"), 900  # noqa: S311 — the same amounts in every run
    user = shop.user(shop.package(shop.feature(FEATURE), limit=limit))
    calls = [{"userId": user, "delta": amounts.choice([-2, 1, 2, 3])} for _ in range(1_500)]

    answers = await recorded(either.through("mix", len(calls)), calls)

    counted = {
        answer["eventId"]: fields["delta"] for fields, answer in zip(calls, answers, strict=True) if answer["recorded"]
    }
    ledger = books.events(user)
    assert {str(event.id): event.delta for event in ledger if event.recorded} == counted
    assert len(ledger) == len(calls) > len(counted)
    assert max(answer["consumption"]["used"] for answer in answers) == limit
    used = sum(counted.values()) + sum(event.applied - event.delta for event in ledger if event.recorded)
    assert prove(books.database_url, books.tenant_id).used == books.used(user) == used


async def test_over_ten_thousand_users_each_limit_holds_and_every_acknowledged_amount_is_booked(
    either: Ways, shop: Shop, books: Books
) -> None:
    choice, limit = random.Random("crowd"), 3  # noqa: S311 — likewise
    crowd = make_crowd(books, shop.package(shop.feature(FEATURE), limit=limit), 10_000)
    busy = crowd[:100]
    calls = [{"userId": choice.choice(busy if n % 4 == 0 else crowd), "delta": 1} for n in range(2_500)]

    answers = await recorded(either.through("mix", len(calls)), calls)

    asked = Counter(fields["userId"] for fields in calls)
    counted = Counter(fields["userId"] for fields, answer in zip(calls, answers, strict=True) if answer["recorded"])
    assert counted == {user: min(times, limit) for user, times in asked.items()}
    assert books.totals_by_user() == {user: (used, used) for user, used in counted.items()}
    assert prove(books.database_url, books.tenant_id).used == sum(counted.values())
