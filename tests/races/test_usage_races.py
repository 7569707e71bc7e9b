"""Usage under contention: many calls at once, over both doors, into two web processes, and the books stay exact."""

import random
from typing import Any

import pytest

from app.domain.metering import LIMIT_WOULD_BE_EXCEEDED
from tests.races.books import Books
from tests.races.conftest import Ways
from tests.races.doors import RefusedError, answered, at_once, refused
from tests.races.shop import FEATURE, Shop

pytestmark = pytest.mark.processes

every_door = pytest.mark.parametrize("doors", ["rest", "graphql", "mix"])


def user_with_limit(shop: Shop, limit: int | None) -> str:
    return shop.user(shop.package(shop.feature(FEATURE), limit=limit))


@every_door
async def test_of_200_calls_at_once_against_a_limit_of_77_exactly_77_are_recorded(
    doors: str, ways: Ways, shop: Shop, books: Books
) -> None:
    user = user_with_limit(shop, 77)

    outcomes = await at_once(door.record(userId=user, featureId=FEATURE, delta=1) for door in ways.through(doors, 200))

    answers = answered(outcomes)
    assert len(answers) == 200
    counted = [answer for answer in answers if answer["recorded"]]
    assert sorted(answer["consumption"]["used"] for answer in counted) == list(range(1, 78))
    assert {answer["reason"] for answer in answers if not answer["recorded"]} == {LIMIT_WOULD_BE_EXCEEDED}
    assert {answer["consumption"]["used"] for answer in answers if not answer["recorded"]} == {77}
    assert books.used(user) == 77
    assert {str(event.id) for event in books.events(user) if event.recorded} == {
        answer["eventId"] for answer in counted
    }
    assert len(books.events(user)) == 200
    for rest in ways.rest:
        shown = await rest.call("GET", f"/v1/users/{user}/features/{FEATURE}/usage")
        assert shown["current"]["consumption"] == {
            "used": 77,
            "budget": 77,
            "overageEnabled": False,
            "reserved": 0,
        }


@every_door
async def test_random_amounts_up_and_down_never_pass_the_limit_nor_zero(
    doors: str, ways: Ways, shop: Shop, books: Books
) -> None:
    limit = 50
    user = user_with_limit(shop, limit)
    amounts = random.Random(doors)  # noqa: S311 — the same amounts in every run
    deltas = [amounts.choice([-20, -7, -3, -1, 1, 2, 5, 11, 30]) for _ in range(150)]

    outcomes = await at_once(
        door.record(userId=user, featureId=FEATURE, delta=delta)
        for door, delta in zip(ways.through(doors, len(deltas)), deltas, strict=True)
    )

    answers = answered(outcomes)
    assert len(answers) == len(deltas)
    assert all(0 <= answer["consumption"]["used"] <= limit for answer in answers)
    assert {answer["recorded"] for answer in answers} == {True, False}
    # In the order of the ledger, each event follows from the total that the one before it left.
    used, ledger = 0, books.events(user)
    for event in ledger:
        fits = event.delta < 0 or used + event.delta <= limit
        after = max(0, used + event.delta) if fits else used
        assert (event.recorded, event.applied, event.used_after) == (fits, after - used, after)
        used = after
    assert books.used(user) == used
    assert {str(event.id): (event.delta, event.used_after) for event in ledger} == {
        answer["eventId"]: (delta, answer["consumption"]["used"]) for answer, delta in zip(answers, deltas, strict=True)
    }


@every_door
async def test_one_idempotency_key_50_times_at_once_counts_once_and_all_answers_agree(
    doors: str, ways: Ways, shop: Shop, books: Books
) -> None:
    user = user_with_limit(shop, 100)

    outcomes = await at_once(
        door.record(userId=user, featureId=FEATURE, delta=7, idempotencyKey="the-same")
        for door in ways.through(doors, 50)
    )

    assert refused(outcomes) == []
    answers = answered(outcomes)
    assert sorted(answer["duplicate"] for answer in answers) == [False] + [True] * 49
    assert {(answer["eventId"], answer["recorded"], answer["consumption"]["used"]) for answer in answers} == {
        (answers[0]["eventId"], True, 7)
    }
    assert [(event.idempotency_key, event.applied) for event in books.events(user)] == [("the-same", 7)]
    assert books.used(user) == 7


