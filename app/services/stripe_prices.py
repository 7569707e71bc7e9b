"""What Stripe says of a price is what the billing templates with it say, and what it does not sell any more they do not either.

Only the price itself is followed. That its product has another default price now changes nothing: which price a package is sold
at is said by its templates.
"""

from dataclasses import dataclass, field

import structlog

from app import models
from app.db import transaction
from app.domain.billing import BillingTemplateStatus
from app.domain.values import INT32_MAX
from app.gateways.billing import BillingGateway
from app.gateways.billing_errors import BillingNotFoundError
from app.gateways.billing_shapes import Price
from app.queries import billing as queries
from app.queries import tenants
from app.queries.stripe_copies import tenant_ids_of_mode, tenants_with_prices
from app.services.billing_refusals import why_not_for_sale
from app.services.stripe_comparing import NOTHING
from app.services.stripe_comparison import Compared
from app.services.stripe_differences import Difference, Outcome

log = structlog.get_logger(__name__)

_BATCH = 50
_ON_SALE, _OFF_SALE = BillingTemplateStatus.ACTIVE, BillingTemplateStatus.INACTIVE


@dataclass(frozen=True, slots=True)
class Offer:
    """A price at Stripe, if it is there, and why it is not for sale, if it is not."""

    price: Price | None
    problem: str | None


@dataclass(slots=True)
class Offers:
    """Prices as Stripe has them. Each product is asked for once."""

    gateway: BillingGateway
    _products: dict[str, bool] = field(default_factory=dict)

    def of(self, price_id: str) -> Offer:
        """Raises BillingError: Stripe does not answer."""
        try:
            return self.told(self.gateway.price(price_id))
        except BillingNotFoundError:
            return Offer(None, f"Stripe does not have the price {price_id} any more.")

    def told(self, price: Price) -> Offer:
        """Likewise for a price that was read just now."""
        # One with a meter is in templates for overage alone.
        problem = why_not_for_sale(price, is_metered=price.meter_id is not None)
        if problem is None and not self._is_sold(price.product_id):
            problem = f"its product {price.product_id} is archived"
        return Offer(price, f"The price {price.id} cannot be sold: {problem}." if problem else None)

    def _is_sold(self, product_id: str) -> bool:
        if product_id not in self._products:
            try:
                self._products[product_id] = self.gateway.product(product_id).active
            except BillingNotFoundError:
                self._products[product_id] = False
        return self._products[product_id]


def check_price(gateway: BillingGateway, price_id: str, *, repair: bool = True) -> list[Difference]:
    """Hold the billing templates with a price against Stripe's.

    Raises:
        BillingError: Stripe does not answer.
        OverloadedError: the database is busy or away.
    """
    with transaction() as session:
        ours = tenant_ids_of_mode(session, live=gateway.live)
        if not tenants_with_prices(session, ours, {price_id}):
            return []
    return _check(gateway, Offers(gateway), price_id, repair=repair)


def check_product(gateway: BillingGateway, product_id: str) -> list[Difference]:
    """Likewise those with any price of a product."""
    with transaction() as session:
        ours = tenant_ids_of_mode(session, live=gateway.live)
        price_ids = queries.prices_of_product(session, ours, product_id)
    offers = Offers(gateway)
    return [one for price_id in price_ids for one in _check(gateway, offers, price_id, repair=True)]


def check_templates(gateway: BillingGateway, after: int, *, repair: bool) -> Compared:
    """Likewise all, some at a time: those with a key above `after`."""
    with transaction() as session:
        ours = tenant_ids_of_mode(session, live=gateway.live)
        found = queries.priced_templates(session, ours, after, _BATCH)
    offers = Offers(gateway)
    price_ids = dict.fromkeys(price_id for _, price_id in found)
    differences = [one for price_id in price_ids for one in _check(gateway, offers, price_id, repair=repair)]
    last = str(found[-1][0]) if len(found) == _BATCH else None
    return Compared(len(found), differences, last)


def take_over(row: models.BillingTemplate, offer: Offer) -> None:
    """Let a template say what the offer says. One that was switched off by its owner stays off."""
    if offer.price is not None:
        row.product_id, row.amount_minor, row.currency, row.interval = _terms(offer.price)
    status, row.error = _standing(row, offer)
    row.status = status


def _check(gateway: BillingGateway, offers: Offers, price_id: str, *, repair: bool) -> list[Difference]:
    offer = offers.of(price_id)
    outcome = Outcome.REPAIRED if repair else Outcome.FOUND
    differences: list[Difference] = []
    with transaction() as session:
        ours = tenant_ids_of_mode(session, live=gateway.live)
        app_ids = {tenant.id: tenant.public_id for tenant in tenants.all_tenants(session)}
        for row in queries.locked_templates_of_price(session, ours, price_id):
            differences += [
                Difference(what, app_ids[row.tenant_id], price_id, mine, stripes, outcome)
                for what, mine, stripes in _mismatches(row, offer)
            ]
            if repair:
                take_over(row, offer)
    return differences


def _mismatches(row: models.BillingTemplate, offer: Offer) -> list[tuple[str, str, str]]:
    """(what, ours, Stripe's)"""
    found = []
    status, _ = _standing(row, offer)
    if status is not row.status:
        found.append((f"billing template {row.id}", row.status.value, offer.problem or "for sale"))
    if offer.price is not None:
        mine = (row.product_id, row.amount_minor, row.currency, row.interval)
        names = ("product", "amount", "currency", "interval")
        found += [
            (f"{name} of billing template {row.id}", _shown(ours), _shown(stripes))
            for name, ours, stripes in zip(names, mine, _terms(offer.price), strict=True)
            # Which product it is, is not known of a price that was put behind a package unasked.
            if ours != stripes and not (name == "product" and ours is None)
        ]
    return found


def _terms(price: Price) -> tuple[str, int | None, str, str | None]:
    # The API has no larger numbers, and what costs so much is not for sale.
    amount = price.amount_minor if price.amount_minor is not None and price.amount_minor <= INT32_MAX else None
    return price.product_id, amount, price.currency, price.interval and price.interval.value


def _standing(row: models.BillingTemplate, offer: Offer) -> tuple[BillingTemplateStatus, str | None]:
    """Its status and error. One that Stripe took off sale has an error, one that its owner switched off has none."""
    if row.status is _OFF_SALE and row.error is None:
        return _OFF_SALE, None
    return (_OFF_SALE, offer.problem) if offer.problem else (_ON_SALE, None)


def _shown(value: str | int | None) -> str:
    return NOTHING if value is None else str(value)
