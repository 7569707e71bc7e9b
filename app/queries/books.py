"""The counters and keys beside the ledger that they stand for.

Each statement sees both sides in one snapshot, so what writers do meanwhile never shows as a difference. Each works on a bounded
part and goes through it once, in the order it lies on the disk: an event that is fetched by its place in an index costs several
times as much (docs/decisions/0011-books.md).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import Session

from app.domain.metering import RecordUsageAction
from app.domain.periods import Period
from app.domain.reservations import ReservationStatus
from app.queries.ledger import DIGEST

_LAST_KEY = 2**63 - 1

# The one who checks has time, and those who write meanwhile have not: no limit, but one core and not much memory.
SETTINGS = {
    "statement_timeout": "0",
    "work_mem": "64MB",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "plan_cache_mode": "force_custom_plan",
    # Before its first ANALYZE a table can look small enough to be joined row by row; it never is.
    "enable_nestloop": "off",
}
# What an index finds is fetched in the order of the table's pages, each of them once.
_BY_PAGES = {"enable_seqscan": "off", "enable_indexscan": "off", "enable_indexonlyscan": "off"}

_COUNT_COUNTERS = "SELECT count(*) FROM consumptions WHERE tenant_id = %s"
_LAST_USER = (
    "SELECT user_key FROM consumptions WHERE tenant_id = %s AND user_key > %s ORDER BY user_key OFFSET %s LIMIT 1"
)

SETS = f"e.action = '{RecordUsageAction.SET}'"
AMOUNT = f"CASE e.action WHEN '{RecordUsageAction.SET}' THEN e.delta ELSE e.applied END"

# `domain.metering.replay` once more, for many windows in one pass; see `queries.ledger`. With the last SET as the first of the
# running totals, the total is the sum of what is left, less the lowest of them if that is below zero.
#
# Periods that go on lie close together, so their events are read as a range of users and times. Those that have ended lie
# anywhere: a single old one would have the range reach back to it, so each is looked up for itself. OFFSET 0 keeps the planner
# from making a join of that again.
_COUNTERS = f"""
WITH counter AS MATERIALIZED (
  SELECT user_key, feature_key, period_start, period_end, used, held_until FROM consumptions
  WHERE tenant_id = %(tenant_id)s AND user_key > %(after)s AND user_key <= %(last)s
), going_on AS MATERIALIZED (
  SELECT * FROM counter WHERE period_end > %(now)s
), event AS (
  SELECT e.user_key, e.feature_key, e.id, {SETS} AS sets, {AMOUNT} AS amount
  FROM going_on c JOIN usage_events e
    ON e.user_key = c.user_key AND e.feature_key = c.feature_key AND e.at >= c.period_start AND e.at < c.period_end
  WHERE e.tenant_id = %(tenant_id)s AND e.user_key > %(after)s AND e.user_key <= %(last)s AND e.recorded
    AND e.at >= (SELECT min(period_start) FROM going_on) AND e.at < (SELECT max(period_end) FROM going_on)
  UNION ALL
  SELECT c.user_key, c.feature_key, e.*
  FROM counter c CROSS JOIN LATERAL (
    SELECT e.id, {SETS} AS sets, {AMOUNT} AS amount FROM usage_events e
    WHERE e.tenant_id = %(tenant_id)s AND e.user_key = c.user_key AND e.feature_key = c.feature_key
      AND e.at >= c.period_start AND e.at < c.period_end AND e.recorded
    OFFSET 0
  ) e
  WHERE c.period_end <= %(now)s
), numbered AS (
  SELECT user_key, feature_key, id, amount, count(*) OVER pair AS events, max(id) FILTER (WHERE sets) OVER pair AS last_set
  FROM event WINDOW pair AS (PARTITION BY user_key, feature_key)
), running AS (
  SELECT user_key, feature_key, events, amount, sum(amount) OVER (PARTITION BY user_key, feature_key ORDER BY id) AS total
  FROM numbered WHERE last_set IS NULL OR id >= last_set
), total AS (
  SELECT user_key, feature_key, sum(amount) - least(0, min(total)) AS used, max(events) AS events
  FROM running GROUP BY user_key, feature_key
), hold AS (
  SELECT user_key, feature_key, max(expires_at) AS until FROM reservations
  WHERE tenant_id = %(tenant_id)s AND user_key > %(after)s AND user_key <= %(last)s
    AND status = '{ReservationStatus.HELD}' AND expires_at > %(now)s
  GROUP BY user_key, feature_key
)
SELECT user_key, feature_key, c.period_start, c.period_end, c.used, c.held_until,
  coalesce(t.used, 0)::bigint, coalesce(t.events, 0)::bigint, h.until
