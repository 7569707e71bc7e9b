"""Periods that have ended are closed, whoever comes first: the job, or the user."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from freezegun import freeze_time
from sqlalchemy import text
from sqlmodel import Session, col, select

from app import clock, models
from app.contract.reservations import CommitReservation, ReserveUsage
from app.contract.usage import RecordUsage, RecordUsages
from app.db import engine, transaction
from app.domain.periods import ResetPeriod
from app.domain.webhooks import WebhookEventType
from app.queries import usage_periods as queries
from app.queries.plain_resets import BEHIND_ALL, be_alone_at_the_front, close_plain
from app.services import usage_resets
from app.services.batches import record_batch
from app.services.books import check_books
from app.services.reservations import commit_reservation, reserve_usage
from app.services.reverts import revert_usage
from app.services.subscription_dates import settle_due
from app.services.usage_resets import reset_due
from tests.services.at_once import at_once
from tests.services.shop import DAY, SET, YEAR, Shop, counted
from tests.services.told import listen, messages

Row = tuple[str, str, int, int | None, bool, bool]
"""(start, end, used, limit, overage, whether it is closed)"""


@pytest.fixture
def pro(shop: Shop) -> Shop:
    """Ada has 10 calls a month."""
    shop.feature()
    shop.package("pro", counted(10))
    shop.user()
    return shop


def history(shop: Shop) -> list[Row]:
    """Ada's, in order."""
    with Session(engine()) as session:
        rows = session.exec(
            select(models.UsagePeriod)
            .where(models.UsagePeriod.tenant_id == shop.actor.tenant_id)
            .order_by(col(models.UsagePeriod.period_start), col(models.UsagePeriod.period_end))
        ).all()
    return [
        (
            f"{row.period_start:%Y-%m-%d}",
            f"{row.period_end:%Y-%m-%d}",
            row.used,
            row.usage_limit,
            row.overage_enabled,
            row.closed_at is not None,
        )
        for row in rows
    ]


def counter(shop: Shop) -> tuple[str | None, str | None, int]:
    with Session(engine()) as session:
        row = session.exec(select(models.Consumption).where(models.Consumption.tenant_id == shop.actor.tenant_id)).one()
    start, end = row.period_start, row.period_end
    return (f"{start:%Y-%m-%d}" if start else None, f"{end:%Y-%m-%d}" if end else None, row.used)


def books_are_right(shop: Shop) -> bool:
    """Counters, keys and history of all tenants; the app's id is not at hand here."""
    with Session(engine()) as session:
        app_id = session.get_one(models.Tenant, shop.actor.tenant_id).public_id
    return not [difference for part in check_books(app_id) for difference in part.differences]


def test_a_period_that_has_ended_is_closed_and_its_counter_moves_on(pro: Shop) -> None:
    with freeze_time("2026-01-31T10:00:00Z") as time:
        pro.subscribe("pro")
        pro.record(4)
        time.move_to("2026-02-28T09:59:59.999Z")
        reset_due()
        assert (history(pro), counter(pro)) == ([], ("2026-01-31", "2026-02-28", 4))

        time.move_to("2026-02-28T10:00:00Z")
        before = pro.usage()
        reset_due()
        assert history(pro) == [("2026-01-31", "2026-02-28", 4, 10, False, True)]
        assert counter(pro) == ("2026-02-28", "2026-03-31", 0)
        assert pro.usage() == before
        assert books_are_right(pro)

        rows = pro.rows()
        reset_due()
        assert pro.rows() == rows


def test_however_many_were_missed_each_has_its_row_and_the_counter_is_in_the_present(pro: Shop) -> None:
    with freeze_time("2026-01-31T10:00:00Z") as time:
        pro.subscribe("pro")
        pro.record(4)
        time.move_to("2026-05-01T00:00:00Z")
        before = pro.usage()
        reset_due()
        assert history(pro) == [
            ("2026-01-31", "2026-02-28", 4, 10, False, True),
            ("2026-02-28", "2026-03-31", 0, 10, False, True),
            ("2026-03-31", "2026-04-30", 0, 10, False, True),
        ]
        assert counter(pro) == ("2026-04-30", "2026-05-31", 0)
        assert pro.usage() == before


