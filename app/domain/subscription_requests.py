"""What is asked of a payment provider about a subscription that it bills, and the price that a change comes to."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.errors import SubscriptionError


class RequestKind(StrEnum):
    CANCEL = "CANCEL"
    CHANGE = "CHANGE"


class RequestStatus(StrEnum):
    """DONE and REFUSED are final."""

    PENDING = "PENDING"
    DONE = "DONE"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class Offer:
    """A price that is paid again and again, behind a package."""

    template_id: str
    price_id: str
    currency: str
    interval: str


def offer_like(offers: Sequence[Offer], *, package_id: str, currency: str, interval: str) -> Offer:
    """The package's price in the currency and the interval that somebody pays in now: neither changes by a change of package.

    Raises:
        SubscriptionError: there is none, or more than one, and which there are.
    """
    alike = [offer for offer in offers if (offer.currency, offer.interval) == (currency, interval)]
    if len(alike) == 1:
        return alike[0]
    paid = f"{currency} by the {interval}"
    if alike:
        names = ", ".join(offer.template_id for offer in alike)
        raise SubscriptionError(
            f"Cannot change to package {package_id}: it has several active billing templates in {paid} ({names}). "
            "Leave one of them active."
        )
    others = ", ".join(f"{offer.template_id} in {offer.currency} by the {offer.interval}" for offer in offers)
    raise SubscriptionError(
        f"Cannot change to package {package_id}: it has no active billing template in {paid}"
        + (f", but {others}." if others else ".")
    )
