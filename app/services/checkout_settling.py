"""What becomes of links to pay by: a page is looked at, what was bought on it is copied, and its link follows.

In this order: whoever reads that a link is PAID finds the package there. All of it may be done twice, and at once: a link only
goes on (see `app/domain/billing.py`), so an old look never undoes a newer one.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlmodel import Session

from app import clock, jobs, models
from app.db import transaction
from app.domain.billing import SubscriptionLinkStatus, may_become, next_look
from app.domain.subscribing import OVER_STATUSES
from app.domain.webhooks import WebhookEventType
from app.gateways.billing import BillingGateway
from app.gateways.billing_shapes import CheckoutSession, CheckoutStatus, PaymentStatus
from app.queries import checkout_looks as looks
from app.queries import stripe_copies as copies
from app.queries.checkout_links import locked_link
from app.queries.outbox import Announcement
from app.services import outbox
from app.services.checkout_links import view_of
from app.services.checkout_tags import Link, link_of, package_of
from app.services.stripe_purchases import copy_purchase
from app.services.stripe_subscriptions import copy_subscription

log = structlog.get_logger(__name__)

WAITED_FOR = timedelta(days=30)
"""The slowest payment methods take half of that."""

_SETTLED = (PaymentStatus.PAID, PaymentStatus.NO_PAYMENT_REQUIRED)
_NOT_PAID = "The payment failed."
_NEWS = {
    SubscriptionLinkStatus.PAID: WebhookEventType.CHECKOUT_COMPLETED,
    SubscriptionLinkStatus.FAILED: WebhookEventType.CHECKOUT_FAILED,
}


def follow_session(gateway: BillingGateway, found: CheckoutSession, *, has_failed: bool = False) -> bool:
    """Copy what was bought in a session as it was found, and settle its link; whether that changed the link.

    `has_failed`: an event said that the bank has refused the payment, which a session does not tell by itself.

    Raises:
        BillingError: Stripe does not answer. The link is as it was.
        OverloadedError: the database is busy or away.
    """
    link = link_of(found)
    if link is not None:
        found = replace(found, metadata={**found.metadata, **link.tags})
    if found.subscription_id:
        copy_subscription(gateway, found.subscription_id, found.metadata)
    else:
        copy_purchase(gateway, found)
    return link is not None and _settle(link, found, has_failed=has_failed)


def _settle(link: Link, found: CheckoutSession, *, has_failed: bool) -> bool:
    with transaction() as session:
        now = clock.now()
        row = locked_link(session, link.tenant_id, link.link_id)
        if row is None:
            return False
        seen = seen_of(session, row, found, now, has_failed=has_failed)
        is_news = seen is not None and may_become(row.status, seen)
        if seen is not None and is_news:
            row.status, row.updated_at = seen, now
            row.error = _NOT_PAID if seen is SubscriptionLinkStatus.FAILED else None
        if found.status is CheckoutStatus.COMPLETE and is_news:
            _note_purchase(session, row, found)
        if row.session_id == found.id:
            is_closed = found.status is CheckoutStatus.EXPIRED
            row.look_at = None if is_closed else next_look(row.status, now, row.expires_at)
        session.flush()
        if is_news:
            _tell(session, row)
            _close_others(session, row)
    if is_news:
        log.info("stripe.link_settled", tenant_id=link.tenant_id, link_id=str(link.link_id), status=seen)
    return is_news


def seen_of(
    session: Session, row: models.CheckoutLink, found: CheckoutSession, now: datetime, *, has_failed: bool = False
) -> SubscriptionLinkStatus | None:
    """What the page says of the link; None: nothing."""
    if found.status is CheckoutStatus.EXPIRED:
        # An attempt that was left behind may have made a page that nobody ever saw. That it closes says nothing.
        return SubscriptionLinkStatus.EXPIRED if row.session_id == found.id else None
    if found.status is not CheckoutStatus.COMPLETE:
        return None
    if found.payment_status in _SETTLED:
        return SubscriptionLinkStatus.PAID
    is_too_late = now >= row.created_at + WAITED_FOR
    if has_failed or is_too_late or _is_over(session, row.tenant_id, found):
        return SubscriptionLinkStatus.FAILED
    return SubscriptionLinkStatus.UNPAID


def _is_over(session: Session, tenant_id: int, found: CheckoutSession) -> bool:
    """Whether the subscription ended before it was paid for the first time."""
    rows = copies.copies_of(session, tenant_id, _bought_id(found))
    return bool(rows) and all(row.status in OVER_STATUSES for row in rows)


def _note_purchase(session: Session, row: models.CheckoutLink, found: CheckoutSession) -> None:
    row.session_id, row.bought_id = found.id, _bought_id(found)
    bought = copies.copies_of(session, row.tenant_id, row.bought_id)
    if row.user_key is None and bought:
        row.user_key = bought[0].user_key


def _bought_id(found: CheckoutSession) -> str:
    return found.subscription_id or found.id


def _tell(session: Session, row: models.CheckoutLink) -> None:
    type_ = _NEWS.get(row.status)
    if type_ is not None and outbox.is_wanted(session, row.tenant_id, type_):
        outbox.announce(session, [Announcement(row.tenant_id, type_, row.user_key, view_of(session, row))])


def _close_others(session: Session, row: models.CheckoutLink) -> None:
    """Have a worker close the user's other pages for base packages, if this one was for one and somebody is done with it."""
    is_bought = row.status in (SubscriptionLinkStatus.PAID, SubscriptionLinkStatus.UNPAID)
    if not is_bought or row.user_key is None or package_of(session, row).is_addon:
        return
    if looks.other_base_links(session, row.tenant_id, row.user_key, row.id):
        jobs.enqueue(session, jobs.CLOSE_OTHER_LINKS, row.tenant_id, str(row.id))
