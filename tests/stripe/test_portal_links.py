"""Links to the customer portal: the same at both doors, for customers alone, and soon forgotten."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from freezegun import freeze_time

from app.contract.users import UpdateUser
from app.main import create_app
from app.services import users
from app.services.portal_making import drop_portal_links, make_portal_link
from tests.beside import again_and_again
from tests.contract.callers import Caller, running
from tests.environment import environment
from tests.stripe.market import Market
from tests.tenants import Tenant

BACK = "https://shop.example/account"
MUTATION = (
    "mutation ($userId: String!, $returnUrl: String!) "
    "{ link: generatePortalLink(userId: $userId, returnUrl: $returnUrl) { url } }"
)
WISH = {"userId": "ada", "returnUrl": BACK}
PATH = "/v1/users/ada/portal-link"


@pytest.fixture
async def caller(market: Market, tenant: Tenant) -> AsyncIterator[Caller]:
    market.sell("pro", 1_000)
    market.shop.user()
    app = create_app()
    async with running(app):
        yield Caller(app, tenant.secret_key)


def rows(market: Market) -> list[tuple[Any, ...]]:
    return market.ask("SELECT id, status FROM portal_links WHERE tenant_id = :tenant_id ORDER BY created_at")


def work(market: Market) -> int:
    return sum(make_portal_link(market.shop.actor.tenant_id, str(id_), market.gateway) for id_, _ in rows(market))


def worker(market: Market) -> AbstractContextManager[None]:
    return again_and_again(lambda: work(market))


def pages(market: Market) -> list[tuple[str, str, str]]:
    """(url, customer, return url) of each that the double has made, oldest first."""
    made = market.double.world.objects("billing_portal.session")
    return [(each["url"], each["customer"], each["return_url"]) for each in made]


async def test_a_customer_gets_a_page_at_both_doors_and_another_each_time(caller: Caller, market: Market) -> None:
    subscription_id = await market.buy("pro")
    customer_id = market.gateway.subscription(subscription_id).customer_id
    with worker(market):
        by_rest = await caller.http.post(PATH, json={"returnUrl": BACK})
        by_graphql = await caller.data(MUTATION, WISH)
    urls = [by_rest.json()["url"], by_graphql["link"]["url"]]
    assert (by_rest.status_code, by_rest.json(), by_rest.headers["cache-control"]) == (
        201,
        {"url": urls[0]},
        "no-store",
    )
    assert pages(market) == [(url, customer_id, BACK) for url in urls]
    assert len(set(urls)) == 2


async def test_calls_at_once_for_one_user_are_all_answered(caller: Caller, market: Market) -> None:
    await market.buy("pro")
    with worker(market):
        answers = await asyncio.gather(*[caller.http.post(PATH, json={"returnUrl": BACK}) for _ in range(6)])
    assert [each.status_code for each in answers] == [201] * 6
    assert {each.json()["url"] for each in answers} <= {url for url, _, _ in pages(market)}


async def test_who_has_not_bought_has_no_page(caller: Caller, market: Market) -> None:
    for billing_id in (None, "chargebee-7"):
        users.update_user(market.shop.actor, "ada", UpdateUser(billing_id=billing_id))
        answer = await caller.http.post(PATH, json={"returnUrl": BACK})
        refusal = await caller.refusal(MUTATION, WISH)
        assert (answer.status_code, answer.json()["name"]) == (409, "PortalLinkError")
        assert answer.json()["detail"] == refusal["message"]
        assert refusal["message"] == (
            "User ada is no customer at Stripe: billingId must begin with cus_, and is set when they buy."
        )
    assert rows(market) == []


@pytest.mark.parametrize(
    ("change", "status", "name"),
    [
        ({"userId": "nobody"}, 404, "UserNotFoundError"),
        ({"returnUrl": "javascript:alert(1)"}, 422, "InvalidInputError"),
        ({"returnUrl": "/account"}, 422, "InvalidInputError"),
    ],
)
async def test_a_wish_that_cannot_be_is_refused_by_both_doors_in_the_same_words(
    caller: Caller, change: dict[str, str], status: int, name: str
) -> None:
    wish = WISH | change
    answer = await caller.http.post(f"/v1/users/{wish['userId']}/portal-link", json={"returnUrl": wish["returnUrl"]})
    refusal = await caller.refusal(MUTATION, wish)
    assert (answer.status_code, answer.json()["name"]) == (status, name)
    assert (answer.json()["detail"], name) == (refusal["message"], refusal["extensions"]["exception"]["name"])


async def test_what_stripe_refuses_is_told(caller: Caller, market: Market) -> None:
    users.update_user(market.shop.actor, "ada", UpdateUser(billing_id="cus_none"))
    with worker(market):
        answer = await caller.http.post(PATH, json={"returnUrl": BACK})
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "Stripe does not do it: No such customer: 'cus_none'",
    )


@pytest.mark.usefixtures("impatient")
async def test_one_that_is_not_made_in_time_is_found_by_asking_again(caller: Caller, market: Market) -> None:
    await market.buy("pro")
    market.double.world.set_down(down=True)
    refusal = await caller.refusal(MUTATION, WISH)
    assert (refusal["extensions"]["code"], work(market)) == ("OVERLOADED", 0)
    assert refusal["message"] == "The link is still being made. Ask again in a moment: the same call finds it."
    market.double.world.set_down(down=False)
    answer = await caller.http.post(PATH, json={"returnUrl": BACK})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert work(market) == 1
    found = await caller.http.post(PATH, json={"returnUrl": BACK})
    assert [found.json()["url"]] == [url for url, _, _ in pages(market)]
    # It is theirs now, and the next one is another.
    assert [status for _, status in rows(market)] == ["TAKEN"]
    assert (await caller.http.post(PATH, json={"returnUrl": BACK})).status_code == 503


async def test_a_link_is_forgotten_after_a_minute_whatever_became_of_it(caller: Caller, market: Market) -> None:
    await market.buy("pro")
    with worker(market):
        await caller.http.post(PATH, json={"returnUrl": BACK})
    now = datetime.now(UTC)
    with freeze_time(now + timedelta(seconds=50)):
        drop_portal_links()
        assert len(rows(market)) == 1
    with freeze_time(now + timedelta(seconds=61)):
        assert drop_portal_links().handled >= 1
    assert rows(market) == []


async def test_without_a_key_it_is_refused(caller: Caller, market: Market) -> None:
    users.update_user(market.shop.actor, "ada", UpdateUser(billing_id="cus_1"))
    with environment(SUBSCRIPTION_LINK_WAIT_SECONDS="0", STRIPE_API_KEY=None):
        assert (await caller.http.post(PATH, json={"returnUrl": BACK})).status_code == 503
        ((id_, _),) = rows(market)
        assert make_portal_link(market.shop.actor.tenant_id, str(id_)) == 1
    statement = "SELECT status, error FROM portal_links WHERE tenant_id = :tenant_id"
    assert market.ask(statement) == [
        ("FAILED", "This server is not set up for Stripe, or Stripe does not accept its key.")
    ]
