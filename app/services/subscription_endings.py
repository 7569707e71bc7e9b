"""How subscriptions end: a base takes the user's add-ons with it, wherever each of them is billed."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session

from app import models
from app.domain.subscribing import SubscriptionStatus, end_of_paid_period
from app.domain.webhooks import WebhookEventType
from app.queries import subscriptions as queries
from app.services.subscription_dates import settle
from app.services.subscription_news import announce
from app.services.subscription_requests import is_billed, request_cancel


def end_here(session: Session, row: models.Subscription, now: datetime, *, at_period_end: bool) -> None:
    """End a live subscription that is not billed, and with a base the user's add-ons. Under the user's lock."""
    ending = [row, *_addons_of(session, row, now)]
    settle(session, [one for one in ending if not is_billed(one)], now)
    ends_at = end_of_period(session, row, now) if at_period_end else now
    _end_all(session, ending, ends_at, now)


def end_addons_of(session: Session, base: models.Subscription, now: datetime) -> None:
    """End the user's add-ons with a base that was ended at Stripe, unless they have another base. Under the user's lock.

    Those that are billed together with it have ended with it.
    """
    ends_at = base.ends_at
    if ends_at is None:
        # Its end was taken back in the portal before we had copied it.
        return
    live = queries.live_subscriptions(session, base.tenant_id, base.user_key, now)
    if any(not package.is_addon for held, package in live if held.id != base.id):
        return
    addons = [
        held
        for held, package in live
        if package.is_addon and held.provider_subscription_id != base.provider_subscription_id
    ]
    _end_all(session, [one for one in addons if one.ends_at is None or one.ends_at > ends_at], ends_at, now)


def end_of_period(session: Session, row: models.Subscription, now: datetime) -> datetime:
    """When the running period of one that is not billed ends."""
    units = queries.reset_periods_of(session, row.tenant_id, row.package_key)
    return end_of_paid_period(row.started_at, units, now)


def _addons_of(session: Session, row: models.Subscription, now: datetime) -> list[models.Subscription]:
    """The user's live add-ons, if it is to a base package."""
    live = queries.live_subscriptions(session, row.tenant_id, row.user_key, now)
    is_addon = any(package.is_addon for subscription, package in live if subscription.id == row.id)
    return [] if is_addon else [subscription for subscription, package in live if package.is_addon]


def _end_all(session: Session, rows: Sequence[models.Subscription], ends_at: datetime, now: datetime) -> None:
    ended = [one for one in rows if not is_billed(one) and _end(one, ends_at, now)]
    session.flush()
    later = ends_at if ends_at > now else None
    for one in rows:
        if is_billed(one):
            request_cancel(session, one, now, at_period_end=later is not None, ends_at=later)
    type_ = WebhookEventType.SUBSCRIPTION_UPDATED if ends_at > now else WebhookEventType.SUBSCRIPTION_CANCELLED
    if ended:
        announce(session, ended[0].tenant_id, [(type_, one) for one in ended], now)


def _end(row: models.Subscription, ends_at: datetime, now: datetime) -> bool:
    """False if it ends by then anyway, and no change of package is to come."""
    first = min(ends_at, row.ends_at or ends_at)
    is_changing = row.changes_at is not None and row.changes_at >= first
    if row.ends_at == first and not is_changing:
        return False
    row.ends_at, row.updated_at = first, now
    if is_changing:
        row.next_package_key = row.changes_at = None
    if first <= now:
        row.status = SubscriptionStatus.CANCELLED
    return True
