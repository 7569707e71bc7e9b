"""Metered items: whose hours are to be worked out, and what the ledger says of them."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from app.domain.overage import Run
from app.domain.periods import Period
from app.models import BillingMeter, MeteredItem, Subscription
from app.queries import arrays
from app.queries.standings import Pair

Sold = tuple[int, int]
"""(package key, feature key)."""

_TENANTS_WITH_ITEMS = "SELECT DISTINCT tenant_id FROM metered_items ORDER BY tenant_id"
_TENANTS_WITH_DUE = """
SELECT t.id FROM tenants t
WHERE EXISTS (SELECT FROM metered_items m WHERE m.tenant_id = t.id AND m.due_at <= %s)
ORDER BY t.id
"""

# Written even if it is there, so that the row is locked in either case. A tenant's first look goes over all of its ledger.
_LOCKED_CURSOR = """
INSERT INTO meter_cursors (tenant_id, event_id, read_at) VALUES (%s, 0, %s)
ON CONFLICT (tenant_id) DO UPDATE SET read_at = excluded.read_at
RETURNING event_id
"""

# What counts in the hour that runs is worked out when that is over, and it is cut where a bill begins; what counts before it, at
# once. Locked in key order.
_MARK = """
WITH told AS (
  SELECT user_key, feature_key, min(at) AS first_at FROM usage_events
  WHERE tenant_id = %(tenant_id)s AND id > %(after)s AND at >= %(since)s AND recorded
  GROUP BY user_key, feature_key
), locked AS (
  SELECT m.tenant_id, m.provider_subscription_id, m.package_key, m.feature_key, CASE WHEN t.first_at < %(hour)s THEN %(now)s
    ELSE least(%(hour)s + interval '1 hour', (SELECT min(b) FROM unnest(m.boundaries) b WHERE b > %(hour)s)) END AS due_at
  FROM metered_items m JOIN told t ON t.user_key = m.user_key AND t.feature_key = m.feature_key
  WHERE m.tenant_id = %(tenant_id)s
  ORDER BY m.provider_subscription_id, m.package_key, m.feature_key FOR UPDATE OF m
)
UPDATE metered_items m SET due_at = least(m.due_at, l.due_at) FROM locked l
WHERE m.tenant_id = l.tenant_id AND m.provider_subscription_id = l.provider_subscription_id
  AND m.package_key = l.package_key AND m.feature_key = l.feature_key
