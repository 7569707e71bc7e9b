"""What a billing provider has, as our services see it, and what it can be asked to make.

A provider's object has many more fields than these; a shape here holds what somebody of ours decides by. Times are aware UTC
to the second, amounts are in the currency's smallest unit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

Metadata = Mapping[str, str]


class BillingInterval(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class _FromProvider(StrEnum):
    """A word of the provider's. One that it may add later reads as UNKNOWN: who meets it decides, and nothing breaks before."""

    @classmethod
    def _missing_(cls, value: object) -> "_FromProvider | None":
        return cls.__members__.get("UNKNOWN")


class SubscriptionStatus(_FromProvider):
    INCOMPLETE = "incomplete"
    INCOMPLETE_EXPIRED = "incomplete_expired"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    CANCELED = "canceled"
    UNPAID = "unpaid"
    PAUSED = "paused"
    UNKNOWN = "unknown"


class CheckoutMode(_FromProvider):
    PAYMENT = "payment"
    SUBSCRIPTION = "subscription"
    SETUP = "setup"
    UNKNOWN = "unknown"


class CheckoutStatus(_FromProvider):
    OPEN = "open"
    COMPLETE = "complete"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class PaymentStatus(_FromProvider):
    """UNPAID after COMPLETE is not final: the buyer took a payment method that is settled days later."""

    PAID = "paid"
    UNPAID = "unpaid"
    NO_PAYMENT_REQUIRED = "no_payment_required"
    UNKNOWN = "unknown"


class InvoiceStatus(_FromProvider):
    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    UNCOLLECTIBLE = "uncollectible"
    VOID = "void"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    id: str
    name: str
    active: bool
    metadata: Metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """`interval` None: paid once. `amount_minor` None: tiers, or fractions of the smallest unit. With `meter_id` it is usage
    that is billed.
    """

    id: str
    product_id: str
    active: bool
    currency: str
    amount_minor: int | None
    interval: BillingInterval | None
    interval_count: int
    meter_id: str | None
    nickname: str | None
    lookup_key: str | None
    metadata: Metadata
    live: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """`deleted`: the provider still knows the id, and nothing else."""

    id: str
    email: str | None
    name: str | None
    deleted: bool
    metadata: Metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutSession:
    """`url` is there while the session is open. `subscription_id` comes into being when it is complete."""

    id: str
    mode: CheckoutMode
    status: CheckoutStatus
    payment_status: PaymentStatus
    url: str | None
    client_reference_id: str | None
    customer_id: str | None
    customer_email: str | None
    subscription_id: str | None
    payment_intent_id: str | None
    amount_total_minor: int | None
    currency: str | None
    metadata: Metadata
    created_at: datetime
    expires_at: datetime
    live: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionItem:
    """The period is half-open. `quantity` is None for metered prices."""

    id: str
    price: Price
    quantity: int | None
    period_start: datetime
    period_end: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSubscription:
    """`cancel_at`: when it will end by what is arranged now. `collection_paused`: nothing is charged, which no status tells."""

    id: str
    customer_id: str
    status: SubscriptionStatus
    items: list[SubscriptionItem]
    started_at: datetime
    trial_end: datetime | None
    cancel_at: datetime | None
    cancel_at_period_end: bool
    canceled_at: datetime | None
    ended_at: datetime | None
    collection_paused: bool
    latest_invoice_id: str | None
    metadata: Metadata
    created_at: datetime
    live: bool

    @property
    def is_over(self) -> bool:
        return self.status in (SubscriptionStatus.CANCELED, SubscriptionStatus.INCOMPLETE_EXPIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    id: str
    status: InvoiceStatus
    customer_id: str | None
    subscription_id: str | None
    currency: str
    amount_due_minor: int
    amount_paid_minor: int
    attempt_count: int
    next_payment_attempt_at: datetime | None
    page_url: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingEvent:
    """A hint that something about an object changed, and no more: its content is old when it comes, so only ids are read from it.

    `subscription_id` and `customer_id` are those that the object names, or is. `created_at` has whole seconds and orders nothing.
    """

    id: str
    type: str
    created_at: datetime
    live: bool
    object_type: str
    object_id: str | None
    subscription_id: str | None
    customer_id: str | None
    client_reference_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalSession:
    id: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    id: str
    event_name: str
    name: str
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredUsage:
    """What the provider has counted in the half-open [start, end). It lags behind what was sent."""

    start: datetime
    end: datetime
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterRefusal:
    """A usage event that was taken and cannot be counted. `code` is a word of the provider's."""

    identifier: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterErrors:
    """What a meter could not count: `count` usage events, of which the provider names some. `meter_id` None: there is none."""

    meter_id: str | None
    count: int
    named: list[MeterRefusal]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookTarget:
    """`secret` is told once, when the endpoint is made."""

    id: str
    url: str
    secret: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPrice:
    """`interval` None: paid once. With `meter_id` `amount_minor` is the price of one unit of reported usage."""

    product_id: str
    currency: str
    amount_minor: int
    interval: BillingInterval | None = None
    interval_count: int = 1
    meter_id: str | None = None
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCheckout:
    """A page on which somebody pays. The mode follows the price: `recurring`, or once.

    `customer_id` and `customer_email` exclude each other. `metadata` goes onto the session and onto what comes out of it, the
    subscription or the payment. `metered_price_ids` are further lines, without a quantity. `expires_at` is 30 minutes to 24 hours
    away; unset, 24 hours. In the URLs `{CHECKOUT_SESSION_ID}` stands for the session's id.
    """

    price_id: str
    recurring: bool
    success_url: str
    cancel_url: str | None = None
    metered_price_ids: Sequence[str] = ()
    client_reference_id: str | None = None
    customer_id: str | None = None
    customer_email: str | None = None
    trial_days: int | None = None
    expires_at: datetime | None = None
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionChange:
    """None leaves a thing as it is. `cancel_at`: it ends then, in this period or in a later one; to the second, in the future,
    and not together with `cancel_at_period_end`. `item_id` with `price_id`: that item is of this price from now on. One item
    must be left. `metered_price_ids` become further items, without a quantity.

    `prorate` False: what was paid for the rest of the period is neither given back nor counted in. A later period that
    `cancel_at` cuts short is prorated all the same.
    """

    cancel_at_period_end: bool | None = None
    cancel_at: datetime | None = None
    item_id: str | None = None
    price_id: str | None = None
    removed_item_ids: Sequence[str] = ()
    metered_price_ids: Sequence[str] = ()
    prorate: bool = True
    metadata: Metadata | None = None
