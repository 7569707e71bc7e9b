"""The double's objects and parameters are those of the API version that the SDK is made for."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import stripe

from app.gateways.stripe import API_VERSION
from app.gateways.stripe_double import StripeDouble, account
from app.gateways.stripe_double.parameters import Choice, ListOf, OrEmpty, Parameters, Reader
from app.gateways.stripe_double.routes import ROUTES, Route
from tests.gateways import sdk_shapes
from tests.gateways.sdk_shapes import Scope
from tests.gateways.shop import DAY, HOUR, MONTH

# Where the SDK keeps the parameters of a route. Those with no entry have none of ours.
PARAMETERS = {
    "POST /v1/products": "_product_create_params.ProductCreateParams",
    "GET /v1/products": "_product_list_params.ProductListParams",
    "POST /v1/products/:id": "_product_update_params.ProductUpdateParams",
    "POST /v1/prices": "_price_create_params.PriceCreateParams",
    "GET /v1/prices": "_price_list_params.PriceListParams",
    "POST /v1/prices/:id": "_price_update_params.PriceUpdateParams",
    "POST /v1/customers": "_customer_create_params.CustomerCreateParams",
    "GET /v1/customers": "_customer_list_params.CustomerListParams",
    "POST /v1/customers/:id": "_customer_update_params.CustomerUpdateParams",
    "POST /v1/checkout/sessions": "checkout._session_create_params.SessionCreateParams",
    "GET /v1/checkout/sessions": "checkout._session_list_params.SessionListParams",
    "POST /v1/checkout/sessions/:id": "checkout._session_update_params.SessionUpdateParams",
    "GET /v1/checkout/sessions/:id/line_items": "checkout._session_line_item_list_params.SessionLineItemListParams",
    "POST /v1/subscriptions": "_subscription_create_params.SubscriptionCreateParams",
    "GET /v1/subscriptions": "_subscription_list_params.SubscriptionListParams",
    "POST /v1/subscriptions/:id": "_subscription_update_params.SubscriptionUpdateParams",
    "DELETE /v1/subscriptions/:id": "_subscription_cancel_params.SubscriptionCancelParams",
    "GET /v1/subscription_items": "_subscription_item_list_params.SubscriptionItemListParams",
    "GET /v1/invoices": "_invoice_list_params.InvoiceListParams",
    "GET /v1/events": "_event_list_params.EventListParams",
    "POST /v1/webhook_endpoints": "_webhook_endpoint_create_params.WebhookEndpointCreateParams",
    "GET /v1/webhook_endpoints": "_webhook_endpoint_list_params.WebhookEndpointListParams",
    "POST /v1/webhook_endpoints/:id": "_webhook_endpoint_update_params.WebhookEndpointUpdateParams",
    "POST /v1/billing/meters": "billing._meter_create_params.MeterCreateParams",
    "GET /v1/billing/meters": "billing._meter_list_params.MeterListParams",
    "GET /v1/billing/meters/:id/event_summaries": "billing._meter_event_summary_list_params.MeterEventSummaryListParams",
    "POST /v1/billing/meter_events": "billing._meter_event_create_params.MeterEventCreateParams",
    "POST /v1/billing/meter_event_adjustments": "billing._meter_event_adjustment_create_params.MeterEventAdjustmentCreateParams",
    "POST /v1/billing_portal/sessions": "billing_portal._session_create_params.SessionCreateParams",
}


class Recording(stripe.RequestsClient):
    """Keeps what every call was answered."""

    def __init__(self) -> None:
        super().__init__(timeout=5)
        self.answers: list[tuple[str, str, Any]] = []

    def request(self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None) -> Any:
        body, status, answered = super().request(method, url, headers, post_data)
        self.answers.append((method.upper(), url.partition("?")[0], json.loads(body)))
        return body, status, answered


def everything_asked(double: StripeDouble) -> Recording:
    """One call of each route at least, on objects in as many states as there are."""
    recording = Recording()
    client = stripe.StripeClient("sk_test_shapes", base_addresses={"api": double.url}, http_client=recording)
    api = client.v1
    world = double.world
    endpoint = api.webhook_endpoints.create({"url": "http://127.0.0.1:9/", "enabled_events": ["none.at_all"]})
    api.webhook_endpoints.update(endpoint.id, {"description": "nobody"})
    api.webhook_endpoints.retrieve(endpoint.id)
    api.webhook_endpoints.list()

    meter = api.billing.meters.create(
        {
            "display_name": "Calls",
            "event_name": "calls",
            "default_aggregation": {"formula": "sum"},
            "event_time_window": "hour",
        }
    )
    product = api.products.create({"name": "Pro", "metadata": {"a": "b"}})
    api.products.update(product.id, {"description": "For professionals"})
    monthly = api.prices.create(
        {"currency": "eur", "product": product.id, "unit_amount": 5_000, "recurring": {"interval": "month"}}
    )
    metered = api.prices.create(
        {
            "currency": "eur",
            "product_data": {"name": "Calls"},
            "unit_amount": 2,
            "recurring": {"interval": "month", "usage_type": "metered", "meter": meter.id},
        }
    )
    once = api.prices.create({"currency": "eur", "product": product.id, "unit_amount": 900})
    api.prices.update(once.id, {"nickname": "Once"})

    customer = api.customers.create({"email": "ann@example.com", "name": "Ann", "metadata": {"user": "1"}})
    api.customers.update(customer.id, {"phone": "+441"})
    urls: Any = {"success_url": "https://shop.example/", "cancel_url": "https://shop.example/"}
    lines: Any = [{"price": monthly.id, "quantity": 1}, {"price": metered.id}]
    subscribing = api.checkout.sessions.create(
        {**urls, "mode": "subscription", "line_items": lines, "subscription_data": {"metadata": {"a": "b"}}}
    )
    trying = api.checkout.sessions.create(
        {
            **urls,
            "mode": "subscription",
            "line_items": lines,
            "customer": customer.id,
            "subscription_data": {"trial_period_days": 14},
        }
    )
    buying = api.checkout.sessions.create(
        {**urls, "mode": "payment", "line_items": [{"price": once.id, "quantity": 2}], "customer_creation": "always"}
    )
    delayed = api.checkout.sessions.create({**urls, "mode": "subscription", "line_items": lines})
    closed = api.checkout.sessions.create({**urls, "mode": "subscription", "line_items": lines})
    api.checkout.sessions.update(closed.id, {"metadata": {"why": "closed"}})
    api.checkout.sessions.expire(closed.id)
    api.checkout.sessions.line_items.list(buying.id)
    api.checkout.sessions.retrieve(buying.id, {"expand": ["line_items.data.price.product"]})
    for session in (subscribing, trying, buying):
        world.pay(session.id)
    world.pay_later(delayed.id)
    world.settle(delayed.id, paid=False)
    for session in (subscribing, trying, buying, delayed):
        api.checkout.sessions.retrieve(session.id, {"expand": ["customer", "subscription.latest_invoice", "invoice"]})

    subscription = api.subscriptions.create(
        {"customer": customer.id, "items": [{"price": monthly.id}, {"price": metered.id}]}
    )
    api.billing.meter_events.create(
        {"event_name": "calls", "payload": {"stripe_customer_id": customer.id, "value": "7"}, "identifier": "calls:1"}
    )
    api.billing.meter_events.create(
        {"event_name": "calls", "payload": {"stripe_customer_id": customer.id, "value": "9"}, "identifier": "calls:2"}
    )
    api.billing.meter_event_adjustments.create(
        {"event_name": "calls", "type": "cancel", "cancel": {"identifier": "calls:2"}}
    )
    start = world.account.now() // HOUR * HOUR
    api.billing.meters.event_summaries.list(
        meter.id,
        {"customer": customer.id, "start_time": start, "end_time": start + HOUR, "value_grouping_window": "hour"},
    )
    api.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    api.subscriptions.update(subscription.id, {"cancel_at_period_end": False})
    api.subscriptions.update(subscription.id, {"pause_collection": {"behavior": "void"}})
    api.subscriptions.update(subscription.id, {"pause_collection": ""})
    world.set_card(customer.id, "declines")
    world.advance(MONTH)
    failed = api.invoices.list({"customer": customer.id, "status": "open"}).data[0]
    world.set_card(customer.id, "good")
    api.invoices.pay(failed.id)
    api.subscriptions.cancel(subscription.id)
    waiting = api.subscriptions.create(
        {
            "customer": customer.id,
            "items": [{"price": monthly.id}],
            "trial_period_days": 1,
            "trial_settings": {"end_behavior": {"missing_payment_method": "pause"}},
        }
    )
    world.set_card(customer.id, "none")
    world.advance(2 * DAY)
    api.subscriptions.retrieve(waiting.id)
    world.set_card(customer.id, "good")
    api.subscriptions.resume(waiting.id)
    api.billing_portal.sessions.create({"customer": customer.id, "return_url": "https://shop.example/"})

    api.products.retrieve(product.id)
    api.prices.retrieve(once.id)
    api.customers.retrieve(customer.id)
    api.invoices.retrieve(failed.id)
    api.billing.meters.retrieve(meter.id)
    for each in (api.products, api.prices, api.customers, api.invoices, api.billing.meters, api.checkout.sessions):
        each.list({"limit": 100})
    api.subscriptions.list({"status": "all", "expand": ["data.customer"]})
    api.subscription_items.list({"subscription": subscription.id})
    found = api.events.list({"limit": 100})
    api.events.retrieve(found.data[0].id)
    api.billing.meters.deactivate(meter.id)
    api.billing.meters.reactivate(meter.id)
    api.customers.delete(customer.id)
    api.customers.retrieve(customer.id)
    api.billing.meter_events.create(
        {"event_name": "calls", "payload": {"stripe_customer_id": customer.id, "value": "5"}, "identifier": "calls:3"}
    )
    world.find_no_meter("calls:4")
    for each in world.objects("v2.core.event"):
        client.v2.core.events.retrieve(each["id"])
    api.webhook_endpoints.delete(endpoint.id)
    return recording


@pytest.fixture(scope="module")
def recorded() -> Iterator[tuple[StripeDouble, Recording]]:
    with StripeDouble() as double:
        yield double, everything_asked(double)


def test_the_version_is_the_one_that_the_sdk_is_made_for() -> None:
    assert API_VERSION == account.API_VERSION == stripe.api_version


def test_every_answer_is_as_the_sdks_classes_say(recorded: tuple[StripeDouble, Recording]) -> None:
    _, recording = recorded
    found = {
        f"{method} {url.partition('/v1')[2]}: {problem}"
        for method, url, body in recording.answers
        if not body.get("deleted")
        for problem in sdk_shapes.problems(body)
    }
    assert found == set()


def test_what_events_carry_is_as_the_sdks_classes_say(recorded: tuple[StripeDouble, Recording]) -> None:
    double, _ = recorded
    events = double.world.objects("event")
    found = {f"{each['type']}: {problem}" for each in events for problem in sdk_shapes.problems(each["data"]["object"])}
    assert found == set()
    assert {each["type"] for each in events} >= {
        "checkout.session.completed",
        "checkout.session.expired",
        "checkout.session.async_payment_failed",
        "customer.subscription.created",
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.resumed",
        "customer.subscription.trial_will_end",
        "invoice.paid",
        "invoice.payment_failed",
        "price.updated",
        "customer.deleted",
    }


def test_every_route_was_asked(recorded: tuple[StripeDouble, Recording]) -> None:
    double, recording = recorded
    asked = [(method, url.removeprefix(double.url)) for method, url, _ in recording.answers]
    left = [
        f"{route.method} {route.path}"
        for route in ROUTES
        if not any(route.ids_in(method, path) is not None for method, path in asked)
    ]
    assert left == []


def test_a_wrong_object_would_be_noticed() -> None:
    good = {"object": "billing.meter_event", "created": 1, "event_name": "a", "identifier": "b", "livemode": False}
    assert sdk_shapes.problems({**good, "payload": {}, "timestamp": 1}) == []
    assert sdk_shapes.problems({**good, "payload": [], "extra": 1}) == [
        "billing.meter_event.extra: unknown",
        "billing.meter_event.payload: not an object",
        "billing.meter_event.timestamp: missing",
    ]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_parameter_is_one_of_stripes(route: Route) -> None:
    place = PARAMETERS.get(f"{route.method} {route.path}")
    ours = route.parameters
    if place is None:
        assert (ours.required, ours.optional) == ({}, {})
        return
    module, _, name = place.rpartition(".")
    assert list(_strangers(ours, sdk_shapes.top_level(f"stripe.params.{module}", name), "")) == []


def _strangers(ours: Parameters, theirs: Scope, where: str) -> Iterator[str]:
    fields = theirs.fields
    for name, reader in {**ours.required, **ours.optional}.items():
        if name not in fields:
            yield f"{where}{name}: unknown"
        else:
            yield from _differences(reader, fields[name], theirs, f"{where}{name}")
    for name, annotation in fields.items():
        if not ast.unparse(annotation).strip("'\"").startswith("NotRequired") and name not in ours.required:
            yield f"{where}{name}: required"


def _differences(reader: Reader, annotation: ast.expr, theirs: Scope, where: str) -> Iterator[str]:
    said = ast.unparse(annotation)
    if isinstance(reader, ListOf | OrEmpty):
        yield from _differences(reader.reader, annotation, theirs, where)
    elif isinstance(reader, Parameters):
        name = re.findall(rf"\b{theirs.classes[-1].name}\w+", said)[0]
        yield from _strangers(reader, theirs.named(name), f"{where}.")
    elif isinstance(reader, Choice):
        words = re.findall(r"'([^',\[\]|]+)'", said.replace('\\"', "'").replace("\\'", "'"))
        yield from (f"{where}: no {word}" for word in reader.words if word not in words)
