"""The books of one tenant, proved by plain SQL and a few lines of arithmetic: none of the product's code is asked."""

import hashlib
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

# Of each counter's period, in the order of the ledger, what was recorded in it.
_COUNTED = """
SELECT c.user_key, c.feature_key, c.used, e.action, e.delta, e.applied
FROM consumptions c
LEFT JOIN usage_events e ON e.tenant_id = c.tenant_id AND e.user_key = c.user_key AND e.feature_key = c.feature_key
  AND e.at >= c.period_start AND e.at < c.period_end AND e.recorded
WHERE c.tenant_id = %s
ORDER BY c.user_key, c.feature_key, e.id
"""

# Every key and every event that should have one, side by side.
_KEYED = """
SELECT k.digest, e.idempotency_key AS key
FROM (SELECT * FROM idempotency_keys WHERE tenant_id = %(tenant)s) k
FULL JOIN (SELECT * FROM usage_events WHERE tenant_id = %(tenant)s AND idempotency_key IS NOT NULL) e
  ON e.id = k.event_id AND e.at = k.event_at
"""

# Each line is a rule; what it finds breaks it.
_BROKEN = {
    "events without a counter": """
        SELECT e.id FROM usage_events e LEFT JOIN consumptions c USING (tenant_id, user_key, feature_key)
        WHERE e.tenant_id = %s AND c.tenant_id IS NULL""",
    "refused events that were applied": "SELECT id FROM usage_events WHERE tenant_id = %s AND NOT recorded AND applied <> 0",
    "events taken back twice, or by another amount": """
        SELECT r.reverts_id FROM usage_events r JOIN usage_events e ON e.tenant_id = r.tenant_id AND e.id = r.reverts_id
        WHERE r.tenant_id = %s GROUP BY r.reverts_id
        HAVING count(*) > 1 OR bool_or(r.delta <> -e.applied OR r.user_key <> e.user_key OR r.at <> e.at OR NOT r.recorded)""",
    "reservations not settled by exactly the event they name": """
        SELECT r.id FROM reservations r
        LEFT JOIN usage_events e ON e.tenant_id = r.tenant_id AND e.reservation_id = r.id AND e.recorded
        WHERE r.tenant_id = %s GROUP BY r.tenant_id, r.id
        HAVING count(e.id) <> (r.status = 'COMMITTED')::int OR min(e.id) IS DISTINCT FROM r.event_id""",
    "open reservations that the counter does not know of": """
        SELECT r.id FROM reservations r JOIN consumptions c USING (tenant_id, user_key, feature_key)
        WHERE r.tenant_id = %s AND r.status = 'HELD' AND c.held_until IS DISTINCT FROM greatest(c.held_until, r.expires_at)""",
    "counters above the limit": """
        SELECT c.user_key FROM consumptions c
        JOIN subscriptions s ON s.tenant_id = c.tenant_id AND s.user_key = c.user_key AND s.status = 'ACTIVE'
        JOIN package_features f ON f.tenant_id = s.tenant_id AND f.package_key = s.package_key AND f.feature_key = c.feature_key
        LEFT JOIN LATERAL (
          SELECT sum(r.amount) AS amount FROM reservations r
          WHERE r.tenant_id = c.tenant_id AND r.user_key = c.user_key AND r.feature_key = c.feature_key
            AND r.status = 'HELD' AND r.expires_at > now() AND r.at >= c.period_start AND r.at < c.period_end
        ) held ON true
        WHERE c.tenant_id = %s AND NOT f.overage_enabled AND c.used + coalesce(held.amount, 0) > f.usage_limit""",
}


@dataclass(frozen=True, slots=True)
class Proved:
    """How much was looked at."""

    counters: int
    used: int
    keys: int


def prove(database_url: str, tenant_id: int) -> Proved:
    """That every counter is the replay of its ledger, every key has its event, and holds and limits were kept."""
    with psycopg.connect(database_url, row_factory=namedtuple_row) as connection:
        for rule, statement in _BROKEN.items():
            assert connection.execute(statement, (tenant_id,)).fetchall() == [], rule
        keyed = connection.execute(_KEYED, {"tenant": tenant_id}).fetchall()
        assert [(row.digest and row.digest.bytes, row.key) for row in keyed if not _belong_together(row)] == []
        assert len({row.key for row in keyed}) == len(keyed)
        counted = connection.execute(_COUNTED, (tenant_id,)).fetchall()
    totals = [
        (counter, _replayed(events))
        for counter, events in groupby(counted, lambda row: (row.user_key, row.feature_key, row.used))
    ]
    assert [(counter, total) for counter, total in totals if counter[2] != total] == []
    return Proved(counters=len(totals), used=sum(total for _, total in totals), keys=len(keyed))


def _belong_together(row: Any) -> bool:
    return bool(row.digest and row.key) and row.digest.bytes == hashlib.sha256(row.key.encode()).digest()[:16]


def _replayed(events: Any) -> int:
    total = 0
    for event in events:
        if event.action == "SET":
            total = event.delta
        elif event.action == "ADD":
            total = max(0, total + event.applied)
    return total
