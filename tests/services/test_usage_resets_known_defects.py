"""What is known to be wrong about the history of periods, each with the reason: whoever mends one takes its mark away.

Marks are strict (pyproject.toml), so a mended one that keeps its mark fails. Source: docs/decisions/0016-closing-periods.md.
"""

from datetime import datetime

import pytest
from freezegun import freeze_time

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


@pytest.mark.xfail(reason="only the first of them is counted again")
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


@pytest.mark.xfail(reason="only the first of them is counted again")
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


@pytest.mark.xfail(reason="it leaves a counter that stands for nothing where it is, and notes no period")
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


@pytest.mark.xfail(reason="its period is never closed, so it is told by the terms of now")
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


@pytest.mark.parametrize(
    "job_ran_in_the_gap",
    [pytest.param(True, marks=pytest.mark.xfail(reason="a counter that stands for nothing is not walked on")), False],
)
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
        assert [(row[0], row[2]) for row in history(pro)] == [("2026-01-10", 4), ("2026-06-01", 0)]


@pytest.mark.xfail(reason="the previous package is taken to have been there from the start")
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


@pytest.mark.xfail(reason="the previous package is taken to have been there from the start")
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


@pytest.mark.xfail(reason="what counts more than a day ahead of now is not looked for")
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
