"""What time does to subscriptions is written down: ends, ends of trials, changes of package.

Nobody waits for it: every read looks at the dates. It keeps the rows plain, and tells webhook endpoints.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlmodel import Session

from app import jobs, models
from app.domain.subscribing import SubscriptionStatus
from app.domain.subscription_dates import package_key_at, status_at
from app.domain.webhooks import WebhookEventType
from app.queries.subscriptions import locked_due
from app.services import subscription_news, sweeps
from app.services.subscription_news import News
from app.services.sweeps import Sweep, Swept


def settle_due() -> Swept:
    """Settle what is due, for a few seconds; call again while there is `more`. Any number at once share the work.

    Raises:
        OverloadedError: the database is busy or away. What was done stays done.
    """
    return sweeps.run(
        Sweep(job=jobs.SETTLE_SUBSCRIPTIONS, due=locked_due, handle=settle, id_of=lambda row: str(row.id))
    )


def settle(session: Session, rows: Iterable[models.Subscription], now: datetime) -> None:
    """Bring subscriptions of one tenant up to date, and tell endpoints. Under their users' locks; twice is as good as once.

    One that became several things since the last time is told of once, as what it is now.
    """
    news = [(type_, row) for row in rows if (type_ := _settle(session, row, now))]
    session.flush()
    if news:
        subscription_news.announce(session, news[0][1].tenant_id, _by_user(news), now)


def change_package(session: Session, row: models.Subscription, package_key: int, at: datetime) -> None:
    """The subscription has this package from then on; what it had until then is kept for the periods that ended with it."""
    if package_key == row.package_key:
        return
    since = row.changed_at or row.started_at
    if since < at:
        past = models.PastPackage(
            tenant_id=row.tenant_id, subscription_id=row.id, until=at, package_key=row.package_key, since=since
        )
        session.add(past)
    # A clock that is behind the one before does not bring it back: stretches must not overlap, nor end at one moment twice.
    row.package_key, row.changed_at = package_key, max(since, at)


def _settle(session: Session, row: models.Subscription, now: datetime) -> WebhookEventType | None:
    """What is to be told of it; None if nothing was due."""
    if row.status is SubscriptionStatus.CANCELLED or not _is_due(row, now):
        return None
    package_key, status = package_key_at(row, now), status_at(row, now)
    change_package(session, row, package_key, row.changes_at or now)
    if row.changes_at is not None and (row.changes_at <= now or status is SubscriptionStatus.CANCELLED):
        if package_key == row.next_package_key:
            row.provider_price_id = row.next_price_id or row.provider_price_id
        # What had not happened by the end never will.
        row.next_package_key = row.changes_at = row.next_price_id = None
    row.status, row.updated_at = status, now
    is_over = status is SubscriptionStatus.CANCELLED
    return WebhookEventType.SUBSCRIPTION_CANCELLED if is_over else WebhookEventType.SUBSCRIPTION_UPDATED


def _is_due(row: models.Subscription, now: datetime) -> bool:
    has_changed = row.changes_at is not None and row.changes_at <= now
    return has_changed or status_at(row, now) is not row.status


def _by_user(news: Iterable[News]) -> list[News]:
    """A user's in the order in which they were made."""
    return sorted(news, key=lambda one: (one[1].user_key, one[1].id))
