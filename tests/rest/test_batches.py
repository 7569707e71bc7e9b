"""Batches and reverts over REST: what only this door has."""

from typing import Any

import pytest
from freezegun import freeze_time

from tests.rest.door import Door, api_calls

CALL = {"userId": "ada", "featureId": "api-calls"}
ACCESS = "/v1/users/ada/features/api-calls/access"


@pytest.fixture
async def metered(rest: Door) -> Door:
    """Ada has three API calls a month, since 5 March 2026."""
    await rest.made("/v1/features", id="api-calls", type="CONSUMABLE")
    await rest.sell("pro", api_calls(3))
    await rest.made("/v1/users", id="ada")
    with freeze_time("2026-03-05T10:00:00Z"):
        await rest.made("/v1/subscriptions", userId="ada", packageIds=["pro"])
    return rest


async def used(rest: Door) -> int:
    consumption: dict[str, int] = (await rest.get(ACCESS)).json()["consumption"]
    return consumption["used"]


async def test_a_batch_is_answered_with_200_and_all_members(metered: Door) -> None:
    answer = await metered.post("/v1/usage/batch", json={"events": [CALL, CALL | {"delta": 3}]})

    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == ["recorded", "firstRefused", "results"]
    assert [list(result) for result in body["results"]] == [
        ["recorded", "reason", "eventId", "duplicate", "consumption", "error"]
    ] * 2
    assert [result["recorded"] for result in body["results"]] == [True, False]


async def test_the_header_for_one_key_is_refused_on_a_batch_and_nothing_is_counted(metered: Door) -> None:
    refused = await metered.post("/v1/usage/batch", json={"events": [CALL]}, headers={"Idempotency-Key": "k"})

    assert (refused.status_code, refused.json()["field"]) == (422, "Idempotency-Key")
    assert refused.json()["detail"] == "Idempotency-Key: is not for a batch; give each event an idempotencyKey"
    assert await used(metered) == 0


async def test_each_event_of_a_batch_has_its_own_key(metered: Door) -> None:
    events = [CALL | {"idempotencyKey": "k-1"}, CALL | {"idempotencyKey": "k-2"}]
    first = (await metered.post("/v1/usage/batch", json={"events": events})).json()

    single = await metered.post("/v1/usage", json=CALL, headers={"Idempotency-Key": "k-2"})
    again = (await metered.post("/v1/usage/batch", json={"events": events})).json()

    assert (single.json()["duplicate"], single.json()["eventId"]) == (True, first["results"][1]["eventId"])
    assert again == first | {"results": [result | {"duplicate": True} for result in first["results"]]}
    assert await used(metered) == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "events"),
        ({"events": None}, "events"),
        ({"events": CALL}, "events"),
        ({"events": "all"}, "events"),
        ({"events": [None]}, "events[0]"),
        ({"events": [CALL, 5]}, "events[1]"),
        ({"events": [CALL, []]}, "events[1]"),
        ({"events": [CALL, {"userId": "ada"}]}, "events[1].featureId"),
        ({"events": [CALL], "allOrNothing": "yes"}, "allOrNothing"),
        ({"events": [CALL], "allOrNothing": 1}, "allOrNothing"),
        ({"events": [CALL], "allOrNothing": None}, "allOrNothing"),
        ({"events": [CALL], "idempotencyKey": "k"}, "idempotencyKey"),
        ([CALL], "body"),
    ],
)
async def test_a_body_that_is_no_batch_is_refused_and_nothing_counted(metered: Door, body: Any, field: str) -> None:
    refused = await metered.post("/v1/usage/batch", json=body)

    assert (refused.status_code, refused.json()["name"], refused.json()["field"]) == (422, "InvalidInputError", field)
    assert await used(metered) == 0


async def test_a_batch_over_the_body_limit_is_refused_whole(metered: Door) -> None:
    events = [
        CALL | {"idempotencyKey": f"{n:0>255}", "userId": "u" * 255, "featureId": "f" * 255} for n in range(1_000)
    ]
    assert (await metered.post("/v1/usage/batch", json={"events": events})).status_code == 200

    refused = await metered.post("/v1/usage/batch", json={"events": events, "padding": "x" * 200_000})

    assert (refused.status_code, refused.json()["name"]) == (413, "BodyTooLargeError")


async def test_a_revert_needs_no_body(metered: Door) -> None:
    event = await metered.made("/v1/usage", **CALL, delta=2)

    for body in (None, b"", b"{}"):
        answer = await metered.post(f"/v1/usage/events/{event['eventId']}/revert", content=body)
        assert (answer.status_code, answer.json()["consumption"]["used"]) == (200, 0)


@pytest.mark.parametrize("event_id", ["%20", "1%2F2", "1.5", "%C2%B2", "%EF%BC%91"])
async def test_an_event_that_cannot_be_is_not_found(metered: Door, event_id: str) -> None:
    refused = await metered.post(f"/v1/usage/events/{event_id}/revert")

    assert (refused.status_code, refused.json()["name"]) == (404, "UsageEventNotFoundError")
