"""Stripe as our billing provider. The only module that imports its SDK, beside `stripe_sending`."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

import stripe

from app.gateways import billing, stripe_objects, stripe_requests
from app.gateways import billing_shapes as shapes
from app.gateways.account_limits import AccountLimits, limits_for
from app.gateways.billing_errors import (
    BillingError,
    BillingKeyReusedError,
    BillingNotConfiguredError,
    BillingNotFoundError,
    BillingRateLimitedError,
    BillingRefusedError,
    BillingUnavailableError,
)
from app.gateways.stripe_sending import LimitedClient, retry_after_seconds
from app.gateways.stripe_webhooks import verified_event
from app.settings import settings

# The version whose objects `stripe_objects` reads. The SDK sends its own, so a test compares: a new SDK is a decision.
API_VERSION = "2026-10-28.endive"

_PAGE_SIZE = 100
_TRIES_AGAIN = 2
_CONNECT_SECONDS = 3.0
_READ_SECONDS = 15.0
_NOT_FOUND = 404
_CONFLICT = 409
_FAULTS = 500
# What somebody typed as their email, as far as Stripe repeats it.
_ADDRESS = re.compile(r"[^\s'\"<>(),;]+@[^\s'\"<>(),;]+")

# It times our calls for Stripe and leaves a file in the user's home. There is no other switch than this global one.
stripe.enable_telemetry = False

T = TypeVar("T")


def stripe_gateway(lane: billing.Lane = billing.Lane.LINKS) -> billing.BillingGateway:
    """This process's gateway for a lane. After a fork the child must call `forget_gateway` before it uses one.

    Raises:
        BillingNotConfiguredError: STRIPE_API_KEY is not set.
    """
    return _gateway(lane)


@cache
def _gateway(lane: billing.Lane) -> billing.BillingGateway:
    found = settings()
    if not found.stripe_api_key:
        raise BillingNotConfiguredError("STRIPE_API_KEY is not set")
    return StripeGateway(
        found.stripe_api_key,
        base=found.stripe_api_base,
        webhook_secrets=found.stripe_webhook_secrets,
        limits=limits_for(lane),
    )


def forget_gateway() -> None:
    """Let the next call make another: a child of a fork must not share its parent's connections."""
    _gateway.cache_clear()