"""
# The partitions of months that are over hold no event that was just recorded, but for a late one: by the primary key that is one
# look into each.
_NEWEST_BEFORE = """
SELECT max(id) FROM usage_events WHERE tenant_id = %s AND id > %s AND at >= %s AND recorded_at < %s
"""
_MOVE_CURSOR = "UPDATE meter_cursors SET event_id = %s WHERE tenant_id = %s"

# Each run of events that follow one another in the ledger and count between the same two cuts becomes one row; a SET begins one.
_RUNS = """
SELECT w.n, r.bucket, r.set_to, r.added, r.lowest
FROM unnest(%s::timestamptz[], %s::timestamptz[]) WITH ORDINALITY AS w(period_start, period_end, n)
CROSS JOIN LATERAL (
  WITH event AS (
    SELECT id, width_bucket(at, %s::timestamptz[]) AS bucket, action = 'SET' AS is_set,
      CASE action WHEN 'SET' THEN delta ELSE applied END AS amount
    FROM usage_events
    WHERE tenant_id = %s AND user_key = %s AND feature_key = %s AND at >= w.period_start AND at < w.period_end AND recorded
  ), begun AS (
    SELECT *, is_set OR bucket IS DISTINCT FROM lag(bucket) OVER (ORDER BY id) AS begins FROM event
  ), numbered AS (
    SELECT *, count(*) FILTER (WHERE begins) OVER (ORDER BY id) AS run FROM begun
  ), running AS (
    SELECT *, coalesce(sum(amount) FILTER (WHERE NOT is_set) OVER (PARTITION BY run ORDER BY id), 0) AS so_far FROM numbered
  )
  SELECT run, min(bucket) AS bucket, (max(amount) FILTER (WHERE is_set))::bigint AS set_to,
    coalesce(sum(amount) FILTER (WHERE NOT is_set), 0)::bigint AS added, min(so_far)::bigint AS lowest
  FROM running GROUP BY run
) r
ORDER BY w.n, r.run
"""
_COUNTS_SINCE = """
SELECT EXISTS (
  SELECT FROM usage_events WHERE tenant_id = %s AND user_key = %s AND feature_key = %s AND at >= %s AND recorded
)
"""


def tenants_with_items(session: Session) -> list[int]:
    return list(session.connection().exec_driver_sql(_TENANTS_WITH_ITEMS).scalars())


def tenants_with_due(session: Session, now: datetime) -> list[int]:
    return list(session.connection().exec_driver_sql(_TENANTS_WITH_DUE, (now,)).scalars())


def mark_changed(
    session: Session, tenant_id: int, now: datetime, hour: datetime, since: datetime, settled: datetime
) -> int:
    """Have the hours worked out of items whose usage was told since the last time, and return how many.

    `hour` is where the hour that runs begins. Events of before `since` are left alone. What was recorded after `settled` is
    looked at again the next time: an event with a lower id may be committed later.
    """
    connection = session.connection()
    after: int = connection.exec_driver_sql(_LOCKED_CURSOR, (tenant_id, now)).scalar_one()
    values = {"tenant_id": tenant_id, "after": after, "since": since, "hour": hour, "now": now}
    marked = connection.exec_driver_sql(_MARK, values).rowcount
    newest = connection.exec_driver_sql(_NEWEST_BEFORE, (tenant_id, after, since, settled)).scalar_one()
    if newest is not None:
        connection.exec_driver_sql(_MOVE_CURSOR, (newest, tenant_id))
    return marked


def locked_due(
    session: Session, tenant_id: int, now: datetime, limit: int, but_not: Sequence[str]
) -> Sequence[MeteredItem]:
    """Items whose hours are to be worked out, in key order and without those that others hold."""
    return session.exec(
        select(MeteredItem)
        .where(
            MeteredItem.tenant_id == tenant_id,
            col(MeteredItem.due_at) <= now,
            col(MeteredItem.provider_subscription_id).not_in(but_not),
        )
        .order_by(col(MeteredItem.provider_subscription_id), col(MeteredItem.package_key), col(MeteredItem.feature_key))
        .limit(limit)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()


def locked_items_of(session: Session, tenant_id: int, provider_subscription_id: str) -> dict[Sold, MeteredItem]:
    """By what their overage is of."""
    found = session.exec(
        select(MeteredItem)
        .where(MeteredItem.tenant_id == tenant_id, MeteredItem.provider_subscription_id == provider_subscription_id)
        .order_by(col(MeteredItem.package_key), col(MeteredItem.feature_key))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {(item.package_key, item.feature_key): item for item in found}


def ended_at(session: Session, tenant_id: int, provider_subscription_id: str) -> dict[Sold, datetime]:
    """When those items went that are not there any more."""
    found = session.exec(
        select(MeteredItem).where(
            MeteredItem.tenant_id == tenant_id,
            MeteredItem.provider_subscription_id == provider_subscription_id,
            col(MeteredItem.ended_at).is_not(None),
        )
    )
    return {(item.package_key, item.feature_key): item.ended_at for item in found if item.ended_at}


def sold_by_meters(session: Session, tenant_id: int, meter_ids: Collection[str]) -> dict[str, Sold]:
    """Which feature of which package a meter of ours is of."""
    found = session.exec(
        select(BillingMeter).where(BillingMeter.tenant_id == tenant_id, col(BillingMeter.meter_id).in_(meter_ids))
    )
    return {meter.meter_id: (meter.package_key, meter.feature_key) for meter in found if meter.meter_id}


def subscriptions_of(session: Session, tenant_id: int, user_keys: Collection[int]) -> dict[int, list[Subscription]]:
    """All that these users ever had."""
    found = session.exec(
        select(Subscription).where(Subscription.tenant_id == tenant_id, col(Subscription.user_key).in_(user_keys))
    )
    held: dict[int, list[Subscription]] = {key: [] for key in user_keys}
    for row in found:
        held[row.user_key].append(row)
    return held


def runs_in(
    session: Session, pair: Pair, periods: Sequence[Period], cuts: Sequence[datetime]
) -> dict[Period, list[Run]]:
    """What counts in each period, in the order of the ledger. The slot of a run is how many cuts are at or before it."""
    parameters = (
        arrays.moments(period.start for period in periods),
        arrays.moments(period.end for period in periods),
        arrays.moments(cuts),
        *pair,
    )
    runs: dict[Period, list[Run]] = {period: [] for period in periods}
    for n, *run in session.connection().exec_driver_sql(_RUNS, parameters):
        runs[periods[n - 1]].append(Run(*run))
    return runs


def counts_since(session: Session, pair: Pair, moment: datetime) -> bool:
    """Whether there is usage at that moment or later."""
    found: bool = session.connection().exec_driver_sql(_COUNTS_SINCE, (*pair, moment)).scalar_one()
    return found
