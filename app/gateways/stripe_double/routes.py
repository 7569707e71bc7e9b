"""Which path is which function, and with which parameters."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from app.gateways.stripe_double import (
    catalogue,
    checkout,
    collecting,
    customers,
    events,
    invoices,
    items,
    meters,
    portal,
    subscriptions,
    thin_events,
    webhook_endpoints,
)
from app.gateways.stripe_double.account import Account
from app.gateways.stripe_double.expanding import expanded
from app.gateways.stripe_double.parameters import ListOf, Parameters, parameters, text
from app.gateways.stripe_double.problems import ProblemError
from app.gateways.stripe_double.state import Json

Handler = Callable[..., Json]
_NOTHING = parameters()
_EXPAND = ListOf(text)


@dataclass(frozen=True, slots=True)
class Route:
    """`path` with `:id` where an id stands."""

    method: str
    path: str
    parameters: Parameters
    handler: Handler

    def ids_in(self, method: str, path: str) -> list[str] | None:
        """The ids in a path of this route; None: it is of another."""
        if method != self.method:
            return None
        found = re.fullmatch(self.path.replace(":id", "([^/]+)"), path)
        return [unquote(each) for each in found.groups()] if found else None


ROUTES = (
    Route("POST", "/v1/products", catalogue.NEW_PRODUCT, catalogue.create_product),
    Route("GET", "/v1/products", catalogue.PRODUCTS, catalogue.products),
    Route("GET", "/v1/products/:id", _NOTHING, catalogue.product),
    Route("POST", "/v1/products/:id", catalogue.CHANGED_PRODUCT, catalogue.change_product),
    Route("POST", "/v1/prices", catalogue.NEW_PRICE, catalogue.create_price),
    Route("GET", "/v1/prices", catalogue.PRICES, catalogue.prices),
    Route("GET", "/v1/prices/:id", _NOTHING, catalogue.price),
    Route("POST", "/v1/prices/:id", catalogue.CHANGED_PRICE, catalogue.change_price),
    Route("POST", "/v1/customers", customers.NEW_CUSTOMER, customers.create_customer),
    Route("GET", "/v1/customers", customers.CUSTOMERS, customers.customers),
    Route("GET", "/v1/customers/:id", _NOTHING, customers.customer),
    Route("POST", "/v1/customers/:id", customers.NEW_CUSTOMER, customers.change_customer),
    Route("DELETE", "/v1/customers/:id", _NOTHING, subscriptions.delete_customer),
    Route("POST", "/v1/checkout/sessions", checkout.NEW_SESSION, checkout.create_session),
    Route("GET", "/v1/checkout/sessions", checkout.SESSIONS, checkout.sessions),
    Route("GET", "/v1/checkout/sessions/:id", _NOTHING, checkout.session),
    Route("POST", "/v1/checkout/sessions/:id", checkout.CHANGED_SESSION, checkout.change_session),
    Route("GET", "/v1/checkout/sessions/:id/line_items", checkout.LINES, checkout.line_items),
    Route("POST", "/v1/checkout/sessions/:id/expire", _NOTHING, checkout.expire_session),
    Route("POST", "/v1/subscriptions", subscriptions.NEW_SUBSCRIPTION, subscriptions.create_subscription),
    Route("GET", "/v1/subscriptions", subscriptions.SUBSCRIPTIONS, subscriptions.subscriptions),
    Route("GET", "/v1/subscriptions/:id", _NOTHING, subscriptions.subscription),
    Route("POST", "/v1/subscriptions/:id", subscriptions.CHANGED_SUBSCRIPTION, subscriptions.change_subscription),
    Route("DELETE", "/v1/subscriptions/:id", subscriptions.CANCELLED_SUBSCRIPTION, subscriptions.cancel_subscription),
    Route("GET", "/v1/subscription_items", items.SUBSCRIPTION_ITEMS, items.subscription_items),
    Route("POST", "/v1/subscriptions/:id/resume", _NOTHING, subscriptions.resume_subscription),
    Route("GET", "/v1/invoices", invoices.INVOICES, invoices.invoices),
    Route("GET", "/v1/invoices/:id", _NOTHING, invoices.invoice),
    Route("POST", "/v1/invoices/:id/pay", _NOTHING, collecting.pay_invoice),
    Route("GET", "/v1/events", events.EVENTS, events.events),
    Route("GET", "/v1/events/:id", _NOTHING, events.event),
    Route("GET", "/v2/core/events/:id", _NOTHING, thin_events.thin_event),
    Route("POST", "/v1/webhook_endpoints", webhook_endpoints.NEW_ENDPOINT, webhook_endpoints.create_endpoint),
    Route("GET", "/v1/webhook_endpoints", webhook_endpoints.ENDPOINTS, webhook_endpoints.endpoints),
    Route("GET", "/v1/webhook_endpoints/:id", _NOTHING, webhook_endpoints.endpoint),
    Route("POST", "/v1/webhook_endpoints/:id", webhook_endpoints.CHANGED_ENDPOINT, webhook_endpoints.change_endpoint),
    Route("DELETE", "/v1/webhook_endpoints/:id", _NOTHING, webhook_endpoints.delete_endpoint),
    Route("POST", "/v1/billing/meters", meters.NEW_METER, meters.create_meter),
    Route("GET", "/v1/billing/meters", meters.METERS, meters.meters),
    Route("GET", "/v1/billing/meters/:id", _NOTHING, meters.meter),
    Route("POST", "/v1/billing/meters/:id/deactivate", _NOTHING, meters.deactivate_meter),
    Route("POST", "/v1/billing/meters/:id/reactivate", _NOTHING, meters.reactivate_meter),
    Route("GET", "/v1/billing/meters/:id/event_summaries", meters.SUMMARIES, meters.summaries),
    Route("POST", "/v1/billing/meter_events", meters.NEW_METER_EVENT, meters.create_meter_event),
    Route("POST", "/v1/billing/meter_event_adjustments", meters.NEW_ADJUSTMENT, meters.create_adjustment),
    Route("POST", "/v1/billing_portal/sessions", portal.NEW_PORTAL_SESSION, portal.create_portal_session),
)


def call(account: Account, method: str, path: str, given: dict[str, Any]) -> Json:
    """What the API answers. Raises ProblemError."""
    for route in ROUTES:
        ids = route.ids_in(method, path)
        if ids is not None:
            paths = _EXPAND(given.pop("expand", []), "expand")
            return items.cut(expanded(account, route.handler(account, route.parameters(given, ""), *ids), paths))
    raise ProblemError(f"Unrecognized request URL ({method}: {path}).", status=404)
