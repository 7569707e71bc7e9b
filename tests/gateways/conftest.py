"""A double of its own for each test, a gateway that asks it, and somebody who takes webhooks."""

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from app.gateways.stripe import StripeGateway
from app.gateways.stripe_double import StripeDouble
from tests.gateways.shop import Shop, open_shop
from tests.gateways.takers import Taker

API_KEY = "sk_test_of_the_tests"
SECRET = "whsec_of_the_tests_0123456789"


@pytest.fixture(scope="session", autouse=True)
def _straight_to_the_double() -> Iterator[None]:
    """The SDK heeds proxies of the environment, which have no business here."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NO_PROXY", "127.0.0.1")
        environment.setenv("no_proxy", "127.0.0.1")
        yield


@pytest.fixture
def double() -> Iterator[StripeDouble]:
    with StripeDouble(retries=(0.01, 0.02)) as started:
        yield started


@pytest.fixture
def gateway(double: StripeDouble) -> StripeGateway:
    """Tries once, so that a test sees each failure, and sees it at once."""
    return StripeGateway(API_KEY, base=double.url, webhook_secrets=[SECRET], tries_again=0, read_seconds=10)


@pytest.fixture
def dashboard(double: StripeDouble) -> Any:
    """What somebody does in Stripe's dashboard, by the SDK itself."""
    return stripe.StripeClient(API_KEY, base_addresses={"api": double.url}).v1


@pytest.fixture
def taker(double: StripeDouble) -> Iterator[Taker]:
    """Takes the double's webhooks, all of them."""
    with Taker() as started:
        double.world.send_webhooks_to(started.url, SECRET)
        yield started


@pytest.fixture
def shop(double: StripeDouble, gateway: StripeGateway) -> Shop:
    return open_shop(double, gateway)
