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
from app.queries.subscriptions import live_subscriptions
from app.services.checkout_settling import follow_session
from app.services.checkout_tags import package_of

log = structlog.get_logger(__name__)

_OTHER_WAS_BOUGHT = "Another base package was bought meanwhile."


def close_other_links(tenant_id: int, link_id: str, gateway: BillingGateway | None = None) -> int:
    """Close the other pages for base packages of whoever bought by this link, and return how many were closed.

    One that cannot be closed now is left to the sweep. Who pays there too meanwhile has both, and an operator is told.

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
        return close_page(gateway or stripe_gateway(), other.session_id)
    except BillingError as error:
        log.warning(
            "stripe.session_not_closed",
            tenant_id=other.tenant_id,
            link_id=str(other.id),
            error=type(error).__name__,
        )
        _have_looked_at(other)
        return False


def is_of_no_use(tenant_id: int, link_id: UUID) -> bool:
    """Whether somebody could pay for a base package by it who has one: they would get no such link now."""
    with transaction() as session:
        row = link_by_id(session, tenant_id, link_id)
        if row is None or row.user_key is None or package_of(session, row).is_addon:
            return False
        live = live_subscriptions(session, tenant_id, row.user_key, clock.now())
        return any(not package.is_addon for _, package in live)


def close_page(billing: BillingGateway, session_id: str) -> bool:
    """Close a page, and settle its link; whether that changed the link.

    Raises:
        BillingError: Stripe does not answer, or does not know it.
        OverloadedError: the database is busy or away.
    """
    try:
        found = billing.expire_checkout_session(session_id)
    except BillingNotFoundError:
        raise
    except BillingRefusedError:
        # Not open any more: somebody has paid, or its time is over.
        found = billing.checkout_session(session_id)
    return follow_session(billing, found)


def _have_looked_at(other: models.CheckoutLink) -> None:
    """By the next sweep, which closes it if it is still open."""
    with transaction() as session:
        row = locked_link(session, other.tenant_id, other.id)
        if row is not None and row.look_at is not None:
            row.look_at = clock.now()


def _want_no_more(other: models.CheckoutLink) -> bool:
    """Nobody has its page yet. The worker that is making it closes it when it is done."""
    with transaction() as session:
        row = locked_link(session, other.tenant_id, other.id)
        if row is None or row.status is not SubscriptionLinkStatus.PENDING:
            return False
        row.status, row.error, row.updated_at = SubscriptionLinkStatus.EXPIRED, _OTHER_WAS_BOUGHT, clock.now()
    return True
