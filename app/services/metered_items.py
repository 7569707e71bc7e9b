"""The items of Stripe's subscriptions that bill overage are copied beside the subscriptions that give the feature."""

from datetime import datetime, timedelta

import structlog
from sqlmodel import Session

from app import models
from app.gateways.billing_shapes import ProviderSubscription, SubscriptionItem
from app.queries import metered_items as queries
from app.queries.metered_items import Sold

log = structlog.get_logger(__name__)

HORIZON = timedelta(days=34)
"""Stripe takes usage of the past 35 days. A day of that is for what has to be tried again."""


def copy_metered_items(session: Session, owner: models.User, found: ProviderSubscription, now: datetime) -> None:
    """Make our metered items what Stripe says of this subscription, and have their hours worked out. Under the owner's lock."""
    items = _by_what_is_sold(session, owner.tenant_id, found)
    rows = queries.locked_items_of(session, owner.tenant_id, found.id)
    for sold, item in items.items():
        row = rows.pop(sold, None) or _new(owner, found, sold, item)
        _copy(row, owner, found, item, now)
        session.add(row)
    for row in rows.values():
        if row.ended_at is None:
            row.ended_at = row.due_at = now


def _by_what_is_sold(session: Session, tenant_id: int, found: ProviderSubscription) -> dict[Sold, SubscriptionItem]:
    # Of two on one meter Stripe charges both for the same usage; the first is told.
    metered = {item.price.meter_id: item for item in reversed(found.items) if item.price.meter_id is not None}
    if not metered:
        return {}
    sold = queries.sold_by_meters(session, tenant_id, metered)
    # What else is metered in this account is none of our business.
    return {sold[meter_id]: item for meter_id, item in metered.items() if meter_id in sold}


def _new(owner: models.User, found: ProviderSubscription, sold: Sold, item: SubscriptionItem) -> models.MeteredItem:
    package_key, feature_key = sold
    return models.MeteredItem(
        tenant_id=owner.tenant_id,
        provider_subscription_id=found.id,
        package_key=package_key,
        feature_key=feature_key,
        user_key=owner.key,
        provider_item_id=item.id,
        customer_id=found.customer_id,
        meter_id=item.price.meter_id or "",
        since=item.created_at,
        boundaries=[],
    )


def _copy(
    row: models.MeteredItem, owner: models.User, found: ProviderSubscription, item: SubscriptionItem, now: datetime
) -> None:
    if row.provider_item_id != item.id:
        row.provider_item_id, row.since = item.id, item.created_at
    row.user_key, row.customer_id, row.meter_id = owner.key, found.customer_id, item.price.meter_id or ""
    # A moment in the future at which a bill was to begin may have been moved; one of the past was a fact.
    known = {moment for moment in row.boundaries if now - HORIZON - timedelta(days=7) < moment <= now}
    row.boundaries = sorted(known | {item.period_start, item.period_end})
    row.ended_at = found.ended_at
    row.due_at = now
