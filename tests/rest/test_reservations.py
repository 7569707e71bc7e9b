"""Reservations over REST: what only this door has."""

import asyncio

import pytest

from tests.rest.door import Door, api_calls

HOLD = {"userId": "ada", "featureId": "api-calls"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def metered(rest: Door) -> Door:
    """Ada has 500 API calls a month."""
    await rest.made("/v1/features", id="api-calls", type="CONSUMABLE")
    await rest.sell("pro", api_calls(500))
    await rest.made("/v1/users", id="ada")
    await rest.made("/v1/subscriptions", userId="ada", packageIds=["pro"])
    return rest


async def standing(rest: Door) -> tuple[int, int]:
    """(used, reserved)"""
    found = (await rest.get("/v1/users/ada/features/api-calls/access")).json()["consumption"]
    return found["used"], found["reserved"]


async def test_of_twenty_at_once_exactly_six_are_held(metered: Door) -> None:
    made = await asyncio.gather(*(metered.made("/v1/reservations", **HOLD, delta=75) for _ in range(20)))

    assert sum(answer["reserved"] for answer in made) == 6
    assert await standing(metered) == (0, 450)


@pytest.mark.parametrize("place", ["body", "header", "both"])
async def test_a_repeated_idempotency_key_holds_once(metered: Door, place: str) -> None:
    body = HOLD | {"delta": 75} | ({"idempotencyKey": "k-1"} if place != "header" else {})
    headers = {"Idempotency-Key": "k-1"} if place != "body" else {}

    first = await metered.post("/v1/reservations", json=body, headers=headers)
    again = await metered.post("/v1/reservations", json=body, headers=headers)

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json() | {"duplicate": True}
    assert await standing(metered) == (0, 75)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (b"k-1", "differs from idempotencyKey in the body"),
        (b"", "must not be empty"),
        (b"k" * 256, "must have at most 255 characters, has 256"),
        ("schlüssel".encode("latin-1"), "must be ASCII; send other keys as idempotencyKey in the body"),
    ],
)
async def test_a_bad_idempotency_header_is_named_and_nothing_held(metered: Door, header: bytes, problem: str) -> None:
    body = HOLD | {"idempotencyKey": "k-2"}

    refused = await metered.post("/v1/reservations", json=body, headers=[(b"Idempotency-Key", header)])

    assert (refused.status_code, refused.json()["field"]) == (422, "Idempotency-Key")
    assert refused.json()["detail"] == f"Idempotency-Key: {problem}"
    assert await standing(metered) == (0, 0)


async def test_a_key_of_a_reservation_is_not_one_of_usage(metered: Door) -> None:
    headers = {"Idempotency-Key": "k"}

    assert (await metered.post("/v1/usage", json=HOLD | {"delta": 5}, headers=headers)).json()["duplicate"] is False
    assert (await metered.post("/v1/reservations", json=HOLD, headers=headers)).json()["duplicate"] is False
    assert await standing(metered) == (5, 1)


@pytest.mark.parametrize(
    ("content", "headers", "used"),
    [
        (None, {}, 75),
        (b"", JSON, 75),
        (b"{}", JSON, 75),
        (b'{"delta": null}', JSON, 75),
        (b'{"delta": 40}', JSON, 40),
        (b'{"delta": 0}', {"Content-Type": "application/json; charset=utf-8"}, 0),
    ],
)
async def test_a_settlement_may_come_without_a_body(
    metered: Door, content: bytes | None, headers: dict[str, str], used: int
) -> None:
    made = await metered.made("/v1/reservations", **HOLD, delta=75)

    answer = await metered.post(
        f"/v1/reservations/{made['reservation']['id']}/commit", content=content, headers=headers
    )

    assert (answer.status_code, answer.json()["consumption"]["used"]) == (200, used)
    assert await standing(metered) == (used, 0)


@pytest.mark.parametrize(
    ("content", "status", "field"),
    [
        (b'{"delta": "40"}', 422, "delta"),
        (b'{"amount": 40}', 422, "amount"),
        (b'{"delta": -1}', 422, "delta"),
        (b"[]", 422, "body"),
        (b"40", 422, "body"),
        (b"{", 400, None),
    ],
)
async def test_a_settlement_with_a_bad_body_settles_nothing(
    metered: Door, content: bytes, status: int, field: str | None
) -> None:
    made = await metered.made("/v1/reservations", **HOLD, delta=75)

    refused = await metered.post(f"/v1/reservations/{made['reservation']['id']}/commit", content=content, headers=JSON)

    assert (refused.status_code, refused.json().get("field")) == (status, field)
    assert await standing(metered) == (0, 75)


async def test_a_reservation_is_only_read_by_get(metered: Door) -> None:
    made = await metered.made("/v1/reservations", **HOLD, delta=75)
    path = f"/v1/reservations/{made['reservation']['id']}"

    assert (await metered.get(path)).json() == made["reservation"]
    assert (await metered.delete(path)).status_code == 405
    assert (await metered.get(f"{path}/commit")).status_code == 405
    assert await standing(metered) == (0, 75)
