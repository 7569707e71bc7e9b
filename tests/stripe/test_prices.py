"""What Stripe says of a price is what the billing templates with it say."""

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.contract.billing import UpdateBillingTemplate
from app.domain.stripe_events import LISTED_EVENTS, groups
from app.services.billing import update_billing_template
from app.services.stripe_checks import check_prices
from app.services.template_making import make_template
from tests.environment import environment
from tests.stripe.market import API_KEY, Market
from tests.stripe.metering import Metering


@pytest.fixture
def pro(market: Market) -> Iterator[Market]:
    market.forget_others()
    market.sell("pro", 1_000)
    with environment(STRIPE_SWEEPS_PER_SECOND="1000"):
        yield market


def template(market: Market) -> tuple[Any, ...]:
    """(status, error, product, amount, currency, interval)"""
    (row,) = market.ask(
        "SELECT status, error, product_id, amount_minor, currency, interval FROM billing_templates "
        "WHERE tenant_id = :tenant_id ORDER BY key LIMIT 1"
    )
    return row


def checked() -> list[tuple[object, ...]]:
    with capture_logs() as logs:
        assert not check_prices().more
    return [(each["what"], each["object_id"], each["outcome"]) for each in logs if each["event"] == "stripe.difference"]


def archive(market: Market, *, active: bool = False) -> None:
    market.dashboard.prices.update(market.prices["pro"], params={"active": active})


def test_a_price_that_is_archived_takes_its_template_off_sale_and_brings_it_back(pro: Market) -> None:
    price_id = pro.prices["pro"]
    product_id = pro.gateway.price(price_id).product_id
    terms = (product_id, 5_000, "eur", "month")
    assert (checked(), template(pro)) == ([], ("ACTIVE", None, *terms))
    difference = (f"billing template template-{price_id}", price_id, "repaired")

    archive(pro)
    assert checked() == [difference]
    assert template(pro) == ("INACTIVE", f"The price {price_id} cannot be sold: it is archived.", *terms)
    assert checked() == []

    archive(pro, active=True)
    assert checked() == [difference]
    assert template(pro) == ("ACTIVE", None, *terms)


def test_a_product_that_is_archived_sells_at_none_of_its_prices(pro: Market) -> None:
    price_id = pro.prices["pro"]
    product_id = pro.gateway.price(price_id).product_id
    pro.dashboard.products.update(product_id, params={"active": False})
    assert len(checked()) == 1
    error = f"The price {price_id} cannot be sold: its product {product_id} is archived."
    assert template(pro)[:2] == ("INACTIVE", error)


def test_a_price_that_stripe_does_not_have_any_more_is_not_sold(pro: Market) -> None:
    price_id = pro.prices["pro"]
    del pro.double.world.account.state.objects["price"][price_id]
    assert len(checked()) == 1
    assert template(pro)[:2] == ("INACTIVE", f"Stripe does not have the price {price_id} any more.")


def test_a_template_says_what_the_price_says(pro: Market) -> None:
    price_id = pro.prices["pro"]
    pro.change("UPDATE billing_templates SET amount_minor = 1, currency = 'usd' WHERE price_id = :id", id=price_id)
    found = [
        (f"{name} of billing template template-{price_id}", price_id, "repaired") for name in ("amount", "currency")
    ]
    assert (checked(), checked()) == (found, [])
    assert template(pro)[3:] == (5_000, "eur", "month")


def test_another_default_price_of_the_product_and_another_name_change_nothing(pro: Market) -> None:
    checked()
    before = template(pro)
    product_id = pro.gateway.price(pro.prices["pro"]).product_id
    other = pro.dashboard.prices.create(params={"product": product_id, "currency": "eur", "unit_amount": 1})
    pro.double.world.account.find("product", product_id)["default_price"] = other.id
    pro.dashboard.prices.update(pro.prices["pro"], params={"nickname": "Autumn"})
    assert (checked(), template(pro)) == ([], before)


def test_what_its_owner_switched_off_stays_off(pro: Market) -> None:
    price_id = pro.prices["pro"]
    update_billing_template(pro.shop.actor, f"template-{price_id}", UpdateBillingTemplate(active=False))
    assert (checked(), template(pro)[:2]) == ([], ("INACTIVE", None))
    archive(pro)
    assert (checked(), template(pro)[:2]) == ([], ("INACTIVE", None))


