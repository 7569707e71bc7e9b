"""Rows of `usage_events` in SQL, such as `services.usage` writes them. A new column has to be told here once.

Their periods are calendar months, which nothing that is measured here reads.
"""

from collections.abc import Callable

import psycopg
from psycopg import sql

from app.models import UsageEvent
from tests.benchmarks.shop import LIMIT, MONTHS, Shop

_ROWS_AT_ONCE = 1_000_000

_MONTHS = f"""
SELECT month::text, (month + interval '1 month')::text, to_char(month, 'YYYY_MM')
FROM generate_series(date_trunc('month', now() - interval '{MONTHS} months'), now(), interval '1 month') AS month
"""

# The digest is `queries.ledger.digest_of`.
_FILL_KEYS = """
INSERT INTO idempotency_keys (tenant_id, digest, event_id, event_at)
SELECT tenant_id, encode(substr(sha256(convert_to(idempotency_key, 'UTF8')), 1, 16), 'hex')::uuid, id, at
FROM usage_events
"""


class UnknownColumnError(Exception):
    """A column that must be given a value, and nobody said here which."""


def event_values(**given: str) -> dict[str, str]:
    """SQL for each column of an event of delta 1 that needs a value. `given`: tenant_id, user_key, feature_key, at.

    Raises:
        UnknownColumnError
    """
    known = given | {
        "recorded_at": given["at"],
        "period_start": f"date_trunc('month', {given['at']})",
        "period_end": f"date_trunc('month', {given['at']}) + interval '1 month'",
        "action": "'ADD'",
        "delta": "1",
        "applied": "1",
        "recorded": "true",
        "used_after": "1",
        "budget": str(LIMIT),
        "overage_enabled": "false",
    }
    values = {}
    for column in UsageEvent.__table__.columns:  # type: ignore[attr-defined]
        if column.name in known:
            values[column.name] = known[column.name]
        elif not column.nullable and column.identity is None and column.server_default is None:
            raise UnknownColumnError(column.name)
    return values


def fill_ledger(database_url: str, shop: Shop, count: int, report: Callable[[int], None]) -> None:
    """`count` events of all users and features, evenly over the last months, each with an idempotency key.

    Counters are not touched: fill before anything is counted.
    """
    values = event_values(
        tenant_id=str(shop.tenant_id),
        user_key=f"{shop.first_user_key} + mod(n, {shop.users})",
        feature_key=f"(ARRAY{list(shop.feature_keys)}::bigint[])[1 + mod(n / {shop.users}, {len(shop.feature_keys)})]",
        at=f"now() - (interval '{MONTHS} months') * (1 - n::float8 / {count})",
    )
    values["idempotency_key"] = "md5(n::text)"
    statement = (
        f"INSERT INTO usage_events ({', '.join(values)}) SELECT {', '.join(values.values())} "
        "FROM generate_series(%s::bigint, %s::bigint) AS n ORDER BY n"
    )
    with psycopg.connect(database_url, autocommit=True) as connection:
        _make_partitions(connection)
        for first in range(0, count, _ROWS_AT_ONCE):
            report(first)
            connection.execute(statement, (first, min(first + _ROWS_AT_ONCE, count) - 1))
        connection.execute(_FILL_KEYS)


def _make_partitions(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """One for each month, as a server has that has run for as long."""
    for month, following, suffix in connection.execute(_MONTHS).fetchall():
        name = sql.Identifier(f"usage_events_p{suffix}")
        statement = sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF usage_events FOR VALUES FROM ({}) TO ({})")
        connection.execute(statement.format(name, month, following))
