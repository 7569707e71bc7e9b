"""Links to the customer portal, while they are on their way."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import Session, col, select

from app.domain.billing import PortalLinkStatus
from app.models import PortalLink

UNTAKEN = (PortalLinkStatus.PENDING, PortalLinkStatus.OPEN)


def portal_link_by_id(session: Session, tenant_id: int, link_id: UUID) -> PortalLink | None:
    return session.exec(
        select(PortalLink).where(PortalLink.tenant_id == tenant_id, PortalLink.id == link_id)
    ).one_or_none()


def locked_portal_link(session: Session, tenant_id: int, link_id: UUID) -> PortalLink | None:
    """As it is once its lock is ours."""
    return session.exec(
        select(PortalLink)
        .where(PortalLink.tenant_id == tenant_id, PortalLink.id == link_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()


def locked_untaken(
    session: Session, tenant_id: int, user_key: int, return_url: str, since: datetime
) -> PortalLink | None:
    """The youngest that nobody has got yet, locked. Lock the user first: then none can come beside it."""
    return session.exec(
        select(PortalLink)
        .where(
            PortalLink.tenant_id == tenant_id,
            PortalLink.user_key == user_key,
            PortalLink.return_url == return_url,
            PortalLink.created_at > since,
            col(PortalLink.status).in_(UNTAKEN),
        )
        .order_by(col(PortalLink.created_at).desc())
        .limit(1)
        .with_for_update()
    ).one_or_none()


def locked_old(
    session: Session, tenant_id: int, before: datetime, limit: int, but_not: Sequence[str]
) -> Sequence[PortalLink]:
    """Those of before then, in key order and without those that others hold."""
    return session.exec(
        select(PortalLink)
        .where(
            PortalLink.tenant_id == tenant_id,
            PortalLink.created_at <= before,
            col(PortalLink.id).not_in([UUID(row_id) for row_id in but_not]),
        )
        .order_by(col(PortalLink.id))
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
