"""An import's prices: each is for a package by a billing template, and `--map` makes those."""

from collections.abc import Mapping, Sequence

from sqlmodel import Session

from app import clock, models
from app.db import transaction
from app.domain.billing import BillingTemplateStatus
from app.domain.money import display_amount
from app.gateways.billing import BillingGateway
from app.gateways.billing_errors import BillingNotFoundError
from app.gateways.billing_shapes import Price
from app.queries import stripe_copies as queries
from app.queries.packages import kept_packages
from app.services.conflicts import already_exists
from app.services.stripe_copying import PROVIDER
from app.services.stripe_imported import Became, Imported
from app.services.stripe_prices import Offer, Offers, take_over

Mapped = Mapping[str, str]
"""Packages by price, of those that are mapped now."""


def map_prices(gateway: BillingGateway, tenant_id: int, mapping: Mapping[str, str], *, dry_run: bool) -> Mapped:
    """Put prices behind packages: those that are behind none yet. A template is named like its price.

    A price that Stripe does not sell any more is put there too, for those who pay it still.

    Raises:
        LookupError: there is no such package or price, or the price cannot be one of a package; nothing was done.
        AlreadyExistsError: another template has the name; likewise.
        BillingError: Stripe does not answer; likewise.
        OverloadedError: the database is busy or away; likewise.
    """
    offers = Offers(gateway)
    found = {price_id: _offer(gateway, offers, price_id) for price_id in mapping}
    with (
        already_exists("id: a billing template that is named like the price has another price"),
        transaction() as session,
    ):
        packages = kept_packages(session, tenant_id, set(mapping.values()))
        missing = sorted(set(mapping.values()) - packages.keys())
        if missing:
            raise LookupError(f"There is no package {missing[0]}")
        known = queries.packages_by_price(session, tenant_id, mapping.keys())
        new = {price_id: package_id for price_id, package_id in mapping.items() if price_id not in known}
        for price_id, package_id in sorted(new.items()):
            if not dry_run:
                _add(session, tenant_id, packages[package_id].key, price_id, found[price_id])
    return new


def list_prices(tenant_id: int, prices: Sequence[Price], mapped: Mapped) -> list[Imported]:
    """Which package each of Stripe's prices is for, or that it is for none."""
    with transaction() as session:
        known = queries.packages_by_price(session, tenant_id, [price.id for price in prices])
        packages = {price_id: package.id for price_id, package in known.items()}
    return [_listed(price, packages, mapped) for price in prices]


def _listed(price: Price, packages: Mapping[str, str], mapped: Mapped) -> Imported:
    if price.id in mapped:
        return Imported(price.id, Became.MAPPED_NOW, f"package {mapped[price.id]}; {_described(price)}")
    if price.id in packages:
        return Imported(price.id, Became.MAPPED, f"package {packages[price.id]}; {_described(price)}")
    return Imported(price.id, Became.NOT_MAPPED, _described(price))


def _offer(gateway: BillingGateway, offers: Offers, price_id: str) -> Offer:
    try:
        price = gateway.price(price_id)
    except BillingNotFoundError:
        raise LookupError(f"Stripe has no price {price_id}") from None
    if price.meter_id is not None:
        raise LookupError(f"The price {price_id} is for metered usage, which gives no package")
    return offers.told(price)


def _add(session: Session, tenant_id: int, package_key: int, price_id: str, offer: Offer) -> None:
    row = models.BillingTemplate(
        tenant_id=tenant_id,
        id=price_id,
        package_key=package_key,
        provider=PROVIDER,
        status=BillingTemplateStatus.ACTIVE,
        price_id=price_id,
        attempt=1,
        created_at=clock.now(),
    )
    take_over(row, offer)
    session.add(row)
    session.flush()


def _described(price: Price) -> str:
    """As a person knows it again in Stripe's dashboard."""
    amount = "no single amount"
    if price.amount_minor is not None:
        amount = f"{display_amount(price.amount_minor, price.currency)} {price.currency.upper()}"
    count = "" if price.interval_count == 1 else f"{price.interval_count} "
    often = f"every {count}{price.interval}" if price.interval else "once"
    words = [
        price.nickname or price.lookup_key,
        f"{amount} {often}",
        "metered" if price.meter_id else None,
        price.product_id,
        None if price.active else "archived",
    ]
    return ", ".join(word for word in words if word)
