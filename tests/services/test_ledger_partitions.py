"""The ledger's months: made ahead, safely and once; dropped when older than the ledger keeps, with all that is theirs."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from freezegun import freeze_time
from sqlalchemy import text

from app import clock
from app.contract.reservations import CommitReservation, ReserveUsage
from app.db import engine
from app.domain.metering import NO_SUBSCRIPTION
from app.services.books import check_books
from app.services.ledger_partitions import (
    Expired,
    drop_expired,
    expired,
    kept_since,
    list_partitions,
    make_ahead,
)
from app.services.reservations import commit_reservation, reserve_usage
from app.services.reverts import revert_usage
from tests.environment import environment
from tests.services.at_once import at_once, patiently
from tests.services.shop import YEAR, Shop, counted
from tests.tenants import new_tenant

BEGUN = datetime(2026, 1, 10, 12, tzinfo=UTC)


@pytest.fixture
def no_months(product: str, database_url: str) -> Iterator[None]:
    """A database of the test's own, whose ledger has nothing but the default partition."""
    with environment(DATABASE_URL=database_url):
        execute(*[f"DROP TABLE {name}" for name in months()])
        yield


def execute(*statements: str) -> None:
    with engine().begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def months() -> dict[str, int]:
    """Events in each partition but the default."""
    return {one.name: one.rows for one in list_partitions() if not one.is_default}


def events_without_month() -> int:
    return list_partitions()[-1].rows


def names(first: str, count: int) -> list[str]:
    """The names of so many months from `first`, such as 2026_01."""
    year, month = map(int, first.split("_"))
    return [f"usage_events_p{year + (month - 1 + n) // 12}_{(month - 1 + n) % 12 + 1:02}" for n in range(count)]


def stocked() -> Shop:
    """Ada may use 1,000 calls a year."""
    shop = Shop(new_tenant().actor)
    shop.feature()
    shop.package("pro", counted(1000, YEAR))
    shop.user()
    shop.subscribe("pro")
    return shop


