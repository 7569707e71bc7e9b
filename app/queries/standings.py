"""Where users stand with features: who and what an id is, and the counter of the pair. Set-wise: one statement for many.

These statements run on the driver's connection, for they are on every request's path and an ORM costs more than the database.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlmodel import Session

from app.domain.entitlements import FeatureType
from app.domain.periods import Period
from app.queries import arrays

Asked = tuple[int, str, str]
"""(tenant id, user id, feature id), as a caller names them."""

Pair = tuple[int, int, int]
"""(tenant id, user key, feature key)."""


@dataclass(slots=True)
class Counter:
    """A row of `consumptions`: the ledger's total in `period`. None: nothing was counted yet.

    Only until `held_until` can reservations hold anything of the pair's.
    """

    period: Period | None
    used: int
    held_until: datetime | None

    def total_in(self, period: Period) -> int | None:
        """The total if the counter stands for this very period; else None, and the ledger has to say."""
        return self.used if self.period == period else None

    def may_hold(self, now: datetime) -> bool:
        """Whether there may be open reservations; if not, nobody has to look for any."""
        return self.held_until is not None and self.held_until > now


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one (user, feature). None stands for an id that the tenant does not have, or for no counter yet.

    `thresholds` are the feature's percents.
    """

    tenant_id: int
    user_key: int | None
    feature_key: int | None
    feature_type: FeatureType | None
    counter: Counter | None
    thresholds: tuple[int, ...] = ()

    @property
    def pair(self) -> Pair | None:
        """The keys, if both ids are known."""
        if self.user_key is None or self.feature_key is None:
            return None
        return self.tenant_id, self.user_key, self.feature_key


_ASKED = """
  SELECT w.n, w.tenant_id, u.key AS user_key, f.key AS feature_key, f.type, f.usage_thresholds::text AS thresholds
  FROM unnest(%s::int[], %s::text[], %s::text[]) WITH ORDINALITY AS w(tenant_id, user_id, feature_id, n)
  LEFT JOIN users u ON u.tenant_id = w.tenant_id AND u.id = w.user_id
  LEFT JOIN features f ON f.tenant_id = w.tenant_id AND f.id = w.feature_id
"""

_STANDINGS = f"""
SELECT a.n, a.tenant_id, a.user_key, a.feature_key, a.type, a.thresholds, c.used, c.period_start, c.period_end, c.held_until
FROM ({_ASKED}) a
LEFT JOIN consumptions c
  ON c.tenant_id = a.tenant_id AND c.user_key = a.user_key AND c.feature_key = a.feature_key
"""

# The inner ORDER BY is the order in which the LATERAL visits the rows, hence the order of the locks: by key, in every process,
# so that two batches wait for each other and never in a circle.
_LOCKED_STANDINGS = f"""
SELECT a.n, a.tenant_id, a.user_key, a.feature_key, a.type, a.thresholds, c.used, c.period_start, c.period_end, c.held_until
FROM ({_ASKED} ORDER BY w.tenant_id, u.key, f.key) a
LEFT JOIN LATERAL (
  SELECT used, period_start, period_end, held_until FROM consumptions
  WHERE tenant_id = a.tenant_id AND user_key = a.user_key AND feature_key = a.feature_key
  FOR NO KEY UPDATE
) c ON true
"""
_UNHELD_STANDINGS = _LOCKED_STANDINGS.replace("NO KEY UPDATE", "NO KEY UPDATE SKIP LOCKED")

_LOCKED_COUNTER = """
SELECT f.type, f.usage_thresholds::text, c.used, c.period_start, c.period_end, c.held_until
FROM consumptions c
JOIN features f ON f.tenant_id = c.tenant_id AND f.key = c.feature_key
WHERE c.tenant_id = %s AND c.user_key = %s AND c.feature_key = %s
FOR NO KEY UPDATE OF c
"""

_NAMES = """
SELECT w.tenant_id, w.user_key, w.feature_key, u.id, f.id
FROM unnest(%s::int[], %s::bigint[], %s::bigint[]) AS w(tenant_id, user_key, feature_key)
JOIN users u ON u.tenant_id = w.tenant_id AND u.key = w.user_key
JOIN features f ON f.tenant_id = w.tenant_id AND f.key = w.feature_key
"""

# The locks are those that the foreign keys would take. Taken here they tell who has been deleted, and can be skipped.
_MAKE_COUNTERS = """
INSERT INTO consumptions (tenant_id, user_key, feature_key, used)
SELECT u.tenant_id, u.key, f.key, 0
FROM unnest(%s::int[], %s::bigint[], %s::bigint[]) AS w(tenant_id, user_key, feature_key)
JOIN users u ON u.tenant_id = w.tenant_id AND u.key = w.user_key
JOIN features f ON f.tenant_id = w.tenant_id AND f.key = w.feature_key
ORDER BY 1, 2, 3
FOR KEY SHARE OF u, f
ON CONFLICT DO NOTHING
"""
_MAKE_UNHELD_COUNTERS = _MAKE_COUNTERS.replace("OF u, f", "OF u, f SKIP LOCKED")

