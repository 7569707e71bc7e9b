"""What the gateway asks of Stripe, and what it makes of the answers. Over HTTP, with the SDK."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.gateways.billing_errors import BillingNotConfiguredError, BillingNotFoundError, BillingRefusedError
from app.gateways.billing_shapes import (
    BillingInterval,
    CheckoutMode,
    CheckoutStatus,
    InvoiceStatus,
    NewCheckout,
    NewPrice,
    PaymentStatus,
    SubscriptionChange,
    SubscriptionStatus,
)
from app.gateways.stripe import StripeGateway, forget_gateway, stripe_gateway
from app.gateways.stripe_double import StripeDouble
from tests.environment import environment
from tests.gateways.shop import DAY, HOUR, Shop


def now_of(double: StripeDouble) -> datetime:
    return datetime.fromtimestamp(double.world.account.now(), UTC)


def test_a_price_is_read_as_it_was_made(gateway: StripeGateway) -> None:
    product = gateway.create_product("Pro", key="1", metadata={"package": "pro"})
    new = NewPrice(
        product_id=product.id,
        currency="eur",
        amount_minor=12_000,
        interval=BillingInterval.MONTH,
        interval_count=3,
        metadata={"template": "t1"},
    )
    made = gateway.create_price(new, key="2")
    assert gateway.price(made.id) == made
    assert (made.product_id, made.currency, made.amount_minor) == (product.id, "eur", 12_000)
    assert (made.interval, made.interval_count, made.meter_id) == (BillingInterval.MONTH, 3, None)
    assert (made.active, made.live, made.metadata) == (True, False, {"template": "t1"})
    assert gateway.product(product.id) == product
    assert (product.name, product.active, product.metadata) == ("Pro", True, {"package": "pro"})


def test_a_price_without_an_interval_is_paid_once(shop: Shop) -> None:
    assert shop.gateway.price(shop.once).interval is None
    assert shop.gateway.price(shop.monthly).interval is BillingInterval.MONTH


def test_a_customer_is_found_by_email_and_metadata_together(gateway: StripeGateway) -> None:
    stranger = gateway.find_or_create_customer(email="ann@example.com", name=None, metadata={"user": "1"}, key="1")
    ann = gateway.find_or_create_customer(email="ann@example.com", name="Ann", metadata={"user": "2"}, key="2")
    again = gateway.find_or_create_customer(email="ann@example.com", name="Ann", metadata={"user": "2"}, key="3")
    assert (stranger.id != ann.id, again) == (True, ann)
    assert (ann.email, ann.name, ann.metadata, ann.deleted) == ("ann@example.com", "Ann", {"user": "2"}, False)
    assert [each.id for each in gateway.customers(email="ann@example.com").items] == [ann.id, stranger.id]
    assert gateway.customers(email="ANN@example.com").items == []


def test_a_customer_without_an_email_is_made_once_for_a_key(gateway: StripeGateway) -> None:
    first = gateway.find_or_create_customer(email=None, name=None, metadata={"user": "1"}, key="1")
    assert gateway.find_or_create_customer(email=None, name=None, metadata={"user": "1"}, key="1") == first
    assert [each.id for each in gateway.customers().items] == [first.id]


def test_a_session_is_open_and_has_a_page(shop: Shop) -> None:
    session = shop.checkout()
    assert (session.status, session.payment_status) == (CheckoutStatus.OPEN, PaymentStatus.UNPAID)
    assert session.mode is CheckoutMode.SUBSCRIPTION
    assert session.url == f"{shop.double.url}/c/pay/{session.id}"
    assert (session.subscription_id, session.customer_id) == (None, None)
    assert (session.amount_total_minor, session.currency, session.live) == (5_000, "eur", False)
    assert (session.client_reference_id, session.metadata) == ("link_1", {"tenant": "test_demo", "user": "124"})
    assert session.expires_at - session.created_at == timedelta(hours=24)
    assert shop.gateway.checkout_session(session.id) == session


def test_a_paid_session_has_made_a_subscription_that_bears_our_metadata(shop: Shop) -> None:
    session = shop.checkout()
    shop.double.world.pay(session.id, email="ann@example.com")
    paid = shop.gateway.checkout_session(session.id)
    assert (paid.status, paid.payment_status, paid.url) == (CheckoutStatus.COMPLETE, PaymentStatus.PAID, None)
    assert paid.customer_email == "ann@example.com"
    subscription = shop.gateway.subscription(paid.subscription_id or "")
    assert (subscription.status, subscription.customer_id) == (SubscriptionStatus.ACTIVE, paid.customer_id)
    assert subscription.metadata == {"tenant": "test_demo", "user": "124"}
    (item,) = subscription.items
    assert (item.price.id, item.quantity) == (shop.monthly, 1)
    assert item.period_start == subscription.started_at == subscription.created_at
    invoice = shop.gateway.invoice(subscription.latest_invoice_id or "")
    assert (invoice.status, invoice.amount_paid_minor) == (InvoiceStatus.PAID, 5_000)
    assert (invoice.subscription_id, invoice.customer_id) == (subscription.id, paid.customer_id)
    assert shop.gateway.invoices(subscription_id=subscription.id).items == [invoice]


def test_who_buys_once_becomes_a_customer_and_gets_no_subscription(shop: Shop) -> None:
    session = shop.checkout(shop.once)
    shop.double.world.pay(session.id)
    paid = shop.gateway.checkout_session(session.id)
    assert (paid.mode, paid.payment_status) == (CheckoutMode.PAYMENT, PaymentStatus.PAID)
    assert paid.subscription_id is None
    assert paid.payment_intent_id is not None
    assert shop.gateway.customer(paid.customer_id or "").email == "buyer@example.com"


def test_a_known_customer_buys_as_that_customer(shop: Shop) -> None:
    customer = shop.gateway.find_or_create_customer(email="ann@example.com", name=None, metadata={}, key="ann")
    for number, price in enumerate((shop.monthly, shop.once)):
        session = shop.checkout(price, key=f"link:{number}", customer_id=customer.id)
        assert shop.double.world.pay(session.id)["customer"] == customer.id


def test_a_trial_asks_for_nothing_today(shop: Shop) -> None:
    session = shop.checkout(trial_days=14)
    assert session.amount_total_minor == 0
    shop.double.world.pay(session.id)
    paid = shop.gateway.checkout_session(session.id)
    assert paid.payment_status is PaymentStatus.NO_PAYMENT_REQUIRED
    subscription = shop.gateway.subscription(paid.subscription_id or "")
    assert subscription.status is SubscriptionStatus.TRIALING
    assert subscription.trial_end == subscription.items[0].period_end
    assert subscription.trial_end - subscription.started_at == timedelta(days=14)


def test_a_session_that_is_paid_later_is_complete_and_unpaid_until_the_bank_settles(shop: Shop) -> None:
    session = shop.checkout()
    shop.double.world.pay_later(session.id)
    waiting = shop.gateway.checkout_session(session.id)
    assert (waiting.status, waiting.payment_status) == (CheckoutStatus.COMPLETE, PaymentStatus.UNPAID)
    assert shop.gateway.subscription(waiting.subscription_id or "").status is SubscriptionStatus.INCOMPLETE
    shop.double.world.settle(session.id, paid=True)
    assert shop.gateway.checkout_session(session.id).payment_status is PaymentStatus.PAID
    assert shop.gateway.subscription(waiting.subscription_id or "").status is SubscriptionStatus.ACTIVE


def test_an_expired_session_cannot_be_paid(shop: Shop) -> None:
    session = shop.checkout()
    expired = shop.gateway.expire_checkout_session(session.id)
    assert (expired.status, expired.url) == (CheckoutStatus.EXPIRED, None)


def test_sessions_are_listed_by_status_time_and_what_was_bought(shop: Shop) -> None:
    closed, paid = shop.checkout(key="1"), shop.checkout(key="2")
    shop.gateway.expire_checkout_session(closed.id)
    bought = shop.double.world.pay(paid.id)["subscription"]
    shop.double.world.advance(HOUR)
    late = shop.checkout(key="3")
    ids = {
        "complete": [each.id for each in shop.gateway.checkout_sessions(status=CheckoutStatus.COMPLETE).items],
        "bought": [each.id for each in shop.gateway.checkout_sessions(subscription_id=bought).items],
        "since": [each.id for each in shop.gateway.checkout_sessions(created_from=late.created_at).items],
        "all": [each.id for each in shop.gateway.checkout_sessions().items],
    }
    assert ids == {"complete": [paid.id], "bought": [paid.id], "since": [late.id], "all": [late.id, paid.id, closed.id]}


def test_a_subscription_ends_with_its_period_or_not_after_all(shop: Shop) -> None:
    subscription = shop.subscribed()
    ending = shop.gateway.change_subscription(subscription.id, SubscriptionChange(cancel_at_period_end=True), key="1")
    assert (ending.status, ending.cancel_at_period_end) == (SubscriptionStatus.ACTIVE, True)
    assert ending.cancel_at == subscription.items[0].period_end
    going_on = shop.gateway.change_subscription(
        subscription.id, SubscriptionChange(cancel_at_period_end=False), key="2"
    )
    assert (going_on.cancel_at_period_end, going_on.cancel_at, going_on.canceled_at) == (False, None, None)


def test_a_subscription_ends_at_a_moment_that_is_not_its_own(shop: Shop) -> None:
    subscription = shop.subscribed()
    (item,) = subscription.items
    moment = item.period_end + timedelta(days=40)
    ending = shop.gateway.change_subscription(subscription.id, SubscriptionChange(cancel_at=moment), key="1")
    assert (ending.status, ending.cancel_at, ending.cancel_at_period_end) == ("active", moment, False)
    assert ending.items == [item]


def test_a_moment_that_is_over_is_none_to_end_at(shop: Shop) -> None:
    subscription = shop.subscribed()
    over = SubscriptionChange(cancel_at=subscription.started_at)
    with pytest.raises(BillingRefusedError):
        shop.gateway.change_subscription(subscription.id, over, key="1")
    assert shop.gateway.subscription(subscription.id) == subscription


def test_a_subscription_changes_its_price_and_keeps_its_item(shop: Shop) -> None:
    subscription = shop.subscribed()
    product = shop.gateway.price(shop.monthly).product_id
    dearer = shop.gateway.create_price(
        NewPrice(product_id=product, currency="eur", amount_minor=9_000, interval=BillingInterval.MONTH), key="dearer"
    )
    (item,) = subscription.items
    change = SubscriptionChange(item_id=item.id, price_id=dearer.id, prorate=False, metadata={"package": "team"})
    (changed,) = (it := shop.gateway.change_subscription(subscription.id, change, key="1")).items
    assert (changed.id, changed.price, changed.period_end) == (item.id, dearer, item.period_end)
    assert it.metadata == {"tenant": "test_demo", "user": "124", "package": "team"}


def test_a_cancelled_subscription_is_still_read_and_cannot_be_cancelled_again(shop: Shop) -> None:
    subscription = shop.subscribed()
    ended = shop.gateway.cancel_subscription(subscription.id)
    assert ended.status is SubscriptionStatus.CANCELED
    assert ended.ended_at is not None
    assert shop.gateway.subscription(subscription.id) == ended
    with pytest.raises(BillingNotFoundError):
        shop.gateway.cancel_subscription(subscription.id)


def test_all_subscriptions_of_a_customer_are_listed_ended_ones_too(shop: Shop) -> None:
    first = shop.subscribed(key="1")
    other = shop.subscribed(key="2")
    shop.gateway.cancel_subscription(first.id)
    assert [each.id for each in shop.gateway.subscriptions().items] == [other.id, first.id]
    assert [each.id for each in shop.gateway.subscriptions(customer_id=first.customer_id).items] == [first.id]


def test_a_deleted_customer_is_known_to_be_deleted(shop: Shop, dashboard: Any) -> None:
    customer = shop.gateway.find_or_create_customer(email="ann@example.com", name=None, metadata={}, key="ann")
    dashboard.customers.delete(customer.id)
    found = shop.gateway.customer(customer.id)
    assert (found.deleted, found.email, found.metadata) == (True, None, {})
    assert shop.gateway.customers().items == []


def test_events_are_listed_by_type_and_time_and_name_what_they_are_about(shop: Shop) -> None:
    before = now_of(shop.double)
    subscription = shop.subscribed()
    types = ["checkout.session.completed", "customer.subscription.created", "invoice.paid"]
    session, invoice, made = shop.gateway.events(types=types, created_from=before).items
    assert [session.type, invoice.type, made.type] == [
        "checkout.session.completed",
        "invoice.paid",
        "customer.subscription.created",
    ]
    assert [session.object_type, invoice.object_type, made.object_type] == [
        "checkout.session",
        "invoice",
        "subscription",
    ]
    assert {each.subscription_id for each in (session, invoice, made)} == {subscription.id}
    assert {each.customer_id for each in (session, invoice, made)} == {subscription.customer_id}
    assert (session.client_reference_id, made.object_id, made.live) == ("link_1", subscription.id, False)
    shop.double.world.advance(HOUR)
    assert shop.gateway.events(types=types, created_from=now_of(shop.double)).items == []


def test_a_customer_gets_a_page_to_look_after_subscriptions(shop: Shop) -> None:
    subscription = shop.subscribed()
    portal = shop.gateway.create_portal_session(subscription.customer_id, return_url="https://shop.example/account")
    assert portal.url == f"{shop.double.url}/p/session/{portal.id}"


def test_a_meter_counts_the_last_total_that_was_stated_for_an_hour(shop: Shop) -> None:
    subscription = shop.subscribed()
    meter = shop.gateway.create_meter("calls", name="API calls", key="meter")
    assert shop.gateway.meters().items == [meter]
    assert (meter.event_name, meter.name, meter.active) == ("calls", "API calls", True)
    hour = now_of(shop.double).replace(minute=0, second=0) - timedelta(hours=3)

    def state(value: int, hours: int, identifier: str) -> None:
        shop.gateway.send_meter_event(
            "calls",
            customer_id=subscription.customer_id,
            value=value,
            at=hour + timedelta(hours=hours, minutes=5),
            identifier=identifier,
        )

    state(10, 0, "hour0:1")
    state(12, 0, "hour0:2")
    state(5, 2, "hour2:1")
    found = shop.gateway.metered_usage(
        meter.id, customer_id=subscription.customer_id, start=hour, end=hour + timedelta(hours=3)
    )
    assert [(each.start, each.end, each.value) for each in found] == [
        (hour, hour + timedelta(hours=1), 12.0),
        (hour + timedelta(hours=2), hour + timedelta(hours=3), 5.0),
    ]


def test_a_meter_event_that_was_sent_before_is_no_error_also_after_its_key_is_forgotten(shop: Shop) -> None:
    subscription = shop.subscribed()
    shop.gateway.create_meter("calls", name="API calls", key="meter")
    at = now_of(shop.double)
    for _ in range(2):
        shop.gateway.send_meter_event(
            "calls", customer_id=subscription.customer_id, value=3, at=at, identifier="calls:1"
        )
        shop.double.world.advance(DAY + 1)
    assert len(shop.double.world.objects("billing.meter_event")) == 1


def test_overage_is_a_second_line_and_is_billed_when_the_period_is_over(shop: Shop) -> None:
    meter = shop.gateway.create_meter("calls", name="API calls", key="meter")
    product = shop.gateway.price(shop.monthly).product_id
    metered = shop.gateway.create_price(
        NewPrice(product_id=product, currency="eur", amount_minor=2, interval=BillingInterval.MONTH, meter_id=meter.id),
        key="metered",
    )
    assert metered.meter_id == meter.id
    session = shop.gateway.create_checkout_session(
        NewCheckout(
            price_id=shop.monthly, recurring=True, success_url="https://shop.example/", metered_price_ids=[metered.id]
        ),
        key="link",
    )
    paid = shop.double.world.pay(session.id)
    at = now_of(shop.double)
    shop.gateway.send_meter_event("calls", customer_id=paid["customer"], value=70, at=at, identifier="1")
    shop.double.world.renew(paid["subscription"])
    renewal, first = shop.gateway.invoices(subscription_id=paid["subscription"]).items
    assert (first.amount_paid_minor, renewal.amount_paid_minor) == (5_000, 5_140)
    subscription = shop.gateway.subscription(paid["subscription"])
    assert [(each.price.id, each.quantity) for each in subscription.items] == [(shop.monthly, 1), (metered.id, None)]


def test_an_endpoint_tells_its_secret_when_it_is_made(gateway: StripeGateway) -> None:
    target = gateway.create_webhook_endpoint("https://meterline.example/hooks", types=["invoice.paid"], key="1")
    assert target.url == "https://meterline.example/hooks"
    assert (target.secret or "").startswith("whsec_")


@pytest.mark.parametrize(("key", "live"), [("sk_test_1", False), ("rk_live_1", True), ("sk_live_1", True)])
def test_the_key_says_whether_real_money_moves(key: str, live: bool) -> None:
    assert StripeGateway(key).live is live


def test_the_gateway_of_the_process_is_made_from_the_settings_and_forgotten_at_a_fork(double: StripeDouble) -> None:
    with environment(METERLINE_ENV="development", STRIPE_API_KEY="sk_test_1", STRIPE_API_BASE=f"{double.url}/"):
        ours = stripe_gateway()
        assert ours.customers().items == []
        assert stripe_gateway() is ours
        forget_gateway()
        assert stripe_gateway() is not ours


def test_without_a_key_there_is_no_gateway() -> None:
    with (
        environment(METERLINE_ENV="development", STRIPE_API_KEY=None),
        pytest.raises(BillingNotConfiguredError, match="STRIPE_API_KEY is not set"),
    ):
        stripe_gateway()
