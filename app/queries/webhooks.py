"""Webhook endpoints, and what was sent to them."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, func, select
from sqlmodel.sql.expression import Select

from app.domain.webhooks import DeliveryStatus
from app.models import User, WebhookDelivery, WebhookEndpoint, WebhookMessage
from app.queries.pages import page_after


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery, what it tells, and of whom."""

    delivery: WebhookDelivery
    message: WebhookMessage
    user_id: str | None


# What is on its way is not waited for: whoever writes its result finds that it was given up.
_GIVE_UP = """
UPDATE webhook_deliveries SET status = 'DEAD', next_attempt_at = NULL, settled_at = %s, last_error = coalesce(last_error, %s)
WHERE tenant_id = %s AND endpoint_id = %s AND status = 'PENDING'
"""

_REVIVE = """
UPDATE webhook_deliveries SET status = 'PENDING', attempts = 0, next_attempt_at = %s, settled_at = NULL
WHERE tenant_id = %s AND id IN (
  SELECT id FROM webhook_deliveries WHERE tenant_id = %s AND endpoint_id = %s AND status = 'DEAD' ORDER BY id LIMIT %s
)
"""


def endpoint_by_id(session: Session, tenant_id: int, endpoint_id: int) -> WebhookEndpoint | None:
    return session.exec(
        select(WebhookEndpoint).where(WebhookEndpoint.tenant_id == tenant_id, WebhookEndpoint.id == endpoint_id)
    ).one_or_none()


def locked_endpoint(
    session: Session, tenant_id: int, endpoint_id: int, *, for_delete: bool = False
) -> WebhookEndpoint | None:
    """Locked for a change; what is announced meanwhile goes on. With `for_delete` it is no longer sent there.

    Whoever locks an endpoint and deliveries of it takes the endpoint first.
    """
    statement = select(WebhookEndpoint).where(WebhookEndpoint.tenant_id == tenant_id, WebhookEndpoint.id == endpoint_id)
    return session.exec(
        statement.with_for_update(key_share=not for_delete).execution_options(populate_existing=True)
    ).one_or_none()


def count_endpoints(session: Session, tenant_id: int) -> int:
    return session.exec(select(func.count()).where(WebhookEndpoint.tenant_id == tenant_id)).one()


def endpoints_page(
    session: Session, tenant_id: int, after: int | None, limit: int
) -> tuple[list[WebhookEndpoint], bool]:
    statement = select(WebhookEndpoint).where(WebhookEndpoint.tenant_id == tenant_id)
    return page_after(session, statement, col(WebhookEndpoint.id), after, limit)


def newest_sent(
    session: Session, tenant_id: int, endpoint_id: int, status: DeliveryStatus | None, after: int | None, limit: int
) -> tuple[list[Sent], bool]:
    """At most `limit` of the endpoint's deliveries, newest first, from the one before `after`; and whether more follow."""
    statement = _sent(tenant_id).where(WebhookDelivery.endpoint_id == endpoint_id)
    if status is not None:
        statement = statement.where(WebhookDelivery.status == status)
    if after is not None:
        statement = statement.where(col(WebhookDelivery.id) < after)
    rows = session.exec(statement.order_by(col(WebhookDelivery.id).desc()).limit(limit + 1)).all()
    return [Sent(*row) for row in rows[:limit]], len(rows) > limit


def sent_by_id(session: Session, tenant_id: int, delivery_id: int) -> Sent | None:
    row = session.exec(_sent(tenant_id).where(WebhookDelivery.id == delivery_id)).one_or_none()
    return Sent(*row) if row else None


def locked_delivery(session: Session, tenant_id: int, delivery_id: int) -> WebhookDelivery | None:
    """As it is once its lock is ours. Lock its endpoint first."""
    return session.exec(
        select(WebhookDelivery)
        .where(WebhookDelivery.tenant_id == tenant_id, WebhookDelivery.id == delivery_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one_or_none()


def give_up(session: Session, endpoint: WebhookEndpoint, reason: str, now: datetime) -> None:
    """Nothing that waits for the endpoint is sent any more, until somebody asks for it."""
    session.connection().exec_driver_sql(_GIVE_UP, (now, reason, endpoint.tenant_id, endpoint.id))


def revive(session: Session, endpoint: WebhookEndpoint, limit: int, now: datetime) -> int:
    """Have up to `limit` of what was given up sent again, oldest first. How many that are."""
    parameters = (now, endpoint.tenant_id, endpoint.tenant_id, endpoint.id, limit)
    return session.connection().exec_driver_sql(_REVIVE, parameters).rowcount


def _sent(tenant_id: int) -> Select[WebhookDelivery, WebhookMessage, str]:
    return (
        select(WebhookDelivery, WebhookMessage, User.id)
        .join(
            WebhookMessage,
            (col(WebhookMessage.tenant_id) == col(WebhookDelivery.tenant_id))
            & (col(WebhookMessage.id) == col(WebhookDelivery.message_id)),
        )
        .outerjoin(
            User,
            (col(User.tenant_id) == col(WebhookDelivery.tenant_id)) & (col(User.key) == col(WebhookDelivery.user_key)),
        )
        .where(WebhookDelivery.tenant_id == tenant_id)
    )
