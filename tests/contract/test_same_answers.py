"""The same question gets the same answer at both doors, and what a list costs the database does not grow with its length."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event

from tests.contract.callers import Caller

_PACKAGE = """{
  id name isAddon status updatedAt metadata basePackageIds
  features { id name type limit resetPeriod overageEnabled unitLabel unitLabelPlural metadata }
  prices { id provider amount displayAmount currency interval }
}"""
_SUBSCRIPTION = (
    f"{{ id userId status startedAt endsAt trialEndsAt graceEndsAt metadata package {_PACKAGE} "
    f"pendingChange {{ at package {_PACKAGE} }} "
    "lastRequest { kind status atPeriodEnd packageId error askedAt } }"
)
_CONSUMPTION = "{ used budget overageEnabled reserved }"


@pytest.fixture
async def shop(caller: Caller) -> Caller:
    await caller.rest(
        "POST", "/features", id="api-calls", type="CONSUMABLE", unitLabel="Call", metadata={"n": [1, None]}
    )
    await caller.rest("POST", "/features", id="support", type="BINARY", name="Support")
    terms = {
        "id": "api-calls",
        "name": "Calls",
        "entitlement": {"limit": 10, "resetPeriod": "DAY", "overageEnabled": True},
    }
    await caller.rest("POST", "/packages", id="pro-plan", features=[{"id": "support"}, terms])
    await caller.rest("POST", "/packages/pro-plan/publish")
    await caller.rest("POST", "/packages", id="more", isAddon=True, features=[terms], basePackageIds=["pro-plan"])
    await caller.rest("POST", "/packages/more/publish")
    await caller.rest("POST", "/users", id="124", email="a@b.test", billingId="cus_1", metadata={"é": "ü"})
    await caller.rest("POST", "/subscriptions", userId="124", packageIds=["pro-plan", "more"])
    await caller.rest("POST", "/usage", userId="124", featureId="api-calls", delta=12, idempotencyKey="k")
    return caller


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (
            '{ answer: feature(id: "api-calls") { id name type unitLabel unitLabelPlural usageThresholds metadata } }',
            "/features/api-calls",
        ),
        (f'{{ answer: package(id: "more") {_PACKAGE} }}', "/packages/more"),
        ('{ answer: user(id: "124") { id billingId name email metadata } }', "/users/124"),
        (
            f'{{ answer: showUsage(userId: "124", featureId: "api-calls") '
            f"{{ current {{ periodStart periodEnd consumption {_CONSUMPTION} }} past {{ periodStart }} }} }}",
            "/users/124/features/api-calls/usage",
        ),
    ],
)
async def test_a_read_answers_the_same_at_both_doors(shop: Caller, document: str, path: str) -> None:
    assert (await shop.data(document))["answer"] == await shop.rest("GET", path)


async def test_lists_answer_the_same_at_both_doors(shop: Caller) -> None:
    data = await shop.data(f"{{ packages {_PACKAGE} subscriptions {_SUBSCRIPTION} }}")

    assert data["packages"] == (await shop.rest("GET", "/packages"))["data"]
    assert data["subscriptions"] == (await shop.rest("GET", "/subscriptions"))["data"]


async def test_a_trial_and_a_pending_change_are_asked_for_and_told_the_same_at_both_doors(shop: Caller) -> None:
    await shop.rest("POST", "/packages", id="max-plan", features=[])
    await shop.rest("POST", "/packages/max-plan/publish")
    told = []
    for door in ("graphql", "rest"):
        await shop.rest("POST", "/users", id=door)
        if door == "graphql":
            document = 'mutation { subscribe(userId: "graphql", packageIds: ["pro-plan"], trialDays: 14) { id } }'
            held = (await shop.data(document))["subscribe"][0]["id"]
            arguments = f'id: "{held}", packageId: "max-plan", atPeriodEnd: true'
            answer = (await shop.data(f"mutation {{ changeSubscription({arguments}) {_SUBSCRIPTION} }}"))[
                "changeSubscription"
            ]
        else:
            bought = await shop.rest("POST", "/subscriptions", userId="rest", packageIds=["pro-plan"], trialDays=14)
            path = f"/subscriptions/{bought['data'][0]['id']}"
            answer = await shop.rest("POST", f"{path}/change", packageId="max-plan", atPeriodEnd=True)
            read = (await shop.data(f'{{ subscription(id: "{answer["id"]}") {_SUBSCRIPTION} }}'))["subscription"]
            assert read == answer
        started, trial_end, change = (
            datetime.fromisoformat(text)
            for text in (answer["startedAt"], answer["trialEndsAt"], answer["pendingChange"]["at"])
        )
        told.append((answer["status"], trial_end - started, change - started, answer["pendingChange"]["package"]["id"]))
    assert told == [("TRIALING", timedelta(days=14), timedelta(days=1), "max-plan")] * 2


@pytest.mark.parametrize("feature_id", ["api-calls", "support"])
async def test_access_answers_the_same_at_both_doors_and_in_entitlement(shop: Caller, feature_id: str) -> None:
    fields = f"{{ access reason consumption {_CONSUMPTION} package {{ id }} periodStart periodEnd }}"
    data = await shop.data(
        f'{{ canUseFeature(userId: "124", featureId: "{feature_id}") {fields} '
        f'feature(id: "{feature_id}") {{ entitlement(userId: "124") {fields} }} }}'
    )
    rest = await shop.rest("GET", f"/users/124/features/{feature_id}/access")
    rest["package"] = {"id": rest.pop("packageId")}

    assert data["canUseFeature"] == data["feature"]["entitlement"] == rest


async def test_a_repeat_over_the_other_door_gets_the_first_answer(shop: Caller) -> None:
    first = await shop.rest("POST", "/usage", userId="124", featureId="api-calls", delta=3, idempotencyKey="both")
    repeat = await shop.data(
        f'mutation {{ recordUsage(input: {{userId: "124", featureId: "api-calls", delta: 3, idempotencyKey: "both"}}) '
        f"{{ recorded reason eventId duplicate consumption {_CONSUMPTION} }} }}"
    )

    assert repeat["recordUsage"] == {**first, "duplicate": True}
    assert first["consumption"]["used"] == 15


@contextmanager
def _statements() -> Iterator[list[str]]:
    seen: list[str] = []

    def see(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", see)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", see)


@pytest.mark.parametrize(
    "document",
    [
        "{ packages(status: ALL) { id features { id name } prices { id amount } } }",
        '{ features { id packages { id features { id } prices { id } } entitlement(userId: "124") { access package { id } } } }',
        "{ subscriptions { id userId package { id features { id } prices { id } } } }",
    ],
)
async def test_a_longer_list_costs_the_database_no_more_statements(shop: Caller, document: str) -> None:
    with _statements() as few:
        await shop.data(document)
    for number in range(50):
        await shop.rest("POST", "/features", id=f"feature-{number}", type="CONSUMABLE")
        terms = [{"id": f"feature-{number}"}, {"id": "api-calls"}]
        await shop.rest("POST", "/packages", id=f"package-{number}", features=terms)
        await shop.rest("POST", f"/packages/package-{number}/publish")
        await shop.rest("POST", "/users", id=f"user-{number}")
        await shop.rest("POST", "/subscriptions", userId=f"user-{number}", packageIds=[f"package-{number}"])

    with _statements() as many:
        await shop.data(document)

    assert len(many) == len(few)
    assert 0 < len(few) <= 16


async def test_what_is_no_id_spoils_its_own_answer_and_not_its_neighbours(shop: Caller) -> None:
    body = await shop.graphql(
        '{ feature(id: "api-calls") { good: entitlement(userId: "124") { access } bad: entitlement(userId: "") { access } } }'
    )

    assert body["data"] == {"feature": {"good": {"access": True}, "bad": None}}
    assert [error["message"] for error in body["errors"]] == ["userId: must not be empty"]