FROM counter c LEFT JOIN total t USING (user_key, feature_key) LEFT JOIN hold h USING (user_key, feature_key)
ORDER BY user_key, feature_key
"""

_PAIRS_WITHOUT_COUNTER = """
WITH pair AS MATERIALIZED (
  SELECT user_key, feature_key, count(*) AS events FROM usage_events
  WHERE tenant_id = %(tenant_id)s AND at >= %(start)s AND at < %(end)s
  GROUP BY user_key, feature_key
)
SELECT NULL AS user_key, NULL AS feature_key, coalesce(sum(events), 0)::bigint FROM pair
UNION ALL (
  SELECT user_key, feature_key, events FROM pair
  WHERE NOT EXISTS (
    SELECT FROM consumptions c
    WHERE c.tenant_id = %(tenant_id)s AND c.user_key = pair.user_key AND c.feature_key = pair.feature_key
  )
  LIMIT %(limit)s
)
"""

_KEYS = f"""
SELECT e.id, e.at, e.user_key, e.feature_key, k.digest, k.event_id
FROM (
  SELECT id, at, user_key, feature_key, {DIGEST.format("idempotency_key")} AS digest FROM usage_events
  WHERE tenant_id = %(tenant_id)s AND at >= %(start)s AND at < %(end)s AND idempotency_key IS NOT NULL
) e FULL JOIN (
  SELECT digest, event_id, event_at FROM idempotency_keys
  WHERE tenant_id = %(tenant_id)s AND event_at >= %(start)s AND event_at < %(end)s
) k ON k.digest = e.digest AND k.event_id = e.id AND k.event_at = e.at
WHERE e.id IS NULL OR k.digest IS NULL
LIMIT %(limit)s
"""


_NAMES = """
SELECT w.user_key, w.feature_key, u.id, f.id
FROM unnest(%s::bigint[], %s::bigint[]) AS w(user_key, feature_key)
LEFT JOIN users u ON u.tenant_id = %s AND u.key = w.user_key
LEFT JOIN features f ON f.tenant_id = %s AND f.key = w.feature_key
"""

Names = tuple[str | None, str | None]
"""(user id, feature id); None: there is none with this key any more."""


@dataclass(frozen=True, slots=True)
class BookedCounter:
    """A counter, and what the ledger says: the total of its period, from so many events. `hold_until` is when the last of the
    pair's open reservations expires."""

    user_key: int
    feature_key: int
    period: Period | None
    used: int
    held_until: datetime | None
    ledger: int
    events: int
    hold_until: datetime | None


@dataclass(frozen=True, slots=True)
class KeyedEvent:
    """An event that has an idempotency key, and no row in `idempotency_keys` that says so."""

    id: int
    at: datetime
    user_key: int
    feature_key: int


@dataclass(frozen=True, slots=True)
class LooseKey:
    """A row of `idempotency_keys` that names an event which is not there, or has not this key."""

    digest: UUID
    event_id: int


def count_counters(session: Session, tenant_id: int) -> int:
    prepare(session, SETTINGS)
    return int(session.connection().exec_driver_sql(_COUNT_COUNTERS, (tenant_id,)).scalar_one())


def last_user_of_part(session: Session, tenant_id: int, after: int, counters: int) -> int | None:
    """The user key with which a part of so many counters, or a few more, ends that begins after `after`. None: it is the last."""
    parameters = (tenant_id, after, counters - 1)
    return session.connection().exec_driver_sql(_LAST_USER, parameters).scalar_one_or_none()


def counters_beside_ledger(
    session: Session, tenant_id: int, after: int, last: int | None, now: datetime
) -> list[BookedCounter]:
    """The counters of the users with `after` < key ≤ `last` (None: all further ones)."""
    prepare(session, SETTINGS | _BY_PAGES)
    parameters = {
        "tenant_id": tenant_id,
        "after": after,
        "last": _LAST_KEY if last is None else last,
        "now": now,
    }
    rows = session.connection().exec_driver_sql(_COUNTERS, parameters)
    return [
        BookedCounter(user_key, feature_key, Period(start, end) if start and end else None, *rest)
        for user_key, feature_key, start, end, *rest in rows
    ]


def pairs_without_counter(
    session: Session, tenant_id: int, start: datetime, end: datetime, limit: int
) -> tuple[int, list[tuple[int, int, int]]]:
    """How many events [start, end) has, and (user key, feature key, events) of pairs that have some there and no counter."""
    (_, _, events), *pairs = _in_time(session, _PAIRS_WITHOUT_COUNTER, tenant_id, start, end, limit)
    return events, pairs


def keys_beside_ledger(
    session: Session, tenant_id: int, start: datetime, end: datetime, limit: int
) -> tuple[list[KeyedEvent], list[LooseKey]]:
    """What is amiss between the events of [start, end) and the keys that name events of that time; `limit` of it at most."""
    rows = _in_time(session, _KEYS, tenant_id, start, end, limit)
    events = [KeyedEvent(*row[:4]) for row in rows if row[0] is not None]
    return events, [LooseKey(*row[4:]) for row in rows if row[0] is None]


def names_of_pairs(
    session: Session, tenant_id: int, pairs: Collection[tuple[int, int]]
) -> dict[tuple[int, int], Names]:
    """By (user key, feature key). At most one statement."""
    if not pairs:
        return {}
    user_keys, feature_keys = map(list, zip(*pairs, strict=True))
    rows = session.connection().exec_driver_sql(_NAMES, (user_keys, feature_keys, tenant_id, tenant_id))
    return {(user_key, feature_key): (user_id, feature_id) for user_key, feature_key, user_id, feature_id in rows}


def _in_time(
    session: Session, statement: str, tenant_id: int, start: datetime, end: datetime, limit: int
) -> Sequence[Any]:
    prepare(session, SETTINGS)
    parameters = {"tenant_id": tenant_id, "start": start, "end": end, "limit": limit}
    return session.connection().exec_driver_sql(statement, parameters).all()


def prepare(session: Session, options: dict[str, str]) -> None:
    """For the rest of the transaction."""
    calls = ", ".join("set_config(%s, %s, true)" for _ in options)
    parameters = tuple(part for option in options.items() for part in option)
    session.connection().exec_driver_sql(f"SELECT {calls}", parameters)
