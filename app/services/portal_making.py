"""What workers do about links to the customer portal: have Stripe make the page, and forget it soon. No call is in a transaction.

A page more than was asked for does no harm: it is nobody's, and Stripe closes it after some minutes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlmodel import Session

from app import jobs, models
from app.db import transaction
from app.domain.billing import PortalLinkStatus
from app.gateways.billing import BillingGateway
from app.gateways.billing_errors import BillingNotConfiguredError, BillingRefusedError, BillingUnavailableError
from app.gateways.stripe import stripe_gateway
from app.queries import portal_links as queries
from app.queries.tenants import tenant_by_id
from app.queries.users import user_by_key
from app.services import sweeps
from app.services.billing_refusals import check_mode, told
from app.services.portal_links import KEPT
from app.services.stripe_customers import check_customer
from app.services.sweeps import Sweep, Swept

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Wish:
    tenant_id: int
    link_id: UUID
    app_id: str
    customer_id: str
    return_url: str


def make_portal_link(tenant_id: int, link_id: str, gateway: BillingGateway | None = None) -> int:
    """Make a PENDING link OPEN, or FAILED if Stripe will never do it. How many were settled.

    While Stripe is away it stays PENDING, and who asks again has it tried again.

    Raises:
        OverloadedError: the database is busy or away.
    """
    wish = _read(tenant_id, UUID(link_id))
    if wish is None:
        return 0
    try:
        billing = gateway or stripe_gateway()
        check_mode(wish.app_id, billing)
        check_customer(billing, tenant_id, wish.app_id, wish.customer_id)
        made = billing.create_portal_session(wish.customer_id, return_url=wish.return_url)
    except BillingUnavailableError as away:
        log.info("stripe.portal_link_waits", tenant_id=tenant_id, reason=away.message)
        return 0
    except (BillingRefusedError, BillingNotConfiguredError) as refused:
        return _settle(wish, PortalLinkStatus.FAILED, error=told(refused))
    return _settle(wish, PortalLinkStatus.OPEN, url=made.url)


def drop_portal_links() -> Swept:
    """Forget links of over a minute ago, whatever has become of them.

    Raises:
        OverloadedError: the database is busy or away. What was done stays done.
    """
    return sweeps.run(Sweep(job=jobs.DROP_PORTAL_LINKS, due=_old, handle=_drop, id_of=lambda link: str(link.id)))


def _read(tenant_id: int, link_id: UUID) -> _Wish | None:
    with transaction() as session:
        row = queries.portal_link_by_id(session, tenant_id, link_id)
        tenant = tenant_by_id(session, tenant_id)
        if row is None or tenant is None or row.status is not PortalLinkStatus.PENDING:
            return None
        user = user_by_key(session, tenant_id, row.user_key)
        return _Wish(tenant_id, link_id, tenant.public_id, (user and user.billing_id) or "", row.return_url)


def _settle(wish: _Wish, status: PortalLinkStatus, *, url: str | None = None, error: str | None = None) -> int:
    with transaction() as session:
        row = queries.locked_portal_link(session, wish.tenant_id, wish.link_id)
        if row is None or row.status is not PortalLinkStatus.PENDING:
            return 0
        row.status, row.url, row.error = status, url, error
    return 1


def _old(
    session: Session, tenant_id: int, now: datetime, limit: int, but_not: Sequence[str]
) -> Sequence[models.PortalLink]:
    return queries.locked_old(session, tenant_id, now - KEPT, limit, but_not)


def _drop(session: Session, rows: Sequence[models.PortalLink], _now: datetime) -> None:
    for row in rows:
        session.delete(row)