def test_more_than_are_closed_at_once_are_closed_by_the_runs_that_follow(pro: Shop) -> None:
    pro.package("daily", counted(10, DAY))
    with freeze_time("2026-01-01T10:00:00Z") as time:
        pro.subscribe("daily")
        pro.record(4)
        time.move_to("2026-04-30T10:00:00Z")  # 119 days
        reset_due()
        assert len(history(pro)) == usage_resets.PERIODS_AT_ONCE
        for _ in range(2):
            reset_due()
        assert [row[0] for row in history(pro)][-1] == "2026-04-29"
        assert len(history(pro)) == 119
        assert counter(pro) == ("2026-04-30", "2026-05-01", 0)


@pytest.mark.parametrize(
    ("per", "began", "now", "rows"),
    [
        ("MONTH", "2024-01-31T00:00:00Z", "2024-02-29T00:00:00Z", [("2024-01-31", "2024-02-29")]),
        ("YEAR", "2024-02-29T00:00:00Z", "2025-02-28T00:00:00Z", [("2024-02-29", "2025-02-28")]),
        ("YEAR", "2024-02-29T00:00:00Z", "2025-02-27T23:59:59.999Z", []),
        ("DAY", "2024-02-28T23:00:00Z", "2024-02-29T23:00:00Z", [("2024-02-28", "2024-02-29")]),
        ("MONTH", "2023-12-31T23:59:59.999Z", "2024-01-31T23:59:59.999Z", [("2023-12-31", "2024-01-31")]),
    ],
)
def test_at_the_ends_of_months_and_years(
    pro: Shop, per: str, began: str, now: str, rows: list[tuple[str, str]]
) -> None:
    pro.package("other", counted(3, ResetPeriod(per)))
    with freeze_time(began) as time:
        pro.subscribe("other")
        pro.record(2)
        time.move_to(now)
        reset_due()
        assert [row[:2] for row in history(pro)] == rows


def test_a_user_who_comes_before_the_job_leaves_the_period_for_it(pro: Shop) -> None:
    with freeze_time("2026-01-10T00:00:00Z") as time:
        pro.subscribe("pro")
        pro.record(4)
        time.move_to("2026-02-10T00:00:00Z")
        pro.record(3)
        assert history(pro) == [("2026-01-10", "2026-02-10", 4, None, False, False)]
        before = pro.usage()
        reset_due()
        assert history(pro) == [("2026-01-10", "2026-02-10", 4, 10, False, True)]
        assert counter(pro) == ("2026-02-10", "2026-03-10", 3)
        assert pro.usage() == before


def test_a_user_who_comes_months_before_the_job_does_not_hide_the_months_between(pro: Shop) -> None:
    with freeze_time("2026-01-10T00:00:00Z") as time:
        pro.subscribe("pro")
        pro.record(4)
        time.move_to("2026-04-10T00:00:00Z")
        pro.record(3)
        reset_due()
        assert [(row[0], row[2], row[5]) for row in history(pro)] == [
            ("2026-01-10", 4, True),
            ("2026-02-10", 0, True),
            ("2026-03-10", 0, True),
        ]


def test_a_late_event_changes_a_closed_period_as_it_changes_the_ledger(pro: Shop) -> None:
    with freeze_time("2026-01-10T00:00:00Z") as time:
        pro.subscribe("pro")
        first = pro.record(4)
        time.move_to("2026-02-10T00:00:00Z")
        reset_due()
        time.move_to("2026-02-11T00:00:00Z")

        pro.record(2, timestamp=datetime.fromisoformat("2026-02-09T00:00:00Z"))
        assert pro.past() == [("2026-01-10", 6)]
        revert_usage(pro.actor, first.event_id)
        assert pro.past() == [("2026-01-10", 2)]
        pro.record(9, SET, timestamp=datetime.fromisoformat("2026-02-09T00:00:00Z"))
        assert pro.past() == [("2026-01-10", 9)]

        assert history(pro) == [("2026-01-10", "2026-02-10", 9, 10, False, True)]
        assert books_are_right(pro)


