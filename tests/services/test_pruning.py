"""The job that drops what is older than the retention settings keep."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from freezegun import freeze_time
from sqlalchemy import text

from app.db import engine
from app.domain.webhooks import DeliveryStatus
from app.services.ledger_partitions import list_partitions, make_ahead
from app.services.pruning import prune
from app.services.sweeps import Swept
from tests.environment import environment
from tests.services.at_once import at_once
from tests.services.shop import Shop, counted
from tests.services.told import listen
from tests.tenants import new_tenant

NOW = datetime(2028, 2, 10, 12, tzinfo=UTC)
PENDING, DELIVERED, DEAD = DeliveryStatus.PENDING, DeliveryStatus.DELIVERED, DeliveryStatus.DEAD


@pytest.fixture(autouse=True)
def _database_of_its_own(product: str, database_url: str) -> Iterator[None]:
    """A job does all tenants'. Here there are only those of the test."""
    with environment(DATABASE_URL=database_url), freeze_time(NOW):
        yield


@pytest.fixture
def shop(_database_of_its_own: None) -> Shop:
    """With two endpoints."""
    shop = Shop(new_tenant().actor)
    listen(shop)
    listen(shop)
    return shop


def send(shop: Shop, age: timedelta, *statuses: DeliveryStatus, messages: int = 1) -> None:
    """Messages of this age, and what became of each at the first endpoint, and at the second."""
    execute(
        "INSERT INTO webhook_messages (tenant_id, type, data, created_at) "
        "SELECT :tenant, 'usage.reset', '{}', :at FROM generate_series(1, :messages)",
        tenant=shop.actor.tenant_id,
        at=NOW - age,
        messages=messages,
    )
    for number, status in enumerate(statuses):
        execute(
            "INSERT INTO webhook_deliveries (tenant_id, endpoint_id, message_id, status, attempts, next_attempt_at) "
            "SELECT tenant_id, (SELECT id FROM webhook_endpoints WHERE tenant_id = :tenant ORDER BY id OFFSET :number LIMIT 1), "
            "id, :status, 0, created_at FROM webhook_messages WHERE tenant_id = :tenant AND created_at = :at",
            tenant=shop.actor.tenant_id,
            number=number,
            status=status,
            at=NOW - age,
        )


def execute(statement: str, **values: object) -> None:
    with engine().begin() as connection:
        connection.execute(text(statement), values)


def kept(shop: Shop) -> list[tuple[timedelta, list[str]]]:
    """(age, statuses of the deliveries) of every message, the oldest first."""
    statement = """
      SELECT m.created_at, array_remove(array_agg(d.status::text ORDER BY d.endpoint_id), NULL)
      FROM webhook_messages m LEFT JOIN webhook_deliveries d ON d.tenant_id = m.tenant_id AND d.message_id = m.id
      WHERE m.tenant_id = :tenant GROUP BY m.id, m.created_at ORDER BY m.created_at, m.id
    """
    with engine().connect() as connection:
        found = connection.execute(text(statement), {"tenant": shop.actor.tenant_id})
        return [(NOW - created_at, statuses) for created_at, statuses in found]


def days(number: float) -> timedelta:
    return timedelta(days=number)


def test_settled_webhooks_go_when_they_are_old_and_what_is_on_its_way_stays(shop: Shop) -> None:
    a_moment = timedelta(milliseconds=1)
    send(shop, days(60))
    send(shop, days(50), DELIVERED, DEAD)
    send(shop, days(40), DELIVERED, PENDING)
    send(shop, days(30) + a_moment, DEAD)
    send(shop, days(30), DELIVERED)
    send(shop, days(1), DEAD, DELIVERED)

    assert prune() == Swept(handled=3, set_aside=0, more=False)

    left = [(days(40), [DELIVERED, PENDING]), (days(30), [DELIVERED]), (days(1), [DEAD, DELIVERED])]
    assert kept(shop) == left
    assert prune() == Swept(handled=0, set_aside=0, more=False)
    with environment(DATABASE_URL=str(engine().url.render_as_string(hide_password=False)), WEBHOOK_RETENTION_DAYS="4"):
        assert prune() == Swept(handled=1, set_aside=0, more=False)
        assert kept(shop) == [left[0], left[2]]


