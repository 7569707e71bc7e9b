"""Cancelling and changing what Stripe bills, the same at both doors, while a worker is there or is not."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager

import pytest

from app.main import create_app
from tests.beside import again_and_again
from tests.contract.callers import Caller, running
from tests.stripe.market import Market
from tests.stripe.requests import work
from tests.tenants import Tenant

SELECTION = "{ id status endsAt package { id } lastRequest { kind status atPeriodEnd packageId error } }"


@pytest.fixture
async def caller(market: Market, tenant: Tenant) -> AsyncIterator[Caller]:
    market.sell("pro", 1_000)
    market.sell("team", 5_000)
    market.shop.user()
    await market.buy("pro")
    app = create_app()
    async with running(app):
        yield Caller(app, tenant.secret_key)


def worker(market: Market) -> AbstractContextManager[None]:
    return again_and_again(lambda: work(market))


def mutation(name: str, subscription_id: str, arguments: str = "") -> str:
    return f'mutation {{ done: {name}(id: "{subscription_id}" {arguments}) {SELECTION} }}'


async def test_the_answer_is_what_has_become_of_it(caller: Caller, market: Market) -> None:
    (held,) = market.shop.subscriptions()
    with worker(market):
        changed = (await caller.data(mutation("changeSubscription", held.id, 'packageId: "team"')))["done"]
        ending = await caller.http.post(f"/v1/subscriptions/{held.id}/cancel", json={"atPeriodEnd": True})
        ended = (await caller.data(mutation("cancelSubscription", held.id)))["done"]
    asked = {"kind": "CHANGE", "status": "DONE", "atPeriodEnd": False, "packageId": "team", "error": None}
    assert (changed["package"], changed["lastRequest"]) == ({"id": "team"}, asked)
    assert (ending.status_code, ending.json()["status"], "location" in ending.headers) == (200, "ACTIVE", False)
    assert (ending.json()["endsAt"] is None, ending.json()["lastRequest"]["status"]) == (False, "DONE")
    assert (ended["status"], ended["lastRequest"]["kind"]) == ("CANCELLED", "CANCEL")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("operation", "name", "body", "arguments"),
    [
        ("cancel", "cancelSubscription", {}, ""),
        ("change", "changeSubscription", {"packageId": "team"}, 'packageId: "team"'),
    ],
)
async def test_what_is_not_done_in_time_is_on_its_way(
    caller: Caller, market: Market, operation: str, name: str, body: dict[str, str], arguments: str
) -> None:
    (held,) = market.shop.subscriptions()
    waiting = await caller.http.post(f"/v1/subscriptions/{held.id}/{operation}", json=body)
    assert (waiting.status_code, waiting.headers["location"]) == (202, f"/v1/subscriptions/{held.id}")
    assert waiting.headers["cache-control"] == "no-store"
    told = (await caller.data(mutation(name, held.id, arguments)))["done"]
    for seen in (waiting.json(), told):
        assert (seen["status"], seen["package"]["id"], seen["endsAt"]) == ("ACTIVE", "pro", None)
        assert seen["lastRequest"]["status"] == "PENDING"

    assert work(market) == 1
    done = await caller.http.get(waiting.headers["location"])
    assert (done.json()["lastRequest"]["status"], market.gateway.live) == ("DONE", False)
    assert (await caller.data(mutation(name, held.id, arguments)))["done"]["lastRequest"]["status"] == "DONE"


async def test_what_is_refused_is_told_by_both_doors_in_the_same_words(caller: Caller, market: Market) -> None:
    market.dashboard.prices.update(market.prices["team"], params={"active": False})
    (held,) = market.shop.subscriptions()
    before = market.shop.rows("subscriptions")
    with worker(market):
        answer = await caller.http.post(f"/v1/subscriptions/{held.id}/change", json={"packageId": "team"})
        refusal = await caller.refusal(mutation("changeSubscription", held.id, 'packageId: "team"'))
    assert (answer.status_code, answer.json()["name"]) == (409, "SubscriptionError")
    assert answer.json()["detail"] == refusal["message"]
    assert refusal["message"].startswith("Stripe does not do it: ")
    assert refusal["extensions"]["exception"]["name"] == "SubscriptionError"
    assert market.shop.rows("subscriptions") == before


async def test_a_refusal_of_another_day_is_not_the_answer_to_a_call_with_nothing_to_do(
    caller: Caller, market: Market
) -> None:
    market.dashboard.prices.update(market.prices["team"], params={"active": False})
    (held,) = market.shop.subscriptions()
    with worker(market):
        await caller.http.post(f"/v1/subscriptions/{held.id}/change", json={"packageId": "team"})
        answer = await caller.http.post(f"/v1/subscriptions/{held.id}/change", json={"packageId": "pro"})
    assert (answer.status_code, answer.json()["lastRequest"]["status"]) == (200, "REFUSED")