def test_months_that_are_told_of_afterwards_are_closed_like_others(pro: Shop) -> None:
    with freeze_time("2026-01-10T00:00:00Z") as time:
        pro.subscribe("pro")
        time.move_to("2026-05-20T00:00:00Z")
        events = [
            RecordUsage(user_id="ada", feature_id="calls", delta=delta, timestamp=datetime.fromisoformat(at))
            for at, delta in (("2026-01-20T00:00:00Z", 4), ("2026-02-20T00:00:00Z", 5), ("2026-04-20T00:00:00Z", 6))
        ]
        record_batch(pro.actor, RecordUsages(events=events))
        before = pro.usage()
        reset_due()
        assert [(row[0], row[2], row[5]) for row in history(pro)] == [
            ("2026-01-10", 4, True),
            ("2026-02-10", 5, True),
            ("2026-03-10", 0, True),
            ("2026-04-10", 6, True),
        ]
        assert pro.usage() == before

        pro.record(2)  # the counter is in the present, and what is told now is of a month that nobody has told of
        pro.user("bob")
        pro.subscribe("pro", user_id="bob")
    with freeze_time("2026-08-01T00:00:00Z"):
        pro.record(1, user_id="bob")
        pro.record(3, user_id="bob", timestamp=datetime.fromisoformat("2026-06-25T00:00:00Z"))
        reset_due()
        assert [one.consumption.used for one in pro.usage(user_id="bob").past] == [3, 0]
        assert ("2026-06-20", "2026-07-20", 3, 10, False, True) in history(pro)


def test_a_process_whose_clock_is_behind_counts_in_the_closed_period_and_the_history_knows(pro: Shop) -> None:
    with freeze_time("2026-01-10T00:00:00Z") as time:
        pro.subscribe("pro")
        pro.record(4)
        time.move_to("2026-02-10T00:00:01Z")
        reset_due()
        time.move_to("2026-02-09T23:59:59Z")
        pro.record(3)
        assert counter(pro) == ("2026-02-10", "2026-03-10", 0)
        time.move_to("2026-02-10T00:00:02Z")
        assert (pro.past(), pro.used()) == ([("2026-01-10", 7)], 0)
        reset_due()
        assert history(pro)[0] == ("2026-01-10", "2026-02-10", 7, 10, False, True)
        assert counter(pro) == ("2026-02-10", "2026-03-10", 0)
        assert books_are_right(pro)


def test_a_reservation_that_is_settled_after_its_period_was_closed_counts_in_it(pro: Shop) -> None:
    with freeze_time("2026-02-09T23:59:30Z") as time:
        pro.subscribe("pro")
        pro.record(1)
        time.move_to("2026-03-09T23:59:00Z")
        held = reserve_usage(pro.actor, ReserveUsage(user_id="ada", feature_id="calls", delta=5, ttl_seconds=300))
        time.move_to("2026-03-10T00:00:00Z")
        reset_due()
        assert history(pro)[-1][:3] == ("2026-02-09", "2026-03-09", 1)
        assert held.reservation is not None
        commit_reservation(pro.actor, held.reservation.id, CommitReservation(delta=5))
        assert pro.past() == [("2026-02-09", 6)]


def test_what_was_allowed_at_its_end_stays_with_a_period(pro: Shop) -> None:
    pro.package("large", counted(500, overage=True))
    with freeze_time("2026-01-10T00:00:00Z") as time:
        (had,) = pro.subscribe("pro")
        pro.record(4)
        time.move_to("2026-02-10T00:00:00Z")
        reset_due()
        time.move_to("2026-02-20T00:00:00Z")
        pro.change(had.id, "large")
        assert [one.consumption.budget for one in pro.usage().past] == [10]
        time.move_to("2026-03-10T00:00:00Z")
        reset_due()
        assert [(row[3], row[4]) for row in history(pro)] == [(10, False), (500, True)]
        assert [(one.consumption.budget, one.consumption.overage_enabled) for one in pro.usage().past] == [
            (500, True),
            (10, False),
        ]


