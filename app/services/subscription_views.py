"""Subscriptions as callers and webhook endpoints see them."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session

from app import models
from app.clock import to_wire
from app.contract.packages import Package
from app.contract.subscriptions import PendingChange, Subscription, SubscriptionRequest
from app.domain.subscribing import SubscriptionStatus
from app.domain.subscription_dates import package_key_at, status_at, will_change
from app.queries import packages as package_queries
from app.queries import subscription_requests as request_queries
from app.queries import subscriptions as queries
from app.services.package_views import views_of as package_views


def views_of(
    session: Session, tenant_id: int, rows: Sequence[models.Subscription], now: datetime
) -> list[Subscription]:
    """One tenant's subscriptions as they are now, in the same order. A fixed number of statements, however many."""
    user_ids = queries.user_ids(session, tenant_id, {row.user_key for row in rows})
    billed = {row.id for row in rows if row.provider is not None}
    requests = request_queries.last_requests(session, tenant_id, billed) if billed else {}
    if requests:
        # Read again: of a request that was DONE meanwhile the subscription must show what it has done.
        queries.refresh(session, tenant_id, requests)
    keys = {key for row in rows for key in (row.package_key, row.next_package_key) if key is not None}
    keys |= {request.package_key for request in requests.values() if request.package_key is not None}
    packages = package_queries.packages_by_key(session, tenant_id, keys)
    package_by_key = {
        package.key: view for package, view in zip(packages, package_views(session, tenant_id, packages), strict=True)
    }
    return [_view(row, user_ids[row.user_key], package_by_key, requests.get(row.id), now) for row in rows]


def _view(
    row: models.Subscription,
    user_id: str,
    package_by_key: dict[int, Package],
    request: models.SubscriptionRequest | None,
    now: datetime,
) -> Subscription:
    status = status_at(row, now)
    grace_ends_at = row.grace_ends_at if status is SubscriptionStatus.PAST_DUE else None
    return Subscription(
        id=str(row.id),
        user_id=user_id,
        status=status,
        started_at=to_wire(row.started_at),
        ends_at=None if row.ends_at is None else to_wire(row.ends_at),
        trial_ends_at=None if row.trial_ends_at is None else to_wire(row.trial_ends_at),
        grace_ends_at=None if grace_ends_at is None else to_wire(grace_ends_at),
        metadata=row.metadata_,
        package=package_by_key[package_key_at(row, now)],
        pending_change=_pending_change(row, package_by_key, now),
        last_request=None if request is None else _request(request, package_by_key),
    )


def _request(request: models.SubscriptionRequest, package_by_key: dict[int, Package]) -> SubscriptionRequest:
    return SubscriptionRequest(
        kind=request.kind,
        status=request.status,
        at_period_end=request.at_period_end,
        package_id=package_by_key[request.package_key].id if request.package_key is not None else None,
        error=request.error,
        asked_at=to_wire(request.asked_at),
    )


def _pending_change(
    row: models.Subscription, package_by_key: dict[int, Package], now: datetime
) -> PendingChange | None:
    if row.next_package_key is None or row.changes_at is None or not will_change(row, now):
        return None
    return PendingChange(package=package_by_key[row.next_package_key], at=to_wire(row.changes_at))
