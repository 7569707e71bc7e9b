"""What stands behind an answer about a feature: every subscription that holds it, the ledger's sums, and what else is on sale."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, case
from sqlmodel import Session, and_, col, false, or_, select, true

from app.domain.entitlements import Candidate
from app.domain.periods import ResetPeriod
from app.domain.subscribing import PackageStatus, SubscriptionStatus
from app.models import Package, PackageFeature
from app.queries.ledger import Window
from app.queries.standings import Pair


@dataclass(frozen=True, slots=True)
class Holder:
    """A subscription whose package holds the feature, whether it counts or not. A BINARY feature has no `reset_period`."""

    subscription_id: int
    package_id: str
    status: SubscriptionStatus
    started_at: datetime
    ends_at: datetime | None
    trial_ends_at: datetime | None
    grace_ends_at: datetime | None
    limit: int | None
    reset_period: ResetPeriod | None
    overage_enabled: bool


@dataclass(frozen=True, slots=True)
class Sums:
    """A period's ledger: how many events, the last SET, and what ADDs after it applied (all of them, if there is none)."""

    recorded: int
    refused: int
    last_set_id: int | None
    last_set_to: int | None
    added: int
    taken_back: int


# `domain.subscription_dates.package_key_at` again. Of one that is over, the package that it had at its end.
_HOLDERS = """
SELECT s.id, p.id, s.status, s.started_at, s.ends_at, s.trial_ends_at, s.grace_ends_at,
  pf.usage_limit, pf.reset_period, pf.overage_enabled
FROM subscriptions s
JOIN package_features pf ON pf.tenant_id = s.tenant_id AND pf.feature_key = %s AND pf.package_key =
  CASE WHEN s.changes_at <= %s AND (s.ends_at IS NULL OR s.changes_at < s.ends_at)
  THEN s.next_package_key ELSE s.package_key END
JOIN packages p ON p.tenant_id = pf.tenant_id AND p.key = pf.package_key
WHERE s.tenant_id = %s AND s.user_key = %s
ORDER BY array_position(%s::bigint[], s.id), s.id DESC
LIMIT %s
"""

_AFTER = "e.recorded AND (last_set.id IS NULL OR e.id > last_set.id)"
_WINDOW = "e.tenant_id = %s AND e.user_key = %s AND e.feature_key = %s AND e.at >= %s AND e.at < %s"
# "After the last SET" is by id, as in `queries.ledger.replayed_totals`: last_set_to + added − taken_back is what that replays
# to, unless it was cut at zero on the way. The FILTER of the first max keeps the planner from walking the tenant's whole key
# backwards in search of a SET that may not be there.
_SUMS = f"""
WITH last_set AS (
  SELECT max(e.id) FILTER (WHERE e.recorded AND e.action = 'SET') AS id FROM usage_events e WHERE {_WINDOW}
)
SELECT
  count(*) FILTER (WHERE e.recorded),
  count(*) FILTER (WHERE NOT e.recorded),
  min(last_set.id),
  min(e.delta) FILTER (WHERE e.id = last_set.id),
  coalesce(sum(e.applied) FILTER (WHERE e.action = 'ADD' AND e.applied > 0 AND {_AFTER}), 0)::bigint,
  coalesce(-sum(e.applied) FILTER (WHERE e.action = 'ADD' AND e.applied < 0 AND {_AFTER}), 0)::bigint
FROM last_set LEFT JOIN usage_events e ON {_WINDOW}
"""


def holders(session: Session, pair: Pair, now: datetime, first: Sequence[int], limit: int) -> list[Holder]:
    """The user's subscriptions whose package holds the feature now: those of `first` in this order, then the newest first."""
    tenant_id, user_key, feature_key = pair
    parameters = (feature_key, now, tenant_id, user_key, list(first), limit)
    found = session.connection().exec_driver_sql(_HOLDERS, parameters)
    return [
        Holder(
            subscription_id,
            package_id,
            SubscriptionStatus(status),
            started_at,
            ends_at,
            trial_ends_at,
            grace_ends_at,
            usage_limit,
            ResetPeriod(reset_period) if reset_period else None,
            overage_enabled,
        )
        for (
            subscription_id,
            package_id,
            status,
            started_at,
            ends_at,
            trial_ends_at,
            grace_ends_at,
            usage_limit,
            reset_period,
            overage_enabled,
        ) in found
    ]


def sums_of(session: Session, window: Window) -> Sums:
    """What the ledger holds in a window. One statement, which reads all of it."""
    pair, period = window
    bounds = (*pair, period.start, period.end)
    return Sums(*session.connection().exec_driver_sql(_SUMS, (*bounds, *bounds)).one())


def packages_giving_more(
    session: Session, pair: Pair, decider: Candidate | None, wanted: int, limit: int
) -> Sequence[tuple[Package, PackageFeature]]:
    """PUBLISHED packages that hold the feature and give more of it than the decider: a higher limit, none, or overage. Any, if
    nobody decides. First those that would allow a total of `wanted`, then the oldest first.
    """
    tenant_id, _, feature_key = pair
    enough = or_(_is_unlimited(), col(PackageFeature.overage_enabled), col(PackageFeature.usage_limit) >= wanted)
    return session.exec(
        select(Package, PackageFeature)
        .join(
            PackageFeature,
            and_(
                col(PackageFeature.tenant_id) == col(Package.tenant_id),
                col(PackageFeature.package_key) == col(Package.key),
            ),
        )
        .where(
            Package.tenant_id == tenant_id,
            Package.status == PackageStatus.PUBLISHED,
            PackageFeature.feature_key == feature_key,
            _gives_more(decider),
        )
        .order_by(case((enough, 0), else_=1), col(Package.key))
        .limit(limit)
    ).all()


def _gives_more(decider: Candidate | None) -> ColumnElement[bool]:
    if decider is None:
        return true()
    if decider.limit is None:
        return false()
    more = or_(_is_unlimited(), col(PackageFeature.usage_limit) > decider.limit)
    return more if decider.overage_enabled else or_(more, col(PackageFeature.overage_enabled))


def _is_unlimited() -> ColumnElement[bool]:
    return col(PackageFeature.usage_limit).is_(None)