@pytest.mark.parametrize("settled_first", [True, False])
def test_a_change_at_the_periods_end_leaves_the_period_its_terms_whichever_job_is_first(
    pro: Shop, *, settled_first: bool
) -> None:
    pro.package("large", counted(500))
    with freeze_time("2026-01-10T00:00:00Z") as time:
        (had,) = pro.subscribe("pro")
        pro.record(4)
        pro.change(had.id, "large", at_period_end=True)
        time.move_to("2026-02-10T00:00:00Z")
        if settled_first:
            settle_due()
            assert pro.subscription(had.id).pending_change is None
        reset_due()
        assert history(pro) == [("2026-01-10", "2026-02-10", 4, 10, False, True)]
        settle_due()
        time.move_to("2026-03-10T00:00:00Z")
        reset_due()
        assert history(pro)[1:] == [("2026-02-10", "2026-03-10", 0, 500, False, True)]


def test_without_a_subscription_the_counter_stands_for_nothing_until_there_is_one_again(pro: Shop) -> None:
    with freeze_time("2026-01-10T00:00:00Z") as time:
        (had,) = pro.subscribe("pro")
        pro.record(4)
        pro.cancel(had.id, at_period_end=True)
        time.move_to("2026-02-10T00:00:00Z")
        reset_due()
        assert history(pro) == [("2026-01-10", "2026-02-10", 4, 10, False, True)]
        assert counter(pro) == (None, None, 0)

        time.move_to("2026-06-01T00:00:00Z")
        pro.subscribe("pro")
        pro.record(1)
        time.move_to("2026-07-01T00:00:00Z")
        reset_due()
        assert [(row[0], row[2]) for row in history(pro)] == [("2026-01-10", 4), ("2026-06-01", 1)]


def test_a_period_cut_short_by_a_better_package_is_closed_at_its_own_end_by_its_own_terms(pro: Shop) -> None:
    pro.addon("more", counted(50))
    with freeze_time("2026-01-10T00:00:00Z") as time:
        pro.subscribe("pro")
        pro.record(4)
        time.move_to("2026-01-20T00:00:00Z")
        pro.subscribe("more")
        pro.record(5)
        assert history(pro) == [("2026-01-10", "2026-02-10", 9, None, False, False)]
        reset_due()
        assert history(pro) == [("2026-01-10", "2026-02-10", 9, None, False, False)]
        time.move_to("2026-02-25T00:00:00Z")
        reset_due()
        # What was used after the change falls into both, as it does in the ledger.
        assert history(pro) == [
            ("2026-01-10", "2026-02-10", 9, 10, False, True),
            ("2026-01-20", "2026-02-20", 5, 50, False, True),
        ]
        assert counter(pro) == ("2026-02-20", "2026-03-20", 0)


def test_a_package_with_another_reset_period_leaves_the_terms_of_the_last_event(pro: Shop) -> None:
    pro.package("daily", counted(99, DAY))
    with freeze_time("2026-01-10T00:00:00Z") as time:
        (had,) = pro.subscribe("pro")
        pro.record(4)
        pro.change(had.id, "daily")
        time.move_to("2026-02-10T00:00:00Z")
        reset_due()
        assert history(pro) == [("2026-01-10", "2026-02-10", 4, 10, False, True)]
        assert counter(pro) == ("2026-02-10", "2026-02-11", 0)


def test_several_at_once_close_each_period_once_and_nobody_waits_for_a_counter_in_use(pro: Shop) -> None:
    for number in range(40):
        pro.user(f"u{number}")
    with freeze_time("2026-01-10T00:00:00Z") as time:
        for number in range(40):
            pro.subscribe("pro", user_id=f"u{number}")
            pro.record(number + 1, user_id=f"u{number}") if number < 10 else pro.record(user_id=f"u{number}")
        time.move_to("2026-02-10T00:00:00Z")
        listen(pro, WebhookEventType.USAGE_RESET)
        with transaction() as session:
            held = session.connection().execute(
                text("SELECT user_key FROM consumptions WHERE tenant_id = :id ORDER BY 1 LIMIT 1 FOR UPDATE"),
                {"id": pro.actor.tenant_id},
            )
            held_key = held.scalar_one()
            at_once(*[reset_due] * 4)
            assert len(history(pro)) == 39
        reset_due()
        assert len(history(pro)) == 40
        assert len(messages(pro)) == 40
        assert held_key in {row[1] for row in pro.rows("usage_periods")["usage_periods"]}


