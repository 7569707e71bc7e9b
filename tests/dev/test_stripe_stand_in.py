"""`make dev` has a Stripe: the double, where it was, with what it knew."""

import socket
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from app.dev.example_shop import PRICES, USER
from app.dev.home import Home
from app.dev.stripe_stand_in import past_proxies, stand_in_settings, start_stand_in
from app.gateways.stripe import StripeGateway
from app.settings import Settings


def settings(**given: object) -> Settings:
    return Settings(METERLINE_ENV="development", **given)  # type: ignore[arg-type]


def gateway_of(found: dict[str, str]) -> StripeGateway:
    return StripeGateway(found["STRIPE_API_KEY"], base=found["STRIPE_API_BASE"])


def test_it_is_at_the_same_place_with_the_same_secret_and_objects_after_a_restart(home: Path) -> None:
    with ExitStack() as parts:
        first = start_stand_in(parts, Home(home), settings())
        product = gateway_of(first).create_product("Pro", key="1")
    with ExitStack() as parts:
        second = start_stand_in(parts, Home(home), settings())
        assert gateway_of(second).product(product.id) == product
    assert second == first == stand_in_settings(Home(home), settings())
    assert sorted(first) == ["STRIPE_API_BASE", "STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET"]


def test_what_the_example_data_sell_can_be_bought_there_once_however_often_it_is_started(home: Path) -> None:
    for _ in range(2):
        with ExitStack() as parts:
            gateway = gateway_of(start_stand_in(parts, Home(home), settings()))
            prices = gateway.prices().items
            customers = gateway.customers().items
    assert sorted((price.id, price.amount_minor, price.currency, price.interval) for price in prices) == sorted(
        (price.price_id, price.amount, price.currency, price.interval) for price in PRICES
    )
    assert [(customer.id, customer.email) for customer in customers] == [(USER.billing_id, USER.email)]


def test_it_makes_room_for_whoever_took_its_port(home: Path) -> None:
    with ExitStack() as parts:
        first = start_stand_in(parts, Home(home), settings())
    port = int(first["STRIPE_API_BASE"].rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)), ExitStack() as parts:
        second = start_stand_in(parts, Home(home), settings())
        assert len(gateway_of(second).prices().items) == len(PRICES)
    assert second["STRIPE_API_BASE"] != first["STRIPE_API_BASE"]


def test_its_webhooks_go_to_the_port_of_this_time_alone(home: Path) -> None:
    with ExitStack() as parts:
        start_stand_in(parts, Home(home), settings(PORT="8001"))
    with ExitStack() as parts:
        found = start_stand_in(parts, Home(home), settings(PORT="8002"))
        api = gateway_of(found)._api  # noqa: SLF001 — the gateway lists no endpoints
        urls = [each.url for each in api.webhook_endpoints.list().data]
    assert urls == ["http://127.0.0.1:8002/webhooks/stripe"]


def test_it_goes_by_the_moved_clock_like_everything_else(home: Path) -> None:
    with ExitStack() as parts:
        moved = settings(METERLINE_CLOCK="2031-01-31T00:00:00Z@2026-11-25T00:00:00Z")
        gateway = gateway_of(start_stand_in(parts, Home(home), moved))
        gateway.create_product("Pro", key="1")
        event = gateway.events(types=["product.created"], created_from=datetime(2031, 1, 31, tzinfo=UTC)).items[0]
        assert event.created_at >= datetime(2031, 1, 31, tzinfo=UTC)


def test_with_a_key_of_the_real_one_there_is_no_double(home: Path) -> None:
    home.mkdir(exist_ok=True)
    with ExitStack() as parts:
        assert start_stand_in(parts, Home(home), settings(STRIPE_API_KEY="sk_test_of_mine")) == {}
        assert stand_in_settings(Home(home), settings(STRIPE_API_KEY="sk_test_of_mine")) == {}
    assert list(home.iterdir()) == []


def test_a_proxy_is_not_asked_for_this_machine() -> None:
    assert past_proxies({"NO_PROXY": "a.example"}) == {
        "no_proxy": "a.example,127.0.0.1",
        "NO_PROXY": "a.example,127.0.0.1",
    }
    assert past_proxies({}) == {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
