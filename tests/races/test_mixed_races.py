"""Everything that counts usage at once, through two processes: nobody fails, and the books are right."""

import asyncio

import pytest

from tests.races.books import Books
from tests.races.conftest import Ways
from tests.races.crowd import make_crowd
from tests.races.doors import answered, at_once, refused
from tests.races.proof import prove
from tests.races.shop import FEATURE, Shop
from tests.races.traffic import Traffic
from tests.races.web import Web

pytestmark = pytest.mark.processes


async def test_in_mixed_traffic_no_call_fails_and_the_books_are_right_afterwards(
    ways: Ways, webs: list[Web], shop: Shop, books: Books
) -> None:
    package = shop.package(shop.feature(FEATURE), limit=60, monthly=True)
    users = make_crowd(books, package, 24, days_ago=40)  # the second month has begun, the third has not
    traffic = Traffic(ways, users, seed="mixed")
    logged = [len(web.log) for web in webs]

    await traffic.run(callers=32, seconds=6)

    assert traffic.refused == []
    assert min(traffic.done.values()) > 5
    proved = prove(books.database_url, books.tenant_id)
    assert (proved.counters, proved.used > 0, proved.keys > 0) == (len(users), True, True)
    booked = books.outcomes()
    assert {event_id: booked.get(event_id) for event_id in traffic.told} == traffic.told
    # What was answered is all there is: a refused reservation leaves no event.
    assert set(booked) == set(traffic.told)
    for web, start in zip(webs, logged, strict=True):
        assert "40P01" not in web.log[start:]  # deadlock detected
        assert "Traceback" not in web.log[start:]


async def test_what_one_process_has_acknowledged_the_other_sees_at_once(either: Ways, shop: Shop, books: Books) -> None:
    crowd = make_crowd(books, shop.package(shop.feature(FEATURE), limit=1_000), 16)

    async def write_and_read(user: str) -> list[int]:
        seen = []
        for turn in range(12):
            door = either.through("mix", 4)[turn % 4]
            written = await door.record(userId=user, featureId=FEATURE)
            other = either.rest[(turn + turn // 2) % 2]
            read = await other.call("GET", f"/v1/users/{user}/features/{FEATURE}/access")
            assert read["consumption"]["used"] == written["consumption"]["used"]
            seen.append(read["consumption"]["used"])
        return seen

    seen = await asyncio.gather(*map(write_and_read, crowd))

    assert seen == [list(range(1, 13))] * len(crowd)


async def test_of_500_credits_twenty_reservations_of_75_at_once_get_exactly_six(
    either: Ways, shop: Shop, books: Books
) -> None:
    user = shop.user(shop.package(shop.feature(FEATURE), limit=500))
    wanted = {"userId": user, "featureId": FEATURE, "delta": 75}

    outcomes = await at_once(rest.post("/v1/reservations", wanted) for rest in either.rest * 10)

    assert refused(outcomes) == []
    answers = answered(outcomes)
    granted = [answer["reservation"]["id"] for answer in answers if answer["reserved"]]
    assert len(set(granted)) == len(granted) == 6
    held = sorted(answer["consumption"]["reserved"] for answer in answers)
    assert held == [75, 150, 225, 300, 375] + [450] * 15
    shown = await either.rest[0].call("GET", f"/v1/users/{user}/features/{FEATURE}/access")
    assert (shown["consumption"]["used"], shown["consumption"]["reserved"]) == (0, 450)

    settled = await at_once(
        rest.post(f"/v1/reservations/{reservation}/commit", {"delta": 70})
        for rest, reservation in zip(either.rest * 6, granted * 2, strict=True)
    )

    assert sorted(answer["duplicate"] for answer in answered(settled)) == [False] * 6 + [True] * 6
    assert books.used(user) == 420
    prove(books.database_url, books.tenant_id)


async def test_one_key_at_once_alone_and_in_batches_over_both_doors_is_one_event_and_one_answer(
    either: Ways, shop: Shop, books: Books
) -> None:
    user = shop.user(shop.package(shop.feature(FEATURE), limit=100))
    event = {"userId": user, "featureId": FEATURE, "delta": 7, "idempotencyKey": "the-same"}

    async def in_a_batch(n: int) -> dict[str, object]:
        body = {"events": [event, event], "allOrNothing": n % 4 == 0}
        results = (await either.rest[n % 2].post("/v1/usage/batch", body))["results"]
        assert results[0]["eventId"] == results[1]["eventId"]
        return results[0]  # type: ignore[no-any-return]

    outcomes = await at_once(
        in_a_batch(n) if n % 5 == 0 else door.record(**event) for n, door in enumerate(either.through("mix", 50))
    )

    assert refused(outcomes) == []
    answers = answered(outcomes)
    assert sorted(answer["duplicate"] for answer in answers) == [False] + [True] * 49
    assert {(answer["eventId"], answer["recorded"], answer["consumption"]["used"]) for answer in answers} == {
        (answers[0]["eventId"], True, 7)
    }
    assert [(found.idempotency_key, found.applied) for found in books.events(user)] == [("the-same", 7)]
