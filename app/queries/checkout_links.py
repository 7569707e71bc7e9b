"""Links that people pay by, one by one. What is found among all of them is in `checkout_looks`."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import Session, col, select

from app.domain.billing import SubscriptionLinkStatus
from app.models import CheckoutLink

LIVE = (SubscriptionLinkStatus.PENDING, SubscriptionLinkStatus.OPEN)


def link_by_id(session: Session, tenant_id: int, link_id: UUID) -> CheckoutLink | None:
    return session.exec(
        select(CheckoutLink).where(CheckoutLink.tenant_id == tenant_id, CheckoutLink.id == link_id)
    ).one_or_none()


def locked_link(session: Session, tenant_id: int, link_id: UUID) -> CheckoutLink | None:
    """As it is once its lock is ours."""
    return session.exec(
        select(CheckoutLink)
        .where(CheckoutLink.tenant_id == tenant_id, CheckoutLink.id == link_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()


def locked_live_link(session: Session, tenant_id: int, user_key: int, fingerprint: str) -> CheckoutLink | None:
    """The one that is PENDING or OPEN for this wish of a user, locked. Lock the user first: then none can come beside it."""
    return session.exec(
        select(CheckoutLink)
        .where(
            CheckoutLink.tenant_id == tenant_id,
            CheckoutLink.user_key == user_key,
            CheckoutLink.fingerprint == fingerprint,
            col(CheckoutLink.status).in_(LIVE),
        )
        .with_for_update()
    ).one_or_none()


def locked_unmade(
    session: Session, tenant_id: int, sent_before: datetime, limit: int, but_not: Sequence[str]
) -> Sequence[CheckoutLink]:
    """PENDING links that no worker was told of since, in key order and without those that others hold."""
    return session.exec(
        select(CheckoutLink)
        .where(
            CheckoutLink.tenant_id == tenant_id,
            CheckoutLink.status == SubscriptionLinkStatus.PENDING,
            col(CheckoutLink.sent_at) <= sent_before,
            col(CheckoutLink.id).not_in([UUID(row_id) for row_id in but_not]),
        )
        .order_by(col(CheckoutLink.id))
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
