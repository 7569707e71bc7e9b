"""Periods that have ended: the counters that still stand for one, and the history of those that were closed."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlmodel import Session

from app.domain.closing import Tenure
from app.domain.entitlements import Candidate, Limited, Terms
from app.domain.periods import Period, ResetPeriod
from app.domain.subscribing import LIVE_STATUSES, SubscriptionStatus
from app.queries import arrays
from app.queries.ledger import REPLAY, Window, window_columns
from app.queries.standings import Counter, Pair, pair_columns

Position = tuple[datetime, int, int]
"""(end of the period, user key, feature key): where a counter is in the order in which they are due."""

BEFORE_ALL: Position = (datetime.min.replace(tzinfo=UTC), 0, 0)


@dataclass(frozen=True, slots=True)
class Closed(Limited):
    """A period in the history: its total, and what was allowed at its end."""

    used: int
    limit: int | None
    overage_enabled: bool


_TENANTS = """
SELECT t.id FROM tenants t
WHERE EXISTS (SELECT FROM consumptions c WHERE c.tenant_id = t.id AND c.period_end <= %s)
  OR EXISTS (SELECT FROM usage_periods p WHERE p.tenant_id = t.id AND p.closed_at IS NULL AND p.period_end <= %s)
ORDER BY t.id
"""

# Who is at work on a counter is not waited for, and does not have to wait for more than a batch of these.
#
# Entries of the index that other batches have moved on stay in it for a while. Whoever goes on behind the last one that it had
# does not go through them again: a million counters that end together would take a thousand times as many steps.
_ENDED = """
SELECT user_key, feature_key, period_end FROM consumptions
WHERE tenant_id = %s AND period_end <= %s AND (period_end, user_key, feature_key) > (%s, %s, %s)
  AND user_key || '/' || feature_key <> ALL(%s::text[])
ORDER BY period_end, user_key, feature_key LIMIT %s
FOR NO KEY UPDATE SKIP LOCKED
"""

_LEFT = """
SELECT c.user_key, c.feature_key
FROM (
  SELECT user_key, feature_key FROM usage_periods
  WHERE tenant_id = %s AND closed_at IS NULL AND period_end <= %s AND user_key || '/' || feature_key <> ALL(%s::text[])
  ORDER BY period_end LIMIT %s
) p
JOIN consumptions c ON c.tenant_id = %s AND c.user_key = p.user_key AND c.feature_key = p.feature_key
ORDER BY c.user_key, c.feature_key
FOR NO KEY UPDATE OF c SKIP LOCKED
"""

_COUNTERS = """
SELECT c.tenant_id, c.user_key, c.feature_key, c.period_start, c.period_end, c.used, c.held_until
FROM unnest(%s::int[], %s::bigint[], %s::bigint[]) AS w(tenant_id, user_key, feature_key)
JOIN consumptions c ON c.tenant_id = w.tenant_id AND c.user_key = w.user_key AND c.feature_key = w.feature_key
"""

# Closed is closed: only the total can change.
OR_UPDATE = """ON CONFLICT (tenant_id, user_key, feature_key, period_start, period_end) DO UPDATE SET
  used = excluded.used,
  usage_limit = CASE WHEN usage_periods.closed_at IS NULL THEN excluded.usage_limit ELSE usage_periods.usage_limit END,
  overage_enabled =
    CASE WHEN usage_periods.closed_at IS NULL THEN excluded.overage_enabled ELSE usage_periods.overage_enabled END,
  closed_at = coalesce(usage_periods.closed_at, excluded.closed_at)"""

_LEFT_PERIODS = """
SELECT p.tenant_id, p.user_key, p.feature_key, p.period_start, p.period_end
FROM unnest(%s::int[], %s::bigint[], %s::bigint[]) AS w(tenant_id, user_key, feature_key)
JOIN usage_periods p ON p.tenant_id = w.tenant_id AND p.user_key = w.user_key AND p.feature_key = w.feature_key
WHERE p.closed_at IS NULL AND p.period_end <= %s
ORDER BY p.period_start, p.period_end
"""

# A subscription has a tenure for each of its packages: the past ones, the present one, and the next. One that does not give
# access at present, and was not cancelled, is left out: nobody knows since when. Of one that is or was late the end of its grace
# is known, and that is when it gave no more.
_TENURES = """
SELECT w.n, s.id, p.id, s.started_at, pf.usage_limit, pf.reset_period, pf.overage_enabled, h.since, least(h.until, gave.until)
FROM unnest(%s::int[], %s::bigint[], %s::bigint[]) WITH ORDINALITY AS w(tenant_id, user_key, feature_key, n)
JOIN subscriptions s ON s.tenant_id = w.tenant_id AND s.user_key = w.user_key
CROSS JOIN LATERAL (SELECT CASE WHEN s.status = ANY(%s::text[]) THEN NULL ELSE s.grace_ends_at END) AS gave(until)
CROSS JOIN LATERAL (
  SELECT package_key, since, until FROM past_packages t WHERE t.tenant_id = s.tenant_id AND t.subscription_id = s.id
  UNION ALL
  VALUES (s.package_key, coalesce(s.changed_at, s.started_at), least(s.ends_at, s.changes_at)),
    (s.next_package_key, s.changes_at, s.ends_at)
) AS h(package_key, since, until)
JOIN package_features pf
  ON pf.tenant_id = s.tenant_id AND pf.package_key = h.package_key AND pf.feature_key = w.feature_key
