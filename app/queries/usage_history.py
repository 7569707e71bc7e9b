"""The ledger as it is read: page by page, and summed up by hours, days and months."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session

from app.domain.periods import Period
from app.domain.usage_history import SeriesInterval
from app.queries.ledger import EVENT, Entry, entry_of
from app.queries.standings import Pair

Told = tuple[Entry, int | None]
"""An entry, and the id of the one that takes it back."""

_OF_PAIR = "e.tenant_id = %s AND e.user_key = %s AND e.feature_key = %s"
# Looked up for each row of the page alone, by the unique index of reverts: a join could be planned as one over all months.
_REVERTED_BY = "SELECT r.id FROM usage_events r WHERE r.tenant_id = e.tenant_id AND r.reverts_id = e.id AND r.at = e.at"

# The months' indexes are in order of `at`, so their newest entries are merged and no month is sorted. Of the two conditions on
# `at` the first keeps later months from being opened, the second goes on within one millisecond.
_NEWEST = f"""
SELECT {EVENT}, ({_REVERTED_BY})
FROM (
  SELECT {EVENT} FROM usage_events e
  WHERE {_OF_PAIR} AND e.at <= %s AND (e.at, e.id) < (%s, %s)
  ORDER BY e.at DESC, e.id DESC LIMIT %s
) e
ORDER BY e.at DESC, e.id DESC
"""

# Not knowing the LIMIT, Postgres would plan each page anew, over every month that the ledger has: 2 ms and more for what takes
# 0.5. Planned once, it must be by index and never by sorting, even if the ledger was small when it was planned.
_PLAN_ONCE = """
SELECT set_config('plan_cache_mode', 'force_generic_plan', true),
  set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true)
"""

_AHEAD = f"""
SELECT {EVENT}, ({_REVERTED_BY})
FROM (SELECT {EVENT} FROM usage_events e WHERE {_OF_PAIR} AND e.at > %s ORDER BY e.at, e.id LIMIT %s) e
ORDER BY e.at, e.id
"""

_SERIES = f"""
SELECT date_trunc(%s, e.at, 'UTC'), sum(e.applied)::bigint
FROM usage_events e
WHERE {_OF_PAIR} AND e.at >= %s AND e.at < %s AND e.recorded
GROUP BY 1
"""

_END_OF_TIME = "infinity"
_LAST_ID = 2**63 - 1


def newest_entries(session: Session, pair: Pair, after: Entry | None, limit: int) -> tuple[list[Told], bool]:
    """At most `limit` entries of the pair, newest first by (`at`, `id`), and whether older ones follow.

    `after` is the last one that the caller has, of this very pair. Page 1,000 costs what page 1 does. Two statements, of which
    the first tells how the rest of the transaction is planned.
    """
    session.connection().exec_driver_sql(_PLAN_ONCE)
    at, id_ = (after.at, after.id) if after else (_END_OF_TIME, _LAST_ID)
    told = _told(session, _NEWEST, (*pair, at, at, id_, limit + 1))
    return told[:limit], len(told) > limit


def entries_ahead(session: Session, pair: Pair, now: datetime, limit: int) -> list[Told]:
    """Entries that count at a moment after `now`, the next one first."""
    return _told(session, _AHEAD, (*pair, now, limit))


def applied_by_bucket(session: Session, pair: Pair, interval: SeriesInterval, range_: Period) -> dict[datetime, int]:
    """What recorded entries applied, net, by the start of the UTC hour, day or month; buckets without entries are not there."""
    parameters = (interval, *pair, range_.start, range_.end)
    rows = session.connection().exec_driver_sql(_SERIES, parameters)
    return {row[0]: row[1] for row in rows}


def _told(session: Session, statement: str, parameters: Sequence[object]) -> list[Told]:
    rows = session.connection().exec_driver_sql(statement, tuple(parameters))
    return [(entry_of(row[:-1]), row[-1]) for row in rows]
