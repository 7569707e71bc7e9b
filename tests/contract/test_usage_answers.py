"""Batches, reverts and reservations: either door gives the same answers, and goes on with what the other began."""

from typing import Any

import pytest
from freezegun import freeze_time

from app.domain.entitlements import NO_SUBSCRIPTION
from app.domain.metering import LIMIT_WOULD_BE_EXCEEDED
from tests.contract.callers import Caller
from tests.contract.usage_ways import DOORS, Refusal, ask

ADA = {"userId": "ada", "featureId": "calls"}
BOB = {"userId": "bob", "featureId": "calls"}

pytestmark = pytest.mark.parametrize("door", DOORS)


@pytest.fixture
async def shop(caller: Caller) -> Caller:
    """Ada has 10 calls a month, since 5 March 2026; Bob is there without a subscription."""
    await caller.rest("POST", "/features", id="calls", type="CONSUMABLE")
    terms = {"id": "calls", "entitlement": {"limit": 10, "resetPeriod": "MONTH"}}
    await caller.rest("POST", "/packages", id="pro", features=[terms])
    await caller.rest("POST", "/packages/pro/publish")
    for user_id in ("ada", "bob"):
        await caller.rest("POST", "/users", id=user_id)
    with freeze_time("2026-03-05T10:00:00Z"):
        await caller.rest("POST", "/subscriptions", userId="ada", packageIds=["pro"])
    return caller


def consumption(used: int, reserved: int = 0) -> dict[str, Any]:
    return {"used": used, "budget": 10, "overageEnabled": False, "reserved": reserved}


def result(number: int | None, used: int | None, reason: str | None = None, **more: Any) -> dict[str, Any]:
    """One of a batch; `number` is where its event's id stands among those of the batch."""
    answer = {
        "recorded": reason is None,
        "reason": reason,
        "eventId": number,
        "duplicate": False,
        "consumption": None if used is None else consumption(used),
        "error": None,
    }
    return answer | more


