"""The books' history: a closed period that is not its ledger is told and put right, and one that is right is never doubted."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory

from app.db import transaction
from app.domain.periods import Period
from app.queries.books_history import lock_counter
from app.services.books import Difference, Kind, Step
from app.services.books_repairs import Outcome, correct_history
from app.services.reverts import revert_usage
from app.services.usage_resets import reset_due
from tests.environment import environment
from tests.services.at_once import patiently
from tests.services.shop import SET, Shop, counted
from tests.services.test_books import check, key_of, outcomes, parts, stocked, tamper, told
from tests.tenants import Tenant

JANUARY = Period(datetime(2026, 1, 10, tzinfo=UTC), datetime(2026, 2, 10, tzinfo=UTC))
FEBRUARY = Period(datetime(2026, 2, 10, tzinfo=UTC), datetime(2026, 3, 10, tzinfo=UTC))


@pytest.fixture
def time() -> Iterator[FrozenDateTimeFactory]:
    with freeze_time("2026-01-10T00:00:00Z") as frozen:
        yield frozen


@pytest.fixture
def shop(tenant: Tenant, time: FrozenDateTimeFactory) -> Shop:
    """In January ada used 12 and bob 5, in February ada 3; both months are closed, which makes four rows."""
    shop = stocked(tenant)
    shop.record(7)
    shop.record(5)
    shop.record(5, user_id="bob")
    time.move_to("2026-02-10T00:00:00Z")
    reset_due()
    shop.record(3)
    time.move_to("2026-03-10T00:00:00Z")
    reset_due()
    return shop


def spoil(shop: Shop, used: int) -> None:
    """Ada's January."""
    statement = (
        "UPDATE usage_periods SET used = :used WHERE tenant_id = :tenant AND user_key = :user AND period_start = :start"
    )
    tamper(shop, statement, used=used, start=JANUARY.start)


def pair_of(shop: Shop) -> tuple[int, int, int]:
    (feature,) = shop.rows("features")["features"]
    return shop.actor.tenant_id, key_of(shop, "ada"), feature[1]


def closed(shop: Shop) -> set[tuple[Any, ...]]:
    return set(shop.rows("usage_periods")["usage_periods"])


def gone_through(shop: Shop, **how: Any) -> list[tuple[int, int, int]]:
    """(done, of all, events) of each part of the history."""
    return [(part.done, part.total, part.events) for part in parts(shop, **how) if part.step is Step.HISTORY]


def test_a_right_history_has_no_difference_and_each_closed_period_was_looked_at(shop: Shop) -> None:
    assert check(shop) == []
    assert gone_through(shop) == [(4, 4, 4)]


def test_a_closed_period_that_is_not_its_ledger_is_named_and_corrected_and_nothing_else_is_touched(shop: Shop) -> None:
    before, history = shop.rows(), closed(shop)
    spoil(shop, 400)

    assert check(shop) == [
        Difference(
            kind=Kind.CLOSED_PERIOD,
            app_id=shop.actor.app_id,
            user_id="ada",
            feature_id="calls",
            period=JANUARY,
            counter=400,
            ledger=12,
            outcome=Outcome.FOUND,
        )
    ]
    assert shop.past() == [("2026-02-10", 3), ("2026-01-10", 400)]  # checking alone changes nothing
    assert outcomes(check(shop, repair=True)) == [Outcome.REPAIRED]
    assert check(shop) == []
    assert closed(shop) == history
    assert shop.rows() | {"usage_periods": []} == before | {"usage_periods": []}


def test_the_ledger_is_believed_about_the_past_too(shop: Shop) -> None:
    tamper(
        shop,
        "UPDATE usage_events SET action = 'SET', delta = 4 WHERE tenant_id = :tenant AND user_key = :user AND applied = 5",
    )
    assert told(check(shop, repair=True)) == [(Kind.CLOSED_PERIOD, "ada", "calls", 12, 4)]
    assert check(shop) == []
    assert shop.past() == [("2026-02-10", 3), ("2026-01-10", 4)]


def test_whatever_counts_late_leaves_the_history_right(shop: Shop) -> None:
    late = shop.record(40, timestamp=datetime(2026, 1, 20, tzinfo=UTC))
    shop.record(6, SET, timestamp=datetime(2026, 2, 20, tzinfo=UTC))
    shop.record(-2, timestamp=datetime(2026, 2, 21, tzinfo=UTC))
    assert shop.past() == [("2026-02-10", 4), ("2026-01-10", 52)]
    assert check(shop) == []
    revert_usage(shop.actor, str(late.event_id))
    assert shop.past() == [("2026-02-10", 4), ("2026-01-10", 12)]
    assert check(shop) == []


