"""The ledger of usage events. Whoever appends holds the lock of the counter that the event belongs to."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlmodel import Session

from app.domain.metering import RecordUsageAction
from app.domain.periods import Period
from app.queries import arrays
from app.queries.standings import MOVE_COUNTERS, Counter, Pair, counter_columns, pair_columns

Window = tuple[Pair, Period]
"""What a total is asked for."""

Key = tuple[int, str]
"""(tenant id, idempotency key)."""


@dataclass(slots=True)
class Entry:
    """A row of `usage_events`; see there. `id` is 0 until it is appended."""

    tenant_id: int
    user_key: int
    feature_key: int
    at: datetime
    recorded_at: datetime
    action: RecordUsageAction
    delta: int
    applied: int
    recorded: bool
    reason: str | None = None
    period_start: datetime | None = None
    period_end: datetime | None = None
    used_after: int | None = None
    held: int | None = None
    budget: int | None = None
    overage_enabled: bool | None = None
    idempotency_key: str | None = None
    reverts_id: int | None = None
    reservation_id: int | None = None
    id: int = 0

    @property
    def pair(self) -> Pair:
        return self.tenant_id, self.user_key, self.feature_key

    @property
    def period(self) -> Period | None:
        """The period that decided."""
        return Period(self.period_start, self.period_end) if self.period_start and self.period_end else None


_COLUMNS = tuple(field.name for field in fields(Entry) if field.name != "id")
_values_of = attrgetter(*_COLUMNS)
_TYPES = {
    **dict.fromkeys(_COLUMNS, "bigint"),
    **dict.fromkeys(("action", "reason", "idempotency_key"), "text"),
    **dict.fromkeys(("recorded", "overage_enabled"), "boolean"),
    **dict.fromkeys(("at", "recorded_at", "period_start", "period_end"), "timestamptz"),
}
_WRITER: dict[str, Callable[[Any], str]] = {
    "bigint": arrays.numbers,
    "text": arrays.texts,
    "boolean": arrays.flags,
    "timestamptz": arrays.moments,
}
_WRITERS = [_WRITER[_TYPES[column]] for column in _COLUMNS]

EVENT = ", ".join(f"e.{column}" for column in (*_COLUMNS, "id"))
"""What `entry_of` wants to know of a row of `usage_events e`."""

_WITH_KEYS = f"""
SELECT {EVENT}
FROM unnest(%s::int[], %s::uuid[]) AS w(tenant_id, digest)
JOIN idempotency_keys k ON k.tenant_id = w.tenant_id AND k.digest = w.digest
JOIN usage_events e ON e.tenant_id = k.tenant_id AND e.id = k.event_id AND e.at = k.event_at
"""

_BY_ID = f"SELECT {EVENT} FROM usage_events e WHERE e.tenant_id = %s AND e.id = %s"
_REVERT_OF = f"SELECT {EVENT} FROM usage_events e WHERE e.tenant_id = %s AND e.reverts_id = %s AND e.at = %s"

DIGEST = "encode(substr(sha256(convert_to({}, 'UTF8')), 1, 16), 'hex')::uuid"
"""`digest_of` in SQL."""

# One statement, so that a call has one way less to the database and back. The ids are drawn in the order of the rows, so the
# order of ids is the order of events. Keys are taken in the order of their index, or two batches could wait in a circle.
_WRITE = f"""
WITH appended AS (
  INSERT INTO usage_events ({", ".join(_COLUMNS)})
  SELECT {", ".join(_COLUMNS)}
  FROM unnest({", ".join(f"%s::{_TYPES[column]}[]" for column in _COLUMNS)})
    WITH ORDINALITY AS w({", ".join(_COLUMNS)}, n)
  ORDER BY n
  RETURNING id, tenant_id, at, idempotency_key
), keyed AS (
  INSERT INTO idempotency_keys (tenant_id, digest, event_id, event_at)
  SELECT tenant_id, {DIGEST.format("idempotency_key")}, id, at FROM appended WHERE idempotency_key IS NOT NULL
  ORDER BY 1, 2
  ON CONFLICT DO NOTHING
  RETURNING event_id
), moved AS ({MOVE_COUNTERS})
SELECT id, idempotency_key IS NULL OR id IN (SELECT event_id FROM keyed) FROM appended ORDER BY id
"""

# `domain.metering.replay` in SQL. The last SET is the base B; with S_k the sums of the ADDs after it, never going below
# zero on the way makes the total B + S_n − min(0, min over k of (B + S_k)). A Hypothesis test holds both against each other.
REPLAY = """LATERAL (
  WITH event AS (
    -- An ADD counts as what it changed when it was recorded (a take-back was cut at zero then), a SET as what it said.
    SELECT e.id, e.action, CASE e.action WHEN 'SET' THEN e.delta ELSE e.applied END AS amount FROM usage_events e
    WHERE e.tenant_id = w.tenant_id AND e.user_key = w.user_key AND e.feature_key = w.feature_key
      AND e.at >= w.period_start AND e.at < w.period_end AND e.recorded
  ), last_set AS (
    SELECT id, amount FROM event WHERE action = 'SET' ORDER BY id DESC LIMIT 1
  ), running AS (
    SELECT id, coalesce((SELECT amount FROM last_set), 0) + sum(amount) OVER (ORDER BY id) AS total FROM event
    WHERE action = 'ADD' AND id > coalesce((SELECT id FROM last_set), 0)
  )
  SELECT coalesce(
    (SELECT total FROM running ORDER BY id DESC LIMIT 1) - least(0, (SELECT min(total) FROM running)),
    (SELECT amount FROM last_set),
    0
  )::bigint AS used
) AS totals"""
"""To be joined to windows `w`: the total of each, 0 if it has no events."""

_REPLAY = f"""
SELECT w.n, totals.used
FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[])
  WITH ORDINALITY AS w(tenant_id, user_key, feature_key, period_start, period_end, n)
