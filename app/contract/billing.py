"""Billing templates, what a package costs at a payment provider; and links to pay by."""

import re

from app.contract.shapes import Command, Timestamp, View
from app.domain.billing import INTERVALS, BillingTemplateStatus, SubscriptionLinkStatus
from app.domain.return_urls import check_return_url
from app.domain.values import check_id, check_range
from app.errors import InvalidInputError

_CURRENCY = re.compile(r"[a-z]{3}")


class CreateBillingTemplate(Command):
    """A price that exists at Stripe (`price_id`), or `amount` and `currency` of one to be made. No `interval`: paid once.

    With `metered_feature_id` it is what a unit of that feature costs beyond the limit.
    """

    id: str
    package_id: str
    price_id: str | None = None
    amount: int | None = None
    currency: str | None = None
    interval: str | None = None
    metered_feature_id: str | None = None

    def __post_init__(self) -> None:
        check_id("id", self.id)
        check_id("packageId", self.package_id)
        if self.metered_feature_id is not None:
            self._check_metered(self.metered_feature_id)
        if self.price_id is not None:
            check_id("priceId", self.price_id)
            if (self.amount, self.currency, self.interval) != (None, None, None):
                raise InvalidInputError("priceId", "must not be given together with amount, currency and interval")
            return
        if self.amount is None:
            raise InvalidInputError("amount", "is required, or priceId")
        if self.currency is None:
            raise InvalidInputError("currency", "is required together with amount")
        _check_money(self.amount, self.currency, self.interval)

    def _check_metered(self, feature_id: str) -> None:
        check_id("meteredFeatureId", feature_id)
        if self.price_id is not None:
            raise InvalidInputError("priceId", "must not be given together with meteredFeatureId")
        if self.interval is None:
            raise InvalidInputError("interval", "is required together with meteredFeatureId")


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
        _check_money(self.amount, self.currency, self.interval)


class UpdateBillingTemplate(Command):
    """Switch a template off or on. One that failed is tried again when it is switched on."""

    active: bool


class GenerateSubscriptionLink(Command):
    """A link for a user to pay by, or for somebody whom we do not know yet: without `user_id`."""

    template_id: str
    success_url: str
    cancel_url: str
    user_id: str | None = None

    def __post_init__(self) -> None:
        if self.user_id is not None:
            check_id("userId", self.user_id)
        check_id("templateId", self.template_id)
        check_return_url("successUrl", self.success_url)
        check_return_url("cancelUrl", self.cancel_url)


class GeneratePortalLink(Command):
    """A page on which a user looks after payment methods and subscriptions. They come back to `return_url`."""

    return_url: str

    def __post_init__(self) -> None:
        check_return_url("returnUrl", self.return_url)


def _check_money(amount: int, currency: str, interval: str | None) -> None:
    check_range("amount", amount, at_least=0)
    if not _CURRENCY.fullmatch(currency):
        raise InvalidInputError("currency", "must be three lower-case letters, such as gbp")
    if interval not in (None, *INTERVALS):
        raise InvalidInputError("interval", f"must be one of {', '.join(INTERVALS)}, or absent")


class BillingTemplate(View):
    """`price_id`, `amount` and `currency` are null until they are known. `amount` is in the currency's minor unit: of the
    package, or with a `metered_feature_id` of one unit of it beyond the limit.
    """

    id: str
    package_id: str
    metered_feature_id: str | None
    provider: str
    status: BillingTemplateStatus
    error: str | None
    price_id: str | None
    amount: int | None
    display_amount: str | None
    currency: str | None
    interval: str | None
    created_at: Timestamp


class SubscriptionLink(View):
    """`url` is null until the page is made; over GraphQL that is an error. `expires_at`: when the page closes."""

    id: str
    url: str | None
    status: SubscriptionLinkStatus
    error: str | None
    user_id: str | None
    template_id: str
    created_at: Timestamp
    expires_at: Timestamp | None


class PortalLink(View):
    """Whoever has `url` is taken for the customer. It is for the next minutes."""

    url: str
