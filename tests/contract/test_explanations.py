"""Explanations at both doors."""

import re
from typing import Any

import pytest
from freezegun import freeze_time
from graphql import GraphQLNamedType, GraphQLObjectType, build_schema, get_named_type

from app.contract.sdl import admin_sdl
from tests.contract.callers import Caller
from tests.tenants import Tenant

_PATH = "/users/ada/features/api-calls/explain"


def everything_of(type_: GraphQLNamedType) -> str:
    """A selection of all fields that a REST answer has too, as deep as they go."""
    if not isinstance(type_, GraphQLObjectType):
        return ""
    fields = [
        # An id stands for the package in REST.
        f"{name} {'{ id }' if name == 'package' else everything_of(get_named_type(field.type))}"
        for name, field in type_.fields.items()
    ]
    return f"{{ {' '.join(fields)} }}"


_EVERYTHING = everything_of(build_schema(admin_sdl()).type_map["Explanation"])


@pytest.fixture
async def shop(caller: Caller) -> Caller:
    """Ada has an add-on beside her base, has used and holds something, and one event is dated ahead."""
    await caller.rest("POST", "/features", id="api-calls", type="CONSUMABLE")
    await caller.rest("POST", "/features", id="sso", type="BINARY")
    for package_id, limit, is_addon in (("pro", 10, False), ("boost", 8, True), ("max", 50, False)):
        terms = {"id": "api-calls", "entitlement": {"limit": limit, "resetPeriod": "MONTH"}}
        await caller.rest("POST", "/packages", id=package_id, features=[terms, {"id": "sso"}], isAddon=is_addon)
        await caller.rest("POST", f"/packages/{package_id}/publish")
    await caller.rest("POST", "/users", id="ada")
    await caller.rest("POST", "/users", id="bob")
    with freeze_time("2026-03-05T10:00:00Z", real_asyncio=True):
        await caller.rest("POST", "/subscriptions", userId="ada", packageIds=["pro", "boost"])
        await caller.rest("POST", "/usage", userId="ada", featureId="api-calls", delta=3, action="SET")
        ahead = {"userId": "ada", "featureId": "api-calls", "delta": 2, "timestamp": "2026-03-05T10:03:00Z"}
        await caller.rest("POST", "/usage", **ahead)
        await caller.rest("POST", "/reservations", userId="ada", featureId="api-calls", delta=4)
    return caller


@pytest.mark.parametrize("user_id", ["ada", "bob"])
@pytest.mark.parametrize("feature_id", ["api-calls", "sso"])
async def test_an_explanation_is_the_same_at_both_doors(shop: Caller, user_id: str, feature_id: str) -> None:
    with freeze_time("2026-03-05T10:01:00Z", real_asyncio=True):
        data = await shop.data(f'{{ explain(userId: "{user_id}", featureId: "{feature_id}", delta: 2) {_EVERYTHING} }}')
        rest = await shop.rest("GET", f"/users/{user_id}/features/{feature_id}/explain?delta=2")
        access = await shop.rest("GET", f"/users/{user_id}/features/{feature_id}/access?delta=2")

    assert rest["answer"] == access
    package_id = rest["answer"].pop("packageId")
    assert data["explain"]["answer"].pop("package") == ({"id": package_id} if package_id else None)
    assert data["explain"] == rest


async def test_all_of_it_is_there(shop: Caller) -> None:
    with freeze_time("2026-03-05T10:01:00Z", real_asyncio=True):
        found = await shop.rest("GET", f"{_PATH}?delta=2")

    assert (found["answer"]["access"], found["allowance"], found["delta"]) == (False, 1, 2)
    assert (found["decision"]["packageId"], found["decision"]["rule"]) == ("pro", "HIGHER_LIMIT")
    assert [(one["packageId"], one["standing"], one["outrankedBy"]) for one in found["candidates"]] == [
        ("pro", "DECIDES", None),
        ("boost", "OUTRANKED", "HIGHER_LIMIT"),
    ]
    assert (found["sums"]["lastSetTo"], found["sums"]["added"], found["sums"]["total"]) == (3, 2, 5)
    assert [one["amount"] for one in found["pending"]["reservations"]] == [4]
    assert [one["timestamp"] for one in found["pending"]["eventsAhead"]] == ["2026-03-05T10:03:00.000Z"]
    assert found["ways"]["afterHolds"]["at"] == "2026-03-05T10:05:00.000Z"
    assert found["ways"]["afterReset"] == {
        "at": "2026-04-05T10:00:00.000Z",
        "access": True,
        "allowance": 10,
        "packageId": "pro",
    }
    assert [(one["packageId"], one["step"], one["grants"]) for one in found["ways"]["packages"]] == [
        ("max", "CHANGE_SUBSCRIPTION", True)
    ]


@pytest.mark.parametrize("delta", [0, -1, 2**31])
async def test_a_delta_out_of_range_is_refused_by_both_doors(shop: Caller, delta: int) -> None:
    body = await shop.graphql(f'{{ explain(userId: "ada", featureId: "api-calls", delta: {delta}) {{ at }} }}')
    problem = await shop.http.get(f"/v1{_PATH}?delta={delta}")

    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert (problem.status_code, problem.json()["field"]) == (422, "delta")
    if delta < 2**31:
        assert body["errors"][0]["message"] == problem.json()["detail"]


async def test_one_is_asked_for_when_nothing_is_said_or_null(shop: Caller) -> None:
    document = 'query ($delta: Int) { explain(userId: "ada", featureId: "api-calls", delta: $delta) { delta } }'

    assert await shop.data(document) == await shop.data(document, {"delta": None}) == {"explain": {"delta": 1}}
    assert (await shop.rest("GET", _PATH))["delta"] == 1


@pytest.mark.parametrize("whose", ["nobody's", "another tenant's"])
@pytest.mark.parametrize(
    ("user_id", "feature_id", "name"),
    [("theirs", "theirs", "User"), ("ada", "theirs", "Feature"), ("theirs", "api-calls", "User")],
)
async def test_another_tenants_id_looks_exactly_like_an_unknown_one(
    shop: Caller, other_tenant: Tenant, web: Any, whose: str, user_id: str, feature_id: str, name: str
) -> None:
    if whose == "another tenant's":
        other = Caller(web, other_tenant.secret_key)
        await other.rest("POST", "/features", id="theirs", type="CONSUMABLE")
        await other.rest("POST", "/users", id="theirs")

    error = await shop.refusal(f'{{ explain(userId: "{user_id}", featureId: "{feature_id}") {{ at }} }}')
    problem = await shop.http.get(f"/v1/users/{user_id}/features/{feature_id}/explain")

    assert error["message"] == f"{name} Id not found for app"
    assert (problem.status_code, problem.json()["name"]) == (404, f"{name}NotFoundError")
    assert problem.json()["detail"] == error["message"]


async def test_the_sentences_are_for_people(shop: Caller) -> None:
    sentences = (await shop.rest("GET", _PATH))["inShort"]

    assert all(re.fullmatch(r"[A-Z].*\.", sentence) for sentence in sentences)
