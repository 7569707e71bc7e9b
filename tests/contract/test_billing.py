"""Billing templates: the same at both doors."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.services.template_making import make_template
from tests import billing
from tests.billing import Stripe, column
from tests.contract.callers import Caller
from tests.tenants import Tenant

TEMPLATE = (
    "{ id packageId meteredFeatureId provider status error priceId amount displayAmount currency interval createdAt }"
)
CREATE = f"mutation ($input: CreateBillingTemplateInput!) {{ made: createBillingTemplate(input: $input) {TEMPLATE} }}"
MONTHLY = {"id": "pro-month", "packageId": "pro", "amount": 5000, "currency": "gbp", "interval": "month"}


@pytest.fixture
def stripe() -> Iterator[Stripe]:
    with billing.started() as found:
        yield found


@pytest.fixture
async def shop(caller: Caller) -> Caller:
    for package_id in ("pro", "max"):
        await caller.rest("POST", "/packages", id=package_id, features=[])
        await caller.rest("POST", f"/packages/{package_id}/publish")
    return caller


def work(tenant: Tenant, stripe: Stripe) -> None:
    for key in column(tenant.actor, "billing_templates", "key"):
        make_template(tenant.actor.tenant_id, key, stripe.gateway)


async def test_a_template_is_made_read_listed_and_switched_off_over_graphql(
    shop: Caller, tenant: Tenant, stripe: Stripe
) -> None:
    made = (await shop.data(CREATE, {"input": MONTHLY}))["made"]
    assert made == MONTHLY | {
        "meteredFeatureId": None,
        "provider": "STRIPE",
        "status": "PENDING",
        "error": None,
        "priceId": None,
        "displayAmount": "50.00",
        "createdAt": made["createdAt"],
    }
    work(tenant, stripe)
    price_id = stripe.objects("price")[0]["id"]
    active = made | {"status": "ACTIVE", "priceId": price_id}

    assert await shop.data(f'{{ billingTemplate(id: "pro-month") {TEMPLATE} }}') == {"billingTemplate": active}
    assert await shop.rest("GET", "/billing-templates/pro-month") == active
    assert (await shop.data(f"{{ billingTemplates {TEMPLATE} }}"))["billingTemplates"] == [active]
    assert (await shop.data(f'{{ billingTemplates(packageId: "max") {TEMPLATE} }}'))["billingTemplates"] == []
    assert (await shop.rest("GET", "/packages/pro"))["prices"] == [
        {
            "id": price_id,
            "provider": "STRIPE",
            "amount": 5000,
            "displayAmount": "50.00",
            "currency": "gbp",
            "interval": "month",
        }
    ]

    update = f'mutation {{ updateBillingTemplate(id: "pro-month", input: {{active: false}}) {TEMPLATE} }}'
    assert (await shop.data(update))["updateBillingTemplate"] == active | {"status": "INACTIVE"}
    assert (await shop.data('{ package(id: "pro") { prices { id } } }'))["package"]["prices"] == []


async def test_the_same_over_rest(shop: Caller, tenant: Tenant, stripe: Stripe) -> None:
    price_id = stripe.price(700, "jpy", interval=None)
    made = await shop.rest("POST", "/billing-templates", id="once", packageId="pro", priceId=price_id)
    assert (made["status"], made["priceId"], made["amount"]) == ("PENDING", price_id, None)
    work(tenant, stripe)
    active = made | {"status": "ACTIVE", "amount": 700, "displayAmount": "700", "currency": "jpy"}

    assert await shop.rest("GET", "/billing-templates/once") == active
    assert (await shop.rest("GET", "/billing-templates?packageId=pro"))["data"] == [active]
    assert (await shop.rest("GET", "/billing-templates?packageId=max"))["data"] == []
    assert await shop.rest("PATCH", "/billing-templates/once", active=False) == active | {"status": "INACTIVE"}
    assert await shop.rest("PATCH", "/billing-templates/once", active=True) == active


async def test_what_overage_costs_is_a_template_of_its_own_and_no_price_of_the_package(
    shop: Caller, tenant: Tenant, stripe: Stripe
) -> None:
    await shop.rest("POST", "/features", id="calls", type="CONSUMABLE")
    terms = {"limit": 100, "resetPeriod": "MONTH", "overageEnabled": True}
    await shop.rest("POST", "/packages", id="metered", features=[{"id": "calls", "entitlement": terms}])
    body = {"id": "over", "packageId": "metered", "meteredFeatureId": "calls", "amount": 2, "currency": "gbp"}
    body |= {"interval": "month"}
    made = (await shop.data(CREATE, {"input": body}))["made"]
    assert (made["status"], made["meteredFeatureId"], made["amount"]) == ("PENDING", "calls", 2)
    work(tenant, stripe)

    (meter,), (price,) = stripe.objects("billing.meter"), stripe.objects("price")
    assert (meter["event_time_window"], meter["default_aggregation"]) == ("hour", {"formula": "sum"})
    assert (price["recurring"]["meter"], price["recurring"]["usage_type"]) == (meter["id"], "metered")
    active = made | {"status": "ACTIVE", "priceId": price["id"]}
    assert await shop.rest("GET", "/billing-templates/over") == active
    assert (await shop.data(f'{{ billingTemplate(id: "over") {TEMPLATE} }}'))["billingTemplate"] == active
    assert (await shop.rest("GET", "/packages/metered"))["prices"] == []
    link = {"templateId": "over", "successUrl": "https://shop.example/a", "cancelUrl": "https://shop.example/b"}
    refused = await shop.http.post("/v1/subscription-links", json=link)
    assert (refused.status_code, stripe.objects("checkout.session")) == (409, [])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": None}, "amount"),
        ({"currency": None}, "currency"),
        ({"priceId": "price_1"}, "priceId"),
        ({"amount": -1}, "amount"),
        ({"currency": "GBP"}, "currency"),
        ({"interval": "fortnight"}, "interval"),
        ({"id": ""}, "id"),
        ({"packageId": "a\nb"}, "packageId"),
        ({"meteredFeatureId": ""}, "meteredFeatureId"),
        ({"meteredFeatureId": "calls"}, "meteredFeatureId"),
        ({"meteredFeatureId": "calls", "interval": None}, "interval"),
        ({"meteredFeatureId": "calls", "priceId": "price_1"}, "priceId"),
    ],
)
async def test_what_cannot_be_a_template_is_refused_by_both_doors_in_the_same_words(
    shop: Caller, change: dict[str, Any], field: str
) -> None:
    body = MONTHLY | change
    answer = await shop.http.post("/v1/billing-templates", json=body)
    refusal = await shop.refusal(CREATE, {"input": body})

    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert refusal["message"] == answer.json()["detail"]
    assert (await shop.rest("GET", "/billing-templates"))["data"] == []


async def test_unknown_and_taken_ids_are_refused_by_both_doors_in_the_same_words(shop: Caller) -> None:
    await shop.rest("POST", "/billing-templates", **MONTHLY)
    for body, status, name in (
        (MONTHLY, 409, "AlreadyExistsError"),
        (MONTHLY | {"id": "new", "packageId": "none"}, 404, "PackageNotFoundError"),
    ):
        answer = await shop.http.post("/v1/billing-templates", json=body)
        refusal = await shop.refusal(CREATE, {"input": body})
        assert (answer.status_code, answer.json()["name"]) == (status, name)
        assert refusal["message"] == answer.json()["detail"]
    gone = await shop.http.get("/v1/billing-templates/none")
    assert (gone.status_code, gone.json()["name"]) == (404, "BillingTemplateNotFoundError")