JOIN packages p ON p.tenant_id = s.tenant_id AND p.key = h.package_key
WHERE h.since <= %s AND coalesce(h.since < gave.until, true) AND (
  s.status = ANY(%s::text[])
  OR (s.status = %s AND s.ends_at IS NOT NULL)
  OR (s.status = %s AND gave.until IS NOT NULL)
)
"""

_LAST_TERMS = """
SELECT w.n, e.budget, e.overage_enabled
FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[])
  WITH ORDINALITY AS w(tenant_id, user_key, feature_key, period_start, period_end, n)
JOIN LATERAL (
  SELECT e.budget, e.overage_enabled FROM usage_events e
  WHERE e.tenant_id = w.tenant_id AND e.user_key = w.user_key AND e.feature_key = w.feature_key
    AND e.at >= w.period_start AND e.at < w.period_end
    AND e.period_start = w.period_start AND e.period_end = w.period_end AND e.overage_enabled IS NOT NULL
  ORDER BY e.at DESC, e.id DESC LIMIT 1
) e ON true
"""

_CLOSE = f"""
INSERT INTO usage_periods
  (tenant_id, user_key, feature_key, period_start, period_end, used, usage_limit, overage_enabled, closed_at)
SELECT *, %s
FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::bigint[], %s::bigint[], %s::bool[])
{OR_UPDATE}
RETURNING tenant_id, user_key, feature_key, period_start, period_end, closed_at
"""

_LEAVE = """
INSERT INTO usage_periods (tenant_id, user_key, feature_key, period_start, period_end, used, overage_enabled)
SELECT *, false
FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::bigint[])
ON CONFLICT DO NOTHING
"""

_RECOUNT = f"""
UPDATE usage_periods p SET used = counted.used
FROM (
  SELECT w.*, totals.used
  FROM (
    SELECT DISTINCT h.tenant_id, h.user_key, h.feature_key, h.period_start, h.period_end
    FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::timestamptz[]) AS l(tenant_id, user_key, feature_key, at)
    JOIN usage_periods h ON h.tenant_id = l.tenant_id AND h.user_key = l.user_key AND h.feature_key = l.feature_key
      AND h.period_start <= l.at AND h.period_end > l.at
    WHERE h.closed_at IS NOT NULL
  ) w
  JOIN {REPLAY} ON true
) counted
WHERE p.tenant_id = counted.tenant_id AND p.user_key = counted.user_key AND p.feature_key = counted.feature_key
  AND p.period_start = counted.period_start AND p.period_end = counted.period_end
"""

_CLOSED = """
SELECT w.n, p.used, p.usage_limit, p.overage_enabled
FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[])
  WITH ORDINALITY AS w(tenant_id, user_key, feature_key, period_start, period_end, n)
JOIN usage_periods p ON p.tenant_id = w.tenant_id AND p.user_key = w.user_key AND p.feature_key = w.feature_key
  AND p.period_start = w.period_start AND p.period_end = w.period_end
