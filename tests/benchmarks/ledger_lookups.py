"""How long the ledger's look-ups take over many partitions, in microseconds of one statement over a local socket."""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import click
import psycopg

from tests.benchmarks import ledger_designs as ledger

_FILL = """
INSERT INTO old_events (tenant_id, id, user_key, feature_key, at, recorded_at, delta, applied, recorded, action)
SELECT 1, n, 1 + (random() * 9999)::int, 1, %(first)s::timestamptz + (%(last)s::timestamptz - %(first)s) * (n / 480000.0),
  now(), 1, 1, true, 'ADD'
FROM generate_series(1, 479999) n
"""
_ONE_TABLE = "CREATE TABLE old_events_whole AS SELECT * FROM old_events"
_INDEXES = [
    f"{change} {table} {what}"
    for table in ("old_events", "old_events_whole")
    for change, what in (
        ("ALTER TABLE", "ADD PRIMARY KEY (tenant_id, id, at)"),
        ("CREATE INDEX ON", "(tenant_id, user_key, feature_key, at)"),
    )
]

_BY_ID = "SELECT * FROM old_events WHERE tenant_id = %s AND id = %s"
_BY_ID_AND_AT = _BY_ID + " AND at = %s"
_PERIOD = """
SELECT w.n, t.used FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[])
  WITH ORDINALITY AS w(tenant_id, user_key, feature_key, period_start, period_end, n)
LEFT JOIN LATERAL (
  SELECT sum(e.applied) AS used FROM old_events e
  WHERE e.tenant_id = w.tenant_id AND e.user_key = w.user_key AND e.feature_key = w.feature_key
    AND e.at >= w.period_start AND e.at < w.period_end AND e.recorded
) t ON true
"""
_NEWEST = """
SELECT * FROM old_events WHERE tenant_id = %s AND user_key = %s AND feature_key = %s ORDER BY at DESC, id DESC LIMIT 20
"""

Make = Callable[[], Sequence[object]]


def measure_lookups(url: str, options: str) -> None:
    """24 months of 20,000 events each, partitioned and as one table; and the key look-ups of A and B."""
    months = ledger.months_back(22)  # and the next two: 24 partitions
    with psycopg.connect(url, autocommit=True, options=options, prepare_threshold=0) as connection:
        _prepare(connection, months)
        _table(connection, months)
        _plan(connection)


def _prepare(connection: psycopg.Connection, months: list[datetime]) -> None:
    ledger.make_partitions(connection, "old_events", months)
    connection.execute(_FILL.encode(), {"first": months[0], "last": months[-1]})
    for statement in (_ONE_TABLE, *_INDEXES, "ANALYZE old_events", "ANALYZE old_events_whole"):
        connection.execute(statement.encode())


def _table(connection: psycopg.Connection, months: list[datetime]) -> None:
    step = (months[-1] - months[0]) / 480_000

    def one() -> tuple[int, int]:
        return 1, random.sample(range(1, 480_000), 1)[0]

    def window(size: int) -> Make:
        def make() -> Sequence[object]:
            starts = random.choices(months[:-2], k=size)
            users = random.sample(range(1, 10_001), size)
            return [1] * size, users, [1] * size, starts, [start + timedelta(days=30) for start in starts]

        return make

    def exact() -> tuple[object, ...]:
        (tenant_id, id_) = one()
        return tenant_id, id_, months[0] + step * id_

    def keys(size: int) -> Make:
        return lambda: ([1] * size, [uuid4() for _ in range(size)])

    def keys_in_window(size: int) -> Make:
        return lambda: (*keys(size)(), datetime.now(UTC) - ledger.WINDOW)

    cases: list[tuple[str, str, Make]] = [
        ("nothing (SELECT 1)", "SELECT 1", tuple),
        ("event by (tenant_id, id)", _BY_ID, one),
        ("event by (tenant_id, id, at)", _BY_ID_AND_AT, exact),
        ("a month of one user", _PERIOD, window(1)),
        ("a month of each of 64 users", _PERIOD, window(64)),
        ("20 newest of one user", _NEWEST, lambda: (1, *random.sample(range(1, 10_001), 1), 1)),
        ("1 key, A", ledger.FIND_A, keys(1)),
        ("64 keys, A", ledger.FIND_A, keys(64)),
        ("1 key, B", ledger.FIND_B, keys_in_window(1)),
        ("64 keys, B", ledger.FIND_B, keys_in_window(64)),
    ]
    click.echo(f"{'look-up, us':34}{'24 partitions':>15}{'one table':>12}")
    for name, query, make in cases:
        times = [_median(connection, query, make)]
        if "old_events" in query:
            times.append(_median(connection, query.replace("old_events", "old_events_whole"), make))
        click.echo(f"{name:34}{times[0]:>15.0f}" + "".join(f"{other:>12.0f}" for other in times[1:]))


def _median(connection: psycopg.Connection, query: str, make: Make, times: int = 400) -> float:
    spent = []
    for _ in range(times):
        parameters = make()
        began = time.perf_counter()
        connection.execute(query.encode(), parameters).fetchall()
        spent.append(time.perf_counter() - began)
    return statistics.median(spent) * 1e6


def _plan(connection: psycopg.Connection) -> None:
    """The generic plan of B's look-up: which partitions it leaves out when it starts."""
    connection.execute(
        "PREPARE find_b (int[], uuid[], timestamptz) AS " + ledger.FIND_B.replace("%s", "{}").format("$1", "$2", "$3")
    )
    explain = (
        "EXPLAIN (ANALYZE, COSTS OFF, BUFFERS OFF)"
        " EXECUTE find_b ('{1}', ARRAY[gen_random_uuid()], now() - interval '31 days')"
    )
    for (line,) in connection.execute(explain).fetchall():
        click.echo(line)
