"""The history of periods in hard times: clocks that differ, events ahead of time, gaps, packages changed twice.

Source: docs/decisions/0016-closing-periods.md.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from freezegun import freeze_time

from app import clock
from app.db import engine, transaction
from app.queries import usage_periods as queries
from app.services import plain_resets
from app.services.plain_resets import POOR_BATCHES, close_all_plain
from app.services.usage_resets import reset_due
from tests.services.shop import DAY, Shop, counted
from tests.services.test_usage_resets import books_are_right, counter, history


@pytest.fixture
def pro(shop: Shop) -> Shop:
    """Ada has 10 calls a month."""
    shop.feature()
    shop.package("pro", counted(10))
    shop.user()
    return shop


def test_several_events_of_a_process_whose_clock_is_behind_are_all_in_the_history(pro: Shop) -> None:
    with freeze_time("2026-01-10T00:00:00Z") as time:
        pro.subscribe("pro")
        pro.record(4)
        time.move_to("2026-02-10T00:00:01Z")
        reset_due()
        time.move_to("2026-02-09T23:59:58Z")
        pro.record(3)
        time.move_to("2026-02-09T23:59:59Z")
        pro.record(2)  # the counter is back in the closed period: nobody counts that one again
        time.move_to("2026-02-10T00:00:02Z")
        pro.record(1)  # and the job does not find the period, for it is closed
        reset_due()
        time.move_to("2026-02-12T00:00:00Z")
        reset_due()
        assert pro.past() == [("2026-01-10", 9)]
        assert books_are_right(pro)


def test_between_two_events_of_a_clock_that_is_behind_and_the_job_the_history_is_right(pro: Shop) -> None:
    with freeze_time("2026-01-10T00:00:00Z") as time:
        pro.subscribe("pro")
        pro.record(4)
        time.move_to("2026-02-10T00:00:01Z")
        reset_due()
        time.move_to("2026-02-09T23:59:58Z")
        pro.record(3)
        pro.record(2)
        time.move_to("2026-02-10T00:00:02Z")
        assert pro.past() == [("2026-01-10", 9)]


@pytest.mark.parametrize("comes_again", [True, False])
def test_a_first_event_that_is_ahead_of_time_has_its_period_closed(pro: Shop, *, comes_again: bool) -> None:
    pro.package("large", counted(500))
    with freeze_time("2026-01-10T00:00:00Z") as time:
        (had,) = pro.subscribe("pro")
        pro.record(4, timestamp=pro.now_and(seconds=30))
        time.move_to("2026-02-10T00:00:00Z")
        reset_due()
        time.move_to("2026-02-11T00:00:00Z")
        pro.change(had.id, "large")
        if comes_again:
            pro.record(1)
        reset_due()
        assert history(pro)[:1] == [("2026-01-10", "2026-02-10", 4, 10, False, True)]


def test_a_first_event_that_is_ahead_of_time_keeps_its_terms_in_show_usage(pro: Shop) -> None:
    pro.package("large", counted(500))
    with freeze_time("2026-01-10T00:00:00Z") as time:
        (had,) = pro.subscribe("pro")
        pro.record(4, timestamp=pro.now_and(seconds=30))
        time.move_to("2026-02-10T00:00:00Z")
        reset_due()
        time.move_to("2026-02-11T00:00:00Z")
        pro.change(had.id, "large")
        assert [(one.consumption.used, one.consumption.budget) for one in pro.usage().past] == [(4, 10)]


@pytest.mark.parametrize("job_ran_in_the_gap", [True, False])
def test_the_rows_after_a_gap_do_not_depend_on_when_the_job_ran(pro: Shop, *, job_ran_in_the_gap: bool) -> None:
    with freeze_time("2026-01-10T00:00:00Z") as time:
        (had,) = pro.subscribe("pro")
        pro.record(4)
        pro.cancel(had.id, at_period_end=True)
        time.move_to("2026-03-01T00:00:00Z")
        if job_ran_in_the_gap:
            reset_due()
        time.move_to("2026-06-01T00:00:00Z")
        pro.subscribe("pro")
        time.move_to("2026-07-15T00:00:00Z")
        reset_due()
        assert [(row[0], row[2]) for row in history(pro)] == [("2026-01-10", 4)]


def test_two_changes_of_package_do_not_give_a_period_the_terms_of_the_one_between(pro: Shop) -> None:
    pro.package("large", counted(500))
    pro.package("huge", counted(900))
    with freeze_time("2026-01-10T00:00:00Z") as time:
        (had,) = pro.subscribe("pro")
        pro.record(4)
        time.move_to("2026-02-10T00:00:10Z")  # before the job of this minute
        pro.change(had.id, "large")
        time.move_to("2026-02-10T00:00:20Z")
        pro.change(had.id, "huge")
        reset_due()
        assert history(pro) == [("2026-01-10", "2026-02-10", 4, 10, False, True)]


def test_a_day_with_another_package_does_not_put_days_into_the_history_that_nobody_had(pro: Shop) -> None:
    pro.package("daily", counted(99, DAY))
    with freeze_time("2026-01-10T00:00:00Z") as time:
        (had,) = pro.subscribe("pro")
        time.move_to("2026-02-15T00:00:00Z")
        pro.change(had.id, "daily")
        time.move_to("2026-02-16T00:00:00Z")
        pro.change(had.id, "pro")
        time.move_to("2026-02-20T00:00:00Z")
        pro.record(2, timestamp=datetime.fromisoformat("2026-01-20T00:00:00Z"))
        reset_due()
        assert [row[:2] for row in history(pro) if row[0] < "2026-02-15"] == [("2026-01-10", "2026-02-10")]


def test_periods_that_are_closed_late_have_the_terms_of_their_own_ends_after_any_number_of_changes(pro: Shop) -> None:
    pro.package("large", counted(500))
    pro.package("huge", counted(900))
    with freeze_time("2026-01-10T00:00:00Z") as time:
        (had,) = pro.subscribe("pro")
        pro.record(4)
        for day, package_id in (("2026-02-15", "large"), ("2026-03-15", "huge"), ("2026-04-15", "pro")):
            time.move_to(day)
            pro.change(had.id, package_id)
        time.move_to("2026-05-20")
        reset_due()
        assert [(row[0], row[3]) for row in history(pro)] == [
            ("2026-01-10", 10),
            ("2026-02-10", 500),
            ("2026-03-10", 900),
            ("2026-04-10", 10),
        ]


def test_changes_of_package_by_clocks_that_differ_can_be_made_at_one_moment_again(pro: Shop) -> None:
    pro.package("large", counted(500))
    with freeze_time("2026-01-10T00:00:00Z") as time:
        (had,) = pro.subscribe("pro")
        for second, package_id in ((5, "large"), (3, "pro"), (5, "large"), (6, "pro")):
            time.move_to(f"2026-01-20T00:00:0{second}Z")
            pro.change(had.id, package_id)
        stretches = [(f"{row[4]:%d %S}", f"{row[2]:%d %S}") for row in pro.rows("past_packages")["past_packages"]]
        assert stretches == [("10 00", "20 05"), ("20 05", "20 06")]


def test_sql_does_not_forget_what_was_counted_while_the_clock_was_ahead(pro: Shop) -> None:
    with freeze_time("2026-01-10T00:00:00Z") as time:
        pro.subscribe("pro")
        pro.record(4)
        time.move_to("2026-02-20T00:00:00Z")
        pro.record(3)
        time.move_to("2026-02-09T00:00:00Z")
        pro.record(1)
        time.move_to("2026-02-10T00:00:00Z")
        reset_due()
        assert counter(pro) == ("2026-02-10", "2026-03-10", 3)
        assert books_are_right(pro)


_USERS = """
INSERT INTO users (tenant_id, id, created_at, updated_at)
SELECT %s, 'nobody-' || n, now(), now() FROM generate_series(1, %s) n
"""
_COUNTERS = """
INSERT INTO consumptions (tenant_id, user_key, feature_key, period_start, period_end, used)
SELECT u.tenant_id, u.key, f.key, now() - interval '31 days', now() - interval '1 day', 0
FROM users u JOIN features f ON f.tenant_id = u.tenant_id
WHERE u.tenant_id = %s AND u.id LIKE 'nobody-%%'
"""


@contextmanager
def counters_of_nobody(shop: Shop, number: int) -> Iterator[None]:
    """Counters that ended yesterday, of users who have no subscription: with these it is not plain what was allowed."""
    tenant_id = shop.actor.tenant_id
    with engine().begin() as connection:
        connection.exec_driver_sql(_USERS, (tenant_id, number))
        connection.exec_driver_sql(_COUNTERS, (tenant_id,))
    yield
    with engine().begin() as connection:  # or they would be due in every test that comes after
        connection.exec_driver_sql("DELETE FROM consumptions WHERE tenant_id = %s", (tenant_id,))


def test_a_pass_that_finds_little_to_close_plainly_leaves_the_rest_to_the_rules(pro: Shop) -> None:
    began = clock.now() - timedelta(days=31)
    with freeze_time(began):
        pro.subscribe("pro")
        pro.record(4)
    with counters_of_nobody(pro, POOR_BATCHES * plain_resets.BATCH):
        assert close_all_plain(60) == (0, True)  # and Ada's comes after these
        reset_due(60)
        assert [row for row in pro.past() if row[1]] == [(f"{began:%Y-%m-%d}", 4)]


def test_however_many_have_to_be_stepped_over_every_run_closes_some(pro: Shop) -> None:
    with counters_of_nobody(pro, 60_000):
        swept = reset_due(0.2)
        assert swept.handled > 0
        assert swept.more


def test_a_user_who_left_many_periods_is_not_taken_for_the_end_of_the_work(pro: Shop) -> None:
    """Two users with six periods each, four at a time: a batch is full of periods, though not of users."""
    with freeze_time("2026-01-10T00:00:00Z") as time:
        for user_id in ("bob", "eve"):
            pro.user(user_id)
            pro.subscribe("pro", user_id=user_id)
            pro.record(1, user_id=user_id)
        time.move_to("2026-07-12T00:00:00Z")
        for user_id in ("bob", "eve"):
            for month in range(2, 8):
                pro.record(1, user_id=user_id, timestamp=datetime.fromisoformat(f"2026-{month:02}-11T00:00:00Z"))
        with transaction() as session:
            found = queries.counters_with_left_periods(session, pro.actor.tenant_id, clock.now(), 4, [])
        assert len(found) == 4