JOIN {REPLAY} ON true
ORDER BY w.n
"""


def entries_with_keys(session: Session, keys: Sequence[Key]) -> dict[Key, Entry]:
    """The entries that used these keys before. At most one statement."""
    if not keys:
        return {}
    parameters = (
        arrays.numbers(tenant_id for tenant_id, _ in keys),
        arrays.uuids(digest_of(key) for _, key in keys),
    )
    entries = _entries(session, _WITH_KEYS, parameters)
    return {(entry.tenant_id, entry.idempotency_key or ""): entry for entry in entries}


def entry_by_id(session: Session, tenant_id: int, event_id: int) -> Entry | None:
    """Looks into each month's index: nothing but the event itself tells which month it is in."""
    return next(iter(_entries(session, _BY_ID, (tenant_id, event_id))), None)


def revert_of(session: Session, entry: Entry) -> Entry | None:
    """The entry that takes this one back, if there is one. Under the counter's lock the answer stays true."""
    return next(iter(_entries(session, _REVERT_OF, (entry.tenant_id, entry.id, entry.at))), None)


def write(session: Session, entries: Sequence[Entry], counters: dict[Pair, Counter]) -> bool:
    """Append the entries in this order and give each its id, note which of them answer repeats of their keys, and write what
    the counters stand for and at. One statement.

    Returns False when another transaction took one of the keys in the meantime (it is waited for, so that the answer is final):
    then the caller must roll back.
    """
    columns = zip(*map(_values_of, entries), strict=True)
    parameters = [write_column(column) for write_column, column in zip(_WRITERS, columns, strict=True)]
    written = session.connection().exec_driver_sql(_WRITE, (*parameters, *counter_columns(counters))).all()
    for entry, (id_, _) in zip(entries, written, strict=True):
        entry.id = id_
    return all(has_its_key for _, has_its_key in written)


def digest_of(key: str) -> UUID:
    """What is kept of an idempotency key: 16 bytes whatever its length, which no two keys share but by attack on SHA-256."""
    return UUID(bytes=hashlib.sha256(key.encode()).digest()[:16])


def replayed_totals(session: Session, windows: Sequence[Window]) -> list[int]:
    """What the ledger says was used in each window, in the order asked. At most one statement."""
    if not windows:
        return []
    return [used for _, used in session.connection().exec_driver_sql(_REPLAY, window_columns(windows))]


def window_columns(windows: Sequence[Window]) -> tuple[str, str, str, str, str]:
    """Five columns: tenant ids, user keys, feature keys, where the windows start and where they end."""
    return (
        *pair_columns([pair for pair, _ in windows]),
        arrays.moments(period.start for _, period in windows),
        arrays.moments(period.end for _, period in windows),
    )


def current_totals(session: Session, windows: Sequence[Window], counters: Sequence[Counter | None]) -> list[int]:
    """What was used in each window: from its counter if that stands for the same period, else from the ledger.

    A pair without a counter has no event. At most one statement.
    """
    totals = [
        counter.total_in(period) if counter else 0 for (_, period), counter in zip(windows, counters, strict=True)
    ]
    stale = [n for n, total in enumerate(totals) if total is None]
    for n, used in zip(stale, replayed_totals(session, [windows[n] for n in stale]), strict=True):
        totals[n] = used
    return [total or 0 for total in totals]


def entry_of(row: Sequence[Any]) -> Entry:
    """The entry from the columns `EVENT`."""
    entry = Entry(*row)
    entry.action = RecordUsageAction(entry.action)
    return entry


def _entries(session: Session, statement: str, parameters: tuple[object, ...]) -> list[Entry]:
    return [entry_of(row) for row in session.connection().exec_driver_sql(statement, parameters)]
