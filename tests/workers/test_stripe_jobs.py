"""From a payment to access through real processes: the double's webhooks come to web, and a worker looks at the double."""

import socket

import httpx
import pytest

from app import jobs
from app.gateways.stripe import StripeGateway
from app.gateways.stripe_double import StripeDouble
from app.gateways.stripe_double.deliveries import WebhookFaults
from app.services.stripe_subscriptions import copy_subscription
from tests.gateways.takers import Taker
from tests.services.shop import Shop
from tests.stripe.market import API_KEY, SECRET, Market
from tests.tenants import Tenant
from tests.workers.stage import Stage

pytestmark = pytest.mark.processes


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).is_success
    except httpx.TransportError:
        return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def test_what_is_paid_is_access_within_seconds_even_if_webhooks_are_lost(
    stage: Stage, shop: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    port = free_port()
    with StripeDouble(retries=(0.1, 0.2)) as double, Taker() as nobody:
        gateway = StripeGateway(API_KEY, base=double.url)
        market = Market(Shop(shop.actor), shop.app_id, double, gateway, nobody, None)
        market.sell("pro", 1_000)
        market.shop.user()
        stage.start(
            "web",
            "worker",
            "beat",
            with_rows=False,
            PORT=str(port),
            WEB_CONCURRENCY="1",
            STRIPE_API_KEY=API_KEY,
            STRIPE_API_BASE=double.url,
            STRIPE_WEBHOOK_SECRET=SECRET,
            SCHEDULE_STRIPE_CATCH_UP_EVENTS="1",
        )
        double.world.send_webhooks_to(f"http://127.0.0.1:{port}/webhooks/stripe", SECRET)
        stage.until(lambda: answers(port))

        paid = double.world.pay(market.checkout("pro").id)
        stage.until(lambda: market.states() == [("pro", "ACTIVE")])
        assert market.may(1_000)

        double.world.break_webhooks(WebhookFaults(drop_rate=1.0))
        double.world.fail_renewal(paid["subscription"])
        double.world.advance(3_600)
        stage.until(lambda: market.states() == [("pro", "PAST_DUE")])
        assert not market.may()


def test_what_was_cancelled_while_the_broker_was_away_is_ended_at_stripe_by_the_sweep(
    stage: Stage, shop: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with StripeDouble() as double, Taker() as nobody:
        gateway = StripeGateway(API_KEY, base=double.url)
        market = Market(Shop(shop.actor), shop.app_id, double, gateway, nobody, None)
        market.sell("pro", 1_000)
        market.shop.user()
        paid = double.world.pay(market.checkout("pro").id)
        copy_subscription(gateway, paid["subscription"])
        (held,) = market.shop.subscriptions()
        market.shop.cancel(held.id)
        assert jobs.wait_until_sent(10)
        # The message is lost, and was sent a minute ago.
        stage.lose_messages()
        stage.execute("UPDATE subscription_requests SET sent_at = sent_at - interval '1 minute'")
        stage.start(
            "worker",
            "beat",
            STRIPE_API_KEY=API_KEY,
            STRIPE_API_BASE=double.url,
            SCHEDULE_STRIPE_SWEEP_REQUESTS="0.5",
        )
        stage.until(lambda: market.states() == [("pro", "CANCELLED")])
        assert gateway.subscription(paid["subscription"]).status == "canceled"
