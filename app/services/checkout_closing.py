"""Who has bought a base package has no use for other pages to buy one on: they are closed, so that nobody pays twice."""

from uuid import UUID

import structlog

from app import clock, models
from app.db import transaction
from app.domain.billing import SubscriptionLinkStatus
from app.gateways.billing import BillingGateway
from app.gateways.billing_errors import BillingError, BillingNotFoundError, BillingRefusedError
from app.gateways.stripe import stripe_gateway
from app.queries.checkout_links import link_by_id, locked_link
from app.queries.checkout_looks import other_base_links
from app.services.checkout_settling import follow_session

log = structlog.get_logger(__name__)

_OTHER_WAS_BOUGHT = "Another base package was bought meanwhile."


def close_other_links(tenant_id: int, link_id: str, gateway: BillingGateway | None = None) -> int:
    """Close the other pages for base packages of whoever bought by this link, and return how many were closed.

    One that cannot be closed now stays open until its time is over: who pays there too has both, and an operator is told.

    Raises:
        OverloadedError: the database is busy or away.
    """
    with transaction() as session:
        row = link_by_id(session, tenant_id, UUID(link_id))
        others = other_base_links(session, tenant_id, row.user_key, row.id) if row and row.user_key else []
    return sum(_close(each, gateway) for each in others)


def _close(other: models.CheckoutLink, gateway: BillingGateway | None) -> bool:
    if other.session_id is None:
        return _want_no_more(other)
    try:
        return _close_page(gateway or stripe_gateway(), other.session_id)
    except BillingError as error:
        log.warning(
            "stripe.session_not_closed",
            tenant_id=other.tenant_id,
            link_id=str(other.id),
            error=type(error).__name__,
        )
        return False


def _close_page(billing: BillingGateway, session_id: str) -> bool:
    try:
        found = billing.expire_checkout_session(session_id)
    except BillingNotFoundError:
        raise
    except BillingRefusedError:
        # Not open any more: somebody has paid, or its time is over.
        found = billing.checkout_session(session_id)
    return follow_session(billing, found)


def _want_no_more(other: models.CheckoutLink) -> bool:
    """Nobody has its page yet. The worker that is making it closes it when it is done."""
    with transaction() as session:
        row = locked_link(session, other.tenant_id, other.id)
        if row is None or row.status is not SubscriptionLinkStatus.PENDING:
            return False
        row.status, row.error, row.updated_at = SubscriptionLinkStatus.EXPIRED, _OTHER_WAS_BOUGHT, clock.now()
    return True
