"""Links to pay by: the same at both doors, while a worker beside them makes them, or does not."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from app.contract.billing import LinkPrice
from app.services.billing import link_price
from app.services.checkout_settling import follow_session
from app.settings import settings
from tests import billing
from tests.billing import Stripe, column, make_links, worker
from tests.contract.callers import Caller
from tests.tenants import Tenant

LINK = "{ id url status error userId templateId createdAt expiresAt }"
WISH = {
    "userId": "ada",
    "templateId": "pro-month",
    "successUrl": "https://example.com/thanks",
    "cancelUrl": "https://example.com/cart",
}


def mutation(name: str = "generateSubscriptionLink", selection: str = LINK) -> str:
    return (
        "mutation ($userId: String, $templateId: String!, $successUrl: String!, $cancelUrl: String!) { "
        f"link: {name}(userId: $userId, templateId: $templateId, successUrl: $successUrl, cancelUrl: $cancelUrl) "
        f"{selection} }}"
    )


def question(link_id: str) -> str:
    return f'{{ subscriptionLink(id: "{link_id}") {LINK} }}'


@pytest.fixture
def stripe() -> Iterator[Stripe]:
    with billing.started() as found:
        yield found


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Callers do not wait for workers at all."""
    monkeypatch.setenv("SUBSCRIPTION_LINK_WAIT_SECONDS", "0")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
async def shop(caller: Caller, tenant: Tenant, stripe: Stripe) -> Caller:
    await caller.rest("POST", "/packages", id="pro", features=[])
    await caller.rest("POST", "/packages/pro/publish")
    await caller.rest("POST", "/users", id="ada")
    price = {"price_id": stripe.price(), "amount": 5000, "currency": "gbp", "interval": "month"}
    link_price(tenant.actor, LinkPrice(id="pro-month", package_id="pro", **price))
    return caller


async def test_a_link_comes_with_its_url_and_both_doors_and_both_names_give_the_same_one(
    shop: Caller, tenant: Tenant, stripe: Stripe
) -> None:
    with worker(tenant.actor, stripe):
        made = (await shop.data(mutation(), WISH))["link"]
        again = await shop.http.post("/v1/subscription-links", json=WISH)
        plural = (await shop.data(mutation("generateSubscriptionLinks"), WISH))["link"]

    (page,) = stripe.objects("checkout.session")
    assert (made["url"], made["status"], made["error"]) == (page["url"], "OPEN", None)
    assert (made["userId"], made["templateId"]) == ("ada", "pro-month")
    assert (again.status_code, again.json()) == (201, made)
    assert "location" not in again.headers
    assert plural == made
    assert await shop.rest("GET", f"/subscription-links/{made['id']}") == made
    assert await shop.data(question(made["id"])) == {"subscriptionLink": made}


async def test_the_call_of_kanas_documents_is_answered_with_a_url_alone(
    shop: Caller, tenant: Tenant, stripe: Stripe
) -> None:
    with worker(tenant.actor, stripe):
        data = await shop.data(mutation(selection="{ url }"), WISH)
    assert data == {"link": {"url": stripe.objects("checkout.session")[0]["url"]}}


async def test_many_who_ask_at_once_at_both_doors_get_one_link(shop: Caller, tenant: Tenant, stripe: Stripe) -> None:
    with worker(tenant.actor, stripe):
        rest = [shop.rest("POST", "/subscription-links", **WISH) for _ in range(4)]
        graphql = [shop.data(mutation(), WISH) for _ in range(4)]
        answers: list[Any] = await asyncio.gather(*rest, *graphql)
    links = answers[:4] + [answer["link"] for answer in answers[4:]]
    assert links == [links[0]] * 8
    assert len(stripe.objects("checkout.session")) == 1


async def test_without_a_user_anybody_can_pay_and_each_call_makes_another(
    shop: Caller, tenant: Tenant, stripe: Stripe
) -> None:
    wish = {name: value for name, value in WISH.items() if name != "userId"}
    with worker(tenant.actor, stripe):
        made = (await shop.data(mutation(), wish))["link"]
        other = await shop.rest("POST", "/subscription-links", **wish)
    assert made["userId"] is other["userId"] is None
    assert made["url"] != other["url"]


@pytest.mark.usefixtures("impatient")
async def test_a_link_that_is_not_made_in_time_is_found_by_asking_again(
    shop: Caller, tenant: Tenant, stripe: Stripe
) -> None:
    waiting = await shop.http.post("/v1/subscription-links", json=WISH)
    link_id = waiting.json()["id"]
    assert (waiting.status_code, waiting.json()["status"], waiting.json()["url"]) == (202, "PENDING", None)
    assert waiting.headers["location"] == f"/v1/subscription-links/{link_id}"
    assert waiting.headers["cache-control"] == "no-store"
    for refusal in (await shop.refusal(mutation(), WISH), await shop.refusal(question(link_id))):
        assert refusal["extensions"]["exception"]["name"] == "SubscriptionLinkError"
        assert refusal["message"] == (
            "The link is still being made. Ask again in a moment: for a user the same call finds it, "
            f'and subscriptionLink(id: "{link_id}") finds it always.'
        )

    assert make_links(tenant.actor, stripe.gateway) == 1

    made = await shop.http.get(waiting.headers["location"])
    assert (made.json()["id"], made.json()["status"]) == (link_id, "OPEN")
    assert (await shop.data(mutation(), WISH))["link"] == made.json()


