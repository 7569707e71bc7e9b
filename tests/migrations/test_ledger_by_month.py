"""What was recorded before the ledger was partitioned is there after it, and after the way back."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import tuple_row

from app import migrating
from app.queries.ledger import digest_of
from app.services.books import check_books
from tests.environment import environment

BEFORE = "f099315f2e69"
AFTER = "5b1f0c6d2a7e"

# Three months, a month's very first moment, events with keys and without, refused ones; two tenants use one key.
DATA = """
INSERT INTO tenants (public_id, name, enforcement, created_at) SELECT t, t, 'REFUSE', '2025-12-01'
FROM unnest(ARRAY['test_a', 'test_b']) t;
INSERT INTO users (tenant_id, id, metadata, created_at, updated_at)
SELECT id, 'ada', '{}', '2025-12-01', '2025-12-01' FROM tenants;
INSERT INTO features (tenant_id, id, type, metadata, created_at, updated_at)
SELECT id, 'calls', 'CONSUMABLE', '{}', '2025-12-01', '2025-12-01' FROM tenants;
INSERT INTO consumptions (tenant_id, user_key, feature_key, period_start, period_end, used)
SELECT u.tenant_id, u.key, f.key, '2026-01-15', '2026-02-15', CASE t.public_id WHEN 'test_a' THEN 13 ELSE 4 END
FROM users u JOIN features f USING (tenant_id) JOIN tenants t ON t.id = u.tenant_id;
INSERT INTO usage_events (tenant_id, user_key, feature_key, at, action, delta, applied, recorded, reason, used_after, budget,
  overage_enabled, idempotency_key)
SELECT u.tenant_id, u.key, f.key, w.at::timestamptz, w.action, w.delta, w.applied, w.recorded, w.reason, w.used_after, 20, false,
  w.idempotency_key
FROM (VALUES
  (1, 'test_a', '2025-12-31 23:59:59.999+00', 'ADD', 3, 3, true, NULL, 3, NULL),
  (2, 'test_a', '2026-01-14 10:00+00', 'ADD', 1, 1, true, NULL, 4, 'ключ'),
  (3, 'test_a', '2026-01-20 10:00+00', 'SET', 15, 15, true, NULL, 15, NULL),
  (4, 'test_b', '2026-01-20 10:00+00', 'ADD', 4, 4, true, NULL, 4, 'shared'),
  (5, 'test_a', '2026-02-01 00:00+00', 'ADD', -2, -2, true, NULL, 13, 'shared'),
  (6, 'test_a', '2026-02-02 10:00+00', 'ADD', 99, 0, false, 'too much', 13, 'refused'),
  (7, 'test_b', '2026-02-03 10:00+00', 'ADD', 1, 0, false, 'no subscription', NULL, NULL)
) w(n, tenant, at, action, delta, applied, recorded, reason, used_after, idempotency_key)
JOIN tenants t ON t.public_id = w.tenant JOIN users u ON u.tenant_id = t.id JOIN features f ON f.tenant_id = t.id
ORDER BY w.n;
"""

EVENTS = """
SELECT tenant_id, id, user_key, feature_key, at, action, delta, applied, recorded, reason, used_after, budget, overage_enabled,
  idempotency_key
FROM usage_events ORDER BY id
"""

NEW_EVENT = """
INSERT INTO usage_events (tenant_id, user_key, feature_key, at, action, delta, applied, recorded{columns})
SELECT tenant_id, user_key, feature_key, '2026-02-04', 'ADD', 1, 0, false{values} FROM consumptions ORDER BY tenant_id LIMIT 1
RETURNING id
"""


@pytest.fixture
def filled_url(empty_url: str) -> Iterator[str]:
    """A database at the revision before, with data."""
    migrating.upgrade(empty_url, BEFORE)
    with psycopg.connect(empty_url) as connection:
        connection.execute(DATA)
    return empty_url


def asked(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, options="-c timezone=UTC", row_factory=tuple_row) as connection:
        return connection.execute(statement).fetchall()


def test_events_keys_and_counters_survive_the_way_up(filled_url: str) -> None:
    events, counters = asked(filled_url, EVENTS), asked(filled_url, "SELECT * FROM consumptions ORDER BY 1")
    ids = [event[1] for event in events]
    assert len(ids) == 7

    migrating.upgrade(filled_url, AFTER)

    assert asked(filled_url, EVENTS) == events
    assert asked(filled_url, "SELECT * FROM consumptions ORDER BY 1") == [(*counter, None) for counter in counters]
    assert asked(filled_url, "SELECT count(*) FROM usage_events WHERE recorded_at <> at OR held IS NOT NULL") == [(0,)]
    keys = asked(filled_url, "SELECT tenant_id, digest, event_id, event_at FROM idempotency_keys ORDER BY event_id")
    assert keys == [(event[0], digest_of(event[13]), event[1], event[4]) for event in events if event[13]]
    # Of older events nobody knows any more which period they were counted in.
    in_period = asked(
        filled_url, "SELECT id, period_start, period_end FROM usage_events WHERE period_start IS NOT NULL ORDER BY id"
    )
    assert in_period == [(ids[n], *counters[0][3:5]) for n in (2, 3, 4, 5)]


def test_each_event_is_in_the_partition_of_its_month(filled_url: str) -> None:
    migrating.upgrade(filled_url, AFTER)
    found = asked(filled_url, "SELECT tableoid::regclass::text, count(*)::int FROM usage_events GROUP BY 1 ORDER BY 1")
    assert found == [("usage_events_p2025_12", 1), ("usage_events_p2026_01", 3), ("usage_events_p2026_02", 3)]


def test_the_books_are_right_after_the_way_up(product: str, filled_url: str) -> None:
    migrating.upgrade(filled_url)
    with environment(DATABASE_URL=filled_url):
        checked = list(check_books())
    assert [one for part in checked for one in part.differences] == []
    assert [part.events for part in checked] == [2, 1, 5, 2]  # counters of both tenants, then both tenants' ledgers


def test_the_numbers_of_events_go_on_in_both_directions(filled_url: str) -> None:
    last = asked(filled_url, EVENTS)[-1][1]
    migrating.upgrade(filled_url, AFTER)
    ((above,),) = asked(filled_url, NEW_EVENT.format(columns=", recorded_at", values=", '2026-02-04'"))
    assert above > last
    migrating.downgrade(filled_url, BEFORE)
    ((below,),) = asked(filled_url, NEW_EVENT.format(columns="", values=""))
    assert below > above


def test_everything_survives_the_way_back(filled_url: str) -> None:
    events, counters = asked(filled_url, EVENTS), asked(filled_url, "SELECT * FROM consumptions ORDER BY 1")
    migrating.upgrade(filled_url)
    ((added,),) = asked(
        filled_url,
        NEW_EVENT.format(columns=", recorded_at, idempotency_key, reverts_id", values=", '2026-02-05', 'new', 1"),
    )

    migrating.downgrade(filled_url, BEFORE)

    found = asked(filled_url, EVENTS)
    assert found[:-1] == events
    assert (found[-1][1], found[-1][13]) == (added, "new")
    assert asked(filled_url, "SELECT * FROM consumptions ORDER BY 1") == counters
    with pytest.raises(psycopg.errors.UniqueViolation):
        asked(filled_url, NEW_EVENT.format(columns=", idempotency_key", values=", 'shared'"))

    migrating.upgrade(filled_url)
    assert asked(filled_url, EVENTS) == found
