"""Telling webhook endpoints what became of subscriptions."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session

from app import models
from app.domain.webhooks import WebhookEventType
from app.queries.outbox import Announcement
from app.services import outbox
from app.services.subscription_views import views_of

News = tuple[WebhookEventType, models.Subscription]


def announce(session: Session, tenant_id: int, news: Sequence[News], now: datetime) -> None:
    """Tell of one tenant's subscriptions, as they are now, in this order. Nothing is read when nobody wants to know.

    Flush what was changed before.
    """
    wanted = outbox.wanted(session, ((tenant_id, type_) for type_, _ in news)) if news else set()
    told = [(type_, row) for type_, row in news if (tenant_id, type_) in wanted]
    if not told:
        return
    views = views_of(session, tenant_id, [row for _, row in told], now)
    outbox.announce(
        session,
        [Announcement(tenant_id, type_, row.user_key, view) for (type_, row), view in zip(told, views, strict=True)],
    )
