"""The history of closed periods beside the ledger. Each statement sees both sides in one snapshot, as those of `books` do."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlmodel import Session

from app.domain.periods import Period
from app.queries.books import AMOUNT, SETS, SETTINGS, prepare
from app.queries.ledger import Window
from app.queries.standings import Pair

EVER = datetime.min.replace(tzinfo=UTC)

Place = tuple[int, int, datetime, datetime]
"""(user key, feature key, start, end): where a period is in the history of a tenant."""

BEFORE_ALL: Place = (0, 0, EVER, EVER)

# A tenant's periods lie anywhere in time and may overlap, so the events of each are looked up for themselves.
# OFFSET 0 keeps the planner from making a join of that: each event would meet all periods of its user.
_BY_INDEX = {"enable_seqscan": "off", "enable_bitmapscan": "off"}

_COUNT = "SELECT count(*) FROM usage_periods WHERE tenant_id = %s AND closed_at IS NOT NULL AND period_start >= %s"

# `domain.metering.replay` once more, for many windows in one pass; see `books`.
_HISTORY = f"""
WITH period AS MATERIALIZED (
  SELECT row_number() OVER () AS n, * FROM (
    SELECT user_key, feature_key, period_start, period_end, used FROM usage_periods
    WHERE tenant_id = %(tenant_id)s
      AND (user_key, feature_key, period_start, period_end) > (%(user_key)s, %(feature_key)s, %(start)s, %(end)s)
      AND closed_at IS NOT NULL AND period_start >= %(since)s
    ORDER BY user_key, feature_key, period_start, period_end LIMIT %(limit)s
  ) p
), event AS (
  SELECT p.n, e.*
  FROM period p CROSS JOIN LATERAL (
    SELECT e.id, {SETS} AS sets, {AMOUNT} AS amount FROM usage_events e
    WHERE e.tenant_id = %(tenant_id)s AND e.user_key = p.user_key AND e.feature_key = p.feature_key
      AND e.at >= p.period_start AND e.at < p.period_end AND e.recorded
    OFFSET 0
  ) e
), numbered AS (
  SELECT n, id, amount, count(*) OVER window_ AS events, max(id) FILTER (WHERE sets) OVER window_ AS last_set
  FROM event WINDOW window_ AS (PARTITION BY n)
), running AS (
  SELECT n, events, amount, sum(amount) OVER (PARTITION BY n ORDER BY id) AS total
  FROM numbered WHERE last_set IS NULL OR id >= last_set
), total AS (
  SELECT n, sum(amount) - least(0, min(total)) AS used, max(events) AS events FROM running GROUP BY n
)
SELECT p.user_key, p.feature_key, p.period_start, p.period_end, p.used,
  coalesce(t.used, 0)::bigint, coalesce(t.events, 0)::bigint
FROM period p LEFT JOIN total t USING (n)
ORDER BY n
"""

_LOCK_COUNTER = """
SELECT FROM consumptions WHERE tenant_id = %s AND user_key = %s AND feature_key = %s
FOR NO KEY UPDATE
"""

_CORRECT = """
UPDATE usage_periods SET used = %s
WHERE tenant_id = %s AND user_key = %s AND feature_key = %s AND period_start = %s AND period_end = %s
  AND closed_at IS NOT NULL AND used <> %s
"""


@dataclass(frozen=True, slots=True)
class BookedPeriod:
    """A closed period: what the history says was used in it, and what the ledger says, from so many events."""

    user_key: int
    feature_key: int
    period: Period
    used: int
    ledger: int
    events: int

    @property
    def place(self) -> Place:
        return self.user_key, self.feature_key, self.period.start, self.period.end


def count_closed_periods(session: Session, tenant_id: int, since: datetime | None) -> int:
    """Those that began at `since` or later, or all."""
    prepare(session, SETTINGS)
    return int(session.connection().exec_driver_sql(_COUNT, (tenant_id, since or EVER)).scalar_one())


def closed_periods_beside_ledger(
    session: Session, tenant_id: int, since: datetime | None, after: Place, limit: int
) -> list[BookedPeriod]:
    """The next so many that are behind `after`, in order; without those that began before `since`."""
    prepare(session, SETTINGS | _BY_INDEX)
    user_key, feature_key, start, end = after
    parameters = {
        "tenant_id": tenant_id,
        "since": since or EVER,
        "user_key": user_key,
        "feature_key": feature_key,
        "start": start,
        "end": end,
        "limit": limit,
    }
    rows = session.connection().exec_driver_sql(_HISTORY, parameters)
    return [BookedPeriod(user, feature, Period(start, end), *rest) for user, feature, start, end, *rest in rows]


def lock_counter(session: Session, pair: Pair) -> bool:
    """Whoever holds it alone writes the pair's history. False: there is none."""
    return session.connection().exec_driver_sql(_LOCK_COUNTER, pair).rowcount == 1


def correct_closed_period(session: Session, window: Window, used: int) -> bool:
    """Let the history say this; False if it does already, or has no such period. Whoever calls holds the counter's lock."""
    pair, period = window
    parameters = (used, *pair, period.start, period.end, used)
    return session.connection().exec_driver_sql(_CORRECT, parameters).rowcount == 1
