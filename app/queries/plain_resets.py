"""Closing periods set-wise: the counters that are due are taken, and those with which it is plain how are closed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlmodel import Session

from app.domain.subscribing import LIVE_STATUSES
from app.queries import arrays
from app.queries.usage_periods import OR_UPDATE, Position

BEHIND_ALL: Position = (datetime.max.replace(tzinfo=UTC, microsecond=0), 2**63 - 1, 2**63 - 1)

_AT_THE_FRONT = "SELECT pg_try_advisory_xact_lock(hashtext('meterline.usage_resets'), %s)"

# `date_part`, not `extract`: floats, where numerics would take longer than everything else here.
_MONTHS = "(date_part('year', {0}) * 12 + date_part('month', {0}))::int"
FOLLOWING_END = f"""
SELECT *, CASE unit
  WHEN 'DAY' THEN CASE WHEN (period_end - anchor) = (period_end::date - anchor::date) * interval '1 day'
    AND period_start + interval '1 day' = period_end THEN period_end + interval '1 day' END
  ELSE CASE WHEN mod(n, unit_months) = 0 AND anchor + make_interval(months => n) = period_end
    AND anchor + make_interval(months => n - unit_months) = period_start
    THEN anchor + make_interval(months => n + unit_months) END
  END AS following_end
FROM (
  SELECT *, {_MONTHS.format("period_end")} - {_MONTHS.format("anchor")} AS n,
    CASE unit WHEN 'YEAR' THEN 12 ELSE 1 END AS unit_months
  FROM {{rows}}
) AS counted
"""
"""`domain.periods` in SQL, for rows with `anchor`, `unit`, `period_start` and `period_end`: where the period ends that follows
theirs. NULL if the anchor has no such period.
"""

# As `usage_periods.ended_counters`, from either end. The keys come as texts, for they only go back to the database.
_TAKE = """
WITH ended AS MATERIALIZED (
  SELECT user_key, feature_key, period_end FROM consumptions
  WHERE tenant_id = %s AND period_end <= %s AND (period_end, user_key, feature_key) {beyond} (%s, %s, %s)
    AND user_key || '/' || feature_key <> ALL(%s::text[])
  ORDER BY period_end {way}, user_key {way}, feature_key {way} LIMIT %s
  FOR NO KEY UPDATE SKIP LOCKED
)
SELECT taken.*, last.*
FROM (SELECT count(*), array_agg(user_key)::text, array_agg(feature_key)::text FROM ended) AS taken,
  (SELECT * FROM ended ORDER BY period_end {back}, user_key {back}, feature_key {back} LIMIT 1) AS last
"""
_TAKE_FORWARDS = _TAKE.format(beyond=">", way="ASC", back="DESC")
_TAKE_BACKWARDS = _TAKE.format(beyond="<", way="DESC", back="ASC")

# With those who have one giver of the feature, the same one from the period's start until now, no rule has to decide between
# several. If nothing was missed besides, and nothing counts in the following period yet, SQL can do it alone. (Not of one that
# is late, in its grace either.) The rows are locked before this statement looks, so where they lie on the disk is where they
# stay.
_CLOSE_PLAIN = f"""
WITH single AS MATERIALIZED (
  SELECT c.*, c.ctid AS place, giver.*
  FROM unnest(%(user_keys)s::bigint[], %(feature_keys)s::bigint[]) AS w(user_key, feature_key)
  JOIN consumptions c ON c.tenant_id = %(tenant_id)s AND c.user_key = w.user_key AND c.feature_key = w.feature_key
  CROSS JOIN LATERAL (
    SELECT min(s.started_at) AS anchor, min(pf.reset_period) AS unit, min(pf.usage_limit) AS usage_limit,
      bool_or(pf.overage_enabled) AS overage_enabled
    FROM subscriptions s
    JOIN package_features pf
      ON pf.tenant_id = s.tenant_id AND pf.package_key = s.package_key AND pf.feature_key = c.feature_key
    WHERE s.tenant_id = c.tenant_id AND s.user_key = c.user_key
    HAVING count(*) = 1
      AND bool_and(s.status = ANY(%(live)s::text[]) AND s.ends_at IS NULL AND s.changes_at IS NULL)
      AND coalesce(max(s.changed_at) <= c.period_start, true)
  ) giver
), dated AS MATERIALIZED (
  {FOLLOWING_END.format(rows="single")}
), plain AS MATERIALIZED (
  SELECT * FROM dated d
  WHERE following_end > %(now)s AND NOT EXISTS (
    SELECT FROM usage_events e WHERE e.tenant_id = d.tenant_id AND e.user_key = d.user_key
      AND e.feature_key = d.feature_key AND e.at >= d.period_end AND e.at < %(none_after)s
  )
), closed AS (
  INSERT INTO usage_periods
    (tenant_id, user_key, feature_key, period_start, period_end, used, usage_limit, overage_enabled, closed_at)
  SELECT tenant_id, user_key, feature_key, period_start, period_end, used, usage_limit, overage_enabled, %(now)s
  FROM plain
  {OR_UPDATE}
), moved AS (
  UPDATE consumptions c SET period_start = p.period_end, period_end = p.following_end, used = 0
  FROM plain p WHERE c.ctid = p.place
)
SELECT count(*) FROM plain
"""


@dataclass(frozen=True, slots=True)
class PlainlyClosed:
    """How many counters were looked at, how many of them closed, and the last one; None if there was none."""

    taken: int
    closed: int
    last: Position | None


def close_plain(
    session: Session,
    tenant_id: int,
    now: datetime,
    after: Position,
    limit: int,
    but_not: Sequence[str],
    *,
    backwards: bool = False,
) -> PlainlyClosed:
    """Of the next counters behind `after`, as `ended_counters` finds them, close those with which it is plain what to do, and
    move them on; `backwards`, of those before it, the last ones first. The others stay as they are.

    It does what `services.usage_resets.close_by_rules` would do with them, several times as fast. Two statements: what the second
    one looks at is locked by the first.
    """
    run = session.connection().exec_driver_sql
    take = _TAKE_BACKWARDS if backwards else _TAKE_FORWARDS
    taken = run(take, (tenant_id, now, *after, arrays.texts(but_not), limit)).one_or_none()
    if taken is None:
        return PlainlyClosed(0, 0, None)
    count, user_keys, feature_keys, *last = taken
    parameters = {
        "tenant_id": tenant_id,
        "user_keys": user_keys,
        "feature_keys": feature_keys,
        "now": now,
        # Nobody can have told us of later ones; and of the ledger's months most need not be looked into.
        "none_after": now + timedelta(days=1),
        "live": arrays.texts(LIVE_STATUSES),
    }
    closed = run(_CLOSE_PLAIN, parameters).scalar_one()
    user_key, feature_key, period_end = last
    return PlainlyClosed(count, closed, (period_end, user_key, feature_key))


def be_alone_at_the_front(session: Session, tenant_id: int) -> bool:
    """Until the transaction ends nobody else is told so about this tenant. False: somebody else is."""
    asked = session.connection().exec_driver_sql(_AT_THE_FRONT, (tenant_id,))
    return bool(asked.scalar_one())


def commit_without_waiting(session: Session) -> None:
    """Let this transaction's commit not wait for the disk. After a crash its batch may be as though it had never been closed:
    then it is due again. (Whatever commits later, and waits, brings it to the disk too: nobody can build on what was lost.)
    """
    session.connection().exec_driver_sql("SET LOCAL synchronous_commit = off")
