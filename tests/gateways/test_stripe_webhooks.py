"""The double's webhooks come to whoever wants them, signed so that the gateway believes them, and get lost when a test wants."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe

from app.gateways.billing_errors import BillingSignatureError
from app.gateways.stripe import StripeGateway
from app.gateways.stripe_double import StripeDouble
from app.gateways.stripe_double.deliveries import WebhookFaults
from tests.gateways.conftest import API_KEY, SECRET
from tests.gateways.shop import Shop
from tests.gateways.takers import Taker
from tests.until import until


def now() -> datetime:
    return datetime.now(UTC)


async def settled(double: StripeDouble) -> None:
    await until(lambda: double.world.overview().webhooks_waiting == 0)


async def test_a_webhook_is_believed_and_says_what_it_is_about(shop: Shop, taker: Taker) -> None:
    subscription = shop.subscribed()
    await settled(shop.double)
    found = [shop.gateway.verified_event(each.body, each.signature, now=now()) for each in taker.taken]
    completed = next(each for each in found if each.type == "checkout.session.completed")
    assert (completed.object_type, completed.subscription_id) == ("checkout.session", subscription.id)
    assert (completed.customer_id, completed.client_reference_id) == (subscription.customer_id, "link_1")
    assert (completed.live, completed.id.startswith("evt_")) == (False, True)
    assert [each["id"] for each in shop.double.world.objects("event")][-len(found) :] == [each.id for each in found]


async def test_the_sdk_believes_it_too(shop: Shop, taker: Taker) -> None:
    shop.subscribed()
    await settled(shop.double)
    for each in taker.taken:
        assert stripe.Webhook.construct_event(each.body, each.signature, SECRET, api_key=API_KEY)["object"] == "event"


async def test_another_secret_an_old_one_a_future_one_and_another_body_are_refused(
    double: StripeDouble, gateway: StripeGateway, taker: Taker
) -> None:
    gateway.create_product("Pro", key="1")
    await settled(double)
    (taken,) = taker.taken
    stranger = StripeGateway(API_KEY, webhook_secrets=["whsec_of_somebody_else"])
    refused: list[Callable[[], object]] = [
        lambda: stranger.verified_event(taken.body, taken.signature, now=now()),
        lambda: gateway.verified_event(taken.body, taken.signature, now=now() + timedelta(minutes=6)),
        lambda: gateway.verified_event(taken.body, taken.signature, now=now() - timedelta(minutes=6)),
        lambda: gateway.verified_event(taken.body.replace(b"Pro", b"Pru"), taken.signature, now=now()),
        lambda: gateway.verified_event(json.dumps(json.loads(taken.body)).encode(), taken.signature, now=now()),
        lambda: gateway.verified_event(taken.body, None, now=now()),
    ]
    for attempt in refused:
        with pytest.raises(BillingSignatureError):
            attempt()
    assert gateway.verified_event(taken.body, taken.signature, now=now()).type == "product.created"


async def test_during_a_roll_the_old_and_the_new_secret_both_open_it(double: StripeDouble, taker: Taker) -> None:
    (endpoint,) = double.world.objects("webhook_endpoint")
    secret = double.world.roll_secret(endpoint["id"])
    old, new, both = (
        StripeGateway(API_KEY, base=double.url, webhook_secrets=secrets)
        for secrets in ([SECRET], [secret], [secret, SECRET])
    )
    old.create_product("Pro", key="1")
    await settled(double)
    double.world.end_roll(endpoint["id"])
    old.create_product("Team", key="2")
    await settled(double)
    during, after = taker.taken
    for gateway in (old, new, both):
        assert gateway.verified_event(during.body, during.signature, now=now()).type == "product.created"
    assert new.verified_event(after.body, after.signature, now=now()).type == "product.created"
    with pytest.raises(BillingSignatureError):
        old.verified_event(after.body, after.signature, now=now())


@pytest.mark.parametrize("body", [b"{}", b'{"id":"evt_1","type":"a","created":"x","livemode":true}', b'{"data":[]}'])
def test_a_signed_body_that_is_no_event_is_refused(gateway: StripeGateway, body: bytes) -> None:
    header = stripe.WebhookSignature.generate_signature_header(body.decode(), SECRET, int(time.time()))
    with pytest.raises(BillingSignatureError, match="not an event"):
        gateway.verified_event(body, header, now=now())


def test_a_thin_event_says_what_it_is_about(gateway: StripeGateway) -> None:
    body = (
        '{"id":"evt_1","object":"v2.core.event","type":"v1.billing.meter.error_report_triggered","livemode":false,'
        '"created":"2026-11-25T10:00:00.000Z","related_object":{"id":"mtr_1","type":"billing.meter","url":"/v1"}}'
    )
    header = stripe.WebhookSignature.generate_signature_header(body, SECRET, int(time.time()))
    event = gateway.verified_event(body.encode(), header, now=now())
    assert (event.object_type, event.object_id) == ("billing.meter", "mtr_1")
    assert event.created_at == datetime(2026, 11, 25, 10, tzinfo=UTC)


def test_an_invoice_of_an_older_version_names_its_subscription_too(gateway: StripeGateway) -> None:
    body = (
        '{"id":"evt_1","object":"event","type":"invoice.paid","livemode":false,"created":1,"data":{"object":'
        '{"id":"in_1","object":"invoice","subscription":"sub_1","customer":{"id":"cus_1","object":"customer"}}}}'
    )
    header = stripe.WebhookSignature.generate_signature_header(body, SECRET, int(time.time()))
    event = gateway.verified_event(body.encode(), header, now=now())
    assert (event.object_id, event.subscription_id, event.customer_id) == ("in_1", "sub_1", "cus_1")


async def test_endpoints_get_the_types_that_they_want(
    double: StripeDouble, gateway: StripeGateway, dashboard: Any
) -> None:
    with Taker() as prices, Taker() as everything:
        gateway.create_webhook_endpoint(prices.url, types=["price.created"], key="1")
        gateway.create_webhook_endpoint(everything.url, types=["*"], key="2")
        product = gateway.create_product("Pro", key="3")
        dashboard.prices.create({"product": product.id, "currency": "eur", "unit_amount": 5})
        await settled(double)
        assert prices.types == ["price.created"]
        assert everything.types == ["product.created", "price.created"]


async def test_what_is_not_taken_is_sent_again_and_counts_as_pending_until_then(
    double: StripeDouble, gateway: StripeGateway, dashboard: Any, taker: Taker
) -> None:
    taker.refuse = 2
    gateway.create_product("Pro", key="1")
    await settled(double)
    assert (taker.refused, taker.types) == (2, ["product.created"])
    assert [each["pending_webhooks"] for each in double.world.objects("event")] == [0]
    taker.refuse = 99
    gateway.create_product("Team", key="2")
    await settled(double)
    tally = double.world.overview().webhooks
    assert (tally.delivered, tally.failed) == (1, 1)
    pending = dashboard.events.list({"delivery_success": False})
    assert [each.data["object"]["name"] for each in pending.data] == ["Team"]


async def test_webhooks_are_lost_and_doubled_by_number(
    double: StripeDouble, gateway: StripeGateway, taker: Taker
) -> None:
    double.world.break_webhooks(WebhookFaults(drop=1, double=1))
    for name in ("lost", "twice", "once"):
        gateway.create_product(name, key=name)
    await settled(double)
    assert [each.event["data"]["object"]["name"] for each in taker.taken] == ["twice", "twice", "once"]
    assert double.world.overview().webhooks.dropped == 1
    assert len(double.world.objects("event")) == 3


async def test_held_webhooks_leave_when_they_may_and_shuffled_in_another_order(
    double: StripeDouble, gateway: StripeGateway, taker: Taker
) -> None:
    double.world.break_webhooks(WebhookFaults(hold=True))
    for number in range(20):
        gateway.create_product(str(number), key=str(number))
    assert (taker.taken, double.world.overview().webhooks_waiting) == ([], 20)
    double.world.break_webhooks(WebhookFaults(shuffle=True, seed=1))
    await settled(double)
    in_order = [each["id"] for each in double.world.objects("event")]
    assert sorted(taker.ids) == sorted(in_order)
    assert taker.ids != in_order


async def test_by_chance_the_same_seed_loses_the_same(
    double: StripeDouble, gateway: StripeGateway, taker: Taker
) -> None:
    async def arrived(run: str) -> list[str]:
        del taker.taken[:]
        double.world.break_webhooks(WebhookFaults(drop_rate=0.3, double_rate=0.2, seed=7))
        for number in range(40):
            gateway.create_product(str(number), key=f"{run}{number}")
        await settled(double)
        return [each.event["data"]["object"]["name"] for each in taker.taken]

    first = await arrived("a")
    assert first == await arrived("b")
    assert 20 < len(set(first)) < 40
    assert len(first) > len(set(first))


async def test_a_disabled_endpoint_and_a_deleted_one_get_nothing(
    double: StripeDouble, gateway: StripeGateway, dashboard: Any, taker: Taker
) -> None:
    (endpoint,) = double.world.objects("webhook_endpoint")
    api = dashboard.webhook_endpoints
    api.update(endpoint["id"], {"disabled": True})
    gateway.create_product("Pro", key="1")
    api.update(endpoint["id"], {"disabled": False})
    double.world.break_webhooks(WebhookFaults(hold=True))
    gateway.create_product("Team", key="2")
    api.delete(endpoint["id"])
    double.world.break_webhooks(WebhookFaults())
    await settled(double)
    assert taker.taken == []
