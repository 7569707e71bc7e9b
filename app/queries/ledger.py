"""The ledger of usage events. Whoever appends holds the lock of the counter that the event belongs to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from app.domain.metering import RecordUsageAction
from app.domain.periods import Period
from app.queries.standings import Counter, Pair

Window = tuple[Pair, Period]
"""What a total is asked for."""

Key = tuple[int, str]
"""(tenant id, idempotency key)."""


@dataclass(slots=True)
class Entry:
    """A row of `usage_events`; see there. `id` is None until it is appended."""

    tenant_id: int
    user_key: int
    feature_key: int
    at: datetime
    action: RecordUsageAction
    delta: int
    applied: int
    recorded: bool
    reason: str | None
    used_after: int | None
    budget: int | None
    overage_enabled: bool | None
    idempotency_key: str | None
    id: int | None = None


_COLUMNS = (
    "tenant_id, user_key, feature_key, at, action, delta, applied, recorded, reason, used_after, budget, "
    "overage_enabled, idempotency_key"
)

_WITH_KEYS = f"""
SELECT {", ".join("e." + column for column in _COLUMNS.split(", "))}, e.id
FROM unnest(%s::int[], %s::text[]) AS w(tenant_id, idempotency_key)
JOIN usage_events e ON e.tenant_id = w.tenant_id AND e.idempotency_key = w.idempotency_key
"""

# The ids are drawn in the order of the rows, so the order of ids is the order of events.
_APPEND = f"""
INSERT INTO usage_events ({_COLUMNS})
SELECT {_COLUMNS}
FROM unnest(
  %s::int[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::text[], %s::bigint[], %s::bigint[], %s::boolean[],
  %s::text[], %s::bigint[], %s::bigint[], %s::boolean[], %s::text[]
) WITH ORDINALITY AS w({_COLUMNS}, n)
ORDER BY n
ON CONFLICT DO NOTHING
RETURNING id
"""

# `domain.metering.replay` in SQL. The last SET is the base B; with S_k the sums of the ADDs after it, never going below
# zero on the way makes the total B + S_n − min(0, min over k of (B + S_k)). A Hypothesis test holds both against each other.
_REPLAY = """
SELECT w.n, coalesce(totals.used, 0)::bigint AS used
FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[])
  WITH ORDINALITY AS w(tenant_id, user_key, feature_key, period_start, period_end, n)
LEFT JOIN LATERAL (
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
    (SELECT amount FROM last_set)
  ) AS used
) AS totals ON true
ORDER BY w.n
"""


def entries_with_keys(session: Session, keys: Sequence[Key]) -> dict[Key, Entry]:
    """The entries that used these keys before. At most one statement."""
    if not keys:
        return {}
    parameters = ([tenant_id for tenant_id, _ in keys], [key for _, key in keys])
    found = session.connection().exec_driver_sql(_WITH_KEYS, parameters)
    entries = (_entry(*row) for row in found)
    return {(entry.tenant_id, entry.idempotency_key or ""): entry for entry in entries}


def append(session: Session, entries: Sequence[Entry]) -> bool:
    """Append in this order and give each entry its id. One statement.

    Returns False when another transaction took one of the idempotency keys in the meantime (it is waited for, so that the
    answer is final): then some are not appended, and the caller must roll back.
    """
    columns = [[getattr(entry, column) for entry in entries] for column in _COLUMNS.split(", ")]
    ids = sorted(session.connection().exec_driver_sql(_APPEND, tuple(columns)).scalars())
    if len(ids) != len(entries):
        return False
    for entry, id_ in zip(entries, ids, strict=True):
        entry.id = id_
    return True


def replayed_totals(session: Session, windows: Sequence[Window]) -> list[int]:
    """What the ledger says was used in each window, in the order asked. At most one statement."""
    if not windows:
        return []
    parameters = (
        [tenant_id for (tenant_id, _, _), _ in windows],
        [user_key for (_, user_key, _), _ in windows],
        [feature_key for (_, _, feature_key), _ in windows],
        [period.start for _, period in windows],
        [period.end for _, period in windows],
    )
    return [used for _, used in session.connection().exec_driver_sql(_REPLAY, parameters)]


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


def _entry(
    tenant_id: int,
    user_key: int,
    feature_key: int,
    at: datetime,
    action: str,
    delta: int,
    applied: int,
    recorded: bool,
    reason: str | None,
    used_after: int | None,
    budget: int | None,
    overage_enabled: bool | None,
    idempotency_key: str | None,
    id_: int,
) -> Entry:
    return Entry(
        tenant_id, user_key, feature_key, at, RecordUsageAction(action), delta, applied, recorded, reason, used_after,
        budget, overage_enabled, idempotency_key, id_,
    )  # fmt: skip