@pytest.fixture
def ten(pro: Shop) -> Shop:
    """Ten users, of whom the first has used 1 in the month that ends on 10 February, the second 2, and so on."""
    with freeze_time("2026-01-10T00:00:00Z"):
        for number in range(1, 11):
            pro.user(f"u{number}")
            pro.subscribe("pro", user_id=f"u{number}")
            pro.record(number, user_id=f"u{number}")
    return pro


def test_while_somebody_is_at_the_front_the_others_come_from_the_back(ten: Shop) -> None:
    with freeze_time("2026-02-10T00:00:00Z"):
        with transaction() as session:
            assert be_alone_at_the_front(session, ten.actor.tenant_id)
            held = queries.ended_counters(session, ten.actor.tenant_id, clock.now(), queries.BEFORE_ALL, 2, [])
            assert len(held) == 2
            reset_due()
            assert sorted(row[2] for row in history(ten)) == list(range(3, 11))
        reset_due()
        assert sorted(row[2] for row in history(ten)) == list(range(1, 11))


@pytest.mark.parametrize(("backwards", "start"), [(False, queries.BEFORE_ALL), (True, BEHIND_ALL)])
def test_from_either_end_each_counter_is_looked_at_once(ten: Shop, *, backwards: bool, start: queries.Position) -> None:
    tenant_id, last, closed = ten.actor.tenant_id, start, []
    with freeze_time("2026-02-10T00:00:00Z"), Session(engine()) as session:
        while True:
            found = close_plain(session, tenant_id, clock.now(), last, 4, [], backwards=backwards)
            if found.last is None:
                break
            assert found.taken == found.closed
            closed.append(found.closed)
            last = found.last
        used = session.exec(select(models.UsagePeriod.used).where(models.UsagePeriod.tenant_id == tenant_id)).all()
        session.rollback()
    assert closed == [4, 4, 2]
    assert sorted(used) == list(range(1, 11))


def test_endpoints_are_told_of_each_reset_once(pro: Shop) -> None:
    with freeze_time("2026-01-10T00:00:00Z") as time:
        listen(pro, WebhookEventType.USAGE_RESET)
        pro.subscribe("pro")
        pro.record(4)
        time.move_to("2026-03-10T00:00:00Z")
        reset_due()
        reset_due()
        assert [data for _, data in messages(pro)] == [
            {
                "userId": "ada",
                "featureId": "calls",
                "used": used,
                "limit": 10,
                "overageEnabled": False,
                "periodStart": f"2026-0{month}-10T00:00:00.000Z",
                "periodEnd": f"2026-0{month + 1}-10T00:00:00.000Z",
            }
            for month, used in ((1, 4), (2, 0))
        ]


_POISON = """
CREATE FUNCTION poisoned() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'this row is poisoned'; END $$;
CREATE TRIGGER poison BEFORE INSERT ON usage_periods FOR EACH ROW WHEN (NEW.used = 7777) EXECUTE FUNCTION poisoned();
"""
_ANTIDOTE = "DROP TRIGGER poison ON usage_periods; DROP FUNCTION poisoned()"


@pytest.fixture
def poison(product: str) -> Iterator[None]:
    """A period with 7,777 used cannot be closed."""
    with engine().begin() as connection:
        connection.exec_driver_sql(_POISON)
    yield
    with engine().begin() as connection:
        connection.exec_driver_sql(_ANTIDOTE)


def test_a_row_that_cannot_be_closed_is_set_aside_and_the_others_are_closed(pro: Shop, poison: None) -> None:
    pro.package("large", counted(10_000))
    with freeze_time("2026-01-10T00:00:00Z") as time:
        for number in range(25):
            pro.user(f"u{number}")
            pro.subscribe("large", user_id=f"u{number}")
            pro.record(7777 if number == 11 else 1, SET, user_id=f"u{number}")
        time.move_to("2026-02-10T00:00:00Z")
        reset_due()

        assert [row[2] for row in history(pro)] == [1] * 24
        ((tenant_id, _, job, row_id, error, attempts, *_),) = pro.rows("job_faults")["job_faults"]
        assert (tenant_id, job, attempts) == (pro.actor.tenant_id, "usage.reset_due", 1)
        assert row_id.count("/") == 1
        assert "this row is poisoned" in error

        reset_due()  # it is left alone for a minute
        assert pro.rows("job_faults")["job_faults"][0][5] == 1
        time.tick(61)
        reset_due()
        assert pro.rows("job_faults")["job_faults"][0][5] == 2


