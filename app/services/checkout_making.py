"""Workers have Stripe make the pages of links to pay by. No call to Stripe is in a transaction.

Any number of workers may do it for one link at once: an attempt has one idempotency key, so they get the same page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlmodel import Session

from app import clock, jobs, models
from app.db import transaction
from app.domain import billing_tags
from app.domain.billing import SubscriptionLinkStatus, customer_id_of, next_look
from app.gateways.billing import BillingGateway
from app.gateways.billing_errors import (
    BillingError,
    BillingKeyReusedError,
    BillingNotConfiguredError,
    BillingRefusedError,
    BillingUnavailableError,
)
from app.gateways.billing_shapes import CheckoutSession, NewCheckout
from app.gateways.stripe import stripe_gateway
from app.queries import billing as template_queries
from app.queries import checkout_links as queries
from app.queries.packages import packages_by_key
from app.queries.tenants import tenant_by_id
from app.queries.users import user_by_key
from app.services import sweeps
from app.services.billing_refusals import check_mode, told
from app.services.checkout_links import have_made
from app.services.stripe_customers import check_customer
from app.services.sweeps import Sweep, Swept

log = structlog.get_logger(__name__)

LOST_AFTER = timedelta(seconds=60)
"""Nothing of a worker for so long: its message was lost, or Stripe was away."""

GIVEN_UP_AFTER = timedelta(hours=1)
"""Whoever asked has left by then. Asking again makes another."""

_GIVEN_UP = "Stripe could not be reached for an hour. Ask again."


@dataclass(frozen=True, slots=True)
class _Wish:
    """A link as it was when the work on it began."""

    tenant_id: int
    link_id: UUID
    app_id: str
    attempt: int
    checkout: NewCheckout


def make_link(tenant_id: int, link_id: str, gateway: BillingGateway | None = None) -> int:
    """Make a PENDING link OPEN, or FAILED if Stripe will never do what it asks for. How many were settled.

    While Stripe is away it stays PENDING, with a note; whoever asks again, and the sweep, have it tried again.

    Raises:
        OverloadedError: the database is busy or away.
    """
    wish = _read(tenant_id, UUID(link_id))
    if wish is None:
        return 0
    try:
        billing = gateway or stripe_gateway()
        check_mode(wish.app_id, billing)
        if wish.checkout.customer_id is not None:
            # Their page would show the customer's address and cards.
            check_customer(billing, tenant_id, wish.app_id, wish.checkout.customer_id)
        made = billing.create_checkout_session(wish.checkout, key=f"link:{wish.link_id}:{wish.attempt}")
    except (BillingUnavailableError, BillingKeyReusedError) as away:
        _note(wish, away)
        return 0
    except (BillingRefusedError, BillingNotConfiguredError) as refused:
        return _fail(wish, told(refused))
    if not _open(wish, made):
        _close(billing, made.id)
        return 0
    return 1


def requeue_links() -> Swept:
    """Have made what nobody has made yet, and give up what nobody waits for any more.

    Raises:
        OverloadedError: the database is busy or away. What was done stays done.
    """
    return sweeps.run(Sweep(job=jobs.REQUEUE_LINKS, due=_unmade, handle=_send_again, id_of=lambda link: str(link.id)))


def _read(tenant_id: int, link_id: UUID) -> _Wish | None:
    with transaction() as session:
        row = queries.link_by_id(session, tenant_id, link_id)
        tenant = tenant_by_id(session, tenant_id)
        if row is None or tenant is None or row.status is not SubscriptionLinkStatus.PENDING:
            return None
        checkout = _checkout(session, tenant.public_id, row)
        return _Wish(tenant_id, link_id, tenant.public_id, row.attempt, checkout)


def _checkout(session: Session, app_id: str, row: models.CheckoutLink) -> NewCheckout:
    template = template_queries.templates_by_key(session, row.tenant_id, [row.template_key])[row.template_key]
    (package,) = packages_by_key(session, row.tenant_id, [template.package_key])
    user = user_by_key(session, row.tenant_id, row.user_key) if row.user_key else None
    tags = {
        billing_tags.TENANT: app_id,
        billing_tags.LINK: str(row.id),
        billing_tags.TEMPLATE: template.id,
        billing_tags.PACKAGE: package.id,
    }
    customer_id = customer_id_of(user.billing_id) if user else None
    return NewCheckout(
        price_id=row.price_id,
        recurring=template.interval is not None,
        metered_price_ids=template_queries.metered_price_ids(session, template),
        success_url=row.success_url,
        cancel_url=row.cancel_url,
        client_reference_id=str(row.id),
        customer_id=customer_id,
        customer_email=user.email if user and not customer_id else None,
        metadata=tags | ({billing_tags.USER: user.id} if user else {}),
    )


def _open(wish: _Wish, made: CheckoutSession) -> bool:
    """False if the link has another page by now, or wants none any more."""
    with transaction() as session:
        row = queries.locked_link(session, wish.tenant_id, wish.link_id)
        if row is None or row.status is not SubscriptionLinkStatus.PENDING:
            return row is not None and row.session_id == made.id
        now = clock.now()
        row.status, row.error, row.updated_at = SubscriptionLinkStatus.OPEN, None, now
        row.session_id, row.url, row.expires_at = made.id, made.url, made.expires_at
        row.look_at = next_look(row.status, now, made.expires_at)
    log.info("stripe.link_open", tenant_id=wish.tenant_id, link_id=str(wish.link_id), attempt=wish.attempt)
    return True


def _fail(wish: _Wish, error: str) -> int:
    with transaction() as session:
        row = queries.locked_link(session, wish.tenant_id, wish.link_id)
        if row is None or row.status is not SubscriptionLinkStatus.PENDING:
            return 0
        row.status, row.error, row.updated_at = SubscriptionLinkStatus.FAILED, error, clock.now()
    return 1


def _note(wish: _Wish, away: BillingError) -> None:
    with transaction() as session:
        row = queries.locked_link(session, wish.tenant_id, wish.link_id)
        if row is None or row.status is not SubscriptionLinkStatus.PENDING or row.attempt != wish.attempt:
            return
        row.error, row.updated_at = f"Stripe could not be asked yet: {away.message}", clock.now()
        # Stripe would repeat its answer to this key for a day.
        row.attempt += away.stored
    log.info("stripe.link_waits", tenant_id=wish.tenant_id, link_id=str(wish.link_id), attempt=wish.attempt)


def _close(billing: BillingGateway, session_id: str) -> None:
    """Nobody has the page's address, so it does no harm if it stays."""
    try:
        billing.expire_checkout_session(session_id)
    except BillingError as error:
        log.info("stripe.session_not_closed", error=type(error).__name__)


def _unmade(
    session: Session, tenant_id: int, now: datetime, limit: int, but_not: Sequence[str]
) -> Sequence[models.CheckoutLink]:
    return queries.locked_unmade(session, tenant_id, now - LOST_AFTER, limit, but_not)


def _send_again(session: Session, rows: Sequence[models.CheckoutLink], now: datetime) -> None:
    for row in rows:
        if row.created_at <= now - GIVEN_UP_AFTER:
            row.status, row.error, row.updated_at = SubscriptionLinkStatus.FAILED, _GIVEN_UP, now
        else:
            have_made(session, row, now)
