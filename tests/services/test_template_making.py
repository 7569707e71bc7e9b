"""Workers make billing templates at Stripe, or look their prices up: once, whatever fails on the way."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from freezegun import freeze_time

from app import jobs
from app.contract.billing import BillingTemplate, CreateBillingTemplate, GenerateSubscriptionLink, UpdateBillingTemplate
from app.contract.packages import PackagePrice
from app.domain.billing import BillingTemplateStatus
from app.errors import InvalidInputError
from app.gateways.billing_shapes import BillingInterval, NewPrice, Price
from app.gateways.stripe import StripeGateway
from app.gateways.stripe_double.faults import FaultKind
from app.services import billing, packages
from app.services.checkout_links import request_link
from app.services.checkout_making import make_link
from app.services.template_making import make_template, sweep_templates
from tests.billing import Stripe, column
from tests.environment import environment
from tests.services.at_once import at_once
from tests.services.shop import Shop, counted
from tests.tenants import new_tenant

ACTIVE, FAILED, INACTIVE, PENDING = (
    BillingTemplateStatus.ACTIVE,
    BillingTemplateStatus.FAILED,
    BillingTemplateStatus.INACTIVE,
    BillingTemplateStatus.PENDING,
)
PRICES = "POST /v1/prices"


def asked_for(shop: Shop, id_: str = "pro-month", **price: Any) -> BillingTemplate:
    return billing.create_billing_template(shop.actor, CreateBillingTemplate(id=id_, package_id="pro", **price))


def to_be_made(shop: Shop, id_: str = "pro-month", amount: int = 5000, currency: str = "gbp") -> BillingTemplate:
    return asked_for(shop, id_, amount=amount, currency=currency, interval="month")


def read(shop: Shop, id_: str = "pro-month") -> BillingTemplate:
    return billing.get_billing_template(shop.actor, id_)


def work(shop: Shop, stripe: Stripe, gateway: StripeGateway | None = None) -> int:
    """What workers do for all of the shop's templates: how many they settle."""
    keys = column(shop.actor, "billing_templates", "key")
    return sum(make_template(shop.actor.tenant_id, key, gateway or stripe.gateway) for key in keys)


def switched(shop: Shop, *, on: bool) -> BillingTemplate:
    return billing.update_billing_template(shop.actor, "pro-month", UpdateBillingTemplate(active=on))


def prices(shop: Shop) -> list[PackagePrice]:
    return packages.get_package(shop.actor, "pro").prices


@pytest.fixture(autouse=True)
def _pro(shop: Shop) -> None:
    shop.package("pro")


def test_a_price_that_is_asked_for_is_made_and_shows_on_the_package_then(shop: Shop, stripe: Stripe) -> None:
    made = to_be_made(shop)
    assert (made.status, made.price_id, made.display_amount) == (PENDING, None, "50.00")
    assert prices(shop) == []

    assert work(shop, stripe) == 1

    (price,) = stripe.objects("price")
    assert (price["unit_amount"], price["currency"], price["recurring"]["interval"]) == (5000, "gbp", "month")
    assert price["metadata"] == {
        "meterline_tenant": shop.actor.app_id,
        "meterline_package": "pro",
        "meterline_template": "pro-month",
    }
    assert (read(shop).status, read(shop).price_id, read(shop).error) == (ACTIVE, price["id"], None)
    assert prices(shop) == [
        PackagePrice(
            id=price["id"],
            provider="STRIPE",
            amount=5000,
            display_amount="50.00",
            currency="gbp",
            interval="month",
        )
    ]


def test_a_package_has_several_prices_of_one_product(shop: Shop, stripe: Stripe) -> None:
    to_be_made(shop)
    to_be_made(shop, "pro-yen", 500, "jpy")
    asked_for(shop, "pro-once", amount=5000, currency="kwd")
    assert work(shop, stripe) == 3
    assert [product["name"] for product in stripe.objects("product")] == ["pro"]
    assert [(price.display_amount, price.currency, price.interval) for price in prices(shop)] == [
        ("50.00", "gbp", "month"),
        ("500", "jpy", "month"),
        ("5.000", "kwd", None),
    ]


def test_a_price_that_exists_is_looked_up(shop: Shop, stripe: Stripe) -> None:
    price_id = stripe.price(900, "jpy", BillingInterval.YEAR)
    linked = asked_for(shop, price_id=price_id)
    assert (linked.status, linked.amount, linked.display_amount) == (PENDING, None, None)
    work(shop, stripe)
    seen = read(shop)
    assert (seen.status, seen.price_id) == (ACTIVE, price_id)
    assert (seen.amount, seen.display_amount, seen.currency, seen.interval) == (900, "900", "jpy", "year")


