"""Usage and access over REST."""

import asyncio
from typing import Any

import pytest
from freezegun import freeze_time

from app.domain.entitlements import ALLOWANCE_EXHAUSTED, ALLOWED_CONSUMABLE, NO_SUBSCRIPTION
from app.domain.metering import LIMIT_WOULD_BE_EXCEEDED
from tests.rest.door import Door, api_calls

CALL = {"userId": "ada", "featureId": "api-calls"}
ACCESS = "/v1/users/ada/features/api-calls/access"
USAGE = "/v1/users/ada/features/api-calls/usage"


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


def consumption(used: int) -> dict[str, Any]:
    return {"used": used, "budget": 3, "overageEnabled": False, "reserved": 0}


async def test_usage_is_counted_up_to_the_limit_and_then_refused_as_an_answer(metered: Door) -> None:
    counted = await metered.post("/v1/usage", json=CALL | {"delta": 3})
    refused = await metered.post("/v1/usage", json=CALL)

    assert (counted.status_code, refused.status_code) == (200, 200)
    assert counted.json() | {"eventId": ""} == {
        "recorded": True,
        "reason": None,
        "eventId": "",
        "duplicate": False,
        "consumption": consumption(3),
    }
    assert refused.json() | {"eventId": ""} == {
        "recorded": False,
        "reason": LIMIT_WOULD_BE_EXCEEDED,
        "eventId": "",
        "duplicate": False,
        "consumption": consumption(3),
    }


async def test_usage_can_be_taken_back_and_set(metered: Door) -> None:
    await metered.made("/v1/usage", **CALL, delta=3)

    taken_back = await metered.made("/v1/usage", **CALL, delta=-2)
    set_to = await metered.made("/v1/usage", **CALL, delta=0, action="SET")

    assert (taken_back["consumption"], set_to["consumption"]) == (consumption(1), consumption(0))


async def test_two_idempotency_keys_are_refused_and_nothing_is_counted(metered: Door) -> None:
    headers = [(b"Idempotency-Key", b"k-1"), (b"Idempotency-Key", b"k-2")]

    refused = await metered.post("/v1/usage", json=CALL, headers=headers)

    assert (refused.status_code, refused.json()["field"]) == (422, "Idempotency-Key")
    first = (await metered.post("/v1/usage", json=CALL, headers={"Idempotency-Key": "k-1"})).json()
    assert (first["duplicate"], first["consumption"]["used"]) == (False, 1)


@pytest.mark.parametrize("place", ["body", "header", "both"])
async def test_a_repeated_idempotency_key_counts_once(metered: Door, place: str) -> None:
    body = CALL | ({"idempotencyKey": "k-1"} if place != "header" else {})
    headers = {"Idempotency-Key": "k-1"} if place != "body" else {}

    first = (await metered.post("/v1/usage", json=body, headers=headers)).json()
    again = (await metered.post("/v1/usage", json=body, headers=headers)).json()

    assert again == first | {"duplicate": True}
    assert await used(metered) == 1


async def test_a_key_in_the_header_is_the_same_as_in_the_body(metered: Door) -> None:
    first = (await metered.post("/v1/usage", json=CALL, headers={"Idempotency-Key": "k-1"})).json()
    again = (await metered.post("/v1/usage", json=CALL | {"idempotencyKey": "k-1"})).json()

    assert again == first | {"duplicate": True}


async def test_the_same_key_for_other_content_is_a_conflict(metered: Door) -> None:
    await metered.post("/v1/usage", json=CALL, headers={"Idempotency-Key": "k-1"})

    refused = await metered.post("/v1/usage", json=CALL | {"delta": 2}, headers={"Idempotency-Key": "k-1"})

    assert (refused.status_code, refused.json()["name"]) == (409, "IdempotencyConflictError")
    assert await used(metered) == 1


