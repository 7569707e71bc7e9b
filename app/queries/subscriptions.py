"""Subscriptions, and which of them decide about a feature."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, case
from sqlmodel import Session, and_, col, or_, select

from app.domain.entitlements import Candidate
from app.domain.periods import ResetPeriod
from app.domain.subscribing import LIVE_STATUSES, SubscriptionStatus
from app.models import Package, PackageFeature, PastPackage, Subscription, User
from app.queries import arrays
from app.queries.pages import page_after
from app.queries.standings import Pair, pair_columns

Moment = tuple[Pair, datetime]
"""Of whom and what it is asked, and for when."""


def subscription_by_id(session: Session, tenant_id: int, subscription_id: int) -> Subscription | None:
    statement = select(Subscription).where(Subscription.tenant_id == tenant_id, Subscription.id == subscription_id)
    # A session keeps what it read before a lock; what is read under the lock must come from the database.
    return session.exec(statement.execution_options(populate_existing=True)).one_or_none()


def refresh(session: Session, tenant_id: int, subscription_ids: Collection[int]) -> None:
    """Bring rows that were read before up to date."""
    statement = select(Subscription).where(
        Subscription.tenant_id == tenant_id, col(Subscription.id).in_(subscription_ids)
    )
    session.exec(statement.execution_options(populate_existing=True)).all()


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
    """What the user has now, oldest first. Read it under the user's lock before changing any of it.

    One that seems to begin in a moment counts: another machine made it, whose clock is ahead, and a second base must not follow.
    """
    return session.exec(
        select(Subscription, Package)
        .join(Package, _has_package(now))
        .where(Subscription.tenant_id == tenant_id, Subscription.user_key == user_key, _goes_on(now))
        .order_by(col(Subscription.id))
    ).all()


def late_base_ids(session: Session, tenant_id: int, user_key: int, now: datetime) -> Sequence[str]:
    """The base packages of the user's subscriptions of which a payment is late, oldest first; they may give access or not."""
    return session.exec(
        select(Package.id)
        .join(Subscription, _has_package(now))
        .where(
            Subscription.tenant_id == tenant_id,
            Subscription.user_key == user_key,
            Subscription.status == SubscriptionStatus.PAST_DUE,
            _is_not_over(now),
            col(Package.is_addon).is_(False),
        )
        .order_by(col(Subscription.id))
    ).all()


def past_packages(session: Session, tenant_id: int, subscription_ids: Collection[int]) -> Sequence[PastPackage]:
    """What these subscriptions were to before."""
    return session.exec(
        select(PastPackage).where(
            PastPackage.tenant_id == tenant_id, col(PastPackage.subscription_id).in_(subscription_ids)
        )
    ).all()


def reset_periods_of(session: Session, tenant_id: int, package_key: int) -> set[ResetPeriod]:
    """The reset periods of the package's consumable features."""
    found = session.exec(
        select(PackageFeature.reset_period).where(
            PackageFeature.tenant_id == tenant_id, PackageFeature.package_key == package_key
        )
    )
    return {ResetPeriod(period) for period in found if period is not None}


def locked_due(
    session: Session, tenant_id: int, now: datetime, limit: int, but_not: Sequence[str]
) -> Sequence[Subscription]:
    """Subscriptions to which something has happened by their dates that is not written down, the longest overdue first.

    Locked, and so are their users, under whose locks subscriptions change. Those that somebody holds are skipped: nobody is
    waited for, so the order of the locks cannot make a circle.
    """
    statement = (
        select(Subscription)
        .join(
            User, and_(col(User.tenant_id) == col(Subscription.tenant_id), col(User.key) == col(Subscription.user_key))
        )
        .where(
            Subscription.tenant_id == tenant_id,
            col(Subscription.due_at) <= now,
            col(Subscription.id).not_in([int(row_id) for row_id in but_not]),
        )
        .order_by(col(Subscription.due_at))
        .limit(limit)
    )
    locked = statement.with_for_update(key_share=True, skip_locked=True, of=[Subscription, User])
    return session.exec(locked).all()


