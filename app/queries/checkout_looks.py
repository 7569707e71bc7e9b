"""Which links to pay by have to be looked at, and which are of no use any more."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session, and_, col, or_, select

from app.domain.billing import SubscriptionLinkStatus
from app.models import BillingTemplate, CheckoutLink, Package
from app.queries.checkout_links import LIVE


@dataclass(frozen=True, slots=True)
class Due:
    """A link whose page is to be looked at, and what is thought of it."""

    tenant_id: int
    link_id: UUID
    session_id: str
    status: SubscriptionLinkStatus


# Moved on before it is looked at: if that goes wrong, it is tried again then.
_TAKE_DUE = """
WITH due AS MATERIALIZED (
  SELECT tenant_id, id FROM checkout_links
  WHERE tenant_id = ANY(%s::int[]) AND look_at <= %s AND session_id IS NOT NULL
  ORDER BY look_at, id LIMIT %s FOR UPDATE SKIP LOCKED
)
UPDATE checkout_links l SET look_at = %s
FROM due
WHERE l.tenant_id = due.tenant_id AND l.id = due.id
RETURNING l.tenant_id, l.id, l.session_id, l.status
"""
_DUE_AFTER = """
SELECT tenant_id, id, session_id, status FROM checkout_links
WHERE tenant_id = ANY(%s::int[]) AND look_at <= %s AND session_id IS NOT NULL AND id > %s
ORDER BY id LIMIT %s
"""
# Of what was bought there must be a copy, which knows whose it is: else the link is the one that does.
_DELETE_SETTLED = """
WITH settled AS MATERIALIZED (
  SELECT l.id FROM checkout_links l
  WHERE l.tenant_id = %s AND l.look_at IS NULL AND l.updated_at < %s AND l.status IN ('PAID', 'EXPIRED', 'FAILED')
    AND (l.bought_id IS NULL OR EXISTS (
      SELECT FROM subscriptions s WHERE s.tenant_id = l.tenant_id AND s.provider_subscription_id = l.bought_id
    ))
  ORDER BY l.updated_at LIMIT %s FOR UPDATE OF l SKIP LOCKED
)
DELETE FROM checkout_links WHERE tenant_id = %s AND id IN (SELECT id FROM settled)
"""


def link_of_session(
    session: Session, tenant_ids: Collection[int], session_id: str, link_id: UUID | None
) -> CheckoutLink | None:
    """The link of these tenants that has this page, or else the one that the page's tag names."""
    is_its_page = col(CheckoutLink.session_id) == session_id
    return session.exec(
        select(CheckoutLink)
        .where(col(CheckoutLink.tenant_id).in_(tenant_ids), or_(is_its_page, col(CheckoutLink.id) == link_id))
        .order_by(func.coalesce(is_its_page, False).desc())
        .limit(1)
    ).one_or_none()


def links_of_sessions(
    session: Session, tenant_ids: Collection[int], session_ids: Collection[str], link_ids: Collection[UUID]
) -> Sequence[CheckoutLink]:
    """All that have one of these pages, or are named by one."""
    return session.exec(
        select(CheckoutLink).where(
            col(CheckoutLink.tenant_id).in_(tenant_ids),
            or_(col(CheckoutLink.session_id).in_(session_ids), col(CheckoutLink.id).in_(link_ids)),
        )
    ).all()


def oldest_open_at(session: Session, tenant_ids: Collection[int]) -> datetime | None:
    """When the oldest was asked for that somebody may have paid by without our knowing."""
    return session.exec(
        select(func.min(CheckoutLink.created_at)).where(
            col(CheckoutLink.tenant_id).in_(tenant_ids),
            or_(
                and_(col(CheckoutLink.look_at).is_not(None), CheckoutLink.status != SubscriptionLinkStatus.UNPAID),
                CheckoutLink.status == SubscriptionLinkStatus.PENDING,
            ),
        )
    ).one()


def take_due(session: Session, tenant_ids: Collection[int], now: datetime, again_at: datetime, limit: int) -> list[Due]:
    """The links whose time to be looked at has come, the longest overdue first; they are due again at `again_at`."""
    found = session.connection().exec_driver_sql(_TAKE_DUE, (list(tenant_ids), now, limit, again_at))
    return [_due(*row) for row in found]


def due_after(session: Session, tenant_ids: Collection[int], now: datetime, after: UUID, limit: int) -> list[Due]:
    """The same links by their ids, for who only looks."""
    found = session.connection().exec_driver_sql(_DUE_AFTER, (list(tenant_ids), now, after, limit))
    return [_due(*row) for row in found]


def _due(tenant_id: int, link_id: UUID, session_id: str, status: str) -> Due:
    return Due(tenant_id, link_id, session_id, SubscriptionLinkStatus(status))


def other_base_links(session: Session, tenant_id: int, user_key: int, link_id: UUID) -> Sequence[CheckoutLink]:
    """The user's other links by which a base package may still be paid."""
    return session.exec(
        select(CheckoutLink)
        .join(
            BillingTemplate,
            and_(
                col(BillingTemplate.tenant_id) == col(CheckoutLink.tenant_id),
                col(BillingTemplate.key) == col(CheckoutLink.template_key),
            ),
        )
        .join(
            Package,
            and_(
                col(Package.tenant_id) == col(BillingTemplate.tenant_id),
                col(Package.key) == col(BillingTemplate.package_key),
            ),
        )
        .where(
            CheckoutLink.tenant_id == tenant_id,
            CheckoutLink.user_key == user_key,
            CheckoutLink.id != link_id,
            col(Package.is_addon).is_(False),
            or_(
                col(CheckoutLink.status).in_(LIVE),
                and_(CheckoutLink.status == SubscriptionLinkStatus.EXPIRED, col(CheckoutLink.look_at).is_not(None)),
            ),
        )
        .order_by(col(CheckoutLink.id))
    ).all()


def delete_settled(session: Session, tenant_id: int, before: datetime, limit: int) -> int:
    """Delete the oldest of which nothing can come any more since before then; returns how many."""
    return session.connection().exec_driver_sql(_DELETE_SETTLED, (tenant_id, before, limit, tenant_id)).rowcount
