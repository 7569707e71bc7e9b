"""What is sold at a payment provider: the states of billing templates and of links to pay by."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

INTERVALS: Final = ("day", "week", "month", "year")
CUSTOMER_PREFIX: Final = "cus_"


class BillingTemplateStatus(StrEnum):
    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    FAILED = "FAILED"


class SubscriptionLinkStatus(StrEnum):
    """UNPAID is not final: the buyer took a payment method that is settled days later. Nothing comes after PAID."""

    PENDING = "PENDING"
    OPEN = "OPEN"
    UNPAID = "UNPAID"
    PAID = "PAID"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"


class PortalLinkStatus(StrEnum):
    """TAKEN: whoever asked has it, so nobody else gets it."""

    PENDING = "PENDING"
    OPEN = "OPEN"
    TAKEN = "TAKEN"
    FAILED = "FAILED"


_NEXT: Final = {
    SubscriptionLinkStatus.PENDING: (
        SubscriptionLinkStatus.UNPAID,
        SubscriptionLinkStatus.PAID,
        SubscriptionLinkStatus.FAILED,
    ),
    SubscriptionLinkStatus.OPEN: (
        SubscriptionLinkStatus.UNPAID,
        SubscriptionLinkStatus.PAID,
        SubscriptionLinkStatus.EXPIRED,
        SubscriptionLinkStatus.FAILED,
    ),
    # We gave it out no more, and somebody who had it paid all the same.
    SubscriptionLinkStatus.EXPIRED: (
        SubscriptionLinkStatus.UNPAID,
        SubscriptionLinkStatus.PAID,
        SubscriptionLinkStatus.FAILED,
    ),
    SubscriptionLinkStatus.UNPAID: (SubscriptionLinkStatus.PAID, SubscriptionLinkStatus.FAILED),
    # Money that is there counts, whatever was thought of it.
    SubscriptionLinkStatus.FAILED: (SubscriptionLinkStatus.PAID,),
    SubscriptionLinkStatus.PAID: (),
}
_LOOK_AGAIN = timedelta(hours=6)
_AFTER_CLOSING = timedelta(minutes=2)
_STILL_NOT_CLOSED = timedelta(minutes=10)
_LOOK_FOR_MONEY = timedelta(hours=1)


def may_become(status: SubscriptionLinkStatus, seen: SubscriptionLinkStatus) -> bool:
    """Whether a link is to follow what was seen at the provider. A look that is older than what we know changes nothing."""
    return seen in _NEXT[status]


def next_look(status: SubscriptionLinkStatus, now: datetime, expires_at: datetime | None) -> datetime | None:
    """When to look at a link's page again, which was not closed just now; None: nothing can come of it any more."""
    if status in (SubscriptionLinkStatus.PAID, SubscriptionLinkStatus.FAILED):
        return None
    if status is SubscriptionLinkStatus.UNPAID:
        return now + _LOOK_FOR_MONEY
    closed_at = max((expires_at or now) + _AFTER_CLOSING, now + _STILL_NOT_CLOSED)
    return min(now + _LOOK_AGAIN, closed_at)


def customer_id_of(billing_id: str | None) -> str | None:
    """Stripe's id of a customer, if that is what a user's `billingId` is; it may be anything of the caller's."""
    return billing_id if billing_id and billing_id.startswith(CUSTOMER_PREFIX) else None


def link_id_of(text: str | None) -> UUID | None:
    """The id of a link as it was given out. Other ways to write the same number are nobody's."""
    try:
        key = UUID(text or "")
    except ValueError:
        return None
    return key if str(key) == text else None
