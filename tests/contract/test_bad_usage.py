"""What must not get into the usage operations is refused by both doors in the same words, and leaves nothing behind."""

from typing import Any

import pytest
from freezegun import freeze_time

from tests.contract.callers import Caller
from tests.contract.usage_ways import DOORS, Refusal, ask
from tests.tenants import Tenant

ADA = {"userId": "ada", "featureId": "calls"}
KEY_PROBLEM = "must have at most 255 characters, has 256"


@pytest.fixture
async def shop(caller: Caller) -> Caller:
    """Ada has 10 calls a month, since 5 March 2026, has used 2 and holds 3."""
    await caller.rest("POST", "/features", id="calls", type="CONSUMABLE")
    terms = {"id": "calls", "entitlement": {"limit": 10, "resetPeriod": "MONTH"}}
    await caller.rest("POST", "/packages", id="pro", features=[terms])
    await caller.rest("POST", "/packages/pro/publish")
    await caller.rest("POST", "/users", id="ada")
    with freeze_time("2026-03-05T10:00:00Z"):
        await caller.rest("POST", "/subscriptions", userId="ada", packageIds=["pro"])
    await caller.rest("POST", "/usage", **ADA, delta=2)
    return caller


@pytest.fixture
async def held(shop: Caller) -> str:
    """The id of the reservation."""
    made = await shop.rest("POST", "/reservations", **ADA, delta=3)
    id_: str = made["reservation"]["id"]
    return id_


async def everything(shop: Caller) -> Any:
    return await shop.rest("GET", "/users/ada/features/calls/usage")


# A rule that is broken: what is given instead, which value is named, in which words.
EVENT_RULES = [
    ({"delta": 0}, "delta", "must not be 0: adding nothing is most likely a mistake"),
    ({"delta": -1, "action": "SET"}, "delta", "must be between 0 and 2147483647, is -1"),
    ({"userId": ""}, "userId", "must not be empty"),
    ({"featureId": "x" * 256}, "featureId", KEY_PROBLEM),
    ({"idempotencyKey": ""}, "idempotencyKey", "must not be empty"),
    ({"idempotencyKey": "x" * 256}, "idempotencyKey", KEY_PROBLEM),
    ({"userId": "a\nb"}, "userId", "must not contain control characters (one is at position 1)"),
]
RESERVE_RULES = [
    ({"delta": 0}, "delta", "must be between 1 and 2147483647, is 0"),
    ({"delta": -1}, "delta", "must be between 1 and 2147483647, is -1"),
    ({"ttlSeconds": 0}, "ttlSeconds", "must be between 1 and 86400, is 0"),
    ({"ttlSeconds": 86_401}, "ttlSeconds", "must be between 1 and 86400, is 86401"),
    ({"userId": ""}, "userId", "must not be empty"),
    ({"featureId": ""}, "featureId", "must not be empty"),
    ({"idempotencyKey": "x" * 256}, "idempotencyKey", KEY_PROBLEM),
]
# A type that is wrong is the schema's matter in GraphQL and the struct's in REST: the words differ, the refusal does not.
EVENT_TYPES = [
    ({"delta": 2**31}, "delta"),
    ({"delta": 1.5}, "delta"),
    ({"delta": True}, "delta"),
    ({"delta": "many"}, "delta"),
    ({"action": "MULTIPLY"}, "action"),
    ({"userId": 5}, "userId"),
    ({"userId": None}, "userId"),
    ({"colour": "red"}, "colour"),
    ({"timestamp": 1_660_144_021}, "timestamp"),
    ({"timestamp": 1_660_144_021.803}, "timestamp"),
    ({"timestamp": "1660144021"}, "timestamp"),
    ({"timestamp": "2026-04-01T10:00:00"}, "timestamp"),
    ({"timestamp": "2026-04-01"}, "timestamp"),
    ({"timestamp": "2026-04-31T10:00:00Z"}, "timestamp"),
    ({"timestamp": "2026-04-01T24:00:00Z"}, "timestamp"),
    ({"timestamp": "2026-04-01T10:00:60Z"}, "timestamp"),
    ({"timestamp": "yesterday"}, "timestamp"),
    ({"timestamp": ""}, "timestamp"),
    ({"timestamp": True}, "timestamp"),
    ({"timestamp": "0001-01-01T00:00:00+01:00"}, "timestamp"),
    ({"timestamp": "9999-12-31T23:59:59-01:00"}, "timestamp"),
]
RESERVE_TYPES = [
    ({"delta": 2**31}, "delta"),
    ({"delta": "many"}, "delta"),
    ({"ttlSeconds": 1.5}, "ttlSeconds"),
    ({"ttlSeconds": True}, "ttlSeconds"),
    ({"userId": 5}, "userId"),
    ({"featureId": None}, "featureId"),
]


def refused(door: str, field: str, problem: str) -> Refusal:
    return Refusal("InvalidInputError", field, f"{field}: {problem}", None if door == "graphql" else 422)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("change", "field", "problem"), EVENT_RULES)