# `_goes_on`, `_has_package` and "has begun" again, set-wise and on the driver's connection: it is on every request's path. Of a
# moment that is past, a subscription that has been cancelled since then decides too, until its grace was over if it was late.
#
# A package gives a feature once. The LIMIT says so, and keeps the planner from beginning with the package features, which looks
# cheap while the catalogue is small, and is a plan that is kept when it has grown.
_CANDIDATES = """
SELECT w.n, s.id, given.package_id, s.started_at, given.usage_limit, given.reset_period, given.overage_enabled
FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::timestamptz[]) WITH ORDINALITY
  AS w(tenant_id, user_key, feature_key, at, n)
JOIN subscriptions s ON s.tenant_id = w.tenant_id AND s.user_key = w.user_key
CROSS JOIN LATERAL (
  SELECT p.id AS package_id, pf.usage_limit, pf.reset_period, pf.overage_enabled
  FROM package_features pf
  JOIN packages p ON p.tenant_id = pf.tenant_id AND p.key = pf.package_key
  WHERE pf.tenant_id = s.tenant_id AND pf.feature_key = w.feature_key
    AND pf.package_key = CASE WHEN s.changes_at <= w.at THEN s.next_package_key ELSE s.package_key END
  LIMIT 1
) given
WHERE s.started_at <= w.at AND (s.ends_at IS NULL OR s.ends_at > w.at)
  AND (
    s.status = ANY(%s::text[])
    OR (w.at < %s AND s.status = %s AND s.ends_at IS NOT NULL AND coalesce(s.grace_ends_at > w.at, true))
    OR (s.status = %s AND s.grace_ends_at > w.at)
  )
"""


def candidates(session: Session, moments: Collection[Moment], now: datetime) -> dict[Moment, list[Candidate]]:
    """For each pair and moment: the subscriptions live then whose package holds the feature. At most one statement."""
    asked = list(moments)
    by_moment: dict[Moment, list[Candidate]] = {moment: [] for moment in asked}
    if not asked:
        return by_moment
    ended = SubscriptionStatus.CANCELLED
    parameters = (
        *pair_columns([pair for pair, _ in asked]),
        arrays.moments(at for _, at in asked),
        arrays.texts(LIVE_STATUSES),
        now,
        ended,
        SubscriptionStatus.PAST_DUE,
    )
    found = session.connection().exec_driver_sql(_CANDIDATES, parameters)
    for n, id_, package_id, started_at, limit, reset_period, overage_enabled in found:
        by_moment[asked[n - 1]].append(
            Candidate(
                subscription_id=id_,
                package_id=package_id,
                anchor=started_at,
                limit=limit,
                # A BINARY feature has none and needs none; its candidates are only counted.
                reset_period=ResetPeriod(reset_period) if reset_period else ResetPeriod.MONTH,
                overage_enabled=overage_enabled,
            )
        )
    return by_moment


def _has_package(now: datetime) -> ColumnElement[bool]:
    """Of a subscription that goes on: the package that it is to now, even if no job has written so."""
    has_changed = col(Subscription.changes_at) <= now
    package_key = case((has_changed, col(Subscription.next_package_key)), else_=col(Subscription.package_key))
    return and_(col(Package.tenant_id) == col(Subscription.tenant_id), col(Package.key) == package_key)


def _goes_on(now: datetime) -> ColumnElement[bool]:
    """Status and time both: a subscription past its end is over even if no job has written so."""
    return and_(
        or_(
            col(Subscription.status).in_(LIVE_STATUSES),
            and_(col(Subscription.status) == SubscriptionStatus.PAST_DUE, col(Subscription.grace_ends_at) > now),
        ),
        _is_not_over(now),
    )


def _is_not_over(now: datetime) -> ColumnElement[bool]:
    return or_(col(Subscription.ends_at).is_(None), col(Subscription.ends_at) > now)