def test_late_writers_at_work_are_never_taken_for_a_difference(shop: Shop) -> None:
    def write(writer: int) -> None:
        for n in range(40):
            moment = (JANUARY, FEBRUARY)[(n + writer) % 2].start
            patiently(partial(shop.record, 2, timestamp=moment))
            patiently(partial(shop.record, -1, timestamp=moment))

    checks = 0
    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write, writer) for writer in range(2)]
        while not all(writer.done() for writer in writers):
            assert check(shop, counters_per_part=1 + checks % 4) == []
            checks += 1
    for writer in writers:
        writer.result()
    assert checks > 3
    assert shop.past() == [("2026-02-10", 43), ("2026-01-10", 52)]
    assert check(shop) == []


def test_what_falls_into_two_periods_that_overlap_is_in_both_and_no_difference(
    tenant: Tenant, time: FrozenDateTimeFactory
) -> None:
    shop = Shop(tenant.actor)
    shop.feature()
    shop.package("pro", counted(10))
    shop.addon("more", counted(500))
    shop.user()
    shop.subscribe("pro")
    shop.record(4)
    time.move_to("2026-01-20T00:00:00Z")
    shop.subscribe("more")  # the better package has a period of its own from now on
    shop.record(2)
    time.move_to("2026-02-20T00:00:00Z")
    reset_due()
    reset_due()
    rows = [(f"{row[3]:%m-%d}", f"{row[4]:%m-%d}", row[5]) for row in shop.rows("usage_periods")["usage_periods"]]
    assert sorted(rows) == [("01-10", "02-10", 6), ("01-20", "02-20", 2)]
    assert check(shop) == []


def test_a_period_that_was_left_and_is_not_closed_yet_is_not_judged(shop: Shop, time: FrozenDateTimeFactory) -> None:
    shop.record(1)
    time.move_to("2026-04-10T00:00:00Z")
    shop.record(1)
    tamper(
        shop, "UPDATE usage_periods SET used = 9 WHERE tenant_id = :tenant AND user_key = :user AND closed_at IS NULL"
    )
    assert check(shop) == []


@pytest.mark.parametrize("size", [1, 3, 4, 1000])
def test_every_closed_period_is_looked_at_once_whatever_the_size_of_a_part(shop: Shop, size: int) -> None:
    spoil(shop, 13)
    assert [one.period for one in check(shop, counters_per_part=size)] == [JANUARY]
    assert gone_through(shop, counters_per_part=size)[-1][:2] == (4, 4)
    assert sum(events for _, _, events in gone_through(shop, counters_per_part=size)) == 4


def test_another_tenants_history_is_neither_judged_nor_corrected(
    shop: Shop, other_tenant: Tenant, time: FrozenDateTimeFactory
) -> None:
    time.move_to("2026-01-10T00:00:00Z")
    other = stocked(other_tenant)
    other.record(3)
    time.move_to("2026-03-10T00:00:00Z")
    reset_due()
    spoil(other, 4)
    before = other.rows()

    assert check(shop, repair=True) == []
    assert other.rows() == before


def test_a_period_of_which_the_ledger_has_lost_something_is_not_judged(shop: Shop, time: FrozenDateTimeFactory) -> None:
    spoil(shop, 13)
    time.move_to("2027-07-01T00:00:00Z")
    assert [one.period for one in check(shop)] == [JANUARY]
    with environment(USAGE_RETENTION_DAYS="500"):
        assert check(shop) == []


def test_correcting_what_is_right_or_not_there_changes_nothing(shop: Shop) -> None:
    before = shop.rows()
    nowhere = Period(JANUARY.start, FEBRUARY.end)
    for period in (JANUARY, FEBRUARY, nowhere):
        assert correct_history((pair_of(shop), period)) is Outcome.RIGHT_BY_NOW
    assert shop.rows() == before


def test_without_the_counters_lock_nothing_is_corrected(shop: Shop) -> None:
    spoil(shop, 13)
    with transaction() as session:
        assert lock_counter(session, pair_of(shop))
        assert correct_history((pair_of(shop), JANUARY)) is Outcome.NOT_REPAIRED
    tamper(shop, "DELETE FROM consumptions WHERE tenant_id = :tenant AND user_key = :user")
    assert correct_history((pair_of(shop), JANUARY)) is Outcome.NOT_REPAIRED
    # Those with events get their counter before the history is looked at.
    assert outcomes(check(shop, repair=True)) == [Outcome.REPAIRED, Outcome.REPAIRED]
    assert check(shop) == []
