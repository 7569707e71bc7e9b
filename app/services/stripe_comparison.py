"""All subscriptions at Stripe are held against our copies, and all our copies against Stripe; what differs is copied again.

A difference that shows in a list is looked at again before it counts: lists are old when they come, and webhooks go on.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlmodel import Session

from app import clock
from app.db import transaction
from app.errors import OverloadedError
from app.gateways.billing import BillingGateway
from app.gateways.billing_errors import BillingNotConfiguredError, BillingNotFoundError, BillingUnavailableError
from app.gateways.billing_shapes import Metadata, ProviderSubscription
from app.queries import stripe_copies as queries
from app.queries import tenants
from app.services.overage_adjusting import adjust_overage
from app.services.overage_items import Adjustment, adjustment_of
from app.services.stripe_comparing import NOTHING, Mismatch, What, compare, is_over
from app.services.stripe_differences import Difference, Outcome
from app.services.stripe_owners import Bought, tenant_of
from app.services.stripe_subscriptions import NO_TAGS, copy_subscription

log = structlog.get_logger(__name__)

_UNLISTED_BATCH = 100


@dataclass(frozen=True, slots=True)
class Compared:
    """A part of a comparison: how many subscriptions were looked at, and after which it goes on; None: that was the last part."""

    looked_at: int
    differences: list[Difference]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class Look:
    """Whose a subscription is, where we differ, and what is to be done about its items for overage."""

    tenant_id: int
    app_id: str
    mismatches: list[Mismatch]
    adjustment: Adjustment


def compare_page(
    gateway: BillingGateway, after: str | None, *, repair: bool, note_listed: bool = False
) -> tuple[Compared, list[str]]:
    """Compare a page of Stripe's list of all subscriptions, ended ones too; also their ids. Those that are not ours count not.

    `note_listed` makes `compare_unlisted` pass over them.

    Raises:
        BillingError: Stripe does not answer, or does not know `after`. What was repaired stays so.
        OverloadedError: the database is busy or away.
    """
    page = gateway.subscriptions(after=after)
    with transaction() as session:
        looks = looks_at(session, gateway, page.items)
        if note_listed:
            queries.note_listed(session, looks.keys(), clock.now())
    differences: list[Difference] = []
    for subscription_id, look in looks.items():
        if look.mismatches:
            differences += settle(gateway, look.app_id, subscription_id, repair=repair)
        elif look.adjustment.is_wanted and repair:
            # What is left over is no difference: it was to stay until now.
            adjust_overage(look.tenant_id, subscription_id, gateway)
    return Compared(len(looks), differences, page.next_after), [each.id for each in page.items]


def compare_unlisted(
    gateway: BillingGateway, began_at: datetime, after: str, listed: Collection[str] = (), *, repair: bool
) -> Compared:
    """Compare copies that were made before `began_at` and are not in Stripe's list, some at a time.

    One that Stripe does not know either when asked for it is told of and left alone: maybe the key is another account's.

    Raises:
        BillingError: Stripe does not answer. What was repaired stays so.
        OverloadedError: the database is busy or away.
    """
    with transaction() as session:
        ours = _tenant_ids(session, gateway)
        found = queries.unlisted(session, ours, began_at, after, _UNLISTED_BATCH)
        copies = queries.copies_of_many(session, ours, found)
        app_ids = {tenant.id: tenant.public_id for tenant in tenants.all_tenants(session)}
    differences: list[Difference] = []
    for subscription_id in found:
        if subscription_id not in listed:
            app_id = app_ids[copies[subscription_id][0].tenant_id]
            differences += settle(gateway, app_id, subscription_id, repair=repair)
    return Compared(len(found), differences, found[-1] if len(found) == _UNLISTED_BATCH else None)


def settle(gateway: BillingGateway, app_id: str, subscription_id: str, *, repair: bool) -> list[Difference]:
    """Look again at a subscription of a tenant's, copy it if we differ, and say what became of each difference.

    Raises:
        BillingError: Stripe does not answer.
        OverloadedError: the database is busy or away.
    """

    def told(mismatch: Mismatch, outcome: Outcome) -> Difference:
        return Difference(mismatch.what, app_id, subscription_id, mismatch.ours, mismatch.stripes, outcome)

    try:
        found = gateway.subscription(subscription_id)
    except BillingNotFoundError:
        return [told(each, Outcome.LEFT if repair else Outcome.FOUND) for each in _lost(gateway, subscription_id)]
    look = _look(gateway, found)
    before = look.mismatches if look else []
    if not before or not repair:
        return [told(each, Outcome.FOUND) for each in before]
    try_to_copy(gateway, subscription_id)
    look = _look(gateway, found)
    if look and look.adjustment.is_wanted:
        adjust_overage(look.tenant_id, subscription_id, gateway)
        look = _look(gateway, gateway.subscription(subscription_id))
    left = {(each.what, each.item_id) for each in look.mismatches} if look else set()
    return [told(each, Outcome.LEFT if (each.what, each.item_id) in left else Outcome.REPAIRED) for each in before]


def looks_at(session: Session, gateway: BillingGateway, found: Sequence[ProviderSubscription]) -> dict[str, Look]:
    """Where we differ, by subscription; without those that are not ours."""
    ours = _tenant_ids(session, gateway)
    app_ids = {tenant.id: tenant.public_id for tenant in tenants.all_tenants(session)}
    copies = queries.copies_of_many(session, ours, [each.id for each in found])
    owners = {
        each.id: copies[each.id][0].tenant_id if each.id in copies else tenant_of(session, _bought(each))
        for each in found
    }
    sold = {
        tenant_id: queries.sold_prices(
            session, tenant_id, {item.price.id for each in found if owners[each.id] == tenant_id for item in each.items}
        )
        for tenant_id in set(owners.values())
        if tenant_id is not None
    }
    now = clock.now()
    looks: dict[str, Look] = {}
    for each in found:
        tenant_id, ours_of_it = owners[each.id], copies.get(each.id, ())
        if tenant_id is not None:
            adjustment = adjustment_of(session, tenant_id, each, ours_of_it, now)
            mismatches = compare(ours_of_it, each, sold[tenant_id], now)
            mismatches += [Mismatch(What.OVERAGE, price_id, price_id, NOTHING) for price_id in adjustment.missing]
            looks[each.id] = Look(tenant_id, app_ids[tenant_id], mismatches, adjustment)
    return looks


def _look(gateway: BillingGateway, found: ProviderSubscription) -> Look | None:
    with transaction() as session:
        return looks_at(session, gateway, [found]).get(found.id)


def _lost(gateway: BillingGateway, subscription_id: str) -> list[Mismatch]:
    """What we have of a subscription that Stripe does not have."""
    now = clock.now()
    with transaction() as session:
        copies = queries.copies_of_many(session, _tenant_ids(session, gateway), [subscription_id])
        return [
            Mismatch(What.NOT_AT_STRIPE, copy.provider_item_id or "", copy.status.value, NOTHING)
            for copy in copies.get(subscription_id, ())
            if not is_over(copy, now)
        ]


def try_to_copy(gateway: BillingGateway, subscription_id: str, tags: Metadata = NO_TAGS) -> None:
    """Copy it, or log why that does not work. Raises what says that none can be copied now."""
    try:
        copy_subscription(gateway, subscription_id, tags)
    except (OverloadedError, BillingUnavailableError, BillingNotConfiguredError):
        raise
    except Exception as error:
        log.error("stripe.copy_failed", subscription_id=subscription_id, exc_info=error)


def _tenant_ids(session: Session, gateway: BillingGateway) -> Sequence[int]:
    return queries.tenant_ids_of_mode(session, live=gateway.live)


def _bought(found: ProviderSubscription) -> Bought:
    prices = frozenset(item.price.id for item in found.items)
    return Bought(found.id, found.live, found.customer_id, prices, found.metadata)
