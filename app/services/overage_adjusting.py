"""Workers bring the items by which Stripe charges for overage to what they should be: see `overage_items`. No call to Stripe is
in a transaction.

Any number of workers may do it for one subscription at once: the idempotency keys say why, so what is done is done once. Nobody
waits for it, and while Stripe is away the nightly comparison of subscriptions finds what is to be done.
"""

import hashlib
from collections.abc import Iterable

import structlog

from app import clock
from app.db import transaction
from app.gateways.billing import BillingGateway
from app.gateways.billing_errors import (
    BillingNotConfiguredError,
    BillingRefusedError,
    BillingUnavailableError,
)
from app.gateways.billing_shapes import SubscriptionChange
from app.gateways.stripe import stripe_gateway
from app.queries.stripe_copies import copies_of
from app.services.overage_items import Adjustment, adjustment_of
from app.services.stripe_subscriptions import copy_subscription

log = structlog.get_logger(__name__)


def adjust_overage(tenant_id: int, subscription_id: str, gateway: BillingGateway | None = None) -> int:
    """Add what is missing to a subscription, take away what is left over, and copy it; how many items that were.

    Raises:
        OverloadedError: the database is busy or away.
    """
    try:
        return _adjust(gateway or stripe_gateway(), tenant_id, subscription_id)
    except (BillingUnavailableError, BillingNotConfiguredError) as away:
        log.info("stripe.overage_items_wait", subscription_id=subscription_id, error=type(away).__name__)
    except BillingRefusedError as refused:
        log.error("stripe.overage_items_refused", subscription_id=subscription_id, error=refused.message)
    return 0


def _adjust(billing: BillingGateway, tenant_id: int, subscription_id: str) -> int:
    found = billing.subscription(subscription_id)
    with transaction() as session:
        copies = copies_of(session, tenant_id, subscription_id)
        wanted = adjustment_of(session, tenant_id, found, copies, clock.now())
    for key, change in _changes(subscription_id, wanted):
        billing.change_subscription(subscription_id, change, key=key)
    adjusted = len(wanted.missing) + len(wanted.left_over)
    if adjusted:
        copy_subscription(billing, subscription_id)
        log.info(
            "stripe.overage_items_adjusted",
            tenant_id=tenant_id,
            subscription_id=subscription_id,
            added=len(wanted.missing),
            removed=len(wanted.left_over),
        )
    return adjusted


def _changes(subscription_id: str, wanted: Adjustment) -> Iterable[tuple[str, SubscriptionChange]]:
    """With their keys. Apart, for others may see the one and not yet the other."""
    if wanted.missing:
        key = _key(subscription_id, wanted.cause, *wanted.missing)
        yield key, SubscriptionChange(metered_price_ids=wanted.missing)
    if wanted.left_over:
        # Nothing was used since its bill began. If Stripe knows better, it is to charge for that, and does if this is prorated.
        yield _key(subscription_id, *wanted.left_over), SubscriptionChange(removed_item_ids=wanted.left_over)


def _key(subscription_id: str, *why: str) -> str:
    return f"overage:{subscription_id}:{hashlib.sha256(' '.join(why).encode()).hexdigest()[:32]}"