def test_the_month_of_now_and_those_ahead_are_made_once(no_months: None) -> None:
    assert make_ahead(datetime(2026, 11, 30, 23, 59, tzinfo=UTC), 3) == names("2026_11", 4)
    assert make_ahead(datetime(2026, 11, 30, 23, 59, tzinfo=UTC), 3) == []
    assert make_ahead(datetime(2026, 12, 1, tzinfo=UTC), 3) == names("2027_03", 1)
    assert months() == dict.fromkeys(names("2026_11", 5), 0)
    bounds = {one.name: (one.start, one.end) for one in list_partitions()}
    assert bounds["usage_events_p2026_12"] == (datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert bounds["usage_events_default"] == (None, None)


def test_a_month_that_was_missed_is_made_later_and_gets_its_events(no_months: None) -> None:
    make_ahead(BEGUN, 0)
    with freeze_time(BEGUN) as time:
        shop = stocked()
        for _ in range(4):
            shop.record(5, idempotency_key=f"{clock.now():%B}")
            time.tick(timedelta(days=31))
        before = shop.rows()
        assert (months(), events_without_month()) == (dict.fromkeys(names("2026_01", 1), 1), 3)

        assert make_ahead(clock.now(), 1) == names("2026_02", 5)  # now is the 14th of May
        assert (months(), events_without_month()) == (
            dict(zip(names("2026_01", 6), (1, 1, 1, 1, 0, 0), strict=True)),
            0,
        )
        assert shop.rows() == before
        assert shop.record(5, idempotency_key="January").duplicate is True
        assert int(shop.record(5).event_id) == max(row[1] for row in before["usage_events"]) + 1
        assert shop.used() == 25
        assert all(part.differences == [] for part in check_books())


def test_events_of_long_before_stay_in_the_default_and_get_no_months(no_months: None) -> None:
    """Whoever reports usage of the year 1970 is refused, and kept on record; no partition for each such month."""
    with freeze_time(BEGUN):
        shop = stocked()
        assert shop.record(timestamp=datetime(1970, 5, 1, tzinfo=UTC)).reason == NO_SUBSCRIPTION
        assert make_ahead(BEGUN, 1) == names("2026_01", 2)
        assert events_without_month() == 1


def test_what_an_operator_made_is_left_alone(no_months: None) -> None:
    execute(
        "CREATE TABLE by_hand PARTITION OF usage_events FOR VALUES FROM ('2026-02-01') TO ('2026-04-01')",
        "CREATE TABLE \"Long ago\" PARTITION OF usage_events FOR VALUES FROM (MINVALUE) TO ('2020-01-01')",
    )
    assert make_ahead(BEGUN, 4) == names("2026_01", 1) + names("2026_04", 2)
    assert [one.name for one in list_partitions()] == [
        '"Long ago"',
        *names("2026_01", 1),
        "by_hand",
        *names("2026_04", 2),
        "usage_events_default",
    ]
    with environment(USAGE_RETENTION_DAYS="400"):
        gone = drop_expired(BEGUN)
    assert gone is not None
    assert [one.name for one in gone.partitions] == ['"Long ago"']


def test_two_who_make_months_at_once_take_turns_and_lose_nothing(no_months: None) -> None:
    with freeze_time(BEGUN):
        shop = stocked()
        for _ in range(20):
            shop.record()
        made = at_once(*[lambda: make_ahead(BEGUN, 5)] * 4)
        assert sorted(name for one in made for name in one) == names("2026_01", 6)
        assert months() == {**dict.fromkeys(names("2026_01", 6), 0), **dict.fromkeys(names("2026_01", 1), 20)}


def test_months_are_made_and_dropped_under_writers_without_anybody_noticing(no_months: None) -> None:
    """Four writers in a month that is missing: each call is answered, each event is there once."""
    enough = threading.Event()

    def write(writer: int) -> int:
        recorded = 0
        while not enough.is_set() and recorded < 200:
            record = partial(shop.record, 1, idempotency_key=f"{writer}-{recorded}")
            assert patiently(record).recorded is True
            assert patiently(record).duplicate is True
            recorded += 1
        return recorded

    with freeze_time(BEGUN), ThreadPoolExecutor(4) as pool:
        shop = stocked()
        writers = [pool.submit(write, writer) for writer in range(4)]
        try:
            for n in range(5):
                assert make_ahead(BEGUN, n) == names("2026_01", n + 1)[n:]
        finally:
            enough.set()
        recorded = sum(writer.result() for writer in writers)
        assert recorded >= 4
        assert shop.used() == recorded
        assert (months()["usage_events_p2026_01"], events_without_month()) == (recorded, 0)
        assert all(part.differences == [] for part in check_books())


def test_an_event_that_is_being_written_when_its_month_is_made_is_moved_too(no_months: None) -> None:
    """Who makes the month waits for whoever writes into it, and whoever comes then waits for that."""
    with freeze_time(BEGUN), ThreadPoolExecutor(2) as pool:
        shop = stocked()
        shop.record()
        with engine().connect() as writer:
            columns = "tenant_id, user_key, feature_key, at, recorded_at, action, delta, applied, recorded"
            writer.execute(text(f"INSERT INTO usage_events ({columns}) SELECT {columns} FROM usage_events"))  # noqa: S608
            making = pool.submit(make_ahead, BEGUN, 0)
            wait_for_waiters(1)
            recording = pool.submit(patiently, shop.record)
            wait_for_waiters(2)
            writer.commit()
        assert making.result() == names("2026_01", 1)
        assert recording.result().recorded is True
        assert (months(), events_without_month()) == (dict.fromkeys(names("2026_01", 1), 3), 0)


def test_months_are_listed_as_they_are_when_a_drop_that_is_under_way_is_done(no_months: None) -> None:
    make_ahead(BEGUN, 1)
    with engine().connect() as dropper, ThreadPoolExecutor(1) as pool:
        dropper.execute(text("DROP TABLE usage_events_p2026_01"))
        listed = pool.submit(months)
        wait_for_waiters(1)
        dropper.commit()
        assert listed.result() == dict.fromkeys(names("2026_02", 1), 0)


def wait_for_waiters(count: int) -> None:
    """Until so many wait for a table of this database."""
    statement = text(
        "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database AND datname = current_database() "
        "WHERE locktype = 'relation' AND NOT granted"
    )
    with engine().connect() as connection:
        while connection.execute(statement).scalar_one() < count:
            connection.rollback()


def test_a_ledger_that_is_kept_for_good_has_nothing_to_drop(no_months: None) -> None:
    make_ahead(BEGUN, 0)
    assert kept_since(datetime(2036, 1, 1, tzinfo=UTC)) is None
    assert expired(datetime(2036, 1, 1, tzinfo=UTC)) is None
    assert drop_expired(datetime(2036, 1, 1, tzinfo=UTC)) is None
    assert months() == dict.fromkeys(names("2026_01", 1), 0)


@pytest.fixture
def two_years(no_months: None) -> Iterator[Shop]:
    """25 months of use, an event in each, keyed, by Ada who has a year's allowance; and by Bob, in the first month alone. In each
    month Ada has reserved and settled something; a refused event of 1970 has no month. Now is the 10th of February 2028."""
    with environment(USAGE_RETENTION_DAYS="400"), freeze_time(BEGUN) as time:
        make_ahead(BEGUN, 24)
        shop = stocked()
        shop.user("bob")
        shop.subscribe("pro", user_id="bob")
        shop.record(9, user_id="bob", idempotency_key="bob")
        execute(
            f"INSERT INTO usage_events (tenant_id, user_key, feature_key, at, recorded_at, action, delta, applied, recorded) "  # noqa: S608
            f"SELECT {shop.actor.tenant_id}, user_key, feature_key, '1970-05-01', now(), 'ADD', 1, 0, false FROM consumptions"
        )
        for n in range(25):
            time.move_to(datetime(2026 + n // 12, n % 12 + 1, 10, 12, tzinfo=UTC))
            shop.record(2, idempotency_key=f"key-{n}")
            command = ReserveUsage(user_id="ada", feature_id="calls", delta=3, ttl_seconds=600)
            reservation = reserve_usage(shop.actor, command).reservation
            assert reservation is not None
            commit_reservation(shop.actor, reservation.id, CommitReservation(delta=1))
        time.move_to("2028-02-10T12:00:00Z")
        yield shop


def test_what_is_wholly_older_than_the_ledger_keeps_is_dropped_and_nothing_of_a_running_period(two_years: Shop) -> None:
    now = datetime(2028, 2, 10, 12, tzinfo=UTC)
    shop, before = two_years, two_years.rows()
    assert kept_since(now) == datetime(2027, 1, 1, tzinfo=UTC)  # 400 days ago it was the 6th of January 2027
    foreseen = expired(now)
    assert two_years.rows() == before

    gone = drop_expired(now)

    assert isinstance(gone, Expired)
    assert gone == foreseen
    assert [one.name for one in gone.partitions] == names("2026_01", 12)
    assert [one.rows for one in gone.partitions] == [3, *[2] * 11]
    assert (gone.before, gone.keys, gone.reservations, gone.events_without_month) == (kept_since(now), 13, 12, 1)
    assert gone.counters == 1  # Bob's
    kept = shop.rows()
    assert kept["usage_events"] == [row for row in before["usage_events"] if row[4] >= gone.before]
    assert len(kept["usage_events"]) == 26
    assert kept["reservations"] == [row for row in before["reservations"] if row[6] >= gone.before]
    assert kept["idempotency_keys"] == [row for row in before["idempotency_keys"] if row[3] >= gone.before]
    untouched = set(kept) - {"usage_events", "reservations", "idempotency_keys", "consumptions"}
    assert {table: kept[table] for table in untouched} == {table: before[table] for table in untouched}
    assert list(months()) == names("2027_01", 13)
    assert shop.used() == 3  # of the year that began on 10 January 2028
    assert [past[1] for past in shop.past()] == [36]  # the year before is not told any more: not all of it is kept
    assert all(part.differences == [] for part in check_books())


def test_dropping_again_finds_nothing_to_drop(two_years: Shop) -> None:
    now = datetime(2028, 2, 10, 12, tzinfo=UTC)
    drop_expired(now)
    kept = two_years.rows()
    assert drop_expired(now) == Expired(datetime(2027, 1, 1, tzinfo=UTC), [], 0, 0, 0, 0, 0)
    assert two_years.rows() == kept


def test_counters_of_dropped_times_say_nothing_even_when_the_ledger_is_kept_for_good_later(two_years: Shop) -> None:
    drop_expired(datetime(2028, 2, 10, 12, tzinfo=UTC))
    with environment(USAGE_RETENTION_DAYS=None):
        assert all(part.differences == [] for part in check_books())


def test_the_books_are_right_at_every_stage_of_dropping(two_years: Shop) -> None:
    """It may end after any of its transactions: the keys have gone, and then the months."""
    execute("DELETE FROM idempotency_keys WHERE event_at < '2027-01-01'")
    assert all(part.differences == [] for part in check_books())
    execute(*[f"DROP TABLE {name}" for name in names("2026_01", 5)])
    assert all(part.differences == [] for part in check_books())
    gone = drop_expired(datetime(2028, 2, 10, 12, tzinfo=UTC))
    assert gone is not None
    assert ([one.name for one in gone.partitions], gone.keys) == (names("2026_06", 7), 0)
    assert all(part.differences == [] for part in check_books())


def test_a_key_that_went_with_its_month_can_be_used_again(two_years: Shop) -> None:
    assert two_years.record(2, idempotency_key="key-0").duplicate is True
    drop_expired(datetime(2028, 2, 10, 12, tzinfo=UTC))
    again = two_years.record(2, idempotency_key="key-0")
    assert (again.recorded, again.duplicate) == (True, False)
    assert two_years.record(2, idempotency_key="key-12").duplicate is True


def test_what_is_kept_can_still_be_reverted(two_years: Shop) -> None:
    now = datetime(2028, 2, 10, 12, tzinfo=UTC)
    drop_expired(now)
    oldest = two_years.rows("usage_events")["usage_events"][0]
    assert revert_usage(two_years.actor, str(oldest[1])).recorded is True
    assert all(part.differences == [] for part in check_books())


def test_two_who_drop_at_once_drop_everything_once(two_years: Shop) -> None:
    now = datetime(2028, 2, 10, 12, tzinfo=UTC)
    gone = at_once(lambda: drop_expired(now), lambda: drop_expired(now))
    assert sorted(one.name for each in gone for one in each.partitions) == names("2026_01", 12)
    assert sum(each.keys for each in gone) == 13
    assert sum(each.counters for each in gone) == 1
