"""The ledger at both doors: the same events, the same pages, the same points, and the same words for what is wrong."""

from typing import Any
from urllib.parse import urlencode

import pytest
from freezegun import freeze_time

from app.contract.usage import RecordUsage, RecordUsages
from app.services.batches import record_batch
from tests.contract.callers import Caller
from tests.tenants import Tenant

_EVENT = """{
  id userId featureId timestamp recordedAt action delta applied recorded reason periodStart periodEnd
  consumption { used budget overageEnabled reserved } idempotencyKey revertsId revertedById reservationId
}"""
_ADAS = {"userId": "ada", "featureId": "api-calls"}
_OF_ADA = 'userId: "ada", featureId: "api-calls"'
_RANGE = {"from": "2026-03-05T09:00:00.000Z", "to": "2026-03-05T12:30:00.000Z", "interval": "HOUR"}


@pytest.fixture
async def shop(caller: Caller) -> Caller:
    """Ada has used some of her ten calls, was refused more, and took something back."""
    await caller.rest("POST", "/features", id="api-calls", type="CONSUMABLE")
    terms = {"id": "api-calls", "entitlement": {"limit": 10, "resetPeriod": "MONTH"}}
    await caller.rest("POST", "/packages", id="pro", features=[terms])
    await caller.rest("POST", "/packages/pro/publish")
    for user_id in ("ada", "bob"):
        await caller.rest("POST", "/users", id=user_id)
    with freeze_time("2026-03-05T10:00:00Z", real_asyncio=True) as clock:
        await caller.rest("POST", "/subscriptions", userId="ada", packageIds=["pro"])
        first = await caller.rest("POST", "/usage", **_ADAS, delta=4, idempotencyKey="k")
        clock.move_to("2026-03-05T11:00:00Z")
        await caller.rest("POST", "/usage", **_ADAS, delta=8, action="SET")
        await caller.rest("POST", "/usage", **_ADAS, delta=3)
        await caller.rest("POST", f"/usage/events/{first['eventId']}/revert")
    await caller.rest("POST", "/usage", userId="bob", featureId="api-calls")
    return caller


async def _events(shop: Caller, **query: Any) -> dict[str, Any]:
    page: dict[str, Any] = await shop.rest("GET", f"/usage/events?{urlencode(_ADAS | query)}")
    return page


async def test_the_ledger_is_the_same_at_both_doors(shop: Caller) -> None:
    data = (await shop.data(f"{{ usageEvents({_OF_ADA}) {_EVENT} }}"))["usageEvents"]

    assert await _events(shop) == {"data": data, "hasMore": False}
    assert [(event["action"], event["delta"], event["recorded"]) for event in data] == [
        ("ADD", 3, False),
        ("SET", 8, True),
        ("ADD", -4, True),
        ("ADD", 4, True),
    ]


async def test_one_event_is_the_same_at_both_doors_and_in_the_list(shop: Caller) -> None:
    for event in (await _events(shop))["data"]:
        data = await shop.data(f"query ($id: String!) {{ usageEvent(id: $id) {_EVENT} }}", {"id": event["id"]})

        assert data == {"usageEvent": event}
        assert await shop.rest("GET", f"/usage/events/{event['id']}") == event


async def test_the_pages_are_the_ledger_at_both_doors(shop: Caller) -> None:
    whole = [event["id"] for event in (await _events(shop))["data"]]

    first = await _events(shop, limit=3)
    last = await _events(shop, limit=3, startingAfter=first["data"][-1]["id"])
    document = f"query ($after: String) {{ usageEvents({_OF_ADA}, first: 3, after: $after) {{ id }} }}"
    pages = [(await shop.data(document, {"after": after}))["usageEvents"] for after in (None, whole[2], whole[3])]

    assert ([event["id"] for event in first["data"]], first["hasMore"]) == (whole[:3], True)
    assert ([event["id"] for event in last["data"]], last["hasMore"]) == (whole[3:], False)
    assert [[event["id"] for event in page] for page in pages] == [whole[:3], whole[3:], []]


