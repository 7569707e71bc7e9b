"""The billing provider as our services see it: what they may ask. The shapes of questions and answers are in `billing_shapes`.

What cannot be had is said with the errors of `app/gateways/billing_errors.py`.

Every call that makes something takes `key`, our own idempotency key: for 24 hours the provider answers a repeat with the same
key and the same content as it answered the first time, also when it failed. So a key names one attempt, not one wish.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from app.gateways.billing_shapes import (
    BillingEvent,
    CheckoutSession,
    CheckoutStatus,
    Customer,
    Invoice,
    Metadata,
    Meter,
    MeteredUsage,
    MeterErrors,
    NewCheckout,
    NewPrice,
    PortalSession,
    Price,
    Product,
    ProviderSubscription,
    SubscriptionChange,
    WebhookTarget,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Part of a list, newest first. `next_after` goes on from here; None: this was the last part."""

    items: list[T]
    next_after: str | None


def each_page(read: Callable[[str | None], Page[T]]) -> Iterator[Page[T]]:
    """The whole list, a page after the other; each is read when it is asked for. `read` takes what to go on after."""
    after = None
    while True:
        page = read(after)
        yield page
        after = page.next_after
        if after is None:
            return


class Lane(StrEnum):
    """For what the provider is asked. Each has calls a second of its own, so that neither waits for the other."""

    LINKS = "links"
    """Somebody waits for it, or an event told of it."""
    SWEEPS = "sweeps"
    """We look through everything: reconciliation, catching up."""


class BillingGateway(Protocol):
    """A billing provider. Thread-safe; each call may take a minute, so none is made inside a transaction.

    Every method raises BillingError (see its tree). An empty id is a BillingNotFoundError.
    """

    @property
    def live(self) -> bool:
        """Whether real money moves."""

    def product(self, product_id: str) -> Product: ...
    def price(self, price_id: str) -> Price: ...
    def prices(self, *, active: bool | None = None, after: str | None = None) -> Page[Price]: ...
    def create_product(self, name: str, *, key: str, metadata: Metadata | None = None) -> Product: ...
    def create_price(self, new: NewPrice, *, key: str) -> Price: ...

    def customer(self, customer_id: str) -> Customer: ...
    def customers(self, *, email: str | None = None, after: str | None = None) -> Page[Customer]: ...
    def find_or_create_customer(self, *, email: str | None, name: str | None, metadata: Metadata, key: str) -> Customer:
        """The customer with this email and at least this metadata, which must say who it is: an email alone proves nothing."""

    def create_checkout_session(self, new: NewCheckout, *, key: str) -> CheckoutSession: ...
    def checkout_session(self, session_id: str) -> CheckoutSession: ...
    def checkout_sessions(
        self,
        *,
        status: CheckoutStatus | None = None,
        subscription_id: str | None = None,
        created_from: datetime | None = None,
        after: str | None = None,
    ) -> Page[CheckoutSession]:
        """`subscription_id`: the one in which it was bought, if it was bought by a page."""

    def expire_checkout_session(self, session_id: str) -> CheckoutSession:
        """Close a session that nobody should pay any more. BillingRefusedError if it is not open."""

    def subscription(self, subscription_id: str) -> ProviderSubscription: ...
    def subscriptions(self, *, customer_id: str | None = None, after: str | None = None) -> Page[ProviderSubscription]:
        """All of them, ended ones too."""

    def change_subscription(
        self, subscription_id: str, change: SubscriptionChange, *, key: str
    ) -> ProviderSubscription: ...
    def cancel_subscription(self, subscription_id: str) -> ProviderSubscription:
        """End it now, with an invoice for what was used. BillingNotFoundError if it has ended already, as the provider has it."""

    def invoice(self, invoice_id: str) -> Invoice: ...
    def invoices(self, *, subscription_id: str | None = None, after: str | None = None) -> Page[Invoice]: ...

    def events(
        self,
        *,
        types: Sequence[str],
        created_from: datetime,
        created_before: datetime | None = None,
        after: str | None = None,
    ) -> Page[BillingEvent]:
        """What happened since and before then, newest first; the provider keeps 30 days. At most 20 types."""

    def create_portal_session(self, customer_id: str, *, return_url: str) -> PortalSession:
        """A page on which a customer looks after payment methods and subscriptions."""

    def create_meter(self, event_name: str, *, name: str, key: str) -> Meter:
        """A meter of hourly totals: a later event of an hour replaces what was sent for that hour."""

    def meters(self, *, after: str | None = None) -> Page[Meter]: ...
    def send_meter_event(self, event_name: str, *, customer_id: str, value: int, at: datetime, identifier: str) -> None:
        """State the total of the hour of `at`. One with a known `identifier` changes nothing and is no error."""

    def meter_errors(self, event_id: str) -> MeterErrors:
        """What an event of METER_EVENTS tells of, which has only ids itself; for 30 days."""

    def metered_usage(self, meter_id: str, *, customer_id: str, start: datetime, end: datetime) -> list[MeteredUsage]:
        """By the hour, in order of time. Both bounds must be full minutes."""

    def create_webhook_endpoint(self, url: str, *, types: Sequence[str], key: str) -> WebhookTarget: ...

    def verified_event(self, body: bytes, signature: str | None, *, now: datetime) -> BillingEvent:
        """The event of a webhook, after its signature was checked over the raw bytes. `now` is the real time, moved clock or not.

        Raises:
            BillingSignatureError: not signed with a secret of ours, or more than five minutes old or ahead.
            BillingNotConfiguredError: we have no secret.
        """