async def test_a_broken_rule_in_one_event_of_a_batch_is_told_with_its_place(
    shop: Caller, door: str, change: dict[str, Any], field: str, problem: str
) -> None:
    before = await everything(shop)

    answer = await ask(shop, door, "recordUsages", input=[ADA, ADA, ADA, ADA | change])

    list_name = "input" if door == "graphql" else "events"
    assert answer == refused(door, f"{list_name}[3].{field}", problem)
    assert await everything(shop) == before


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("change", "field"), EVENT_TYPES)
async def test_a_wrong_type_in_one_event_of_a_batch_is_told_with_its_place(
    shop: Caller, door: str, change: dict[str, Any], field: str
) -> None:
    before = await everything(shop)

    alone = await ask(shop, door, "recordUsage", input=ADA | change)
    answer = await ask(shop, door, "recordUsages", input=[ADA, ADA, ADA, ADA | change])

    assert isinstance(alone, Refusal)
    assert isinstance(answer, Refusal)
    if door == "rest":
        assert (alone.name, alone.field, alone.status) == ("InvalidInputError", field, 422)
        assert (answer.name, answer.field, answer.status) == ("InvalidInputError", f"events[3].{field}", 422)
    else:
        assert (alone.name, answer.name) == ("GraphQLCoercionError", "GraphQLCoercionError")
        assert field in alone.message
        assert field in answer.message
        assert "[3]" in answer.message
    assert await everything(shop) == before


@pytest.mark.parametrize("door", DOORS)
async def test_a_batch_of_none_is_refused(shop: Caller, door: str) -> None:
    field = "input" if door == "graphql" else "events"

    answer = await ask(shop, door, "recordUsages", input=[])

    assert answer == refused(door, field, "must hold at least one event")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("change", "field", "problem"), RESERVE_RULES)
async def test_a_broken_rule_in_a_reservation_is_refused(
    shop: Caller, door: str, change: dict[str, Any], field: str, problem: str
) -> None:
    before = await everything(shop)

    answer = await ask(shop, door, "reserveUsage", **(ADA | change))

    assert answer == refused(door, field, problem)
    assert await everything(shop) == before


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("change", "field"), RESERVE_TYPES)
async def test_a_wrong_type_in_a_reservation_is_refused(
    shop: Caller, door: str, change: dict[str, Any], field: str
) -> None:
    before = await everything(shop)

    answer = await ask(shop, door, "reserveUsage", **(ADA | change))

    assert isinstance(answer, Refusal)
    assert field in answer.message
    assert answer.field == (field if door == "rest" else None)
    assert await everything(shop) == before


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("ttl_seconds", [1, 86_400])
async def test_a_second_and_a_day_can_be_asked_for(shop: Caller, door: str, ttl_seconds: int) -> None:
    answer = await ask(shop, door, "reserveUsage", **ADA, ttlSeconds=ttl_seconds)

    assert answer["reserved"] is True


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("delta", "in_words"), [(-1, True), (2**31, False), (1.5, False), ("some", False), (True, False)]
)
async def test_a_settlement_with_a_bad_amount_is_refused_and_the_amount_stays_held(
    shop: Caller, held: str, door: str, delta: Any, in_words: bool
) -> None:
    before = await everything(shop)

    answer = await ask(shop, door, "commitReservation", id=held, delta=delta)

    assert isinstance(answer, Refusal)
    if in_words:
        assert answer == refused(door, "delta", "must be between 0 and 2147483647, is -1")
    assert "delta" in answer.message
    assert await everything(shop) == before


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("operation", "change", "name"),
    [
        ("reserveUsage", {"userId": "nobody"}, "User"),
        ("reserveUsage", {"featureId": "nothing"}, "Feature"),
        ("recordUsage", {"userId": "nobody"}, "User"),
        ("recordUsage", {"featureId": "nothing"}, "Feature"),
    ],
)
async def test_who_or_what_is_unknown_is_not_found(
    shop: Caller, door: str, operation: str, change: dict[str, str], name: str
) -> None:
    given = {"input": ADA | change} if operation == "recordUsage" else ADA | change

    assert await ask(shop, door, operation, **given) == Refusal(
        f"{name}NotFoundError", None, f"{name} Id not found for app", None if door == "graphql" else 404
    )


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("revertUsage", "Usage Event"),
        ("reservation", "Reservation"),
        ("commitReservation", "Reservation"),
        ("releaseReservation", "Reservation"),
    ],
)
async def test_another_tenants_id_looks_exactly_like_an_unknown_one(
    shop: Caller, held: str, other_tenant: Tenant, web: Any, door: str, operation: str, kind: str
) -> None:
    event = (await shop.rest("POST", "/usage", **ADA))["eventId"]
    before = await everything(shop)
    stranger = Caller(web, other_tenant.secret_key)
    theirs = event if operation == "revertUsage" else held

    for id_ in (theirs, "999999999", "0", "007", "-1", "9" * 30, "abc", "²", "1.0", "+1"):
        assert await ask(stranger, door, operation, id=id_) == Refusal(
            f"{kind.replace(' ', '')}NotFoundError",
            None,
            f"{kind} Id not found for app",
            None if door == "graphql" else 404,
        )
    assert await everything(shop) == before


@pytest.mark.parametrize("door", DOORS)
async def test_a_key_for_other_content_is_a_conflict(shop: Caller, door: str) -> None:
    await ask(shop, door, "recordUsage", input=ADA | {"idempotencyKey": "k"})
    await ask(shop, door, "reserveUsage", **ADA, idempotencyKey="k")
    before = await everything(shop)
    used_before = "idempotencyKey: this key was used before, for another user, feature, delta"
    status = None if door == "graphql" else 409

    late = ADA | {"idempotencyKey": "k", "timestamp": "2026-03-06T00:00:00Z"}
    assert await ask(shop, door, "recordUsage", input=late) == Refusal(
        "IdempotencyConflictError", None, f"{used_before}, action or timestamp", status
    )
    assert await ask(shop, door, "reserveUsage", **ADA, ttlSeconds=301, idempotencyKey="k") == Refusal(
        "IdempotencyConflictError", None, f"{used_before} or ttlSeconds", status
    )
    assert await everything(shop) == before
