"""Where users stand with features: who and what an id is, and the counter of the pair. Set-wise: one statement for many.

These statements run on the driver's connection, for they are on every request's path and an ORM costs more than the database.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from app.domain.entitlements import FeatureType
from app.domain.periods import Period

Asked = tuple[int, str, str]
"""(tenant id, user id, feature id), as a caller names them."""

Pair = tuple[int, int, int]
"""(tenant id, user key, feature key)."""


@dataclass(slots=True)
class Counter:
    """A row of `consumptions`: the ledger's total in [period_start, period_end). No period: nothing was counted yet."""

    period_start: datetime | None
    period_end: datetime | None
    used: int

    def total_in(self, period: Period) -> int | None:
        """The total if the counter stands for this very period; else None, and the ledger has to say."""
        return self.used if (self.period_start, self.period_end) == (period.start, period.end) else None

    def move_to(self, period: Period, used: int) -> None:
        self.period_start, self.period_end, self.used = period.start, period.end, used


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one (user, feature). None stands for an id that the tenant does not have, or for no counter yet."""

    tenant_id: int
    user_key: int | None
    feature_key: int | None
    feature_type: FeatureType | None
    counter: Counter | None

    @property
    def pair(self) -> Pair | None:
        """The keys, if both ids are known."""
        if self.user_key is None or self.feature_key is None:
            return None
        return self.tenant_id, self.user_key, self.feature_key


_ASKED = """
  SELECT w.n, w.tenant_id, u.key AS user_key, f.key AS feature_key, f.type
  FROM unnest(%s::int[], %s::text[], %s::text[]) WITH ORDINALITY AS w(tenant_id, user_id, feature_id, n)
  LEFT JOIN users u ON u.tenant_id = w.tenant_id AND u.id = w.user_id
  LEFT JOIN features f ON f.tenant_id = w.tenant_id AND f.id = w.feature_id
"""

_STANDINGS = f"""
SELECT a.n, a.tenant_id, a.user_key, a.feature_key, a.type, c.used, c.period_start, c.period_end
FROM ({_ASKED}) a
LEFT JOIN consumptions c
  ON c.tenant_id = a.tenant_id AND c.user_key = a.user_key AND c.feature_key = a.feature_key
"""

# The inner ORDER BY is the order in which the LATERAL visits the rows, hence the order of the locks: by key, in every process,
# so that two batches wait for each other and never in a circle.
_LOCKED_STANDINGS = f"""
SELECT a.n, a.tenant_id, a.user_key, a.feature_key, a.type, c.used, c.period_start, c.period_end
FROM ({_ASKED} ORDER BY w.tenant_id, u.key, f.key) a
LEFT JOIN LATERAL (
  SELECT used, period_start, period_end FROM consumptions
  WHERE tenant_id = a.tenant_id AND user_key = a.user_key AND feature_key = a.feature_key
  FOR NO KEY UPDATE
) c ON true
"""

_MAKE_COUNTERS = """
INSERT INTO consumptions (tenant_id, user_key, feature_key, used)
SELECT tenant_id, user_key, feature_key, 0
FROM unnest(%s::int[], %s::bigint[], %s::bigint[]) AS w(tenant_id, user_key, feature_key)
ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING
"""

_MOVE_COUNTERS = """
UPDATE consumptions c
SET period_start = w.period_start, period_end = w.period_end, used = w.used
FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::bigint[])
  AS w(tenant_id, user_key, feature_key, period_start, period_end, used)
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


def make_counters(session: Session, pairs: Iterable[Pair]) -> None:
    """A counter for each pair that has none. In a transaction of its own: beside other locks it could wait in a circle."""
    tenant_ids, user_keys, feature_keys = _columns(sorted(set(pairs)))
    session.connection().exec_driver_sql(_MAKE_COUNTERS, (tenant_ids, user_keys, feature_keys))


def move_counters(session: Session, counters: dict[Pair, Counter]) -> None:
    """Write what locked counters stand for and at. One statement."""
    tenant_ids, user_keys, feature_keys = _columns(list(counters))
    session.connection().exec_driver_sql(
        _MOVE_COUNTERS,
        (
            tenant_ids,
            user_keys,
            feature_keys,
            [counter.period_start for counter in counters.values()],
            [counter.period_end for counter in counters.values()],
            [counter.used for counter in counters.values()],
        ),
    )


def _read(session: Session, statement: str, asked: Sequence[Asked]) -> list[Standing]:
    rows = session.connection().exec_driver_sql(statement, _columns(asked)).all()
    found: list[Standing | None] = [None] * len(asked)
    for n, tenant_id, user_key, feature_key, feature_type, used, period_start, period_end in rows:
        counter = None if used is None else Counter(period_start, period_end, used)
        known_type = None if feature_type is None else FeatureType(feature_type)
        found[n - 1] = Standing(tenant_id, user_key, feature_key, known_type, counter)
    return [standing for standing in found if standing is not None]


def _columns(rows: Sequence[tuple[int, object, object]]) -> tuple[list[int], list[object], list[object]]:
    return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]