def test_a_price_that_stripe_does_not_know_fails_and_can_be_tried_again(shop: Shop, stripe: Stripe) -> None:
    asked_for(shop, price_id="price_none")
    work(shop, stripe)
    failed = read(shop)
    assert (failed.status, failed.error) == (FAILED, "Stripe does not do it: No such price: 'price_none'")
    assert prices(shop) == []

    again = switched(shop, on=True)
    assert (again.status, again.error) == (PENDING, None)


@pytest.mark.parametrize(
    ("terms", "problem"),
    [
        ({"interval_count": 3}, "it is paid every 3 months, and only single intervals can be sold"),
        ({"amount_minor": 2**31}, "its amount is above 2147483647, the largest number that the API can carry"),
    ],
)
def test_a_price_that_a_package_could_not_show_is_refused(
    shop: Shop, stripe: Stripe, terms: dict[str, Any], problem: str
) -> None:
    price_id = stripe.price(**terms)
    asked_for(shop, price_id=price_id)
    work(shop, stripe)
    assert (read(shop).status, read(shop).error) == (
        FAILED,
        f"Stripe does not do it: The price {price_id} cannot be sold: {problem}.",
    )


def test_what_is_made_already_is_not_made_again_by_a_second_message(shop: Shop, stripe: Stripe) -> None:
    to_be_made(shop)
    assert [work(shop, stripe), work(shop, stripe)] == [1, 0]
    assert len(stripe.objects("price")) == 1


def test_two_workers_at_once_make_one_price(shop: Shop, stripe: Stripe) -> None:
    to_be_made(shop)
    at_once(lambda: work(shop, stripe), lambda: work(shop, stripe))
    work(shop, stripe)
    assert len(stripe.objects("price")) == 1
    assert read(shop).status is ACTIVE


@pytest.mark.parametrize(
    "fault", [FaultKind.LOST_ANSWER, FaultKind.ERROR, FaultKind.RATE_LIMIT, FaultKind.LOST_REQUEST]
)
def test_a_call_that_failed_is_repeated_and_the_price_is_made_once(
    shop: Shop, stripe: Stripe, fault: FaultKind
) -> None:
    to_be_made(shop)
    stripe.fail(fault, PRICES)
    assert work(shop, stripe) == 0
    assert read(shop).status is PENDING
    assert (read(shop).error or "").startswith("Stripe could not be asked yet: ")
    assert work(shop, stripe) == 1
    assert len(stripe.objects("price")) == 1
    assert (read(shop).status, read(shop).error) == (ACTIVE, None)


def test_a_failure_that_stripe_keeps_is_left_behind_by_another_attempt(shop: Shop, stripe: Stripe) -> None:
    to_be_made(shop)
    stripe.fail(FaultKind.STORED_ERROR, PRICES)
    assert [work(shop, stripe), work(shop, stripe)] == [0, 1]
    assert len(stripe.objects("price")) == 1


def test_a_template_whose_message_was_lost_is_sent_again_after_a_minute_and_not_before(shop: Shop) -> None:
    began = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with freeze_time(began) as clock:
        to_be_made(shop)
        assert jobs.wait_until_sent(10)
        sent = []
        for _ in range(2):
            clock.tick(timedelta(seconds=59.5))
            sweep_templates()
            sent += column(shop.actor, "billing_templates", "sent_at")
    assert sent == [began, began + timedelta(seconds=119)]


def test_one_that_is_switched_off_shows_no_price_until_it_is_switched_on(shop: Shop, stripe: Stripe) -> None:
    to_be_made(shop)
    work(shop, stripe)
    assert switched(shop, on=False).status is INACTIVE
    assert prices(shop) == []
    assert switched(shop, on=True).status is ACTIVE
    assert len(prices(shop)) == 1


def test_one_that_is_switched_off_while_it_is_made_stays_off_and_knows_its_price(shop: Shop, stripe: Stripe) -> None:
    class Meanwhile(StripeGateway):
        def create_price(self, new: NewPrice, *, key: str) -> Price:
            switched(shop, on=False)
            return super().create_price(new, key=key)

    to_be_made(shop)
    work(shop, stripe, Meanwhile("sk_test_meanwhile", base=stripe.double.url, tries_again=0))
    (price,) = stripe.objects("price")
    assert (read(shop).status, read(shop).price_id) == (INACTIVE, price["id"])
    assert switched(shop, on=True).status is ACTIVE