def with_numbers(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The results with the place of each event's id among the ids, in their order, in place of it."""
    ids = sorted({int(one["eventId"]) for one in results if one["eventId"] is not None})
    return [
        one | {"eventId": None if one["eventId"] is None else ids.index(int(one["eventId"])) + 1} for one in results
    ]


async def used(shop: Caller) -> tuple[int, int]:
    """(used, reserved)"""
    found = (await shop.rest("GET", "/users/ada/features/calls/access"))["consumption"]
    return found["used"], found["reserved"]


async def test_a_batch_has_a_result_for_each_event_in_order(shop: Caller, door: str) -> None:
    events = [
        ADA | {"delta": 4, "idempotencyKey": "k"},
        ADA | {"delta": 7},
        BOB,
        ADA | {"delta": 4, "idempotencyKey": "k"},
        {"userId": "nobody", "featureId": "calls"},
        ADA | {"delta": 9, "action": "SET", "timestamp": "2026-03-05T10:00:00Z"},
        ADA | {"timestamp": "9999-12-31T23:59:59.999Z"},
    ]

    answer = await ask(shop, door, "recordUsages", input=events)

    assert (answer["recorded"], answer["firstRefused"]) == (False, 1)
    assert with_numbers(answer["results"]) == [
        result(1, 4),
        result(2, 4, LIMIT_WOULD_BE_EXCEEDED),
        result(3, None, NO_SUBSCRIPTION),
        result(1, 4, duplicate=True),
        result(
            None,
            None,
            "User Id not found for app",
            error={
                "code": "BAD_USER_INPUT",
                "name": "UserNotFoundError",
                "message": "User Id not found for app",
                "field": None,
            },
        ),
        result(4, 9),
        result(
            None,
            None,
            "timestamp: must be at most 5 minutes ahead of now",
            error={
                "code": "BAD_USER_INPUT",
                "name": "InvalidInputError",
                "message": "timestamp: must be at most 5 minutes ahead of now",
                "field": "timestamp",
            },
        ),
    ]
    assert await used(shop) == (4, 0)


async def test_all_or_nothing_names_the_culprit_and_records_nothing(shop: Caller, door: str) -> None:
    because = "Not recorded: event 1 of this all-or-nothing batch was not (counted from 0)."
    events = [
        ADA | {"delta": 4, "idempotencyKey": "k"},
        ADA | {"delta": 7, "idempotencyKey": "l"},
        ADA | {"idempotencyKey": "m"},
    ]

    answer = await ask(shop, door, "recordUsages", input=events, allOrNothing=True)

    assert (answer["recorded"], answer["firstRefused"]) == (False, 1)
    assert with_numbers(answer["results"]) == [
        result(1, 0, because),
        result(2, 0, LIMIT_WOULD_BE_EXCEEDED),
        result(3, 0, because),
    ]
    other_door = next(other for other in DOORS if other != door)
    again = await ask(shop, other_door, "recordUsages", input=events, allOrNothing=True)
    assert again == answer | {"results": [one | {"duplicate": True} for one in answer["results"]]}
    assert await used(shop) == (0, 0)


async def test_a_batch_that_fits_is_recorded_whole(shop: Caller, door: str) -> None:
    answer = await ask(shop, door, "recordUsages", input=[ADA | {"delta": 4}, ADA | {"delta": 6}], allOrNothing=True)

    assert (answer["recorded"], answer["firstRefused"]) == (True, None)
    assert with_numbers(answer["results"]) == [result(1, 4), result(2, 10)]
    assert await used(shop) == (10, 0)


async def test_a_thousand_events_fit_into_a_call_and_not_one_more(shop: Caller, door: str) -> None:
    events = [ADA | {"delta": 1 if n % 2 else -1, "idempotencyKey": f"key-{n:0>40}"} for n in range(1_001)]

    answer = await ask(shop, door, "recordUsages", input=events[:1_000])
    refused = await ask(shop, door, "recordUsages", input=events)

    assert (answer["recorded"], len(answer["results"])) == (True, 1_000)
    field = "input" if door == "graphql" else "events"
    assert refused[:3] == ("InvalidInputError", field, f"{field}: must hold at most 1000 events, holds 1001")
    assert await used(shop) == (1, 0)


async def test_a_late_event_counts_in_its_own_period(shop: Caller, door: str) -> None:
    with freeze_time("2026-05-01T00:00:00Z"):
        told = await ask(shop, door, "recordUsage", input=ADA | {"delta": 7, "timestamp": "2026-04-05T09:59:59.999Z"})
        usage = await shop.rest("GET", "/users/ada/features/calls/usage")

    assert (told["recorded"], told["consumption"]) == (True, consumption(7))
    assert usage["current"]["consumption"] == consumption(0)
    assert [past["consumption"] for past in usage["past"]] == [consumption(7)]


async def test_an_event_is_taken_back_once(shop: Caller, door: str) -> None:
    event = await shop.rest("POST", "/usage", **ADA, delta=4)
    await shop.rest("POST", "/usage", **ADA, delta=3)

    back = await ask(shop, door, "revertUsage", id=event["eventId"])

    assert back | {"eventId": ""} == {
        "recorded": True,
        "reason": None,
        "eventId": "",
        "duplicate": False,
        "consumption": consumption(3),
    }
    for either in DOORS:
        assert await ask(shop, either, "revertUsage", id=event["eventId"]) == back | {"duplicate": True}
    assert await used(shop) == (3, 0)


async def test_what_cannot_be_taken_back_is_a_conflict(shop: Caller, door: str) -> None:
    refused_event = (await shop.rest("POST", "/usage", **ADA, delta=11))["eventId"]
    event = (await shop.rest("POST", "/usage", **ADA))["eventId"]
    back = (await shop.rest("POST", f"/usage/events/{event}/revert"))["eventId"]
    status = None if door == "graphql" else 409

    assert await ask(shop, door, "revertUsage", id=refused_event) == Refusal(
        "RevertError", None, f"Event {refused_event} was not counted, so there is nothing to take back.", status
    )
    assert await ask(shop, door, "revertUsage", id=back) == Refusal(
        "RevertError",
        None,
        f"Event {back} takes another one back and cannot be reverted. Record the usage again.",
        status,
    )


async def test_an_amount_is_held_read_and_settled(shop: Caller, door: str) -> None:
    with freeze_time("2026-03-20T12:00:00.803Z"):
        await shop.rest("POST", "/usage", **ADA, delta=2)
        made = await ask(shop, door, "reserveUsage", **ADA, delta=6, ttlSeconds=90, idempotencyKey="k")
        reservation = {
            "id": made["reservation"]["id"],
            "userId": "ada",
            "featureId": "calls",
            "amount": 6,
            "status": "HELD",
            "createdAt": "2026-03-20T12:00:00.803Z",
            "expiresAt": "2026-03-20T12:01:30.803Z",
            "eventId": None,
        }
        assert made == {
            "reserved": True,
            "reason": None,
            "duplicate": False,
            "reservation": reservation,
            "consumption": consumption(2, reserved=6),
        }
        for either in DOORS:
            again = await ask(shop, either, "reserveUsage", **ADA, delta=6, ttlSeconds=90, idempotencyKey="k")
            assert again == made | {"duplicate": True}
            assert await ask(shop, either, "reservation", id=reservation["id"]) == reservation

        settled = await ask(shop, door, "commitReservation", id=reservation["id"], delta=5)

        assert settled | {"eventId": ""} == {
            "recorded": True,
            "reason": None,
            "eventId": "",
            "duplicate": False,
            "consumption": consumption(7),
        }
        for either in DOORS:
            again = await ask(shop, either, "commitReservation", id=reservation["id"], delta=5)
            assert again == settled | {"duplicate": True}
            assert await ask(shop, either, "reservation", id=reservation["id"]) == reservation | {
                "status": "COMMITTED",
                "eventId": settled["eventId"],
            }
        assert await used(shop) == (7, 0)


async def test_without_an_amount_the_whole_is_settled(shop: Caller, door: str) -> None:
    made = await ask(shop, door, "reserveUsage", **ADA, delta=6)

    settled = await ask(shop, door, "commitReservation", id=made["reservation"]["id"])

    assert settled["consumption"] == consumption(6)


async def test_the_defaults_are_one_for_five_minutes(shop: Caller, door: str) -> None:
    with freeze_time("2026-03-20T12:00:00Z"):
        made = await ask(shop, door, "reserveUsage", **ADA)

    assert (made["reservation"]["amount"], made["reservation"]["expiresAt"]) == (1, "2026-03-20T12:05:00.000Z")


@pytest.mark.parametrize(
    ("who", "reason", "after"),
    [(ADA, LIMIT_WOULD_BE_EXCEEDED, consumption(0)), (BOB, NO_SUBSCRIPTION, None)],
    ids=["over the limit", "no subscription"],
)
async def test_a_refusal_to_hold_is_an_answer(
    shop: Caller, door: str, who: dict[str, str], reason: str, after: dict[str, Any] | None
) -> None:
    assert await ask(shop, door, "reserveUsage", **who, delta=11) == {
        "reserved": False,
        "reason": reason,
        "duplicate": False,
        "reservation": None,
        "consumption": after,
    }


async def test_a_settlement_over_the_limit_is_an_answer_and_the_amount_stays_held(shop: Caller, door: str) -> None:
    made = await ask(shop, door, "reserveUsage", **ADA, delta=6)

    refused = await ask(shop, door, "commitReservation", id=made["reservation"]["id"], delta=11)

    assert refused | {"eventId": ""} == {
        "recorded": False,
        "reason": LIMIT_WOULD_BE_EXCEEDED,
        "eventId": "",
        "duplicate": False,
        "consumption": consumption(0, reserved=6),
    }
    assert await used(shop) == (0, 6)


async def test_what_is_held_is_freed_and_stays_so(shop: Caller, door: str) -> None:
    made = await ask(shop, door, "reserveUsage", **ADA, delta=6)
    id_ = made["reservation"]["id"]

    for either in (door, *DOORS):
        released = await ask(shop, either, "releaseReservation", id=id_)
        assert released == made["reservation"] | {"status": "RELEASED"}
    assert await used(shop) == (0, 0)
    status = None if door == "graphql" else 409
    assert await ask(shop, door, "commitReservation", id=id_) == Refusal(
        "ReservationError", None, f"Reservation {id_} cannot be committed: it is RELEASED.", status
    )


async def test_what_is_settled_or_has_expired_is_a_conflict(shop: Caller, door: str) -> None:
    status = None if door == "graphql" else 409
    with freeze_time("2026-03-20T12:00:00Z") as time:
        settled, forgotten = [
            (await ask(shop, door, "reserveUsage", **ADA, delta=3, ttlSeconds=60))["reservation"]["id"]
            for _ in range(2)
        ]
        await ask(shop, door, "commitReservation", id=settled)
        time.tick(60)

        assert await ask(shop, door, "commitReservation", id=settled, delta=2) == Refusal(
            "ReservationError", None, f"Reservation {settled} was committed before, with another amount.", status
        )
        assert await ask(shop, door, "releaseReservation", id=settled) == Refusal(
            "ReservationError", None, f"Reservation {settled} cannot be released: it is COMMITTED.", status
        )
        assert await ask(shop, door, "commitReservation", id=forgotten) == Refusal(
            "ReservationError", None, f"Reservation {forgotten} cannot be committed: it is EXPIRED.", status
        )
        assert (await ask(shop, door, "releaseReservation", id=forgotten))["status"] == "EXPIRED"
