"""What waits for a job, over all tenants: the oldest of each kind. Each is one look into an index for each tenant."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlmodel import Session

COUNTED_MAX = 10_000
"""Of one tenant's rows so many are counted; who has more has too many."""


class Kind(StrEnum):
    """Rows that a job has something to do with."""

    COUNTERS = "counters"
    PERIODS = "periods"
    SUBSCRIPTIONS = "subscriptions"
    RESERVATIONS = "reservations"
    WEBHOOKS = "webhooks"


_OF_TENANT = ("tenants o", "r.tenant_id = o.id")
_OF_ENDPOINT = ("webhook_endpoints o", "r.tenant_id = o.tenant_id AND r.endpoint_id = o.id")

# (table, whose rows, when a row became due, which rows there are). Each is what a partial index by owner and time is made for.
_DUE = {
    Kind.COUNTERS: ("consumptions", _OF_TENANT, "period_end", "period_end IS NOT NULL"),
    Kind.PERIODS: ("usage_periods", _OF_TENANT, "period_end", "closed_at IS NULL"),
    Kind.SUBSCRIPTIONS: ("subscriptions", _OF_TENANT, "due_at", "due_at IS NOT NULL"),
    Kind.RESERVATIONS: ("reservations", _OF_TENANT, "expires_at", "status = 'HELD'"),
    Kind.WEBHOOKS: ("webhook_deliveries", _OF_ENDPOINT, "next_attempt_at", "status = 'PENDING'"),
}


@dataclass(frozen=True, slots=True)
class Counted:
    """How many rows there are, and since when the oldest."""

    count: int
    since: datetime | None


def oldest_due(session: Session, kind: Kind, now: datetime) -> datetime | None:
    """When the oldest row that is due became so; None: nothing is due."""
    table, (owners, is_owned), at, which = _DUE[kind]
    statement = f"""
    SELECT min(d.at) FROM {owners} CROSS JOIN LATERAL (
      SELECT r.{at} AS at FROM {table} r WHERE {is_owned} AND r.{which} AND r.{at} <= %s ORDER BY r.{at} LIMIT 1
    ) d
    """
    oldest: datetime | None = session.connection().exec_driver_sql(statement, (now,)).scalar_one()
    return oldest


def dead_webhooks(session: Session) -> Counted:
    return _counted(session, "webhook_deliveries", "settled_at", "r.status = 'DEAD'")


def dead_meter_reports(session: Session) -> Counted:
    return _counted(session, "meter_reports", "created_at", "r.state = 'DEAD'")


def rows_set_aside(session: Session) -> Counted:
    return _counted(session, "job_faults", "first_at", "true")


def _counted(session: Session, table: str, at: str, which: str) -> Counted:
    statement = f"""
    SELECT coalesce(sum(o.many), 0)::bigint, min(o.oldest) FROM tenants t CROSS JOIN LATERAL (
      SELECT count(*) AS many, min(f.at) AS oldest FROM (
        SELECT r.{at} AS at FROM {table} r WHERE r.tenant_id = t.id AND {which} ORDER BY r.{at} LIMIT {COUNTED_MAX}
      ) f
    ) o
    """
    count, since = session.connection().exec_driver_sql(statement).one()
    return Counted(count, since)
