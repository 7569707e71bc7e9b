"""Four ways to keep idempotency keys beside a ledger, as tables of their own (not the product's), and how they are filled.

A, B and D share one ledger partitioned by month. A keeps its keys for good in one table, B in partitions of which the
last 31 days are looked at, D keeps none. C is one unpartitioned ledger with the caller's text key in it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import psycopg
from psycopg import sql

USERS = 10_000
SPREAD = timedelta(days=90)
WINDOW = timedelta(days=31)

_EVENT = """
  tenant_id int NOT NULL, id bigint NOT NULL, user_key bigint NOT NULL, feature_key bigint NOT NULL, at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL, delta bigint NOT NULL, applied bigint NOT NULL, used_after bigint, budget bigint,
  reverts_id bigint, reservation_id bigint, held bigint, recorded boolean NOT NULL, overage_enabled boolean,
  action text NOT NULL, reason text"""

_KEY = """
  tenant_id int NOT NULL, digest uuid NOT NULL, event_id bigint NOT NULL, event_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL"""

TABLES = f"""
CREATE SEQUENCE event_ids CACHE 1;
CREATE TABLE usage_events ({_EVENT}) PARTITION BY RANGE (at);
CREATE TABLE old_events ({_EVENT}) PARTITION BY RANGE (at);
CREATE TABLE keys_a ({_KEY});
CREATE TABLE keys_b ({_KEY}) PARTITION BY RANGE (recorded_at);
CREATE TABLE events_c ({_EVENT}, idempotency_key text);
CREATE TABLE counters (
  tenant_id int, user_key bigint, feature_key bigint, period_start timestamptz, period_end timestamptz,
  used bigint NOT NULL DEFAULT 0, PRIMARY KEY (tenant_id, user_key, feature_key)
) WITH (fillfactor = 50);
INSERT INTO counters (tenant_id, user_key, feature_key) SELECT 1, n, 1 FROM generate_series(1, 10000) n;
"""

# Made after the fill, which is much faster. A B-tree that grew by random keys is about 70 % full, not 90.
INDEXES = """
ALTER TABLE usage_events ADD PRIMARY KEY (tenant_id, id, at);
CREATE INDEX ON usage_events (tenant_id, user_key, feature_key, at);
ALTER TABLE keys_a ADD PRIMARY KEY (tenant_id, digest) WITH (fillfactor = 70);
ALTER TABLE keys_b ADD PRIMARY KEY (tenant_id, digest, recorded_at);
ALTER TABLE events_c ADD PRIMARY KEY (tenant_id, id);
CREATE INDEX ON events_c (tenant_id, user_key, feature_key, at);
CREATE UNIQUE INDEX ON events_c (tenant_id, idempotency_key) WITH (fillfactor = 70) WHERE idempotency_key IS NOT NULL;
"""

_COLUMNS = "tenant_id, id, user_key, feature_key, at, recorded_at, delta, applied, used_after, budget, recorded, action"
_SPREAD = "now() - interval '90 days' * (1 - n / %(events)s::float8)"
_ROW = f"""1, nextval('event_ids'), 1 + (random() * 9999)::int, 1, {_SPREAD}, {_SPREAD}, 1, 1, n, 1000000, true, 'ADD'
FROM generate_series(%(first)s::bigint, %(last)s::bigint) n"""

FILL = {
    "usage_events": f"INSERT INTO usage_events ({_COLUMNS}) SELECT {_ROW}",
    "events_c": f"INSERT INTO events_c ({_COLUMNS}, idempotency_key) SELECT {_ROW}".replace(
        "'ADD'", "'ADD', md5(n::text)::uuid::text"
    ),
    "keys_a": f"INSERT INTO keys_a SELECT 1, md5(n::text)::uuid, n, {_SPREAD}, {_SPREAD}"
    " FROM generate_series(%(first)s::bigint, %(last)s::bigint) n",
    # What an operator would have kept: the window, and the rest of the week that it begins in.
    "keys_b": f"INSERT INTO keys_b SELECT 1, md5(n::text)::uuid, n, at, at FROM (SELECT n, {_SPREAD} AS at"
    " FROM generate_series(%(first)s::bigint, %(last)s::bigint) n) x WHERE at >= %(kept)s",
}

LOCK = """
SELECT c.used FROM (
  SELECT * FROM unnest(%s::int[], %s::bigint[], %s::bigint[]) AS w(tenant_id, user_key, feature_key) ORDER BY 1, 2, 3
) a LEFT JOIN LATERAL (
  SELECT used FROM counters c
  WHERE c.tenant_id = a.tenant_id AND c.user_key = a.user_key AND c.feature_key = a.feature_key FOR NO KEY UPDATE
) c ON true"""
COUNT = """
UPDATE counters c SET period_start = w.start, period_end = w.start + interval '1 month', used = c.used + 1
FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::timestamptz[]) AS w(tenant_id, user_key, feature_key, start)
WHERE c.tenant_id = w.tenant_id AND c.user_key = w.user_key AND c.feature_key = w.feature_key"""

_INSERT = f"""INSERT INTO usage_events ({_COLUMNS}) SELECT tenant_id, nextval('event_ids'), user_key, feature_key, at, at,
  1, 1, 1, 1000000, true, 'ADD'
FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::timestamptz[])
  WITH ORDINALITY AS w(tenant_id, user_key, feature_key, at, n) ORDER BY n RETURNING id"""
_INSERT_C = f"""INSERT INTO events_c ({_COLUMNS}, idempotency_key)
SELECT tenant_id, nextval('event_ids'), user_key, feature_key, at, at, 1, 1, 1, 1000000, true, 'ADD', key
FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::text[])
  WITH ORDINALITY AS w(tenant_id, user_key, feature_key, at, key, n) ORDER BY n ON CONFLICT DO NOTHING RETURNING id"""

FIND_A = """SELECT k.* FROM unnest(%s::int[], %s::uuid[]) AS w(tenant_id, digest)
JOIN keys_a k ON k.tenant_id = w.tenant_id AND k.digest = w.digest"""
# The bound is a parameter of the statement, so the partitions before it are dropped once, when the plan starts.
FIND_B = """SELECT k.* FROM unnest(%s::int[], %s::uuid[]) AS w(tenant_id, digest)
JOIN keys_b k ON k.tenant_id = w.tenant_id AND k.digest = w.digest AND k.recorded_at >= %s"""
_FIND_C = """SELECT e.* FROM unnest(%s::int[], %s::text[]) AS w(tenant_id, key)
JOIN events_c e ON e.tenant_id = w.tenant_id AND e.idempotency_key = w.key"""

# In key order: two transactions that wait for each other's new keys would otherwise do so in a circle.
_KEEP_A = """INSERT INTO keys_a SELECT * FROM unnest(%s::int[], %s::uuid[], %s::bigint[], %s::timestamptz[], %s::timestamptz[])
ORDER BY 1, 2 ON CONFLICT DO NOTHING"""
_KEEP_B = _KEEP_A.replace("keys_a", "keys_b")


@dataclass(frozen=True)
class Batch:
    """What the callers sent, made before the clock runs."""

    users: list[int]
    keys: list[str]
    at: datetime


Record = Callable[[psycopg.Connection, Batch], None]


def _record_with(find: str | None, insert: str, keep: str | None, *, windowed: bool = False) -> Record:
    def record(connection: psycopg.Connection, batch: Batch) -> None:
        size = len(batch.users)
        ones, ats = [1] * size, [batch.at] * size
        pairs = (ones, batch.users, ones)
        with connection.transaction():
            connection.execute(LOCK, pairs).fetchall()
            if find:
                bound = (batch.at - WINDOW,) if windowed else ()
                connection.execute(find, (ones, batch.keys, *bound)).fetchall()
            connection.execute(COUNT, (*pairs, ats))
            own = (batch.keys,) if insert is _INSERT_C else ()
            ids = [id_ for (id_,) in connection.execute(insert, (*pairs, ats, *own)).fetchall()]
            if keep:
                connection.execute(keep, (ones, batch.keys, ids, ats, ats))

    return record


DESIGNS: dict[str, Record] = {
    "A": _record_with(FIND_A, _INSERT, _KEEP_A),
    "B": _record_with(FIND_B, _INSERT, _KEEP_B, windowed=True),
    "C": _record_with(_FIND_C, _INSERT_C, None),
    "D": _record_with(None, _INSERT, None),
}


def months_back(count: int) -> list[datetime]:
    """The starts of the last `count` months and of the next two, oldest first."""
    now = datetime.now(UTC)
    numbers = range(now.year * 12 + now.month - 1 - count, now.year * 12 + now.month + 2)
    return [datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC) for number in numbers]


def first_week_kept() -> datetime:
    """The start of the week in which the window begins: an operator drops what is older."""
    first = datetime.now(UTC) - WINDOW
    return first.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=first.weekday())


def key_partitions(days: int) -> list[datetime]:
    """The bounds of B's partitions of so many days: some that should have been dropped, the window, and two weeks ahead."""
    first = first_week_kept()
    older, newer = max(1, 28 // days), -((first - datetime.now(UTC) - timedelta(weeks=2)) // timedelta(days=days))
    return [first + timedelta(days=days * n) for n in range(-older, newer + 1)]


def make_partitions(connection: psycopg.Connection, table: str, bounds: list[datetime]) -> None:
    for n, (start, end) in enumerate(pairwise(bounds)):
        connection.execute(
            sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})").format(
                sql.Identifier(f"{table}_{n}"), sql.Identifier(table), sql.Literal(start), sql.Literal(end)
            )
        )


def chunks(events: int) -> Iterator[tuple[int, int]]:
    """(first, last) of pieces of at most a million rows."""
    for first in range(1, events + 1, 1_000_000):
        yield first, min(first + 999_999, events)