WHERE p.closed_at IS NOT NULL
"""


def tenants_due_for_reset(session: Session, now: datetime) -> list[int]:
    """Those of whom some period has ended and is not closed."""
    return list(session.connection().exec_driver_sql(_TENANTS, (now, now)).scalars())


def ended_counters(
    session: Session, tenant_id: int, now: datetime, after: Position, limit: int, but_not: Sequence[str]
) -> list[Position]:
    """Counters, locked, whose period has ended, in order and behind `after`; without those that others hold."""
    parameters = (tenant_id, now, *after, arrays.texts(but_not), limit)
    found = session.connection().exec_driver_sql(_ENDED, parameters)
    return [(period_end, user_key, feature_key) for user_key, feature_key, period_end in found]


def counters_with_left_periods(
    session: Session, tenant_id: int, now: datetime, limit: int, but_not: Sequence[str]
) -> list[Pair]:
    """Pairs, whose counters are locked, of which a period that was left has ended and is not closed: once for each such period,
    so that fewer than `limit` are all. Of the oldest ones.
    """
    parameters = (tenant_id, now, arrays.texts(but_not), limit, tenant_id)
    found = session.connection().exec_driver_sql(_LEFT, parameters)
    return [(tenant_id, user_key, feature_key) for user_key, feature_key in found]


def counters_of(session: Session, pairs: Collection[Pair]) -> dict[Pair, Counter]:
    """What is known to be locked."""
    found = session.connection().exec_driver_sql(_COUNTERS, pair_columns(pairs))
    return {
        (tenant_id, user_key, feature_key): Counter(Period(start, end) if start and end else None, used, held_until)
        for tenant_id, user_key, feature_key, start, end, used, held_until in found
    }


def left_periods(session: Session, pairs: Collection[Pair], now: datetime) -> dict[Pair, list[Period]]:
    """Of each pair, what it left and what has ended since, the first to begin first."""
    left: dict[Pair, list[Period]] = {}
    for *pair, start, end in session.connection().exec_driver_sql(_LEFT_PERIODS, (*pair_columns(pairs), now)):
        left.setdefault((pair[0], pair[1], pair[2]), []).append(Period(start, end))
    return left


def tenures(session: Session, pairs: Sequence[Pair], now: datetime) -> dict[Pair, list[Tenure]]:
    """Who gave each pair the feature, ever until now. One statement."""
    live, ended, late = arrays.texts(LIVE_STATUSES), SubscriptionStatus.CANCELLED, SubscriptionStatus.PAST_DUE
    parameters = (*pair_columns(pairs), live, now, live, ended, late)
    by_pair: dict[Pair, list[Tenure]] = {pair: [] for pair in pairs}
    for n, id_, package_id, anchor, limit, unit, overage, since, until in session.connection().exec_driver_sql(
        _TENURES, parameters
    ):
        if unit is not None:  # a BINARY feature is not counted
            candidate = Candidate(id_, package_id, anchor, limit, ResetPeriod(unit), overage)
            by_pair[pairs[n - 1]].append(Tenure(candidate, since, until))
    return by_pair


def last_terms(session: Session, windows: Sequence[Window]) -> dict[Window, Terms]:
    """By which terms the last event was decided that was counted in this very period. At most one statement."""
    if not windows:
        return {}
    found = session.connection().exec_driver_sql(_LAST_TERMS, window_columns(windows))
    return {windows[n - 1]: Terms(limit, overage) for n, limit, overage in found}


def close_periods(session: Session, closing: dict[Window, Closed], now: datetime) -> list[Window]:
    """Write them into the history; returns those that are closed by this. Whoever calls holds the counters' locks."""
    if not closing:
        return []
    parameters = (
        now,
        *window_columns(list(closing)),
        arrays.numbers(closed.used for closed in closing.values()),
        arrays.numbers(closed.limit for closed in closing.values()),
        arrays.flags(closed.overage_enabled for closed in closing.values()),
    )
    written = session.connection().exec_driver_sql(_CLOSE, parameters)
    return [
        ((tenant_id, user, feature), Period(start, end))
        for tenant_id, user, feature, start, end, closed_at in written
        if closed_at == now
    ]


def leave_periods(session: Session, left: dict[Window, int]) -> None:
    """Note that counters, which are locked, stand for these periods no longer, each with its total: somebody has to close it."""
    parameters = (*window_columns(list(left)), arrays.numbers(left.values()))
    session.connection().exec_driver_sql(_LEAVE, parameters)


def recount(session: Session, late: Iterable[tuple[Pair, datetime]]) -> None:
    """Bring the history along with entries that count at these moments, of pairs whose counters are locked. One statement."""
    moments = list(late)
    parameters = (*pair_columns([pair for pair, _ in moments]), arrays.moments(at for _, at in moments))
    session.connection().exec_driver_sql(_RECOUNT, parameters)


def closed_periods(session: Session, windows: Sequence[Window]) -> dict[Window, Closed]:
    """What the history has of these. At most one statement."""
    if not windows:
        return {}
    found = session.connection().exec_driver_sql(_CLOSED, window_columns(windows))
    return {windows[n - 1]: Closed(used, limit, overage) for n, used, limit, overage in found}
