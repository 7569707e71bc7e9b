"""What callers want of subscriptions that Stripe bills. A worker asks for it: see `subscription_acting`.

The local subscription is a copy, so nothing of it is changed here. What is wanted is a row of its own, and the copy follows when
Stripe has done it.
"""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlmodel import Session

from app import jobs, models
from app.domain.subscribing import SubscriptionStatus
from app.domain.subscription_dates import is_live
from app.domain.subscription_requests import RequestKind, RequestStatus
from app.errors import SubscriptionError
from app.queries import subscription_requests as queries

HURRY_AFTER = timedelta(seconds=5)
"""Whoever asks again for what is still PENDING after so long has a worker told once more."""


def is_billed(row: models.Subscription) -> bool:
    """Whether something goes on at Stripe. What was paid once is known there by its session alone, and nothing goes on."""
    return row.provider is not None and row.provider_item_id != row.provider_subscription_id


def request_cancel(
    session: Session,
    row: models.Subscription,
    now: datetime,
    *,
    at_period_end: bool,
    ends_at: datetime | None = None,
) -> None:
    """Have a billed subscription cancelled at Stripe. Under its user's lock.

    `ends_at`: when the base of an add-on ends, which takes the place of the add-on's own period.

    One wish is PENDING: to end it now goes before to end it later, and with its own period before with its base.
    """
    found = queries.locked_pending(session, row.tenant_id, row.id, RequestKind.CANCEL)
    if found is None:
        _ask(session, row, RequestKind.CANCEL, now, at_period_end=at_period_end, ends_at=ends_at)
    elif _rank(at_period_end, ends_at) < _rank(found.at_period_end, found.ends_at):
        # Another content needs another key.
        found.at_period_end, found.ends_at, found.attempt = at_period_end, ends_at, found.attempt + 1
        _ask_again(session, found, now, hurry=True)
    else:
        _ask_again(session, found, now)


def request_change(
    session: Session, row: models.Subscription, package: models.Package, now: datetime, *, at_period_end: bool
) -> None:
    """Have a billed subscription's price changed to one of the package's, unless that is so or arranged. Under its user's lock.

    Raises:
        SubscriptionError: another change is on its way, or the package has no price that is paid again and again.
    """
    found = queries.locked_pending(session, row.tenant_id, row.id, RequestKind.CHANGE)
    if found is not None and (found.package_key, found.at_period_end) != (package.key, at_period_end):
        # Nobody knows which of the two Stripe would do last.
        raise SubscriptionError(f"Cannot change subscription {row.id}: another change of it is on its way. Ask again.")
    if found is not None:
        _ask_again(session, found, now)
        return
    arranged = row.next_package_key if at_period_end or package.key == row.package_key else None
    if package.key == (arranged or row.package_key):
        return
    is_taken_back = package.key == row.package_key
    if not is_taken_back and not queries.recurring_offers(session, row.tenant_id, package.key, row.provider or ""):
        raise SubscriptionError(
            f"Cannot change to package {package.id}: it has no active billing template that is paid again and again."
        )
    _ask(session, row, RequestKind.CHANGE, now, at_period_end=at_period_end, package_key=package.key)


def check_changeable_where_billed(row: models.Subscription, now: datetime) -> None:
    """Who owes has to pay first, also while that takes no access.

    Raises:
        SubscriptionError: it is late or does not give access now, or was paid once.
    """
    if row.provider is None:
        return
    if not is_billed(row):
        raise SubscriptionError(f"Cannot change subscription {row.id}: it was paid once, and is not billed again.")
    if row.status is SubscriptionStatus.PAST_DUE or not is_live(row, now):
        raise SubscriptionError(f"Cannot change subscription {row.id}: it is {row.status}.")


def have_acted(session: Session, request: models.SubscriptionRequest, now: datetime) -> None:
    """Tell a worker, once this is committed."""
    request.sent_at = now
    session.flush()
    jobs.enqueue(session, jobs.ACT_ON_REQUEST, request.tenant_id, str(request.id))


def _rank(at_period_end: bool, ends_at: datetime | None) -> tuple[bool, datetime]:
    """The lower goes before the higher. When the add-on's own period ends only Stripe knows; nobody pays beyond it."""
    return at_period_end, ends_at or datetime.min.replace(tzinfo=UTC)


def _ask(
    session: Session,
    row: models.Subscription,
    kind: RequestKind,
    now: datetime,
    *,
    at_period_end: bool,
    ends_at: datetime | None = None,
    package_key: int | None = None,
) -> None:
    request = models.SubscriptionRequest(
        tenant_id=row.tenant_id,
        id=uuid4(),
        subscription_id=row.id,
        kind=kind,
        status=RequestStatus.PENDING,
        at_period_end=at_period_end,
        ends_at=ends_at,
        package_key=package_key,
        attempt=1,
        created_at=now,
        asked_at=now,
        sent_at=now,
        updated_at=now,
    )
    session.add(request)
    have_acted(session, request, now)


def _ask_again(session: Session, request: models.SubscriptionRequest, now: datetime, *, hurry: bool = False) -> None:
    request.asked_at = now
    session.flush()
    if hurry or request.sent_at <= now - HURRY_AFTER:
        have_acted(session, request, now)