@pytest.mark.parametrize(
    ("header", "in_body", "problem"),
    [
        (b"k-1", "k-2", "differs from idempotencyKey in the body"),
        (b"", None, "must not be empty"),
        (b"k" * 256, None, "must have at most 255 characters, has 256"),
        ("schlüssel".encode("latin-1"), None, "must be ASCII; send other keys as idempotencyKey in the body"),
    ],
)
async def test_a_bad_idempotency_header_is_named_and_nothing_counted(
    metered: Door, header: bytes, in_body: str | None, problem: str
) -> None:
    body = CALL | ({"idempotencyKey": in_body} if in_body else {})

    refused = await metered.post("/v1/usage", json=body, headers=[(b"Idempotency-Key", header)])

    assert (refused.status_code, refused.json()["field"]) == (422, "Idempotency-Key")
    assert refused.json()["detail"] == f"Idempotency-Key: {problem}"
    assert await used(metered) == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"delta": 0}, "delta"),
        ({"delta": 2**31}, "delta"),
        ({"delta": -(2**31)}, "delta"),
        ({"delta": "1"}, "delta"),
        ({"delta": None}, "delta"),
        ({"delta": 1.5}, "delta"),
        ({"delta": -1, "action": "SET"}, "delta"),
        ({"action": "add"}, "action"),
        ({"userId": ""}, "userId"),
        ({"userId": 7}, "userId"),
        ({"featureId": "x" * 256}, "featureId"),
        ({"idempotencyKey": ""}, "idempotencyKey"),
        ({"amount": 1}, "amount"),
    ],
)
async def test_a_bad_value_is_named_and_nothing_counted(metered: Door, change: dict[str, Any], field: str) -> None:
    refused = await metered.post("/v1/usage", json=CALL | change)

    assert (refused.status_code, refused.json()["name"]) == (422, "InvalidInputError")
    assert (refused.json()["field"], refused.json()["code"]) == (field, "BAD_USER_INPUT")
    assert await used(metered) == 0


@pytest.mark.parametrize(
    ("change", "name"),
    [({"userId": "nobody"}, "UserNotFoundError"), ({"featureId": "nothing"}, "FeatureNotFoundError")],
)
async def test_usage_of_what_is_unknown_is_an_error(metered: Door, change: dict[str, str], name: str) -> None:
    refused = await metered.post("/v1/usage", json=CALL | change)

    assert (refused.status_code, refused.json()["name"]) == (404, name)


async def test_access_says_why_and_until_when(metered: Door) -> None:
    with freeze_time("2026-04-10T00:00:00Z"):
        await metered.made("/v1/usage", **CALL, delta=2)
        one_more = (await metered.get(ACCESS)).json()
        two_more = (await metered.get(ACCESS, params={"delta": 2})).json()

    assert one_more == {
        "access": True,
        "reason": ALLOWED_CONSUMABLE,
        "consumption": consumption(2),
        "packageId": "pro",
        "periodStart": "2026-04-05T10:00:00.000Z",
        "periodEnd": "2026-05-05T10:00:00.000Z",
    }
    assert two_more == one_more | {"access": False, "reason": ALLOWANCE_EXHAUSTED}


async def test_without_a_subscription_there_is_no_access(metered: Door) -> None:
    await metered.made("/v1/users", id="bob")

    answer = await metered.get("/v1/users/bob/features/api-calls/access")

    assert (answer.status_code, answer.json()) == (
        200,
        {
            "access": False,
            "reason": NO_SUBSCRIPTION,
            "consumption": None,
            "packageId": None,
            "periodStart": None,
            "periodEnd": None,
        },
    )


@pytest.mark.parametrize("delta", ["0", "-1", "2147483648", "one", "", "1.5", "null"])
async def test_a_bad_delta_in_the_query_is_named(metered: Door, delta: str) -> None:
    refused = await metered.get(ACCESS, params={"delta": delta})

    assert (refused.status_code, refused.json()["field"]) == (422, "delta")


async def test_usage_shows_the_current_period_and_those_before(metered: Door) -> None:
    with freeze_time("2026-03-20T00:00:00Z"):
        await metered.made("/v1/usage", **CALL, delta=3)
    with freeze_time("2026-04-20T00:00:00Z"):
        await metered.made("/v1/usage", **CALL, delta=1)
        shown = await metered.get(USAGE)

    assert (shown.status_code, shown.json()) == (
        200,
        {
            "current": {
                "periodStart": "2026-04-05T10:00:00.000Z",
                "periodEnd": "2026-05-05T10:00:00.000Z",
                "consumption": consumption(1),
            },
            "past": [
                {
                    "periodStart": "2026-03-05T10:00:00.000Z",
                    "periodEnd": "2026-04-05T10:00:00.000Z",
                    "consumption": consumption(3),
                }
            ],
        },
    )


@pytest.mark.parametrize("question", ["access", "usage"])
async def test_questions_about_what_is_unknown_are_not_found(metered: Door, question: str) -> None:
    no_user = await metered.get(f"/v1/users/nobody/features/api-calls/{question}")
    no_feature = await metered.get(f"/v1/users/ada/features/nothing/{question}")

    assert (no_user.status_code, no_user.json()["name"]) == (404, "UserNotFoundError")
    assert (no_feature.status_code, no_feature.json()["name"]) == (404, "FeatureNotFoundError")


async def test_calls_at_once_record_exactly_the_limit(metered: Door) -> None:
    answers = await asyncio.gather(*(metered.made("/v1/usage", **CALL) for _ in range(20)))

    assert sum(answer["recorded"] for answer in answers) == 3
    assert await used(metered) == 3