def test_a_row_that_was_set_aside_is_closed_when_the_cause_is_gone(pro: Shop, product: str) -> None:
    pro.package("large", counted(10_000))
    with freeze_time("2026-01-10T00:00:00Z") as time:
        pro.subscribe("large")
        pro.record(7777)
        time.move_to("2026-02-10T00:00:00Z")
        with engine().begin() as connection:
            connection.exec_driver_sql(_POISON)
        try:
            reset_due()
        finally:
            with engine().begin() as connection:
                connection.exec_driver_sql(_ANTIDOTE)
        assert (history(pro), len(pro.rows("job_faults")["job_faults"])) == ([], 1)
        time.tick(61)
        reset_due()
        assert history(pro) == [("2026-01-10", "2026-02-10", 7777, 10_000, False, True)]
        assert pro.rows("job_faults")["job_faults"] == []


def test_what_sql_does_alone_is_what_the_rules_do(pro: Shop) -> None:
    """Users of many kinds; those that SQL takes get the same rows and counters as from the rules, and the others are left."""
    pro.package("daily", counted(3, DAY))
    pro.package("yearly", counted(None, YEAR, overage=True))
    pro.addon("more", counted(50))
    kinds: list[tuple[str, ...]] = [("pro",), ("daily",), ("yearly",), ("pro", "more")]
    with freeze_time("2024-02-29T12:00:00Z") as time:
        for number, kind in enumerate(kinds * 3):
            pro.user(f"u{number}")
            subscribed = pro.subscribe(*kind, user_id=f"u{number}")
            pro.record(number % 3 + 1, user_id=f"u{number}")
            if number in {4, 5}:
                pro.cancel(subscribed[0].id, at_period_end=True)
        for end, ahead, plain in (
            ("2024-03-01", "u9", {"u1"}),
            ("2024-03-29", "u8", {"u0"}),
            ("2025-02-28", "u10", {"u2", "u6"}),
        ):
            time.move_to(f"{end}T11:58:00Z")
            # It counts in the following period, where the counter does not stand yet.
            pro.record(1, user_id=ahead, timestamp=pro.now_and(minutes=3))
            time.move_to(f"{end}T12:00:00Z")
            assert _both_ways(pro) == plain


def _both_ways(shop: Shop) -> set[str]:
    """The users whose counters SQL closed alone; the rules did the same with them. Nothing is kept of either."""
    tenant_id, now = shop.actor.tenant_id, clock.now()
    with Session(engine()) as session:
        due = len(queries.ended_counters(session, tenant_id, now, queries.BEFORE_ALL, 100, []))
        found = close_plain(session, tenant_id, now, queries.BEFORE_ALL, 100, [])
        rows = session.exec(select(models.UsagePeriod).where(models.UsagePeriod.tenant_id == tenant_id)).all()
        done = {(tenant_id, row.user_key, row.feature_key) for row in rows if row.closed_at}
        assert (found.taken, found.closed) == (due, len(done))
        by_sql = _state(session, done)
        names = {session.get_one(models.User, (tenant_id, user_key)).id for _, user_key, _ in done}
        session.rollback()
    with Session(engine()) as session:
        queries.ended_counters(session, tenant_id, now, queries.BEFORE_ALL, 100, [])
        usage_resets.close_by_rules(session, sorted(done), now)
        assert _state(session, done) == by_sql
        session.rollback()
    return names


def _state(session: Session, pairs: set[tuple[int, int, int]]) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for tenant_id, user_key, feature_key in sorted(pairs):
        for table in ("consumptions", "usage_periods"):
            rows = session.connection().exec_driver_sql(
                f"SELECT * FROM {table} WHERE tenant_id = %s AND user_key = %s AND feature_key = %s ORDER BY period_start",  # noqa: S608 — our own names
                (tenant_id, user_key, feature_key),
            )
            found += [tuple(row) for row in rows]
    return found
