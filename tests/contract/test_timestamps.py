"""A timestamp is the same moment at both doors, whichever way it is written."""

import pytest
from freezegun import freeze_time

from tests.contract.callers import Caller
from tests.contract.usage_ways import DOORS, Refusal, ask

ADA = {"userId": "ada", "featureId": "calls"}


@pytest.fixture
async def shop(caller: Caller) -> Caller:
    """Ada has as many calls a month as she likes, since 31 January 2026, ten o'clock."""
    await caller.rest("POST", "/features", id="calls", type="CONSUMABLE")
    await caller.rest("POST", "/packages", id="pro", features=[{"id": "calls"}])
    await caller.rest("POST", "/packages/pro/publish")
    await caller.rest("POST", "/users", id="ada")
    with freeze_time("2026-01-31T10:00:00Z"):
        await caller.rest("POST", "/subscriptions", userId="ada", packageIds=["pro"])
    return caller


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("timestamp", "began"),
    [
        ("2026-02-28T09:59:59.999Z", "2026-01-31"),
        ("2026-02-28T10:00:00.000Z", "2026-02-28"),
        ("2026-02-28T10:00:00Z", "2026-02-28"),
        ("2026-02-28T09:59:59.9999Z", "2026-01-31"),
        ("2026-02-28T09:59:59.999999Z", "2026-01-31"),
        ("2026-02-28T15:29:59+05:30", "2026-01-31"),
        ("2026-02-28T15:30:00+05:30", "2026-02-28"),
        ("2026-02-27T10:00:00-23:59", "2026-01-31"),
        ("2026-03-01T09:59:00+23:59", "2026-02-28"),
        ("2026-02-28t10:00:00z", "2026-02-28"),
        ("2026-02-28 10:00:00Z", "2026-02-28"),
    ],
)
async def test_a_moment_counts_in_its_period(shop: Caller, door: str, timestamp: str, began: str) -> None:
    with freeze_time("2026-04-15T00:00:00Z"):
        told = await ask(shop, door, "recordUsage", input=ADA | {"timestamp": timestamp})
        usage = await shop.rest("GET", "/users/ada/features/calls/usage")

    assert told["recorded"] is True
    used = {past["periodStart"][:10]: past["consumption"]["used"] for past in usage["past"]}
    assert used == {"2026-02-28": 0, "2026-01-31": 0} | {began: 1}


@pytest.mark.parametrize("text", ["2026-02-28T10:00:00.0005Z", "2026-02-28T10:00:00.1239999Z", "2026-02-28 10:00:00z"])
async def test_the_same_text_is_the_same_moment_at_the_other_door(shop: Caller, text: str) -> None:
    asked = ADA | {"timestamp": text, "idempotencyKey": "k"}
    first = await ask(shop, "graphql", "recordUsage", input=asked)

    assert await ask(shop, "rest", "recordUsage", input=asked) == first | {"duplicate": True}


async def test_one_moment_may_be_written_in_two_ways(shop: Caller) -> None:
    first = await ask(
        shop, "rest", "recordUsage", input=ADA | {"timestamp": "2026-02-28T10:00:00.803Z", "idempotencyKey": "k"}
    )

    again = await ask(
        shop,
        "graphql",
        "recordUsage",
        input=ADA | {"timestamp": "2026-02-28T12:00:00.8039+02:00", "idempotencyKey": "k"},
    )

    assert again == first | {"duplicate": True}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("timestamp", ["0001-01-01T00:00:00Z", "0001-01-01T01:00:00+01:00", "1969-12-31T23:59:59Z"])
async def test_the_beginning_of_time_is_before_every_subscription(shop: Caller, door: str, timestamp: str) -> None:
    told = await ask(shop, door, "recordUsage", input=ADA | {"timestamp": timestamp})

    assert (told["recorded"], told["consumption"]) == (False, None)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("timestamp", ["9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999+23:59"])
async def test_the_end_of_time_is_too_far_ahead(shop: Caller, door: str, timestamp: str) -> None:
    assert await ask(shop, door, "recordUsage", input=ADA | {"timestamp": timestamp}) == Refusal(
        "InvalidInputError",
        "timestamp",
        "timestamp: must be at most 5 minutes ahead of now",
        None if door == "graphql" else 422,
    )


async def test_a_timestamp_stands_in_a_document_as_well(shop: Caller) -> None:
    with freeze_time("2026-04-15T00:00:00Z"):
        data = await shop.data("""mutation {
          a: recordUsage(input: {userId: "ada", featureId: "calls", timestamp: "2026-02-28T10:00:00Z"}) { consumption { used } }
          b: recordUsages(input: [{userId: "ada", featureId: "calls", delta: 4, timestamp: "2026-02-28T10:00:00Z"}]) {
            results { consumption { used } }
          }
        }""")

    assert data["a"] == {"consumption": {"used": 1}}
    assert data["b"] == {"results": [{"consumption": {"used": 5}}]}


@pytest.mark.parametrize("literal", ['"2026-02-28"', "1660144021", "true", "NOW", '["2026-02-28T10:00:00Z"]'])
async def test_what_is_no_moment_in_a_document_is_refused(shop: Caller, literal: str) -> None:
    error = await shop.refusal(
        f'mutation {{ recordUsage(input: {{userId: "ada", featureId: "calls", timestamp: {literal}}}) {{ recorded }} }}'
    )

    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "DateTime" in error["message"]