def test_many_go_in_pieces_past_what_stays_of_every_tenant(shop: Shop) -> None:
    other = Shop(new_tenant().actor)
    listen(other)
    send(shop, days(50), PENDING, messages=1500)
    send(shop, days(40), DELIVERED, DEAD, messages=2500)
    send(other, days(40), DELIVERED)
    assert prune() == Swept(handled=2501, set_aside=0, more=False)
    assert (kept(shop), kept(other)) == ([(days(50), [PENDING])] * 1500, [])


def test_a_run_whose_time_is_up_says_that_there_is_more(shop: Shop) -> None:
    send(shop, days(40), DELIVERED, messages=2500)
    assert prune(run_seconds=-1) == Swept(handled=1000, set_aside=0, more=True)
    assert prune() == Swept(handled=1500, set_aside=0, more=False)


def test_two_at_once_drop_everything_once(shop: Shop) -> None:
    send(shop, days(40), DELIVERED, DEAD, messages=3000)
    swept = at_once(prune, prune)
    assert (sum(each.handled for each in swept), kept(shop)) == (3000, [])


def test_one_that_is_asked_for_again_at_this_moment_stays(shop: Shop, database_url: str) -> None:
    send(shop, days(40), DELIVERED, DEAD)
    with psycopg.connect(database_url) as asking:
        asking.execute("UPDATE webhook_deliveries SET status = 'PENDING' WHERE status = 'DEAD'")
        assert prune() == Swept(handled=0, set_aside=0, more=False)
    assert kept(shop) == [(days(40), [PENDING])]


@pytest.fixture
def used(shop: Shop) -> Shop:
    """Ada used something at the beginning of 2026, and in this month; the months from 2026 on are there."""
    with freeze_time("2026-01-10T12:00:00Z"):
        execute(
            "DO $$ DECLARE p regclass; BEGIN FOR p IN SELECT inhrelid::regclass FROM pg_inherits "
            "WHERE inhparent = 'usage_events'::regclass AND inhrelid <> 'usage_events_default'::regclass "
            "LOOP EXECUTE 'DROP TABLE ' || p; END LOOP; END $$"
        )
        make_ahead(datetime(2026, 1, 10, tzinfo=UTC), 30)
        shop.feature()
        shop.package("pro", counted(10))
        shop.user()
        shop.subscribe("pro")
        shop.record(2)
    shop.record(3)
    # One that ended with the last moment that is dropped, one that reaches beyond it, and one that nobody has closed.
    for start, end, closed_at in (
        ("2026-12-01", "2027-01-01", NOW),
        ("2026-12-02", "2027-01-02", NOW),
        ("2026-11-01", "2026-12-01", None),
    ):
        execute(
            "INSERT INTO usage_periods (tenant_id, user_key, feature_key, period_start, period_end, used, overage_enabled, "
            "closed_at) SELECT tenant_id, user_key, feature_key, :start, :end, 0, false, :closed_at FROM consumptions",
            start=start,
            end=end,
            closed_at=closed_at,
        )
    execute("DELETE FROM webhook_messages")
    return shop


def periods(shop: Shop) -> list[str]:
    return sorted(f"{row[3]:%Y-%m-%d}" for row in shop.rows("usage_periods")["usage_periods"])


def test_the_ledger_is_kept_for_good_unless_it_is_said_for_how_long(used: Shop) -> None:
    before = used.rows()
    assert prune() == Swept(handled=0, set_aside=0, more=False)
    assert used.rows() == before


def test_months_that_the_ledger_does_not_keep_go_with_their_closed_periods(used: Shop, database_url: str) -> None:
    with environment(DATABASE_URL=database_url, USAGE_RETENTION_DAYS="400"):
        assert prune() == Swept(handled=12 + 1, set_aside=0, more=False)
        assert used.ledger("delta") == [(3,)]
        assert periods(used) == ["2026-01-10", "2026-11-01", "2026-12-02"]
        assert prune() == Swept(handled=0, set_aside=0, more=False)


def test_a_ledger_that_is_in_use_is_left_for_the_next_run(used: Shop, database_url: str) -> None:
    with environment(DATABASE_URL=database_url, USAGE_RETENTION_DAYS="400"):
        send(used, days(40), DELIVERED)
        with psycopg.connect(database_url) as dump:
            dump.execute("LOCK TABLE usage_events IN ACCESS SHARE MODE")
            assert prune() == Swept(handled=1, set_aside=0, more=False)
            assert len(used.ledger("delta")) == 2
        assert prune().handled == 12
    assert list_partitions()[0].start == datetime(2027, 1, 1, tzinfo=UTC)