@pytest.mark.parametrize(("mode", "key_mode"), [("test", "live"), ("live", "test")])
def test_a_tenant_sells_nothing_with_a_key_of_the_other_mode(
    product: str, stripe: Stripe, mode: str, key_mode: str
) -> None:
    shop = Shop(new_tenant(mode).actor)
    shop.package("pro")
    to_be_made(shop)
    asked_for(shop, "pro-linked", price_id="price_of_the_dashboard")
    key = StripeGateway(f"sk_{key_mode}_of_the_tests", base=stripe.double.url, tries_again=0)
    assert work(shop, stripe, key) == 2
    refused = f"Stripe does not do it: This is a {mode} app, and STRIPE_API_KEY is a {key_mode} key."
    assert [(each.status, each.error) for each in (read(shop), read(shop, "pro-linked"))] == [(FAILED, refused)] * 2
    assert prices(shop) == []
    assert stripe.double.world.requests() == []


def test_on_a_server_without_a_key_a_template_fails_at_once_and_is_made_when_there_is_one(
    shop: Shop, stripe: Stripe
) -> None:
    to_be_made(shop)
    (key,) = column(shop.actor, "billing_templates", "key")
    with environment(STRIPE_API_KEY=None):
        assert make_template(shop.actor.tenant_id, key) == 1
    assert (read(shop).status, read(shop).error) == (
        FAILED,
        "This server is not set up for Stripe, or Stripe does not accept its key.",
    )
    assert stripe.double.world.requests() == []

    assert switched(shop, on=True).status is PENDING
    assert work(shop, stripe) == 1
    assert (read(shop).status, read(shop).error) == (ACTIVE, None)


def metered(shop: Shop, id_: str = "over", amount: int = 2, **more: Any) -> BillingTemplate:
    terms = {"amount": amount, "currency": "gbp", "interval": "month"} | more
    command = CreateBillingTemplate(id=id_, package_id="calls-pro", metered_feature_id="calls", **terms)
    return billing.create_billing_template(shop.actor, command)


@pytest.fixture
def with_overage(shop: Shop) -> Shop:
    shop.feature()
    shop.package("calls-pro", counted(100, overage=True))
    return shop


@pytest.mark.parametrize(
    "kind", [FaultKind.LOST_ANSWER, FaultKind.STORED_ERROR_AFTER, FaultKind.STORED_ERROR, FaultKind.LOST_REQUEST]
)
def test_a_meter_is_made_once_whatever_becomes_of_the_answer(
    with_overage: Shop, stripe: Stripe, kind: FaultKind
) -> None:
    metered(with_overage)
    stripe.fail(kind, "POST /v1/billing/meters")
    for _ in range(3):
        work(with_overage, stripe)
    metered(with_overage, "over-more", 3)
    work(with_overage, stripe)

    (meter,) = stripe.objects("billing.meter")
    assert {price["recurring"]["meter"] for price in stripe.objects("price")} == {meter["id"]}
    assert (read(with_overage, "over").status, read(with_overage, "over-more").status) == (ACTIVE, ACTIVE)


@pytest.mark.parametrize("terms", [{"limit": 100, "overage": False}, {"limit": None, "overage": True}])
def test_what_is_never_used_beyond_a_limit_has_no_price_for_it(shop: Shop, terms: dict[str, Any]) -> None:
    shop.feature()
    shop.package("calls-pro", counted(**terms))
    with pytest.raises(InvalidInputError) as refused:
        metered(shop)
    assert (refused.value.field, shop.rows("billing_templates")["billing_templates"]) == ("meteredFeatureId", [])


def test_a_link_sells_the_newest_overage_price_of_the_same_currency_and_interval(
    with_overage: Shop, stripe: Stripe
) -> None:
    sold = {"amount": 900, "currency": "gbp", "interval": "month"}
    billing.create_billing_template(with_overage.actor, CreateBillingTemplate(id="pro", package_id="calls-pro", **sold))
    for id_, more in (("old", {}), ("new", {}), ("dollars", {"currency": "usd"}), ("yearly", {"interval": "year"})):
        metered(with_overage, id_, **more)
    metered(with_overage, "off")
    work(with_overage, stripe)
    billing.update_billing_template(with_overage.actor, "off", UpdateBillingTemplate(active=False))
    pages = {"success_url": "https://shop.example/yes", "cancel_url": "https://shop.example/no"}
    wish = GenerateSubscriptionLink(template_id="pro", user_id=with_overage.user().id, **pages)
    link = request_link(with_overage.actor, wish)
    make_link(with_overage.actor.tenant_id, link.id, stripe.gateway)

    (session,) = stripe.objects("checkout.session")
    lines = stripe.double.world.account.state.lines[session["id"]]
    assert [(each["price"]["id"], each.get("quantity")) for each in lines] == [
        (read(with_overage, "pro").price_id, 1),
        (read(with_overage, "new").price_id, None),
    ]
    assert request_link(with_overage.actor, wish).id == link.id
    # Whoever asks once overage has another price gets a page with that.
    metered(with_overage, "newest")
    work(with_overage, stripe)
    assert request_link(with_overage.actor, wish).id != link.id
