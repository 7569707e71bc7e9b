"""Billing templates: what a package costs at a payment provider."""

import re

from app.contract.shapes import Command
from app.domain.values import check_id, check_range
from app.errors import InvalidInputError

_CURRENCY = re.compile(r"[a-z]{3}")
_INTERVALS = ("day", "week", "month", "year")


class LinkPrice(Command):
    """Put a price that exists at Stripe behind a package, as the billing template `id`. No `interval`: paid once."""

    id: str
    package_id: str
    price_id: str
    amount: int
    currency: str
    interval: str | None = None

    def __post_init__(self) -> None:
        check_id("id", self.id)
        check_id("packageId", self.package_id)
        check_id("priceId", self.price_id)
        check_range("amount", self.amount, at_least=0)
        if not _CURRENCY.fullmatch(self.currency):
            raise InvalidInputError("currency", "must be three lower-case letters, such as gbp")
        if self.interval not in (None, *_INTERVALS):
            raise InvalidInputError("interval", f"must be one of {', '.join(_INTERVALS)}, or absent")
