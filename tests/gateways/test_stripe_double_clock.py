"""As the double's time goes on, everything happens that happens by itself at Stripe, each at its own moment."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.gateways.billing_shapes import SubscriptionChange
from app.gateways.stripe_double import StripeDouble
from app.gateways.stripe_double.dates import next_date
from tests.gateways.shop import DAY, HOUR, Shop


def status_of(double: StripeDouble, subscription_id: str) -> str:
    found = {each["id"]: each["status"] for each in double.world.objects("subscription")}
    return str(found[subscription_id])


def happened(double: StripeDouble, *, since: int = 0) -> list[str]:
    return [each["type"] for each in double.world.objects("event")[since:]]


def stamp(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("anchor", "interval", "count", "after", "expected"),
    [
        ("2026-01-31T10:00", "month", 1, "2026-01-31T10:00", "2026-02-28T10:00"),
        ("2026-01-31T10:00", "month", 1, "2026-02-28T10:00", "2026-03-31T10:00"),
        ("2026-01-31T10:00", "month", 3, "2026-01-31T10:00", "2026-04-30T10:00"),
        ("2024-02-29T10:00", "year", 1, "2024-02-29T10:00", "2025-02-28T10:00"),
        ("2026-01-31T10:00", "week", 2, "2026-01-31T10:00", "2026-02-14T10:00"),
        ("2026-01-31T10:00", "day", 1, "2026-01-31T09:59", "2026-01-31T10:00"),
    ],
)
def test_billing_dates_are_counted_from_the_anchor(
    anchor: str, interval: str, count: int, after: str, expected: str
) -> None:
    recurring = {"interval": interval, "interval_count": count}
    assert next_date(stamp(anchor), recurring, stamp(after)) == stamp(expected)


def test_a_renewal_is_invoiced_and_paid_at_its_moment(shop: Shop) -> None:
    subscription = shop.subscribed()
    before = len(happened(shop.double))
    (item,) = subscription.items
    shop.double.world.advance(40 * DAY)
    assert happened(shop.double, since=before) == [
        "invoice.created",
        "invoice.finalized",
        "customer.subscription.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
    ]
    moments = {each["created"] for each in shop.double.world.objects("event")[before:]}
    assert moments == {int(item.period_end.timestamp())}
    (renewed,) = shop.gateway.subscription(subscription.id).items
    assert renewed.period_start == item.period_end
    assert (renewed.id, renewed.period_end > item.period_end) == (item.id, True)


def test_a_year_is_twelve_renewals_however_it_is_advanced(shop: Shop) -> None:
    subscription = shop.subscribed()
    shop.double.world.advance(365 * DAY)
    assert len(shop.gateway.invoices(subscription_id=subscription.id).items) == 13
    assert (
        sum(each.amount_paid_minor for each in shop.gateway.invoices(subscription_id=subscription.id).items) == 65_000
    )


def test_the_last_period_before_an_arranged_end_costs_its_part(shop: Shop) -> None:
    subscription = shop.subscribed()
    (item,) = subscription.items
    ends_at = int(item.period_end.timestamp()) + 7 * DAY
    shop.gateway.change_subscription(
        subscription.id, SubscriptionChange(cancel_at=datetime.fromtimestamp(ends_at, UTC)), key="1"
    )
    shop.double.world.advance(70 * DAY)
    last, first = shop.gateway.invoices(subscription_id=subscription.id).items
    renewed = shop.gateway.subscription(subscription.id).items[0]
    whole = (renewed.period_end - renewed.period_start).days
    assert (first.amount_paid_minor, last.amount_paid_minor) == (5_000, round(5_000 * 7 / whole))
    assert status_of(shop.double, subscription.id) == "canceled"


def test_a_renewal_that_fails_is_tried_again_and_ends_in_the_end(shop: Shop) -> None:
    subscription = shop.subscribed()
    shop.double.world.fail_renewal(subscription.id)
    assert status_of(shop.double, subscription.id) == "past_due"
    for days in (3, 5):
        shop.double.world.advance(days * DAY)
        assert status_of(shop.double, subscription.id) == "past_due"
    shop.double.world.advance(7 * DAY)
    ended = shop.gateway.subscription(subscription.id)
    assert (ended.status, ended.ended_at is not None) == ("canceled", True)
    invoice = shop.gateway.invoice(ended.latest_invoice_id or "")
    assert (invoice.status, invoice.attempt_count, invoice.next_payment_attempt_at) == ("open", 4, None)
    assert happened(shop.double).count("invoice.payment_failed") == 4
    assert happened(shop.double)[-1] == "customer.subscription.deleted"


def test_a_failed_renewal_is_mended_by_a_new_card_at_the_next_try(shop: Shop) -> None:
    subscription = shop.subscribed()
    shop.double.world.fail_renewal(subscription.id)
    shop.double.world.set_card(subscription.customer_id, "good")
    shop.double.world.advance(3 * DAY)
    assert status_of(shop.double, subscription.id) == "active"


def test_a_failed_renewal_is_mended_by_paying_its_invoice(shop: Shop) -> None:
    subscription = shop.subscribed()
    failed = shop.double.world.fail_renewal(subscription.id)
    shop.double.world.set_card(subscription.customer_id, "good")
    shop.double.world.pay_invoice(failed["latest_invoice"])
    assert status_of(shop.double, subscription.id) == "active"


def test_a_card_that_will_fail_is_chosen_at_checkout(shop: Shop) -> None:
    subscription = shop.subscribed(card="declines")
    assert status_of(shop.double, subscription.id) == "active"
    shop.double.world.renew(subscription.id)
    assert status_of(shop.double, subscription.id) == "past_due"


def test_a_trial_is_warned_of_and_becomes_a_paid_period(shop: Shop) -> None:
    subscription = shop.subscribed(trial_days=14)
    shop.double.world.advance(10 * DAY)
    assert "customer.subscription.trial_will_end" not in happened(shop.double)
    shop.double.world.advance(DAY)
    assert happened(shop.double).count("customer.subscription.trial_will_end") == 1
    shop.double.world.advance(3 * DAY)
    assert status_of(shop.double, subscription.id) == "active"
    paid, trial = shop.gateway.invoices(subscription_id=subscription.id).items
    assert (trial.amount_paid_minor, paid.amount_paid_minor) == (0, 5_000)
    (item,) = shop.gateway.subscription(subscription.id).items
    assert item.period_start == subscription.trial_end


@pytest.mark.parametrize(
    ("behaviour", "status", "event"),
    [
        ("cancel", "canceled", "customer.subscription.deleted"),
        ("pause", "paused", "customer.subscription.paused"),
        ("create_invoice", "past_due", "customer.subscription.updated"),
    ],
)
def test_a_trial_without_a_card_ends_as_was_arranged(
    shop: Shop, dashboard: Any, behaviour: str, status: str, event: str
) -> None:
    customer = dashboard.customers.create({"email": "ann@example.com"})
    shop.double.world.set_card(customer.id, "none")
    subscription = dashboard.subscriptions.create(
        {
            "customer": customer.id,
            "items": [{"price": shop.monthly}],
            "trial_period_days": 7,
            "trial_settings": {"end_behavior": {"missing_payment_method": behaviour}},
        }
    )
    shop.double.world.advance(7 * DAY)
    assert status_of(shop.double, subscription.id) == status
    assert happened(shop.double)[-1] == event


def test_a_paused_subscription_goes_on_with_a_period_of_its_own(shop: Shop, dashboard: Any) -> None:
    customer = dashboard.customers.create({"email": "ann@example.com"})
    shop.double.world.set_card(customer.id, "none")
    end = {"end_behavior": {"missing_payment_method": "pause"}}
    subscription = dashboard.subscriptions.create(
        {"customer": customer.id, "items": [{"price": shop.monthly}], "trial_period_days": 7, "trial_settings": end}
    )
    shop.double.world.advance(90 * DAY)
    assert status_of(shop.double, subscription.id) == "paused"
    shop.double.world.set_card(customer.id, "good")
    resumed = dashboard.subscriptions.resume(subscription.id)
    assert resumed.status == "active"
    assert resumed["items"]["data"][0]["current_period_start"] == shop.double.world.account.now()


def test_a_session_expires_after_a_day(shop: Shop) -> None:
    session = shop.checkout()
    shop.double.world.advance(23 * HOUR)
    assert shop.gateway.checkout_session(session.id).status == "open"
    shop.double.world.advance(HOUR)
    expired = shop.gateway.checkout_session(session.id)
    assert (expired.status, expired.payment_status, expired.url) == ("expired", "unpaid", None)
    (event,) = [each for each in shop.double.world.objects("event") if each["type"] == "checkout.session.expired"]
    assert event["created"] == int(session.expires_at.timestamp())


def test_what_was_arranged_to_end_ends_with_its_period_and_is_not_renewed(shop: Shop) -> None:
    subscription = shop.subscribed()
    shop.double.world.arrange_end(subscription.id, at_period_end=True)
    shop.double.world.advance(60 * DAY)
    ended = shop.gateway.subscription(subscription.id)
    assert (ended.status, ended.ended_at) == ("canceled", subscription.items[0].period_end)
    assert len(shop.gateway.invoices(subscription_id=subscription.id).items) == 1


def test_a_first_payment_that_fails_is_waited_for_a_day(shop: Shop, dashboard: Any) -> None:
    customer = dashboard.customers.create({"email": "ann@example.com"})
    shop.double.world.set_card(customer.id, "declines")
    subscription = dashboard.subscriptions.create({"customer": customer.id, "items": [{"price": shop.monthly}]})
    assert subscription.status == "incomplete"
    shop.double.world.advance(22 * HOUR)
    assert status_of(shop.double, subscription.id) == "incomplete"
    shop.double.world.advance(HOUR)
    assert status_of(shop.double, subscription.id) == "incomplete_expired"


def test_a_bank_may_take_days_and_its_refusal_ends_the_subscription(shop: Shop) -> None:
    session = shop.checkout()
    waiting = shop.double.world.pay_later(session.id)
    shop.double.world.advance(4 * DAY)
    assert status_of(shop.double, waiting["subscription"]) == "incomplete"
    shop.double.world.settle(session.id, paid=False)
    shop.double.world.advance(HOUR)
    assert status_of(shop.double, waiting["subscription"]) == "incomplete_expired"
    assert shop.gateway.checkout_session(session.id).payment_status == "unpaid"


def test_a_bank_that_pays_after_days_starts_the_subscription(shop: Shop) -> None:
    session = shop.checkout()
    waiting = shop.double.world.pay_later(session.id)
    shop.double.world.advance(4 * DAY)
    shop.double.world.settle(session.id, paid=True)
    assert status_of(shop.double, waiting["subscription"]) == "active"
    shop.double.world.advance(40 * DAY)
    assert status_of(shop.double, waiting["subscription"]) == "active"


def test_while_collection_is_paused_nothing_is_charged_and_the_status_does_not_tell(shop: Shop, dashboard: Any) -> None:
    subscription = shop.subscribed()
    dashboard.subscriptions.update(subscription.id, {"pause_collection": {"behavior": "void"}})
    assert shop.gateway.subscription(subscription.id).collection_paused is True
    shop.double.world.renew(subscription.id)
    renewed = shop.gateway.subscription(subscription.id)
    assert (renewed.status, shop.gateway.invoice(renewed.latest_invoice_id or "").status) == ("active", "void")
    dashboard.subscriptions.update(subscription.id, {"pause_collection": ""})
    assert shop.gateway.subscription(subscription.id).collection_paused is False


def test_a_price_of_another_interval_begins_a_period_and_is_charged_at_once(shop: Shop, dashboard: Any) -> None:
    subscription = shop.subscribed()
    product = shop.gateway.price(shop.monthly).product_id
    yearly = dashboard.prices.create(
        {"product": product, "currency": "eur", "unit_amount": 50_000, "recurring": {"interval": "year"}}
    )
    shop.double.world.advance(10 * DAY)
    now = shop.double.world.account.now()
    changed = dashboard.subscriptions.update(
        subscription.id, {"items": [{"id": subscription.items[0].id, "price": yearly.id}]}
    )
    (item,) = changed["items"]["data"]
    assert (item["id"], item["price"]["id"]) == (subscription.items[0].id, yearly.id)
    assert item["current_period_start"] - now in (0, 1)
    assert shop.gateway.invoice(changed.latest_invoice).amount_paid_minor == 50_000