class StripeGateway:
    """The BillingGateway, which describes the methods.

    `base`: where the API is, if not at Stripe's own address. `tries_again`: how often, after the first try.
    `limits`: those of the account; without them it is asked as fast as can be.
    """

    def __init__(
        self,
        api_key: str,
        *,
        base: str | None = None,
        webhook_secrets: Sequence[str] = (),
        tries_again: int = _TRIES_AGAIN,
        read_seconds: float = _READ_SECONDS,
        limits: AccountLimits | None = None,
    ) -> None:
        self._live = "_live_" in api_key
        self._webhook_secrets = tuple(webhook_secrets)
        timeout = (_CONNECT_SECONDS, read_seconds)
        client = stripe.StripeClient(
            api_key,
            stripe_version=API_VERSION,
            # The default of a client is none, whatever the documentation of the module says.
            max_network_retries=tries_again,
            http_client=LimitedClient(limits, timeout=timeout, tries_again=tries_again)
            if limits
            else stripe.RequestsClient(timeout=timeout),
            base_addresses={"api": base, "files": base, "connect": base, "meter_events": base} if base else {},
        )
        self._api = client.v1
        self._thin_events = client.v2.core.events

    @property
    def live(self) -> bool:
        return self._live

    def product(self, product_id: str) -> shapes.Product:
        return stripe_objects.product(_one(self._api.products.retrieve, product_id))

    def price(self, price_id: str) -> shapes.Price:
        return stripe_objects.price(_one(self._api.prices.retrieve, price_id))

    def prices(self, *, active: bool | None = None, after: str | None = None) -> billing.Page[shapes.Price]:
        return _page(self._api.prices.list, stripe_objects.price, after, active=active)

    def create_product(self, name: str, *, key: str, metadata: shapes.Metadata | None = None) -> shapes.Product:
        made = _made(self._api.products.create, key, name=name, metadata=dict(metadata or {}))
        return stripe_objects.product(made)

    def create_price(self, new: shapes.NewPrice, *, key: str) -> shapes.Price:
        made = _made(
            self._api.prices.create,
            key,
            product=new.product_id,
            currency=new.currency,
            unit_amount=new.amount_minor,
            recurring=stripe_requests.recurring(new),
            metadata=dict(new.metadata),
        )
        return stripe_objects.price(made)

    def customer(self, customer_id: str) -> shapes.Customer:
        return stripe_objects.customer(_one(self._api.customers.retrieve, customer_id))

    def customers(self, *, email: str | None = None, after: str | None = None) -> billing.Page[shapes.Customer]:
        return _page(self._api.customers.list, stripe_objects.customer, after, email=email)

    def find_or_create_customer(
        self, *, email: str | None, name: str | None, metadata: shapes.Metadata, key: str
    ) -> shapes.Customer:
        found = self._customer_known_as(email, metadata) if email else None
        if found is not None:
            return found
        made = _made(self._api.customers.create, key, email=email, name=name, metadata=dict(metadata))
        return stripe_objects.customer(made)

    def _customer_known_as(self, email: str, metadata: shapes.Metadata) -> shapes.Customer | None:
        pages = billing.each_page(lambda after: self.customers(email=email, after=after))
        alike = (each for page in pages for each in page.items if metadata.items() <= each.metadata.items())
        return next(alike, None)

    def create_checkout_session(self, new: shapes.NewCheckout, *, key: str) -> shapes.CheckoutSession:
        return stripe_objects.checkout_session(
            _made(self._api.checkout.sessions.create, key, **stripe_requests.checkout(new))
        )

    def checkout_session(self, session_id: str) -> shapes.CheckoutSession:
        return stripe_objects.checkout_session(_one(self._api.checkout.sessions.retrieve, session_id))

    def checkout_sessions(
        self,
        *,
        status: shapes.CheckoutStatus | None = None,
        subscription_id: str | None = None,
        created_from: datetime | None = None,
        after: str | None = None,
    ) -> billing.Page[shapes.CheckoutSession]:
        return _page(
            self._api.checkout.sessions.list,
            stripe_objects.checkout_session,
            after,
            status=status and status.value,
            subscription=subscription_id,
            created=stripe_requests.since(created_from),
        )

    def expire_checkout_session(self, session_id: str) -> shapes.CheckoutSession:
        return stripe_objects.checkout_session(_one(self._api.checkout.sessions.expire, session_id))

    def subscription(self, subscription_id: str) -> shapes.ProviderSubscription:
        return self._whole(_one(self._api.subscriptions.retrieve, subscription_id))

    def subscriptions(
        self, *, customer_id: str | None = None, after: str | None = None
    ) -> billing.Page[shapes.ProviderSubscription]:
        return _page(self._api.subscriptions.list, self._whole, after, status="all", customer=customer_id)

    def _whole(self, found: Mapping[str, Any]) -> shapes.ProviderSubscription:
        """Only the first items come with a subscription. If there are more, all are asked for."""
        if not found["items"]["has_more"]:
            return stripe_objects.subscription(found)
        pages = billing.each_page(lambda after: self._items_page(found["id"], after))
        items = [item for page in pages for item in page.items]
        return stripe_objects.subscription({**found, "items": {"data": items}})

    def _items_page(self, subscription_id: str, after: str | None) -> billing.Page[Mapping[str, Any]]:
        return _page(self._api.subscription_items.list, lambda item: item, after, subscription=subscription_id)

    def change_subscription(
        self, subscription_id: str, change: shapes.SubscriptionChange, *, key: str
    ) -> shapes.ProviderSubscription:
        changed = _made(
            self._api.subscriptions.update,
            key,
            _existing(subscription_id),
            **stripe_requests.subscription_change(change),
        )
        return self._whole(changed)

    def cancel_subscription(self, subscription_id: str) -> shapes.ProviderSubscription:
        # Otherwise usage that is in no invoice yet never is, and what an upgrade costs until the period's end is dropped.
        return self._whole(
            _one(lambda id_: self._api.subscriptions.cancel(id_, params={"invoice_now": True}), subscription_id)
        )

    def invoice(self, invoice_id: str) -> shapes.Invoice:
        return stripe_objects.invoice(_one(self._api.invoices.retrieve, invoice_id))

    def invoices(self, *, subscription_id: str | None = None, after: str | None = None) -> billing.Page[shapes.Invoice]:
        return _page(self._api.invoices.list, stripe_objects.invoice, after, subscription=subscription_id)

    def events(
        self,
        *,
        types: Sequence[str],
        created_from: datetime,
        created_before: datetime | None = None,
        after: str | None = None,
    ) -> billing.Page[shapes.BillingEvent]:
        return _page(
            self._api.events.list,
            stripe_objects.event,
            after,
            types=list(types),
            created=stripe_requests.since(created_from, created_before),
        )

    def create_portal_session(self, customer_id: str, *, return_url: str) -> shapes.PortalSession:
        made = _made(self._api.billing_portal.sessions.create, None, customer=customer_id, return_url=return_url)
        return stripe_objects.portal_session(made)

    def create_meter(self, event_name: str, *, name: str, key: str) -> shapes.Meter:
        made = _made(
            self._api.billing.meters.create,
            key,
            display_name=name,
            event_name=event_name,
            event_time_window="hour",
            default_aggregation={"formula": "sum"},
            customer_mapping={"type": "by_id", "event_payload_key": "stripe_customer_id"},
            value_settings={"event_payload_key": "value"},
        )
        return stripe_objects.meter(made)

    def meters(self, *, after: str | None = None) -> billing.Page[shapes.Meter]:
        return _page(self._api.billing.meters.list, stripe_objects.meter, after)

    def send_meter_event(self, event_name: str, *, customer_id: str, value: int, at: datetime, identifier: str) -> None:
        try:
            _made(
                self._api.billing.meter_events.create,
                identifier,
                event_name=event_name,
                identifier=identifier,
                timestamp=int(at.timestamp()),
                payload={"stripe_customer_id": customer_id, "value": str(value)},
            )
        except BillingRefusedError as refused:
            # There is a code for it that is seen in the wild and in no list of Stripe's, so its words are what tells.
            if "already exists with identifier" not in (refused.words or ""):
                raise

    def meter_errors(self, event_id: str) -> shapes.MeterErrors:
        return stripe_objects.meter_errors(_one(self._thin_events.retrieve, event_id))

    def metered_usage(
        self, meter_id: str, *, customer_id: str, start: datetime, end: datetime
    ) -> list[shapes.MeteredUsage]:
        pages = billing.each_page(lambda after: self._usage_page(meter_id, customer_id, start, end, after))
        return sorted((each for page in pages for each in page.items), key=lambda each: each.start)

    def _usage_page(
        self, meter_id: str, customer_id: str, start: datetime, end: datetime, after: str | None
    ) -> billing.Page[shapes.MeteredUsage]:
        return _page(
            lambda **asked: self._api.billing.meters.event_summaries.list(_existing(meter_id), **asked),
            stripe_objects.metered_usage,
            after,
            customer=customer_id,
            start_time=int(start.timestamp()),
            end_time=int(end.timestamp()),
            value_grouping_window="hour",
        )

    def create_webhook_endpoint(self, url: str, *, types: Sequence[str], key: str) -> shapes.WebhookTarget:
        made = _made(
            self._api.webhook_endpoints.create, key, url=url, enabled_events=list(types), api_version=API_VERSION
        )
        return stripe_objects.webhook_target(made)

    def verified_event(self, body: bytes, signature: str | None, *, now: datetime) -> shapes.BillingEvent:
        return verified_event(body, signature, secrets=self._webhook_secrets, now=now)


