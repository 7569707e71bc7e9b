"""A double of Stripe with its webhooks, and a shop whose subscriptions are copies of the double's."""

from collections.abc import Iterator

import pytest
import stripe
from freezegun import freeze_time

from app import clock
from app.gateways.stripe import StripeGateway
from app.gateways.stripe_double import StripeDouble
from app.settings import settings
from tests.environment import environment
from tests.gateways.takers import Taker
from tests.services.shop import Shop
from tests.stripe.market import API_KEY, SECRET, Market
from tests.stripe.metering import BEGAN, Metering
from tests.tenants import Tenant


@pytest.fixture
def double() -> Iterator[StripeDouble]:
    with StripeDouble(retries=(0.01, 0.02)) as started:
        yield started


@pytest.fixture
def market(product: str, tenant: Tenant, double: StripeDouble) -> Iterator[Market]:
    with (
        environment(
            STRIPE_API_KEY=API_KEY,
            STRIPE_API_BASE=double.url,
            STRIPE_WEBHOOK_SECRET=SECRET,
            NO_PROXY="127.0.0.1",
            no_proxy="127.0.0.1",
        ),
        Taker() as taker,
    ):
        double.world.send_webhooks_to(taker.url, SECRET)
        gateway = StripeGateway(API_KEY, base=double.url, tries_again=0)
        dashboard = stripe.StripeClient(API_KEY, base_addresses={"api": double.url}).v1
        yield Market(Shop(tenant.actor), tenant.app_id, double, gateway, taker, dashboard)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Callers do not wait for workers at all."""
    monkeypatch.setenv("SUBSCRIPTION_LINK_WAIT_SECONDS", "0")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def metering(product: str, tenant: Tenant) -> Iterator[Metering]:
    with (
        environment(NO_PROXY="127.0.0.1", no_proxy="127.0.0.1"),
        freeze_time(BEGAN) as time,
        StripeDouble(clock=lambda: clock.now().timestamp()) as double,
        Taker() as nobody,
    ):
        gateway = StripeGateway(API_KEY, base=double.url, tries_again=0)
        dashboard = stripe.StripeClient(API_KEY, base_addresses={"api": double.url}).v1
        # Nothing of other tests waits to be told: it would be told to this test's double.
        Market.change("DELETE FROM metered_items")
        market = Market(Shop(tenant.actor), tenant.app_id, double, gateway, nobody, dashboard)
        yield Metering(market, time.move_to)


@pytest.fixture
def pro(metering: Metering) -> Metering:
    """Ada has bought 100 calls a month, and pays for more."""
    metering.sell()
    metering.buy()
    return metering
