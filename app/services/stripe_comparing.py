"""Whether our copies of a subscription say what Stripe says of it. Nothing is read or written here."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app import models
from app.clock import to_wire
from app.domain.subscribing import OVER_STATUSES
from app.domain.subscription_dates import status_at
from app.gateways.billing_shapes import ProviderSubscription, SubscriptionItem
from app.services.stripe_copying import terms_of

NOTHING = "-"


class What(StrEnum):
    """In words, for operators."""

    NOT_COPIED = "not copied"
    NO_PACKAGE = "price without package"
    ITEM_GONE = "item is gone"
    PRICE = "price"
    STATUS = "status"
    END = "end"
    TRIAL_END = "end of trial"
    QUANTITY = "quantity"
    OVERAGE = "overage not billed"
    NOT_AT_STRIPE = "not at Stripe"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Of one item."""

    what: What
    item_id: str
    ours: str
    stripes: str


def compare(
    copies: Sequence[models.Subscription], found: ProviderSubscription, sold: Collection[str], now: datetime
) -> list[Mismatch]:
    """Where the copies, one for each item, differ from the subscription, in order of its items. `sold`: prices of packages."""
    left = {copy.provider_item_id: copy for copy in copies}
    mismatches: list[Mismatch] = []
    for item in found.items:
        copy = left.pop(item.id, None)
        if copy is not None:
            mismatches += _of_copy(copy, found, item, sold, now)
        elif item.price.meter_id is None:
            what = What.NOT_COPIED if item.price.id in sold else What.NO_PACKAGE
            mismatches.append(Mismatch(what, item.id, NOTHING, item.price.id))
    mismatches += [
        Mismatch(What.ITEM_GONE, copy.provider_item_id or "", status_at(copy, now).value, NOTHING)
        for copy in left.values()
        if not is_over(copy, now)
    ]
    return mismatches


def is_over(copy: models.Subscription, now: datetime) -> bool:
    """Whether it gives no access and never will again: then nobody minds what Stripe says of it."""
    return status_at(copy, now) in OVER_STATUSES


def _of_copy(
    copy: models.Subscription,
    found: ProviderSubscription,
    item: SubscriptionItem,
    sold: Collection[str],
    now: datetime,
) -> list[Mismatch]:
    terms = terms_of(found, item, copy.ends_at or now)
    price = What.PRICE if item.price.id in sold else What.NO_PACKAGE
    # A change that waits for the end of the period has its price at Stripe already.
    price_id = copy.next_price_id if copy.next_price_id == item.price.id else copy.provider_price_id
    pairs = (
        # By the dates: a job may or may not have written down that a trial is over.
        (What.STATUS, status_at(copy, now).value, status_at(terms, now).value),
        (What.END, _moment(copy.ends_at), _moment(terms.ends_at)),
        (What.TRIAL_END, _moment(copy.trial_ends_at), _moment(terms.trial_ends_at)),
        (What.QUANTITY, _number(copy.quantity), _number(terms.quantity)),
        (price, price_id or NOTHING, item.price.id),
    )
    return [Mismatch(what, item.id, ours, stripes) for what, ours, stripes in pairs if ours != stripes]


def _moment(value: datetime | None) -> str:
    return to_wire(value) if value else NOTHING


def _number(value: int | None) -> str:
    return NOTHING if value is None else str(value)