@pytest.mark.usefixtures("impatient")
async def test_while_stripe_is_away_asking_says_so_and_the_product_goes_on(
    shop: Caller, tenant: Tenant, stripe: Stripe
) -> None:
    with stripe.away():
        asked = await shop.http.post("/v1/subscription-links", json=WISH)
        assert make_links(tenant.actor, stripe.gateway) == 0
        seen = await shop.rest("GET", f"/subscription-links/{asked.json()['id']}")
        assert (asked.status_code, seen["status"]) == (202, "PENDING")
        assert seen["error"].startswith("Stripe could not be asked yet: ")
        assert (await shop.rest("POST", "/subscriptions", userId="ada", packageIds=["pro"]))["data"]


async def test_what_stripe_refuses_is_told_by_both_doors_in_the_same_words(
    shop: Caller, tenant: Tenant, stripe: Stripe
) -> None:
    price = {"price_id": "price_none", "amount": 5000, "currency": "gbp", "interval": "month"}
    link_price(tenant.actor, LinkPrice(id="wrong", package_id="pro", **price))
    wish = WISH | {"templateId": "wrong"}
    with worker(tenant.actor, stripe):
        answer = await shop.http.post("/v1/subscription-links", json=wish)
        refusal = await shop.refusal(mutation(), wish)
    assert (answer.status_code, answer.json()["name"]) == (409, "SubscriptionLinkError")
    assert answer.json()["detail"] == refusal["message"] == "Stripe does not do it: No such price: 'price_none'"
    assert refusal["extensions"]["exception"]["name"] == "SubscriptionLinkError"

    link_id = str(column(tenant.actor, "checkout_links", "id")[0])
    seen = await shop.rest("GET", f"/subscription-links/{link_id}")
    assert (seen["status"], seen["url"], seen["error"]) == ("FAILED", None, refusal["message"])
    assert (await shop.refusal(question(link_id)))["message"] == refusal["message"]


@pytest.mark.parametrize(
    ("change", "status", "name"),
    [
        ({"templateId": "none"}, 409, "SubscriptionLinkError"),
        ({"userId": "nobody"}, 404, "UserNotFoundError"),
        ({"successUrl": "javascript:alert(1)"}, 422, "InvalidInputError"),
        ({"cancelUrl": "/cart"}, 422, "InvalidInputError"),
        ({"cancelUrl": ""}, 422, "InvalidInputError"),
        ({"userId": ""}, 422, "InvalidInputError"),
    ],
)
async def test_a_wish_that_cannot_be_is_refused_by_both_doors_in_the_same_words(
    shop: Caller, change: dict[str, str], status: int, name: str
) -> None:
    answer = await shop.http.post("/v1/subscription-links", json=WISH | change)
    refusal = await shop.refusal(mutation(), WISH | change)
    assert (answer.status_code, answer.json()["name"]) == (status, name)
    assert (answer.json()["detail"], name) == (refusal["message"], refusal["extensions"]["exception"]["name"])


async def test_who_has_a_base_package_is_not_asked_to_pay_for_a_second(shop: Caller) -> None:
    await shop.rest("POST", "/subscriptions", userId="ada", packageIds=["pro"])
    answer = await shop.http.post("/v1/subscription-links", json=WISH)
    assert (answer.status_code, answer.json()["detail"]) == (409, "Cannot subscribe to multiple tiers")


async def test_both_doors_tell_that_it_was_paid_and_do_not_ask_for_money_again(
    shop: Caller, tenant: Tenant, stripe: Stripe
) -> None:
    with worker(tenant.actor, stripe):
        link_id = (await shop.data(mutation(), WISH))["link"]["id"]
    page = stripe.objects("checkout.session")[0]["id"]
    stripe.double.world.pay(page)
    assert follow_session(stripe.gateway, stripe.gateway.checkout_session(page))

    seen = await shop.rest("GET", f"/subscription-links/{link_id}")
    assert (seen["status"], seen["error"], seen["userId"]) == ("PAID", None, "ada")
    assert await shop.data(f'{{ subscriptionLink(id: "{link_id}") {LINK} }}') == {"subscriptionLink": seen}
    refusal = await shop.refusal(mutation(), WISH)
    assert (refusal["message"], refusal["extensions"]["exception"]["name"]) == (
        "Cannot subscribe to multiple tiers",
        "SubscriptionError",
    )
