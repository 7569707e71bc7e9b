"""The rows of a copy: what Stripe says of a subscription is written, and told to whoever wants to know."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlmodel import Session

from app import clock, jobs, models
from app.domain import billing_tags
from app.domain.stripe_subscriptions import end_of, status_of
from app.domain.subscribing import LIVE_STATUSES, OVER_STATUSES, SubscriptionStatus
from app.domain.subscription_dates import grace_end, status_at
from app.domain.webhooks import WebhookEventType
from app.gateways.billing_shapes import Metadata, ProviderSubscription, SubscriptionItem
from app.gateways.billing_shapes import SubscriptionStatus as StripeStatus
from app.queries import packages as package_queries
from app.queries import stripe_copies as queries
from app.queries.subscriptions import live_subscriptions
from app.services import subscription_news
from app.services.metered_items import copy_metered_items
from app.services.overage_items import adjustment_of
from app.services.stripe_packages import follow_price
from app.services.subscription_news import News
from app.settings import settings

log = structlog.get_logger(__name__)

PROVIDER = "STRIPE"


@dataclass(frozen=True, slots=True)
class Terms:
    """What Stripe says of an item, in our words."""

    status: SubscriptionStatus
    ends_at: datetime | None
    trial_ends_at: datetime | None
    quantity: int | None


def write_copy(
    session: Session,
    owner: models.User,
    found: ProviderSubscription,
    tags: Metadata,
    when_written: Callable[[Session], None],
) -> None:
    """Make the owner's subscriptions what Stripe says of this one. Under the owner's lock.

    `when_written` is called in the same transaction, before anybody is told.
    """
    now = clock.now()
    if found.status is StripeStatus.UNKNOWN:
        log.error("stripe.status_unknown", subscription_id=found.id)
    rows = {row.provider_item_id: row for row in queries.copies_of(session, owner.tenant_id, found.id)}
    before = list(rows.values())
    # Our tag says what was bought first, and nothing of what came later.
    packages = _packages(session, owner.tenant_id, found, None if rows else tags.get(billing_tags.PACKAGE))
    news: list[News] = []
    # What bills overage gives nothing by itself.
    for item in (each for each in found.items if each.price.meter_id is None):
        row = rows.pop(item.id, None)
        package_key = _package_key(item, row, packages, found)
        if row is not None:
            told = _told(row)
            follow_price(session, row, item.price.id, package_key, now)
            if _copy(row, found, item, told, now):
                news.append((_type_of_change(row), row))
        elif package_key is not None:
            row = _new_row(owner, found, item, package_key, before, now)
            _copy(row, found, item, _told(row), now)
            # One by one, so that the ids grow in the order of the items.
            session.add(row)
            session.flush()
            news.append((WebhookEventType.SUBSCRIPTION_CREATED, row))
    news += [(WebhookEventType.SUBSCRIPTION_CANCELLED, row) for row in rows.values() if _drop(row, now)]
    session.flush()
    flag_second_bases(session, owner, found.id, now)
    copy_metered_items(session, owner, found, now)
    session.flush()
    _have_overage_adjusted(session, owner.tenant_id, found, now)
    when_written(session)
    subscription_news.announce(session, owner.tenant_id, news, now)


def _have_overage_adjusted(session: Session, tenant_id: int, found: ProviderSubscription, now: datetime) -> None:
    copies = queries.copies_of(session, tenant_id, found.id)
    if adjustment_of(session, tenant_id, found, copies, now).is_wanted:
        jobs.enqueue(session, jobs.ADJUST_OVERAGE, tenant_id, found.id)


def _packages(session: Session, tenant_id: int, found: ProviderSubscription, tag: str | None) -> dict[str, int]:
    """Keys of packages by price. A price that several templates have, or none any more and it is the only one, is for the package
    of our tag.
    """
    by_price = queries.packages_by_price(session, tenant_id, {item.price.id for item in found.items}, tag)
    keys = {price_id: package.key for price_id, package in by_price.items()}
    licensed = {item.price.id for item in found.items if item.price.meter_id is None}
    if tag and len(licensed) == 1 and not licensed & keys.keys():
        kept = package_queries.kept_packages(session, tenant_id, [tag])
        keys |= {price_id: kept[tag].key for price_id in licensed if tag in kept}
    return keys


def _package_key(
    item: SubscriptionItem, row: models.Subscription | None, packages: dict[str, int], found: ProviderSubscription
) -> int | None:
    """What was bought stays what it was until its price is another, whatever became of the template meanwhile."""
    if row is not None and item.price.id in (row.provider_price_id, row.next_price_id):
        return row.package_key
    package_key = packages.get(item.price.id)
    if package_key is None:
        # Somebody pays for what we do not sell. What they had they keep, until an operator has put a package behind the price.
        log.error("stripe.price_without_package", subscription_id=found.id, price_id=item.price.id)
    return package_key


def _new_row(
    owner: models.User,
    found: ProviderSubscription,
    item: SubscriptionItem,
    package_key: int,
    before: Sequence[models.Subscription],
    now: datetime,
) -> models.Subscription:
    """`before`: those of its items that were copied before. The bill that was not paid is that of the whole subscription, and so
    is its grace. What was added since then changes nothing of who decided until now. What was there, and was not copied while
    nobody had said which package it is for, was bought at the beginning.
    """
    status = status_of(found.status)
    return models.Subscription(
        tenant_id=owner.tenant_id,
        user_key=owner.key,
        package_key=package_key,
        status=status,
        grace_ends_at=grace_end(_late_of(before), status, now, settings().past_due_grace_days),
        provider=PROVIDER,
        provider_subscription_id=found.id,
        provider_item_id=item.id,
        provider_price_id=item.price.id,
        # The anchor of its periods, for good. If Stripe's clock is ahead, what was paid must not wait for ours.
        started_at=min(found.started_at, now),
        changed_at=now if any(row.created_at < item.created_at for row in before) else None,
        metadata_={},
        created_at=now,
        updated_at=now,
    )


def _late_of(before: Sequence[models.Subscription]) -> models.Subscription | None:
    """Who has the grace of the subscription: one that goes on, or else the last that did."""
    going_on = [row for row in before if row.status not in OVER_STATUSES] or before[-1:]
    return next((row for row in going_on if row.status is SubscriptionStatus.PAST_DUE or row.grace_ends_at), None)


def _copy(
    row: models.Subscription,
    found: ProviderSubscription,
    item: SubscriptionItem,
    before: tuple[object, ...],
    now: datetime,
) -> bool:
    """Whether others see that it is not what they were told before."""
    terms = terms_of(found, item, row.ends_at or now)
    status = status_at(terms, now)
    row.grace_ends_at = grace_end(row, status, now, settings().past_due_grace_days)
    row.status, row.trial_ends_at, row.ends_at = status, terms.trial_ends_at, terms.ends_at
    row.quantity, row.synced_at = terms.quantity, now
    if _told(row) == before:
        return False
    row.updated_at = now
    return True


def terms_of(found: ProviderSubscription, item: SubscriptionItem, over_at: datetime) -> Terms:
    """What the copy of an item is to say, before time has done anything to it. `over_at`: for one that is over without a date."""
    status = status_of(found.status)
    if item.quantity == 0 and status in (*LIVE_STATUSES, SubscriptionStatus.PAST_DUE):
        # Stripe calls it active, or late, and nobody pays for it.
        status = SubscriptionStatus.UNPAID
    ends_at = end_of(
        status,
        ended_at=found.ended_at or found.canceled_at,
        cancel_at=found.cancel_at,
        at_period_end=item.period_end if found.cancel_at_period_end else None,
        now=over_at,
    )
    return Terms(status, ends_at, found.trial_end, item.quantity)


def _told(row: models.Subscription) -> tuple[object, ...]:
    """What others see of it."""
    return (row.package_key, row.next_package_key, row.changes_at, row.status, row.ends_at, row.trial_ends_at)


def _type_of_change(row: models.Subscription) -> WebhookEventType:
    is_over = row.status in OVER_STATUSES
    return WebhookEventType.SUBSCRIPTION_CANCELLED if is_over else WebhookEventType.SUBSCRIPTION_UPDATED


def _drop(row: models.Subscription, now: datetime) -> bool:
    """An item that is not there any more. False if it was over before."""
    row.synced_at = now
    if row.status in OVER_STATUSES:
        return False
    row.status, row.ends_at, row.updated_at = SubscriptionStatus.CANCELLED, min(row.ends_at or now, now), now
    row.next_package_key = row.changes_at = row.next_price_id = None
    return True


def flag_second_bases(session: Session, owner: models.User, subscription_id: str, now: datetime) -> None:
    """Who paid for two base packages keeps both, and an operator is told."""
    live = live_subscriptions(session, owner.tenant_id, owner.key, now)
    bases = [row for row, package in live if not package.is_addon]
    copies = queries.copies_of(session, owner.tenant_id, subscription_id)
    # The user's others too: what was second is no more when the first is over.
    for row in {row.id: row for row in [*copies, *bases]}.values():
        is_second = row.provider is not None and row.id in {base.id for base in bases[1:]}
        if is_second and not row.is_second_base:
            _alert(row, bases[0])
        row.is_second_base = is_second


def _alert(second: models.Subscription, first: models.Subscription) -> None:
    log.error(
        "stripe.second_base",
        tenant_id=second.tenant_id,
        subscription_id=second.id,
        provider_subscription_id=second.provider_subscription_id,
        first_subscription_id=first.id,
    )