def _one(call: Callable[..., stripe.StripeObject], object_id: str) -> Mapping[str, Any]:
    with _in_our_words():
        return _plain(call(_existing(object_id)))


def _made(call: Callable[..., stripe.StripeObject], key: str | None, *place: str, **content: Any) -> Mapping[str, Any]:
    # Without a key of ours the SDK makes one for its own repeats.
    options = {"idempotency_key": key} if key else {}
    with _in_our_words():
        return _plain(call(*place, params=stripe_requests.given(content), options=options))


def _page(
    call: Callable[..., stripe.StripeObject],
    read: Callable[[Mapping[str, Any]], T],
    after: str | None,
    **wanted: Any,
) -> billing.Page[T]:
    with _in_our_words():
        found = _plain(call(params=stripe_requests.given({**wanted, "limit": _PAGE_SIZE, "starting_after": after})))
    last = found["data"][-1]["id"] if found["has_more"] else None
    return billing.Page(items=[read(each) for each in found["data"]], next_after=last)


def _plain(found: stripe.StripeObject) -> Mapping[str, Any]:
    """Since 15.0 the SDK's objects are no dicts: no `.get`, and what is absent raises."""
    plain: Mapping[str, Any] = found.to_dict(for_json=True)
    return plain


def _existing(object_id: str) -> str:
    """With an empty id the SDK would ask for the list."""
    if not object_id:
        raise BillingNotFoundError("there is no object with an empty id")
    return object_id


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except stripe.StripeError as error:
        # As a cause it would put Stripe's words into every trace.
        raise _our_error(error) from None


