"""What was paid once: a checkout session without a subscription gives its package, for good."""

import structlog
from sqlmodel import Session

from app import clock, models
from app.db import transaction
from app.domain import billing_tags
from app.domain.subscribing import SubscriptionStatus
from app.domain.webhooks import WebhookEventType
from app.gateways.billing import BillingGateway
from app.gateways.billing_shapes import CheckoutMode, CheckoutSession, CheckoutStatus, Customer, PaymentStatus
from app.queries import stripe_copies as queries
from app.queries.packages import kept_packages
from app.services import subscription_news
from app.services.stripe_copying import PROVIDER, flag_second_bases
from app.services.stripe_owners import Bought, locked_owner, tenant_of

log = structlog.get_logger(__name__)

_SETTLED = (PaymentStatus.PAID, PaymentStatus.NO_PAYMENT_REQUIRED)


def copy_purchase(gateway: BillingGateway, paid: CheckoutSession) -> bool:
    """Give the buyer the package of our tag, once, and only when the money is there; whether that is so.

    Raises:
        BillingError: Stripe does not answer.
        OverloadedError: the database is busy or away.
    """
    is_settled = paid.status is CheckoutStatus.COMPLETE and paid.payment_status in _SETTLED
    if paid.mode is not CheckoutMode.PAYMENT or not is_settled:
        return False
    tenant_id = _tenant_of(paid)
    if tenant_id is None:
        log.info("stripe.not_ours", session_id=paid.id, is_live=paid.live)
        return False
    if _write(paid, tenant_id, None):
        return True
    if paid.customer_id is None:
        log.error("stripe.buyer_without_customer", session_id=paid.id)
        return False
    return _write(paid, tenant_id, gateway.customer(paid.customer_id))


def _bought(paid: CheckoutSession) -> Bought:
    return Bought(paid.id, paid.live, paid.customer_id or "", frozenset(), paid.metadata)


def _tenant_of(paid: CheckoutSession) -> int | None:
    """What has no tag of ours was sold by somebody else: a session does not say at what price."""
    if billing_tags.TENANT not in paid.metadata:
        return None
    with transaction() as session:
        return tenant_of(session, _bought(paid))


def _write(paid: CheckoutSession, tenant_id: int, customer: Customer | None) -> bool:
    """False: the buyer is not known."""
    with transaction() as session:
        # Under this lock there is one who gives.
        queries.locked_version(session, paid.id)
        owner = locked_owner(session, tenant_id, _bought(paid), customer)
        if owner is None:
            return False
        if not queries.copies_of(session, tenant_id, paid.id):
            _give(session, owner, paid)
    return True


def _give(session: Session, owner: models.User, paid: CheckoutSession) -> None:
    package_id = paid.metadata.get(billing_tags.PACKAGE, "")
    package = kept_packages(session, owner.tenant_id, [package_id]).get(package_id)
    if package is None:
        log.error("stripe.price_without_package", session_id=paid.id, tenant_id=owner.tenant_id)
        return
    now = clock.now()
    row = models.Subscription(
        tenant_id=owner.tenant_id,
        user_key=owner.key,
        package_key=package.key,
        status=SubscriptionStatus.ACTIVE,
        provider=PROVIDER,
        provider_subscription_id=paid.id,
        provider_item_id=paid.id,
        synced_at=now,
        started_at=now,
        metadata_={},
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    flag_second_bases(session, owner, paid.id, now)
    session.flush()
    subscription_news.announce(session, owner.tenant_id, [(WebhookEventType.SUBSCRIPTION_CREATED, row)], now)