@pytest.mark.parametrize("first", ["", ", first: null", ", first: 100"])
async def test_without_first_the_newest_hundred_come_and_no_refusal(caller: Caller, tenant: Tenant, first: str) -> None:
    await caller.rest("POST", "/features", id="api-calls", type="CONSUMABLE")
    await caller.rest("POST", "/users", id="ada")
    events = [RecordUsage(user_id="ada", feature_id="api-calls") for _ in range(1000)]
    made = [result.event_id for result in record_batch(tenant.actor, RecordUsages(events=events)).results]

    data = await caller.data(f"{{ newest: usageEvents({_OF_ADA}{first}) {{ id }} }}")
    whole = await caller.data(f"{{ whole: usageEvents({_OF_ADA}, first: 1000) {{ id }} }}")

    assert [event["id"] for event in data["newest"]] == made[:-101:-1]
    assert [event["id"] for event in whole["whole"]] == made[::-1]


async def test_a_series_is_the_same_at_both_doors(shop: Caller) -> None:
    document = (
        "query ($from: DateTime!, $to: DateTime!, $interval: SeriesInterval!) {"
        f" usageSeries({_OF_ADA}, from: $from, to: $to, interval: $interval)"
        " { interval points { start end used } } }"
    )
    data = (await shop.data(document, _RANGE))["usageSeries"]

    assert await shop.rest("GET", f"/usage/series?{urlencode(_ADAS | _RANGE)}") == data
    assert data == {
        "interval": "HOUR",
        "points": [
            {"start": "2026-03-05T09:00:00.000Z", "end": "2026-03-05T10:00:00.000Z", "used": 0},
            {"start": "2026-03-05T10:00:00.000Z", "end": "2026-03-05T11:00:00.000Z", "used": 0},
            {"start": "2026-03-05T11:00:00.000Z", "end": "2026-03-05T12:00:00.000Z", "used": 4},
            {"start": "2026-03-05T12:00:00.000Z", "end": "2026-03-05T12:30:00.000Z", "used": 0},
        ],
    }


async def test_other_offsets_are_the_same_moments_at_both_doors(shop: Caller) -> None:
    range_ = {"from": "2026-03-05T12:00:00+01:00", "to": "2026-03-05T08:00:00.0004-04:00"}
    literal = f'from: "{range_["from"]}", to: "{range_["to"]}", interval: HOUR'

    data = await shop.data(f"{{ usageSeries({_OF_ADA}, {literal}) {{ interval points {{ start end used }} }} }}")

    assert data["usageSeries"]["points"] == [
        {"start": "2026-03-05T11:00:00.000Z", "end": "2026-03-05T12:00:00.000Z", "used": 4}
    ]
    query = urlencode(_ADAS | range_ | {"interval": "HOUR"})
    assert await shop.rest("GET", f"/usage/series?{query}") == data["usageSeries"]


_SERIES = """
query ($userId: String!, $featureId: String!, $from: DateTime!, $to: DateTime!, $interval: SeriesInterval!) {
  usageSeries(userId: $userId, featureId: $featureId, from: $from, to: $to, interval: $interval) { interval }
}
"""
_DAY = {"from": "2026-03-05T00:00:00Z", "to": "2026-03-06T00:00:00Z", "interval": "DAY"}


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"to": "2026-03-05T00:00:00Z"}, "to", "to: must be after from"),
        ({"to": "2026-03-05T00:00:00.0009Z"}, "to", "to: must be after from"),
        ({"to": "2026-03-04T00:00:00Z"}, "to", "to: must be after from"),
        (
            {"interval": "HOUR", "to": "2026-04-15T16:00:00.001Z"},
            "to",
            "to: makes more than 1000 points of one HOUR each: ask for a shorter range or a longer interval",
        ),
        (
            {"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59Z", "interval": "MONTH"},
            "to",
            "to: makes more than 1000 points of one MONTH each: ask for a shorter range or a longer interval",
        ),
        ({"userId": ""}, "userId", "userId: must not be empty"),
        ({"featureId": "x" * 256}, "featureId", "featureId: must have at most 255 characters, has 256"),
    ],
)
async def test_a_series_that_cannot_be_is_refused_in_the_same_words_by_both_doors(
    shop: Caller, change: dict[str, str], field: str, message: str
) -> None:
    asked = _ADAS | _DAY | change
    error = await shop.refusal(_SERIES, asked)
    problem = await shop.http.get(f"/v1/usage/series?{urlencode(asked)}")

    assert (error["extensions"]["field"], error["message"]) == (field, message)
    assert (problem.status_code, problem.json()["field"], problem.json()["detail"]) == (422, field, message)


