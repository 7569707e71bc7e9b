"""What the provider is told of each hour: versions that wait, and those that were sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from app.domain.overage import Named
from app.models import MeteredItem
from app.queries import arrays

Item = tuple[int, str, int, int]
"""(tenant id, the provider's subscription, package key, feature key)."""


@dataclass(frozen=True, slots=True)
class Told:
    """The newest version of an hour, given up or not."""

    starts_at: datetime
    ends_at: datetime
    version: int
    value: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A report that is to be sent, and how often that was tried."""

    starts_at: datetime
    version: int
    value: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Leased:
    """An item whose reports nobody else sends for a while, and where they go."""

    item: Item
    customer_id: str
    event_name: str


_NEWEST = """
SELECT DISTINCT ON (starts_at) starts_at, ends_at, version, value FROM meter_reports
WHERE tenant_id = %s AND provider_subscription_id = %s AND package_key = %s AND feature_key = %s AND starts_at >= %s
ORDER BY starts_at, version DESC
"""

# An older version that waits, or was given up, is not sent any more: it would only be replaced.
_SUPERSEDE = """
UPDATE meter_reports r SET state = 'SUPERSEDED'
FROM unnest(%s::timestamptz[]) AS w(starts_at)
WHERE r.tenant_id = %s AND r.provider_subscription_id = %s AND r.package_key = %s AND r.feature_key = %s
  AND r.starts_at = w.starts_at AND r.state IN ('WAITING', 'DEAD')
"""
_PUT = """
INSERT INTO meter_reports
  (tenant_id, provider_subscription_id, package_key, feature_key, starts_at, ends_at, version, value, state, attempts,
   next_attempt_at, created_at)
SELECT %s, %s, %s, %s, w.starts_at, w.ends_at, w.version, w.value, 'WAITING', 0, %s, %s
FROM unnest(%s::timestamptz[], %s::timestamptz[], %s::int[], %s::bigint[]) AS w(starts_at, ends_at, version, value)
ORDER BY w.starts_at
"""

_LOCK_ITEM = """
SELECT FROM metered_items
WHERE tenant_id = %s AND provider_subscription_id = %s AND package_key = %s AND feature_key = %s FOR UPDATE
"""
# By item, for which the primary key is made.
_DELETE_OLD = """
WITH old AS MATERIALIZED (
  SELECT r.tenant_id, r.provider_subscription_id, r.package_key, r.feature_key, r.starts_at, r.version
  FROM metered_items m
  JOIN meter_reports r USING (tenant_id, provider_subscription_id, package_key, feature_key)
  WHERE r.starts_at < %s LIMIT %s FOR UPDATE OF r SKIP LOCKED
)
DELETE FROM meter_reports WHERE (tenant_id, provider_subscription_id, package_key, feature_key, starts_at, version) IN (
  SELECT tenant_id, provider_subscription_id, package_key, feature_key, starts_at, version FROM old
)
"""

# One sender for each customer and meter: Stripe takes one call at a time of them, and the newest statement must come last.
#
# Chosen once (MATERIALIZED): as a part of the join the planner may choose anew for each row, and each time it is another item.
_LEASE = """
WITH due AS MATERIALIZED (
  SELECT i.tenant_id, i.provider_subscription_id, i.package_key, i.feature_key
  FROM metered_items i
  WHERE i.tenant_id = ANY(%s::int[]) AND (i.leased_until IS NULL OR i.leased_until <= %s)
    AND EXISTS (
      SELECT FROM meter_reports r
      WHERE r.tenant_id = i.tenant_id AND r.provider_subscription_id = i.provider_subscription_id
        AND r.package_key = i.package_key AND r.feature_key = i.feature_key AND r.state = 'WAITING' AND r.next_attempt_at <= %s
    )
    AND NOT EXISTS (
      SELECT FROM metered_items o
      WHERE o.tenant_id = i.tenant_id AND o.customer_id = i.customer_id AND o.meter_id = i.meter_id
        AND o.leased_until > %s
    )
  ORDER BY i.tenant_id, i.provider_subscription_id, i.package_key, i.feature_key LIMIT 1 FOR UPDATE OF i SKIP LOCKED
)
UPDATE metered_items m SET leased_until = %s
FROM due, billing_meters b
WHERE m.tenant_id = due.tenant_id AND m.provider_subscription_id = due.provider_subscription_id
  AND m.package_key = due.package_key AND m.feature_key = due.feature_key
  AND b.tenant_id = m.tenant_id AND b.meter_id = m.meter_id
RETURNING m.tenant_id, m.provider_subscription_id, m.package_key, m.feature_key, m.customer_id, b.event_name
"""
_KEEP_LEASE = """
UPDATE metered_items SET leased_until = %s
WHERE tenant_id = %s AND provider_subscription_id = %s AND package_key = %s AND feature_key = %s
"""
_WAITING = """
SELECT starts_at, version, value, attempts FROM meter_reports
WHERE tenant_id = %s AND provider_subscription_id = %s AND package_key = %s AND feature_key = %s
  AND state = 'WAITING' AND next_attempt_at <= %s
ORDER BY starts_at, version LIMIT %s
"""
_OF_REPORT = """
WHERE tenant_id = %s AND provider_subscription_id = %s AND package_key = %s AND feature_key = %s
  AND starts_at = %s AND version = %s
"""
# One that was superseded while it was on its way was sent all the same.
_SENT = f"UPDATE meter_reports SET state = 'SENT', sent_at = %s, attempts = attempts + 1, error = NULL {_OF_REPORT}"
_LATER = f"""
UPDATE meter_reports SET attempts = attempts + 1, next_attempt_at = %s, error = %s {_OF_REPORT} AND state = 'WAITING'
"""
_ITEM_TOLD = """
SELECT tenant_id, provider_subscription_id, package_key, feature_key FROM meter_reports r
WHERE tenant_id = ANY(%s::int[]) AND provider_subscription_id = %s AND package_key = %s AND feature_key = %s
  AND starts_at = %s AND version = %s
"""
# Of what a statement has called `old`. When it is to be sent, and why not before.
_VERSION_AFTER = """
INSERT INTO meter_reports
  (tenant_id, provider_subscription_id, package_key, feature_key, starts_at, ends_at, version, value, state, attempts,
   next_attempt_at, error, created_at)
SELECT tenant_id, provider_subscription_id, package_key, feature_key, starts_at, ends_at, version + 1, value, '{state}', attempts,
  %s, %s, created_at
FROM old
"""
# The next version, for the provider has this one under its name, and would not take it again.
_DEAD_NEXT = f"""
WITH old AS (
  UPDATE meter_reports SET state = 'SENT', sent_at = coalesce(sent_at, %s) {_OF_REPORT} AND state IN ('SENT', 'WAITING')
  RETURNING *
)
{_VERSION_AFTER.format(state="DEAD")}
ON CONFLICT DO NOTHING
RETURNING value
"""
# Under the item's lock, which `keep_lease` takes, so that nobody else has made the next version.
_NEXT_VERSION = f"""
WITH old AS (
  UPDATE meter_reports SET state = 'SUPERSEDED', attempts = attempts + 1 {_OF_REPORT} AND state = 'WAITING' RETURNING *
)
{_VERSION_AFTER.format(state="WAITING")}
"""
_DEAD = (
    f"UPDATE meter_reports SET state = 'DEAD', attempts = attempts + 1, error = %s {_OF_REPORT} AND state = 'WAITING'"
)


def newest(session: Session, item: Item, since: datetime) -> dict[datetime, Told]:
    """What was told last of each hour since then, by where the hour begins."""
    found = session.connection().exec_driver_sql(_NEWEST, (*item, since))
    return {row[0]: Told(*row) for row in found}


def put(session: Session, item: Item, told: Sequence[Told], now: datetime) -> None:
    """Have these versions sent, and no older ones of their hours."""
    hours = arrays.moments(each.starts_at for each in told)
    session.connection().exec_driver_sql(_SUPERSEDE, (hours, *item))
    parameters = (
        *item,
        now,
        now,
        hours,
        arrays.moments(each.ends_at for each in told),
        arrays.numbers(each.version for each in told),
        arrays.numbers(each.value for each in told),
    )
    session.connection().exec_driver_sql(_PUT, parameters)


def lease(session: Session, tenant_ids: Sequence[int], now: datetime, until: datetime) -> Leased | None:
    """Some item with reports to be sent, which nobody else gets before `until`. None: there is none."""
    parameters = (arrays.numbers(tenant_ids), now, now, now, until)
    found = session.connection().exec_driver_sql(_LEASE, parameters).one_or_none()
    return Leased((found[0], found[1], found[2], found[3]), found[4], found[5]) if found else None


def keep_lease(session: Session, item: Item, until: datetime | None) -> None:
    """Keep it until then, or (None) give it back."""
    session.connection().exec_driver_sql(_KEEP_LEASE, (until, *item))


def waiting(session: Session, item: Item, now: datetime, limit: int) -> list[Waiting]:
    """The reports of an item that are to be sent, in the order of the hours."""
    return [Waiting(*row) for row in session.connection().exec_driver_sql(_WAITING, (*item, now, limit))]


def note_sent(session: Session, item: Item, report: Waiting, now: datetime) -> None:
    """The provider has it."""
    session.connection().exec_driver_sql(_SENT, (now, *item, report.starts_at, report.version))


def try_later(session: Session, item: Item, report: Waiting, error: str, again_at: datetime) -> None:
    """It did not arrive, or nobody knows whether it did."""
    session.connection().exec_driver_sql(_LATER, (again_at, error, *item, report.starts_at, report.version))


def next_version(session: Session, item: Item, report: Waiting, error: str, again_at: datetime) -> None:
    """The same under another name, for the provider has something else under this one."""
    parameters = (*item, report.starts_at, report.version, again_at, error)
    session.connection().exec_driver_sql(_NEXT_VERSION, parameters)


def give_up(session: Session, item: Item, report: Waiting, error: str) -> None:
    """The provider will never take it."""
    session.connection().exec_driver_sql(_DEAD, (error, *item, report.starts_at, report.version))


def item_told(session: Session, tenant_ids: Sequence[int], named: Named) -> Item | None:
    """The item of one of these tenants of which the provider was told this; None: of none."""
    parameters = (
        arrays.numbers(tenant_ids),
        named.subscription_id,
        named.package_key,
        named.feature_key,
        named.hour,
        named.version,
    )
    found = session.connection().exec_driver_sql(_ITEM_TOLD, parameters).one_or_none()
    return (found[0], found[1], found[2], found[3]) if found else None


def give_up_told(session: Session, item: Item, named: Named, error: str, now: datetime) -> int | None:
    """The provider took it and does not count it; its value. None: there is a newer version. Under the item's lock."""
    parameters = (now, *item, named.hour, named.version, now, error)
    value: int | None = session.connection().exec_driver_sql(_DEAD_NEXT, parameters).scalar_one_or_none()
    return value


def lock_item(session: Session, item: Item) -> None:
    """Nobody else writes versions of its hours until the transaction ends."""
    session.connection().exec_driver_sql(_LOCK_ITEM, item)


def delete_old(session: Session, before: datetime, limit: int) -> int:
    """Delete what was told of hours before then, in whatever way that ended; how many."""
    return session.connection().exec_driver_sql(_DELETE_OLD, (before, limit)).rowcount


def item_of(row: MeteredItem) -> Item:
    return row.tenant_id, row.provider_subscription_id, row.package_key, row.feature_key
