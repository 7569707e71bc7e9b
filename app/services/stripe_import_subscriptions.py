"""An import's subscriptions: copied like any other, if they are the tenant's and their prices are mapped."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sqlmodel import Session

from app import clock, models
from app.db import transaction
from app.domain import billing_tags
from app.gateways.billing import BillingGateway
from app.gateways.billing_shapes import ProviderSubscription
from app.queries import stripe_copies as queries
from app.services.stripe_comparing import Mismatch, What, compare
from app.services.stripe_comparison import try_to_copy
from app.services.stripe_import_customers import Customers
from app.services.stripe_imported import Became, Imported


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """Of one import. `mapped`: prices that are mapped now; a dry run does not find them in the database."""

    app_id: str
    tenant_id: int
    ours: Sequence[int]
    customers: Customers
    mapped: frozenset[str]
    dry_run: bool = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database has about the subscriptions of a page."""

    copies: dict[str, list[models.Subscription]]
    sold: set[str]


def take_over(
    gateway: BillingGateway, subscriptions: Subscriptions, page: Sequence[ProviderSubscription]
) -> list[Imported]:
    """Copy those of a page that differ from their copies; what became of each.

    Raises:
        BillingError: Stripe does not answer. What was copied stays so.
        OverloadedError: the database is busy or away; likewise.
    """
    with transaction() as session:
        known = _known(session, subscriptions, page)
    return [_one(gateway, subscriptions, known, each) for each in page]


def _known(session: Session, subscriptions: Subscriptions, page: Collection[ProviderSubscription]) -> _Known:
    price_ids = {item.price.id for each in page for item in each.items}
    return _Known(
        queries.copies_of_many(session, subscriptions.ours, [each.id for each in page]),
        queries.sold_prices(session, subscriptions.tenant_id, price_ids) | subscriptions.mapped,
    )


def _one(gateway: BillingGateway, subscriptions: Subscriptions, known: _Known, found: ProviderSubscription) -> Imported:
    copies = known.copies.get(found.id, [])
    if _is_others(subscriptions, copies, found):
        return Imported(found.id, Became.OTHERS)
    is_left = not found.is_over
    owner = subscriptions.customers.owners.get(found.customer_id)
    if owner is None and not copies:
        # Those of deleted customers are over.
        return Imported(found.id, Became.NOT_COPIED, f"Stripe did not list its customer {found.customer_id}", is_left)
    before = compare(copies, found, known.sold, clock.now())
    if not before:
        return Imported(found.id, Became.SAME)
    is_bought_by_tag = not copies and billing_tags.PACKAGE in found.metadata
    if all(each.what is What.NO_PACKAGE for each in before) and not is_bought_by_tag:
        return Imported(found.id, Became.SAME if copies else Became.NOT_COPIED, _why(before), is_left)
    if subscriptions.dry_run:
        left = [each for each in before if each.what is What.NO_PACKAGE]
    else:
        left = _left(gateway, subscriptions, known, found, owner)
    became = Became.SAME if len(left) == len(before) else Became.COPIED
    return Imported(found.id, became, _why(left) if left else None, is_left and bool(left))


def _left(
    gateway: BillingGateway,
    subscriptions: Subscriptions,
    known: _Known,
    found: ProviderSubscription,
    owner: str | None,
) -> list[Mismatch]:
    """Copy it, and say where we still differ."""
    tags = {billing_tags.TENANT: subscriptions.app_id} | ({billing_tags.USER: owner} if owner else {})
    try_to_copy(gateway, found.id, tags)
    with transaction() as session:
        copies = queries.copies_of(session, subscriptions.tenant_id, found.id)
        return compare(copies, found, known.sold, clock.now())


def _is_others(
    subscriptions: Subscriptions, copies: Sequence[models.Subscription], found: ProviderSubscription
) -> bool:
    """By the order in which an owner is found: our copies, the metadata, the customer."""
    if copies:
        return copies[0].tenant_id != subscriptions.tenant_id
    tag = found.metadata.get(billing_tags.TENANT)
    if tag is not None:
        return tag != subscriptions.app_id
    return found.customer_id in subscriptions.customers.others


def _why(mismatches: Sequence[Mismatch]) -> str:
    said = dict.fromkeys(f"{each.what}: {each.stripes}" for each in mismatches)
    return "; ".join(said)
