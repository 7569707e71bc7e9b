"""What is older than the ledger keeps, of all tenants: counted, and deleted in pieces.

A piece is a range of the table's blocks. No index leads to what is old, and reading a table once, block by block, costs less
than an index on it would for every row that is ever written.
"""

from datetime import datetime
from enum import Enum

from sqlmodel import Session

BLOCKS_PER_PIECE = 500
"""60,000 idempotency keys at most."""


class Old(Enum):
    """(table, what makes a row of it too old). The conditions' one parameter is the first moment that is kept."""

    KEYS = ("idempotency_keys", "event_at < %s")
    # Open for a day at most, so those of such old times have long been settled, or have expired.
    RESERVATIONS = ("reservations", "at < %s")
    PERIODS = ("usage_periods", "period_end <= %s AND closed_at IS NOT NULL")
    EVENTS_WITHOUT_MONTH = ("usage_events_default", "at < %s")
    COUNTERS = ("consumptions", "period_start < %s")

    @property
    def table(self) -> str:
        return self.value[0]

    @property
    def condition(self) -> str:
        return self.value[1]


_RESET = """
WITH old AS MATERIALIZED (
  SELECT tenant_id, user_key, feature_key FROM consumptions
  WHERE (tenant_id, user_key, feature_key) > (%s, %s, %s) AND period_start < %s
  ORDER BY tenant_id, user_key, feature_key LIMIT %s
  FOR NO KEY UPDATE
)
UPDATE consumptions c SET period_start = NULL, period_end = NULL, used = 0
FROM old
WHERE c.tenant_id = old.tenant_id AND c.user_key = old.user_key AND c.feature_key = old.feature_key AND c.period_start < %s
RETURNING c.tenant_id, c.user_key, c.feature_key
"""


def how_many(session: Session, old: Old, before: datetime) -> int:
    """Reads the whole table."""
    connection = session.connection()
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    statement = f"SELECT count(*) FROM {old.table} WHERE {old.condition}"
    return int(connection.exec_driver_sql(statement, (before,)).scalar_one())


def blocks_of(session: Session, old: Old) -> int:
    """How many blocks the table has."""
    statement = "SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::bigint"
    return int(session.connection().exec_driver_sql(statement, (old.table,)).scalar_one())


def delete_piece(session: Session, old: Old, first_block: int, before: datetime) -> int:
    """Delete what is old in `BLOCKS_PER_PIECE` blocks. Returns how many rows."""
    statement = f"DELETE FROM {old.table} WHERE ctid >= %s::tid AND ctid < %s::tid AND {old.condition}"
    bounds = (f"({first_block},0)", f"({first_block + BLOCKS_PER_PIECE},0)")
    return session.connection().exec_driver_sql(statement, (*bounds, before)).rowcount


def reset_counters(
    session: Session, after: tuple[int, int, int], before: datetime, limit: int
) -> list[tuple[int, int, int]]:
    """Counters, in key order from `after` on, whose period began before: they stand for nothing any more. Returns their keys."""
    rows = session.connection().exec_driver_sql(_RESET, (*after, before, limit, before)).all()
    return sorted((tenant_id, user_key, feature_key) for tenant_id, user_key, feature_key in rows)
