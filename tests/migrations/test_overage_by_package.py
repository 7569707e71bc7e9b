"""What was told of overage before a subscription could owe it for several packages stays told, for the package that it was."""

from typing import Any

import psycopg
import pytest

from app import migrating

BEFORE, AFTER = "7d2e6f1c8b17", "7d2e6f1c8b18"

# Of two packages, with a meter each; Ada has bought "max", and Bob something whose meter is not known any more.
DATA = """
INSERT INTO tenants (public_id, name, enforcement, created_at) VALUES ('test_a', 'a', 'REFUSE', '2025-12-01');
INSERT INTO users (tenant_id, id, metadata, created_at, updated_at)
SELECT t.id, u, '{}', '2025-12-01', '2025-12-01' FROM tenants t, unnest(ARRAY['ada', 'bob']) u;
INSERT INTO features (tenant_id, id, type, metadata, created_at, updated_at)
SELECT id, 'calls', 'CONSUMABLE', '{}', '2025-12-01', '2025-12-01' FROM tenants;
INSERT INTO packages (tenant_id, id, name, status, is_addon, metadata, created_at, updated_at)
SELECT t.id, p, p, 'PUBLISHED', false, '{}', '2025-12-01', '2025-12-01' FROM tenants t, unnest(ARRAY['pro', 'max']) p;
INSERT INTO billing_meters (tenant_id, package_key, feature_key, event_name, meter_id, created_at)
SELECT p.tenant_id, p.key, f.key, p.id, 'mtr_' || p.id, '2025-12-01' FROM packages p JOIN features f USING (tenant_id);
INSERT INTO metered_items (tenant_id, provider_subscription_id, feature_key, user_key, provider_item_id, customer_id, meter_id,
  since, boundaries)
SELECT u.tenant_id, 'sub_' || u.id, f.key, u.key, 'si_' || u.id, 'cus_' || u.id, w.meter_id, '2026-01-01', '{}'
FROM users u JOIN features f USING (tenant_id)
JOIN (VALUES ('ada', 'mtr_max'), ('bob', 'mtr_gone')) w(id, meter_id) ON w.id = u.id;
INSERT INTO meter_reports (tenant_id, provider_subscription_id, feature_key, starts_at, version, ends_at, value, state, attempts,
  next_attempt_at, created_at)
SELECT tenant_id, provider_subscription_id, feature_key, '2026-01-01', 1, '2026-01-01 01:00+00', 7, 'SENT', 1, '2026-01-02',
  '2026-01-02'
FROM metered_items;
"""
TOLD = """
SELECT r.provider_subscription_id, p.id, r.value FROM meter_reports r JOIN packages p ON p.key = r.package_key
ORDER BY r.provider_subscription_id
"""
# Ada has changed to "pro" since: both items are on the bill until the last one of "max" is made.
CHANGED = """
UPDATE metered_items SET ended_at = '2026-02-01';
INSERT INTO metered_items (tenant_id, provider_subscription_id, package_key, feature_key, user_key, provider_item_id, customer_id,
  meter_id, since, boundaries)
SELECT i.tenant_id, i.provider_subscription_id, p.key, i.feature_key, i.user_key, 'si_new', i.customer_id, 'mtr_pro',
  '2026-02-01', '{}'
FROM metered_items i JOIN packages p ON p.id = 'pro';
"""
LEFT = "SELECT provider_item_id FROM metered_items"


@pytest.fixture
def filled_url(empty_url: str) -> str:
    """A database at the revision before, with data."""
    migrating.upgrade(empty_url, BEFORE)
    asked(empty_url, DATA)
    return empty_url


def asked(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        found = connection.execute(statement)
        return found.fetchall() if found.description else []


def test_what_was_told_is_of_the_package_whose_meter_it_was_told(filled_url: str) -> None:
    migrating.upgrade(filled_url, AFTER)
    assert asked(filled_url, TOLD) == [("sub_ada", "max", 7)]


def test_on_the_way_back_the_item_that_is_billed_longest_stays(filled_url: str) -> None:
    migrating.upgrade(filled_url, AFTER)
    asked(filled_url, CHANGED)
    migrating.downgrade(filled_url, BEFORE)
    assert asked(filled_url, LEFT) == [("si_new",)]