def test_what_stripe_took_off_sale_is_looked_up_when_its_owner_switches_it_on(pro: Market) -> None:
    price_id = pro.prices["pro"]
    archive(pro)
    checked()
    for active, status in ((False, "INACTIVE"), (True, "ACTIVE")):
        archive(pro, active=active)
        view = update_billing_template(pro.shop.actor, f"template-{price_id}", UpdateBillingTemplate(active=True))
        assert view.status == "PENDING"
        ((key,),) = pro.ask("SELECT key FROM billing_templates WHERE tenant_id = :tenant_id")
        make_template(pro.shop.actor.tenant_id, key, pro.gateway)
        assert template(pro)[0] == status


async def test_what_could_not_be_switched_on_is_back_when_stripe_sells_it(pro: Market) -> None:
    archive(pro)
    checked()
    update_billing_template(pro.shop.actor, f"template-{pro.prices['pro']}", UpdateBillingTemplate(active=True))
    ((key,),) = pro.ask("SELECT key FROM billing_templates WHERE tenant_id = :tenant_id")
    make_template(pro.shop.actor.tenant_id, key, pro.gateway)
    archive(pro, active=True)
    await pro.hear()
    assert template(pro)[:2] == ("ACTIVE", None)


def test_a_price_for_overage_is_on_sale_until_it_is_archived(metering: Metering) -> None:
    metering.market.forget_others()
    with environment(
        STRIPE_API_KEY=API_KEY, STRIPE_API_BASE=metering.market.double.url, STRIPE_SWEEPS_PER_SECOND="1000"
    ):
        metering.sell()
        assert checked() == []
        ((price_id,),) = metering.market.ask(
            "SELECT price_id FROM billing_templates WHERE tenant_id = :tenant_id AND id = 'pro-over'"
        )
        metering.market.dashboard.prices.update(price_id, params={"active": False})
        assert checked() == [("billing template pro-over", price_id, "repaired")]
    states = metering.market.ask("SELECT id, status FROM billing_templates WHERE tenant_id = :tenant_id ORDER BY id")
    assert states == [("pro-month", "ACTIVE"), ("pro-over", "INACTIVE")]


def test_many_templates_are_checked_in_parts(pro: Market) -> None:
    for number in range(60):
        pro.link("pro", pro.new_price(str(number)))
    before = len(pro.double.world.requests())
    assert (check_prices(run_seconds=0.0).more, check_prices(run_seconds=0.0).more) == (True, False)
    assert len(pro.double.world.requests()) - before == 2 * 61
    archive(pro)
    assert len(checked()) == 1


async def test_an_event_of_a_price_or_a_product_is_followed_at_once(pro: Market) -> None:
    checked()
    await pro.hear()
    archive(pro)
    assert await pro.hear() == ["price.updated"]
    assert template(pro)[0] == "INACTIVE"
    archive(pro, active=True)
    await pro.hear()
    assert template(pro)[0] == "ACTIVE"
    product_id = pro.gateway.price(pro.prices["pro"]).product_id
    pro.dashboard.products.update(product_id, params={"active": False})
    assert await pro.hear() == ["product.updated"]
    assert template(pro)[0] == "INACTIVE"


async def test_an_event_of_a_price_that_nothing_is_sold_at_asks_nothing(pro: Market) -> None:
    await pro.hear()
    other = pro.new_price("other")
    pro.dashboard.prices.update(other, params={"active": False})
    before = len(pro.double.world.requests())
    await pro.hear()
    assert (len(pro.double.world.requests()) - before, pro.waiting()) == (0, 0)


async def test_a_price_that_was_deleted_is_followed_at_once(pro: Market) -> None:
    await pro.hear()
    account = pro.double.world.account
    with account.lock:
        account.emit("price.deleted", account.state.objects["price"].pop(pro.prices["pro"]))
    assert await pro.hear() == ["price.deleted"]
    assert template(pro)[0] == "INACTIVE"


def test_events_are_asked_for_in_lists_of_20_types_at_most() -> None:
    many = [str(number) for number in range(45)]
    assert [len(group) for group in groups(many)] == [20, 20, 5]
    assert [each for group in groups(many) for each in group] == many
    assert [each for group in groups() for each in group] == list(LISTED_EVENTS)
