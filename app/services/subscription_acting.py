"""What workers do about billed subscriptions that are to be cancelled or changed: ask Stripe, then copy what it has done.

No call to Stripe is in a transaction. Any number of workers may do it for one request at once: an attempt has one idempotency
key, and what is done already is not asked for.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlmodel import Session

from app import clock, jobs, models
from app.db import transaction
from app.domain.subscription_requests import RequestKind, RequestStatus
from app.errors import SubscriptionError
from app.gateways.billing import BillingGateway
from app.gateways.billing_errors import (
    BillingError,
    BillingKeyReusedError,
    BillingNotConfiguredError,
    BillingRefusedError,
    BillingUnavailableError,
)
from app.gateways.stripe import stripe_gateway
from app.queries import subscription_requests as queries
from app.queries.subscriptions import subscription_by_id
from app.queries.users import locked_user_by_key
from app.services import sweeps
from app.services.billing_refusals import WrongModeError, check_mode, told
from app.services.stripe_subscriptions import copy_subscription
from app.services.subscription_asking import Wish, cancel, change, read_wish
from app.services.subscription_endings import end_addons_of
from app.services.subscription_requests import have_acted
from app.services.sweeps import Sweep, Swept

log = structlog.get_logger(__name__)

LOST_AFTER = timedelta(seconds=60)
"""Nothing of a worker for so long: its message was lost, or Stripe was away."""


def act(tenant_id: int, request_id: str, gateway: BillingGateway | None = None) -> int:
    """Have a PENDING request DONE at Stripe and in our copy, or REFUSED if Stripe will never do it. How many were settled.

    While Stripe is away it stays PENDING, with a note, however long that takes, and so does a cancellation while our key is not
    accepted or of the other mode: who cancels must not be billed because nobody asked again.

    Raises:
        OverloadedError: the database is busy or away.
    """
    wish = read_wish(tenant_id, UUID(request_id))
    if wish is None:
        return 0
    try:
        billing = gateway or stripe_gateway()
        check_mode(wish.app_id, billing)
        found = billing.subscription(wish.provider_subscription_id)
        (cancel if wish.kind is RequestKind.CANCEL else change)(billing, wish, found)
        copy_subscription(billing, wish.provider_subscription_id, when_written=lambda session: _finish(session, wish))
    except (BillingUnavailableError, BillingKeyReusedError) as away:
        return _note(wish, f"Stripe could not be asked yet: {away.message}", next_attempt=away.stored)
    except (BillingNotConfiguredError, WrongModeError) as unset:
        # Who cancels must not be billed because a setting was wrong for an hour.
        return _note(wish, told(unset)) if wish.kind is RequestKind.CANCEL else _refuse(wish, told(unset))
    except (BillingRefusedError, SubscriptionError) as refused:
        return _refuse(wish, told(refused) if isinstance(refused, BillingError) else refused.message)
    with transaction() as session:
        # Others may have written the copy.
        _finish(session, wish)
    return 1


def sweep_requests() -> Swept:
    """Have asked what nobody has asked yet.

    Raises:
        OverloadedError: the database is busy or away. What was done stays done.
    """
    return sweeps.run(
        Sweep(job=jobs.SWEEP_REQUESTS, due=_unanswered, handle=_send_again, id_of=lambda request: str(request.id))
    )


def _finish(session: Session, wish: Wish) -> None:
    """It is done, if it is still what is wanted; and what follows from it."""
    row = subscription_by_id(session, wish.tenant_id, wish.subscription_id)
    if row is None:
        return
    locked_user_by_key(session, wish.tenant_id, row.user_key)
    request = queries.locked_request(session, wish.tenant_id, wish.request_id)
    if request is None or request.status is not RequestStatus.PENDING or request.attempt != wish.attempt:
        return
    now = clock.now()
    request.status, request.error, request.updated_at = RequestStatus.DONE, None, now
    session.flush()
    if wish.kind is RequestKind.CANCEL and not wish.is_addon:
        end_addons_of(session, row, now)
    log.info("stripe.request_done", tenant_id=wish.tenant_id, subscription_id=row.id, kind=wish.kind.value)


def _refuse(wish: Wish, error: str) -> int:
    with transaction() as session:
        request = queries.locked_request(session, wish.tenant_id, wish.request_id)
        if request is None or request.status is not RequestStatus.PENDING or request.attempt != wish.attempt:
            return 0
        request.status, request.error, request.updated_at = RequestStatus.REFUSED, error, clock.now()
    log.warning(
        "stripe.request_refused",
        tenant_id=wish.tenant_id,
        subscription_id=wish.subscription_id,
        kind=wish.kind.value,
        error=error,
    )
    return 1


def _note(wish: Wish, error: str, *, next_attempt: bool = False) -> int:
    """It waits, so nothing was settled. `next_attempt`: under another key."""
    with transaction() as session:
        request = queries.locked_request(session, wish.tenant_id, wish.request_id)
        if request is None or request.status is not RequestStatus.PENDING or request.attempt != wish.attempt:
            return 0
        request.error, request.updated_at = error, clock.now()
        # Stripe would repeat its answer to this key for a day.
        request.attempt += next_attempt
    log.info("stripe.request_waits", tenant_id=wish.tenant_id, subscription_id=wish.subscription_id)
    return 0


def _unanswered(
    session: Session, tenant_id: int, now: datetime, limit: int, but_not: Sequence[str]
) -> Sequence[models.SubscriptionRequest]:
    return queries.locked_unanswered(session, tenant_id, now - LOST_AFTER, limit, but_not)


def _send_again(session: Session, rows: Sequence[models.SubscriptionRequest], now: datetime) -> None:
    for row in rows:
        have_acted(session, row, now)
