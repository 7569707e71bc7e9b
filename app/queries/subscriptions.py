"""Subscriptions, and which of them decide about a feature."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement
from sqlmodel import Session, and_, col, or_, select, tuple_

from app.domain.entitlements import Candidate
from app.domain.periods import ResetPeriod
from app.domain.subscribing import LIVE_STATUSES
from app.models import Package, PackageFeature, Subscription, User
from app.queries.pages import page_after

_HAS_PACKAGE = and_(
    col(Package.tenant_id) == col(Subscription.tenant_id), col(Package.key) == col(Subscription.package_key)
)


def subscription_by_id(session: Session, tenant_id: int, subscription_id: int) -> Subscription | None:
    statement = select(Subscription).where(Subscription.tenant_id == tenant_id, Subscription.id == subscription_id)
    # A session keeps what it read before a lock; what is read under the lock must come from the database.
    return session.exec(statement.execution_options(populate_existing=True)).one_or_none()


def subscriptions_page(
    session: Session, tenant_id: int, user_key: int | None, after: int | None, limit: int
) -> tuple[list[Subscription], bool]:
    """Of one user, or of all."""
    statement = select(Subscription).where(Subscription.tenant_id == tenant_id)
    if user_key is not None:
        statement = statement.where(Subscription.user_key == user_key)
    return page_after(session, statement, col(Subscription.id), after, limit)


def user_ids(session: Session, tenant_id: int, user_keys: Collection[int]) -> dict[int, str]:
    """Present id by internal key."""
    found = session.exec(select(User.key, User.id).where(User.tenant_id == tenant_id, col(User.key).in_(user_keys)))
    return dict(found.all())


def live_subscriptions(
    session: Session, tenant_id: int, user_key: int, now: datetime
) -> Sequence[tuple[Subscription, Package]]:
    """What the user has, oldest first. Read it under the user's lock before changing any of it.

    One that seems to begin in a moment counts: another machine made it, whose clock is ahead, and a second base must not follow.
    """
    return session.exec(
        select(Subscription, Package)
        .join(Package, _HAS_PACKAGE)
        .where(Subscription.tenant_id == tenant_id, Subscription.user_key == user_key, _goes_on(now))
        .order_by(col(Subscription.id))
    ).all()


def reset_periods_of(session: Session, tenant_id: int, package_key: int) -> set[ResetPeriod]:
    """The reset periods of the package's consumable features."""
    found = session.exec(
        select(PackageFeature.reset_period).where(
            PackageFeature.tenant_id == tenant_id, PackageFeature.package_key == package_key
        )
    )
    return {ResetPeriod(period) for period in found if period is not None}


def candidates(
    session: Session, tenant_id: int, pairs: Collection[tuple[int, int]], now: datetime
) -> dict[tuple[int, int], list[Candidate]]:
    """For each (user key, feature key): the live subscriptions whose package holds the feature. One statement."""
    found = session.exec(
        select(Subscription, PackageFeature, Package.id)
        .join(Package, _HAS_PACKAGE)
        .join(
            PackageFeature,
            and_(
                col(PackageFeature.tenant_id) == col(Subscription.tenant_id),
                col(PackageFeature.package_key) == col(Subscription.package_key),
            ),
        )
        .where(
            Subscription.tenant_id == tenant_id,
            tuple_(col(Subscription.user_key), col(PackageFeature.feature_key)).in_(pairs),
            col(Subscription.started_at) <= now,
            _goes_on(now),
        )
    )
    by_pair: dict[tuple[int, int], list[Candidate]] = defaultdict(list)
    for subscription, terms, package_id in found:
        by_pair[subscription.user_key, terms.feature_key].append(_candidate(subscription, terms, package_id))
    return by_pair


def _candidate(subscription: Subscription, terms: PackageFeature, package_id: str) -> Candidate:
    return Candidate(
        subscription_id=subscription.id,
        package_id=package_id,
        anchor=subscription.started_at,
        limit=terms.usage_limit,
        # A BINARY feature has none and needs none; its candidates are only counted.
        reset_period=terms.reset_period or ResetPeriod.MONTH,
        overage_enabled=terms.overage_enabled,
    )


def _goes_on(now: datetime) -> ColumnElement[bool]:
    """Status and time both: a subscription past its end is over even if no job has written so."""
    return and_(
        col(Subscription.status).in_(LIVE_STATUSES),
        or_(col(Subscription.ends_at).is_(None), col(Subscription.ends_at) > now),
    )
