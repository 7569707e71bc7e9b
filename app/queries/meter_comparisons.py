"""Holding what a provider's meters have counted against what they were told: which items are due, and what they were told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from app.queries import arrays
from app.queries.meter_reports import Item, Told

# Whoever takes an item has its hours worked out again too, for what nobody has told us of. What others hold has its turn later.
# Chosen once, as in `meter_reports`.
_TAKE_TO_COMPARE = """
WITH due AS MATERIALIZED (
  SELECT tenant_id, provider_subscription_id, package_key, feature_key FROM metered_items
  WHERE tenant_id = ANY(%s::int[]) AND (compared_at IS NULL OR compared_at <= %s) AND (ended_at IS NULL OR ended_at > %s)
  ORDER BY tenant_id, provider_subscription_id, package_key, feature_key LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE metered_items m SET compared_at = %s, due_at = least(m.due_at, %s)
FROM due
WHERE m.tenant_id = due.tenant_id AND m.provider_subscription_id = due.provider_subscription_id
  AND m.package_key = due.package_key AND m.feature_key = due.feature_key
RETURNING m.tenant_id, m.provider_subscription_id, m.package_key, m.feature_key, m.customer_id, m.meter_id
"""
# In key order, as all locks.
_COMPARE_SOON = """
UPDATE metered_items m SET compared_at = NULL
FROM (
  SELECT tenant_id, provider_subscription_id, package_key, feature_key FROM metered_items
  WHERE tenant_id = ANY(%s::int[]) AND meter_id = %s
  ORDER BY tenant_id, provider_subscription_id, package_key, feature_key FOR UPDATE
) w
WHERE m.tenant_id = w.tenant_id AND m.provider_subscription_id = w.provider_subscription_id
  AND m.package_key = w.package_key AND m.feature_key = w.feature_key
"""
_FIRST_SENT_SINCE = """
SELECT min(starts_at) FROM meter_reports
WHERE tenant_id = %s AND provider_subscription_id = %s AND package_key = %s AND feature_key = %s
  AND sent_at >= %s AND starts_at >= %s
"""

# All of the customer's, because a meter knows customers and no subscriptions.
_STATED = """
SELECT DISTINCT ON (r.provider_subscription_id, r.starts_at)
  r.tenant_id, r.provider_subscription_id, r.package_key, r.feature_key, r.starts_at, r.ends_at, r.version, r.value, r.state,
  r.sent_at
FROM metered_items m
JOIN meter_reports r USING (tenant_id, provider_subscription_id, package_key, feature_key)
WHERE m.tenant_id = %s AND m.customer_id = %s AND m.meter_id = %s AND r.starts_at >= %s AND r.starts_at < %s
ORDER BY r.provider_subscription_id, r.starts_at, r.version DESC
"""


@dataclass(frozen=True, slots=True)
class ToCompare:
    """An item that is compared with what the provider has counted of its customer."""

    item: Item
    customer_id: str
    meter_id: str


@dataclass(frozen=True, slots=True)
class Stated:
    """The newest version of an hour of some item of a customer's."""

    item: Item
    told: Told
    state: str
    sent_at: datetime | None


def take_to_compare(
    session: Session, tenant_ids: Sequence[int], now: datetime, compared_before: datetime, ended_after: datetime
) -> ToCompare | None:
    """An item that was not compared since then, and is not over for so long. None: there is none, or others have it."""
    parameters = (arrays.numbers(tenant_ids), compared_before, ended_after, now, now)
    found = session.connection().exec_driver_sql(_TAKE_TO_COMPARE, parameters).one_or_none()
    return ToCompare((found[0], found[1], found[2], found[3]), found[4], found[5]) if found else None


def compare_soon(session: Session, tenant_ids: Sequence[int], meter_id: str) -> None:
    """Have what is told to a meter compared with what it has counted, at the next run."""
    session.connection().exec_driver_sql(_COMPARE_SOON, (arrays.numbers(tenant_ids), meter_id))


def first_sent_since(session: Session, item: Item, sent_since: datetime, horizon: datetime) -> datetime | None:
    """The first hour, within the horizon, of which something was told since then."""
    found: datetime | None = (
        session.connection().exec_driver_sql(_FIRST_SENT_SINCE, (*item, sent_since, horizon)).scalar_one()
    )
    return found


def stated(session: Session, compared: ToCompare, start: datetime, end: datetime) -> list[Stated]:
    """The newest versions of all hours of this customer and meter in [start, end), whichever subscription they are of."""
    parameters = (compared.item[0], compared.customer_id, compared.meter_id, start, end)
    found = session.connection().exec_driver_sql(_STATED, parameters)
    return [Stated((row[0], row[1], row[2], row[3]), Told(*row[4:8]), row[8], row[9]) for row in found]