async def test_a_refusal_under_a_key_is_repeated_too_though_there_is_room_by_then(
    ways: Ways, shop: Shop, books: Books
) -> None:
    user = user_with_limit(shop, 10)
    fields = {"userId": user, "featureId": FEATURE, "delta": 11, "idempotencyKey": "too-much"}

    outcomes = await at_once(door.record(**fields) for door in ways.through("mix", 20))

    answers = answered(outcomes)
    assert {(answer["recorded"], answer["reason"]) for answer in answers} == {(False, LIMIT_WOULD_BE_EXCEEDED)}
    assert len({answer["eventId"] for answer in answers}) == 1
    assert [answer["duplicate"] for answer in answers].count(False) == 1
    assert books.used(user) == 0


async def test_the_same_key_at_once_for_two_users_goes_to_one_and_the_other_is_told(
    ways: Ways, shop: Shop, books: Books
) -> None:
    package = shop.package(shop.feature(FEATURE), limit=1000)
    users = [shop.user(package), shop.user(package)]
    calls = [(user, f"key-{number}") for number in range(15) for user in users * 2]

    outcomes = await at_once(
        door.record(userId=user, featureId=FEATURE, delta=1, idempotencyKey=key)
        for door, (user, key) in zip(ways.through("mix", len(calls)), calls, strict=True)
    )

    by_key: dict[str, dict[str, list[Any]]] = {}
    for (user, key), outcome in zip(calls, outcomes, strict=True):
        by_key.setdefault(key, {}).setdefault(user, []).append(outcome)
    for of_user in by_key.values():
        (winner, loser) = sorted(users, key=lambda user: isinstance(of_user[user][0], RefusedError))
        assert sorted(answer["duplicate"] for answer in of_user[winner]) == [False, True]
        assert [(answer.name, answer.code) for answer in of_user[loser]] == [
            ("IdempotencyConflictError", "BAD_USER_INPUT")
        ] * 2
    assert sum(books.used(user) for user in users) == 15
    assert sum(len(books.events(user)) for user in users) == 15


async def test_totals_set_at_once_end_in_one_of_them_and_the_ledger_agrees(
    ways: Ways, shop: Shop, books: Books
) -> None:
    user = user_with_limit(shop, 40)

    outcomes = await at_once(
        door.record(userId=user, featureId=FEATURE, delta=total, action="SET")
        for total, door in enumerate(ways.through("mix", 50), start=1)
    )

    answers = answered(outcomes)
    assert sorted(answer["consumption"]["used"] for answer in answers if answer["recorded"]) == list(range(1, 41))
    assert sum(not answer["recorded"] for answer in answers) == 10
    last = [event for event in books.events(user) if event.recorded][-1]
    assert books.used(user) == last.delta
    shown = await ways.rest[0].call("GET", f"/v1/users/{user}/features/{FEATURE}/usage")
    assert shown["current"]["consumption"]["used"] == last.delta


async def test_200_users_at_once_each_get_their_own_count(ways: Ways, shop: Shop, books: Books) -> None:
    package = shop.package(shop.feature(FEATURE), limit=2)
    users = [shop.user(package) for _ in range(200)]

    outcomes = await at_once(
        door.record(userId=user, featureId=FEATURE)
        for user, door in zip(users * 3, ways.through("mix", 600), strict=True)
    )

    assert refused(outcomes) == []
    assert sum(answer["recorded"] for answer in answered(outcomes)) == 400
    assert books.totals_by_user() == dict.fromkeys(users, (2, 2))