def _our_error(error: stripe.StripeError) -> BillingError:
    message, status = _facts(error), error.http_status or 0
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return BillingNotConfiguredError(message, request_id=error.request_id, status=status)
    if isinstance(error, stripe.RateLimitError):
        return _rate_limited(error, message)
    if isinstance(error, stripe.APIConnectionError) or status in (0, 200, _CONFLICT) or status >= _FAULTS:
        return BillingUnavailableError(message, request_id=error.request_id, stored=_is_stored(error))
    return _refused(error, message)


def _facts(error: stripe.StripeError) -> str:
    """What may be told to anybody: Stripe's words out of its own lists, without any sentence."""
    detail = _detail(error)
    param = f"({detail['param']})" if detail.get("param") else None
    said = (detail.get("type") or type(error).__name__, detail.get("code"), detail.get("decline_code"), param)
    facts = " ".join(filter(None, said))
    return f"{facts}, HTTP {error.http_status}" if error.http_status else facts


def _detail(error: stripe.StripeError) -> Mapping[str, Any]:
    # Of some classes `.code` is None although the body has one.
    return _plain(error.error) if error.error else {}


def _rate_limited(error: stripe.StripeError, message: str) -> BillingRateLimitedError:
    headers = error.headers or {}
    return BillingRateLimitedError(
        message,
        request_id=error.request_id,
        retry_after_seconds=retry_after_seconds(headers),
        reason=headers.get("stripe-rate-limited-reason"),
    )


def _is_stored(error: stripe.StripeError) -> bool:
    headers = error.headers or {}
    return headers.get("idempotent-replayed") == "true" or headers.get("stripe-should-retry") == "false"


def _refused(error: stripe.StripeError, message: str) -> BillingRefusedError:
    detail = _detail(error)
    kind = BillingRefusedError
    if error.http_status == _NOT_FOUND:
        kind = BillingNotFoundError
    elif isinstance(error, stripe.IdempotencyError):
        kind = BillingKeyReusedError
    return kind(
        message,
        request_id=error.request_id,
        code=detail.get("code"),
        param=detail.get("param"),
        status=error.http_status,
        words=_ADDRESS.sub("…", error.user_message) if error.user_message else None,
    )