# Types are the schema's matter in GraphQL and ours in REST: the words differ, the refusal does not.
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"from": "2026-03-05"}, "from"),
        ({"from": "2026-03-05T00:00:00"}, "from"),
        ({"to": "2026-03-05T00:00:00 01:00"}, "to"),
        ({"to": "yesterday"}, "to"),
        ({"interval": "WEEK"}, "interval"),
        ({"interval": "hour"}, "interval"),
        ({"from": None}, "from"),
        ({"interval": None}, "interval"),
        ({"userId": None}, "userId"),
    ],
)
async def test_what_is_no_moment_or_interval_or_is_missing_is_named(
    shop: Caller, change: dict[str, str | None], field: str
) -> None:
    asked = {name: value for name, value in (_ADAS | _DAY | change).items() if value is not None}

    error = (await shop.graphql(_SERIES, asked))["errors"][0]
    problem = await shop.http.get(f"/v1/usage/series?{urlencode(asked)}")

    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert field in error["message"]
    assert (problem.status_code, problem.json()["field"]) == (422, field)


async def test_a_page_that_starts_after_another_pairs_event_is_refused(shop: Caller) -> None:
    bobs = (await shop.rest("GET", "/usage/events?userId=bob&featureId=api-calls"))["data"][0]["id"]

    error = await shop.refusal(f'{{ usageEvents({_OF_ADA}, after: "{bobs}") {{ id }} }}')
    problem = await shop.http.get(f"/v1/usage/events?{urlencode(_ADAS)}&startingAfter={bobs}")

    assert (error["extensions"]["field"], error["message"]) == (
        "after",
        f"after: there is nothing with the id '{bobs}'",
    )
    assert (problem.status_code, problem.json()["field"]) == (422, "startingAfter")
    assert problem.json()["detail"] == f"startingAfter: there is nothing with the id '{bobs}'"


@pytest.mark.parametrize(("first", "limit"), [(0, 0), (-1, -1), (1001, 101)])
async def test_the_size_of_a_page_has_bounds(shop: Caller, first: int, limit: int) -> None:
    error = await shop.refusal(f"{{ usageEvents({_OF_ADA}, first: {first}) {{ id }} }}")
    problem = await shop.http.get(f"/v1/usage/events?{urlencode(_ADAS)}&limit={limit}")

    assert error["message"] == f"first: must be between 1 and 1000, is {first}"
    assert (problem.status_code, problem.json()["detail"]) == (422, f"limit: must be between 1 and 100, is {limit}")


async def test_another_tenants_events_look_exactly_like_unknown_ones(
    shop: Caller, other_tenant: Tenant, web: Any
) -> None:
    event = (await _events(shop))["data"][0]["id"]
    stranger = Caller(web, other_tenant.secret_key)

    for event_id in (event, "1", "0", "007", "-1", "9" * 30, "abc", "²"):
        error = await stranger.refusal("query ($id: String!) { usageEvent(id: $id) { id } }", {"id": event_id})
        problem = await stranger.http.get(f"/v1/usage/events/{event_id}")

        assert error["message"] == "Usage Event Id not found for app"
        assert error["extensions"]["exception"]["name"] == "UsageEventNotFoundError"
        assert (problem.status_code, problem.json()["detail"]) == (404, "Usage Event Id not found for app")
    for name, field in (("User", "userId"), ("Feature", "featureId")):
        asked = _ADAS | {field: "nobody"}
        error = await shop.refusal(
            f'{{ usageEvents(userId: "{asked["userId"]}", featureId: "{asked["featureId"]}") {{ id }} }}'
        )
        problem = await shop.http.get(f"/v1/usage/events?{urlencode(asked)}")

        assert error["message"] == f"{name} Id not found for app"
        assert (problem.status_code, problem.json()["name"]) == (404, f"{name}NotFoundError")