MOVE_COUNTERS = """
UPDATE consumptions c
SET period_start = w.period_start, period_end = w.period_end, used = w.used, held_until = w.held_until
FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::bigint[], %s::timestamptz[])
  AS w(tenant_id, user_key, feature_key, period_start, period_end, used, held_until)
WHERE c.tenant_id = w.tenant_id AND c.user_key = w.user_key AND c.feature_key = w.feature_key
"""


def standings(session: Session, asked: Sequence[Asked]) -> list[Standing]:
    """In the order asked. No lock."""
    return _read(session, _STANDINGS, asked)


def locked_standings(session: Session, asked: Sequence[Asked]) -> list[Standing]:
    """As `standings`, and the counters that exist are locked until the transaction ends, in key order.

    Everything that a decision depends on is read after this, in new statements: each then sees what the previous holder of
    a lock has committed.
    """
    return _read(session, _LOCKED_STANDINGS, asked)


def unheld_standings(session: Session, asked: Sequence[Asked]) -> list[Standing]:
    """As `locked_standings`, but no row is waited for: a counter that another transaction holds reads as None.

    Counters that are missing are made. Three statements at most.
    """
    found = _read(session, _UNHELD_STANDINGS, asked)
    missing = {standing.pair for standing in found if standing.pair and not standing.counter}
    if not missing:
        return found
    session.connection().exec_driver_sql(_MAKE_UNHELD_COUNTERS, pair_columns(sorted(missing)))
    return _read(session, _UNHELD_STANDINGS, asked)


def locked_standing(session: Session, pair: Pair) -> Standing:
    """As `locked_standings`, for one pair that is known to have a counter."""
    tenant_id, user_key, feature_key = pair
    type_, thresholds, *counter = session.connection().exec_driver_sql(_LOCKED_COUNTER, pair).one()
    return Standing(tenant_id, user_key, feature_key, FeatureType(type_), _counter(*counter), _percents(thresholds))


def names_of(session: Session, pair: Pair) -> tuple[str, str]:
    """The present (user id, feature id) of a pair that is known to exist."""
    return names_of_pairs(session, [pair])[pair]


def names_of_pairs(session: Session, pairs: Collection[Pair]) -> dict[Pair, tuple[str, str]]:
    """The present (user id, feature id) of each pair that exists. One statement."""
    found = session.connection().exec_driver_sql(_NAMES, pair_columns(pairs))
    return {
        (tenant_id, user_key, feature_key): (user_id, feature_id)
        for tenant_id, user_key, feature_key, user_id, feature_id in found
    }


def make_counters(session: Session, pairs: Iterable[Pair]) -> None:
    """A counter for each pair that has none, if its user and feature are still there.

    In a transaction of its own: it waits, and beside other locks it could wait in a circle.
    """
    session.connection().exec_driver_sql(_MAKE_COUNTERS, pair_columns(sorted(set(pairs))))


def move_counters(session: Session, counters: dict[Pair, Counter]) -> None:
    """Write what locked counters stand for and at. One statement."""
    session.connection().exec_driver_sql(MOVE_COUNTERS, counter_columns(counters))


def counter_columns(counters: dict[Pair, Counter]) -> tuple[str, ...]:
    """The parameters of `MOVE_COUNTERS`."""
    periods = [counter.period for counter in counters.values()]
    return (
        *pair_columns(counters),
        arrays.moments(period.start if period else None for period in periods),
        arrays.moments(period.end if period else None for period in periods),
        arrays.numbers(counter.used for counter in counters.values()),
        arrays.moments(counter.held_until for counter in counters.values()),
    )


def _read(session: Session, statement: str, asked: Sequence[Asked]) -> list[Standing]:
    parameters = (
        arrays.numbers(tenant_id for tenant_id, _, _ in asked),
        arrays.texts(user_id for _, user_id, _ in asked),
        arrays.texts(feature_id for _, _, feature_id in asked),
    )
    rows = session.connection().exec_driver_sql(statement, parameters).all()
    found: list[Standing | None] = [None] * len(asked)
    for n, tenant_id, user_key, feature_key, feature_type, thresholds, used, *rest in rows:
        counter = None if used is None else _counter(used, *rest)
        known_type = None if feature_type is None else FeatureType(feature_type)
        percents = () if thresholds is None else _percents(thresholds)
        found[n - 1] = Standing(tenant_id, user_key, feature_key, known_type, counter, percents)
    return [standing for standing in found if standing is not None]


def _counter(
    used: int, period_start: datetime | None, period_end: datetime | None, held_until: datetime | None
) -> Counter:
    period = Period(period_start, period_end) if period_start and period_end else None
    return Counter(period, used, held_until)


@lru_cache(maxsize=1_000)
def _percents(array: str) -> tuple[int, ...]:
    """A smallint[] as Postgres writes it: the driver's own reading of an array costs more than all the rest of the row."""
    return tuple(int(percent) for percent in array[1:-1].split(",") if percent)


def pair_columns(pairs: Collection[Pair]) -> tuple[str, str, str]:
    """Three columns: tenant ids, user keys, feature keys."""
    return (
        arrays.numbers(tenant_id for tenant_id, _, _ in pairs),
        arrays.numbers(user_key for _, user_key, _ in pairs),
        arrays.numbers(feature_key for _, _, feature_key in pairs),
    )
