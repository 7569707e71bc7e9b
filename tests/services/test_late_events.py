"""Late events: usage that is told of after it has happened counts at its own moment, by the rules of then."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from freezegun import freeze_time

from app.contract.usage import Consumption, RecordedUsage
from app.domain.entitlements import NO_SUBSCRIPTION
from app.domain.metering import LIMIT_WOULD_BE_EXCEEDED
from app.errors import IdempotencyConflictError, InvalidInputError
from app.services.reservations import CommitReservation, ReserveUsage, commit_reservation, reserve_usage
from app.settings import settings
from tests.services.books_by_hand import read_books
from tests.services.shop import SET, YEAR, Shop, counted

MILLISECOND = timedelta(milliseconds=1)
START = datetime(2026, 1, 31, 10, 0, 0, tzinfo=UTC)
"""Ada's subscription. Her periods begin on 31 January, 28 February, 31 March and 30 April, at ten."""


def at(month: int, day: int, hour: int = 10, **more: int) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC) + timedelta(**more)


@pytest.fixture
def time() -> Iterator[Any]:
    with freeze_time(START) as frozen:
        yield frozen


@pytest.fixture
def pro(shop: Shop, time: Any) -> Shop:
    """Ada has 10 calls a month, and it is 15 April: her third period."""
    shop.feature()
    shop.package("pro", counted(10))
    shop.user()
    shop.subscribe("pro")
    time.move_to(at(4, 15))
    return shop


@pytest.fixture
def kept_400_days(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The ledger keeps usage events for so long."""
    monkeypatch.setenv("USAGE_RETENTION_DAYS", "400")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


def late(shop: Shop, when: datetime, delta: int = 1, **more: Any) -> RecordedUsage:
    return shop.record(delta, timestamp=when, **more)


def of_ten(used: int) -> Consumption:
    return Consumption(used=used, budget=10, overage_enabled=False, reserved=0)


def counters_agree(shop: Shop) -> bool:
    (book,) = read_books(shop.actor.tenant_id, ["ada"])
    return book.counter_is_right()


def test_a_late_event_counts_in_its_own_period_and_changes_what_was_used_then(pro: Shop) -> None:
    pro.record(2)

    assert late(pro, at(2, 14), 7).consumption == of_ten(7)
    assert late(pro, at(3, 1), 4).consumption == of_ten(4)
    assert late(pro, at(4, 1), 3).consumption == of_ten(5)

    assert (pro.used(), pro.past()) == (5, [("2026-02-28", 4), ("2026-01-31", 7)])
    assert counters_agree(pro)


def test_the_limit_of_its_own_period_applies_whatever_is_used_now(pro: Shop) -> None:
    pro.record(10)
    assert late(pro, at(3, 1), 10).recorded is True

    refused = late(pro, at(3, 2))

    assert (refused.recorded, refused.reason, refused.consumption) == (False, LIMIT_WOULD_BE_EXCEEDED, of_ten(10))
    assert pro.record().reason == LIMIT_WOULD_BE_EXCEEDED
    assert late(pro, at(2, 1)).recorded is True


@pytest.mark.parametrize(
    ("when", "began"),
    [
        (at(1, 31), "2026-01-31"),
        (at(2, 28) - MILLISECOND, "2026-01-31"),
        (at(2, 28), "2026-02-28"),
        (at(3, 31) - MILLISECOND, "2026-02-28"),
        (at(3, 31), "2026-03-31"),
    ],
)
def test_a_period_begins_with_its_first_millisecond(pro: Shop, when: datetime, began: str) -> None:
    late(pro, when, 3)

    assert {"2026-03-31": pro.used(), **dict(pro.past())} == {
        "2026-03-31": 0,
        "2026-02-28": 0,
        "2026-01-31": 0,
        began: 3,
    }


@pytest.mark.parametrize("when", [START - MILLISECOND, at(1, 1), datetime(1, 1, 1, tzinfo=UTC)])
def test_before_the_subscription_nothing_is_recorded_and_the_attempt_is_kept(pro: Shop, when: datetime) -> None:
    refused = late(pro, when)

    assert (refused.recorded, refused.reason, refused.consumption) == (False, NO_SUBSCRIPTION, None)
    assert pro.ledger("id", "at", "recorded") == [(int(refused.event_id), when, False)]
    assert (pro.used(), pro.past()) == (0, [("2026-02-28", 0), ("2026-01-31", 0)])


def test_a_subscription_cancelled_since_still_counts_for_the_time_before_its_end(pro: Shop, time: Any) -> None:
    pro.record(2)
    (subscription,) = pro.subscriptions()
    pro.cancel(subscription.id)
    ended = at(4, 15)
    time.move_to(at(5, 20))

    assert pro.record().reason == NO_SUBSCRIPTION
    assert late(pro, ended - MILLISECOND, 8).consumption == of_ten(10)
    assert late(pro, ended - MILLISECOND).reason == LIMIT_WOULD_BE_EXCEEDED
    assert late(pro, at(3, 1), 9).consumption == of_ten(9)
    assert late(pro, ended).reason == NO_SUBSCRIPTION
    assert counters_agree(pro)


def test_of_two_subscriptions_in_turn_each_decides_about_its_own_time(pro: Shop, time: Any) -> None:
    (first,) = pro.subscriptions()
    pro.cancel(first.id, at_period_end=True)
    pro.package("year", counted(100, YEAR))
    time.move_to(at(5, 10))
    pro.subscribe("year")
    time.move_to(at(6, 1))

    assert late(pro, at(4, 30) - MILLISECOND, 10).consumption == of_ten(10)
    assert late(pro, at(5, 5)).reason == NO_SUBSCRIPTION
    assert late(pro, at(5, 10), 70).consumption == Consumption(used=70, budget=100, overage_enabled=False, reserved=0)
    assert (pro.used(), counters_agree(pro)) == (70, True)


def test_a_subscription_that_was_changed_since_decides_by_the_package_it_has_now(pro: Shop) -> None:
    pro.package("max", counted(25))
    late(pro, at(3, 1), 10)
    pro.change(pro.subscriptions()[0].id, "max")

    answer = late(pro, at(3, 2), 15)

    assert answer.consumption == Consumption(used=25, budget=25, overage_enabled=False, reserved=0)
    assert late(pro, at(3, 3)).reason == LIMIT_WOULD_BE_EXCEEDED


def test_a_late_set_replaces_what_was_told_of_its_period_until_then(pro: Shop) -> None:
    late(pro, at(3, 20), 8)
    late(pro, at(3, 10), 4, action=SET)
    late(pro, at(3, 1), 2)

    assert pro.past()[0] == ("2026-02-28", 6)
    assert late(pro, at(3, 1), 11, action=SET).reason == LIMIT_WOULD_BE_EXCEEDED
    assert late(pro, at(3, 1), -9).consumption == of_ten(0)
    assert (pro.past()[0], counters_agree(pro)) == (("2026-02-28", 0), True)


def test_a_late_event_leaves_the_counter_where_it_is(pro: Shop) -> None:
    pro.record(5)
    before = pro.rows("consumptions")

    late(pro, at(3, 1), 9)

    assert pro.rows("consumptions") == before
    assert pro.record(5).consumption == of_ten(10)


def test_five_minutes_ahead_is_as_far_as_clocks_go_wrong(pro: Shop) -> None:
    before = pro.rows()

    with pytest.raises(InvalidInputError) as refused:
        late(pro, pro.now_and(minutes=5, milliseconds=1), idempotency_key="k")
    assert (refused.value.field, refused.value.problem) == ("timestamp", "must be at most 5 minutes ahead of now")
    assert pro.rows() == before
    assert late(pro, pro.now_and(minutes=5), idempotency_key="k").recorded is True


def test_an_event_ahead_of_now_counts_in_the_period_that_it_will_be_then(pro: Shop, time: Any) -> None:
    time.move_to(at(4, 30) - timedelta(minutes=2))
    pro.record(10)

    assert late(pro, at(4, 30), 6).consumption == of_ten(6)

    assert pro.used() == 10
    time.move_to(at(4, 30))
    assert (pro.used(), pro.record(5).reason, pro.record(4).consumption) == (6, LIMIT_WOULD_BE_EXCEEDED, of_ten(10))
    assert counters_agree(pro)


def test_an_event_ahead_of_now_within_the_period_counts_at_once(pro: Shop) -> None:
    late(pro, pro.now_and(minutes=5), 6)

    assert (pro.used(), counters_agree(pro)) == (6, True)


@pytest.mark.usefixtures("kept_400_days")
def test_nothing_older_than_the_ledger_keeps_is_taken(pro: Shop, time: Any) -> None:
    time.move_to(START + timedelta(days=400))
    before = pro.rows()

    with pytest.raises(InvalidInputError) as refused:
        late(pro, START - MILLISECOND)
    assert str(refused.value) == "timestamp: must not be older than the 400 days that the ledger keeps"
    assert pro.rows() == before
    assert late(pro, START).recorded is True


def test_a_repeat_of_a_late_event_counts_once_and_another_moment_is_other_content(pro: Shop, time: Any) -> None:
    first = late(pro, at(3, 1), 3, idempotency_key="k")
    time.tick(timedelta(days=100))

    again = late(pro, at(3, 1), 3, idempotency_key="k")

    assert (again.event_id, again.duplicate, again.consumption) == (first.event_id, True, of_ten(3))
    for other in (at(3, 1) + MILLISECOND, None):
        with pytest.raises(IdempotencyConflictError):
            late(pro, other, 3, idempotency_key="k")
    now = pro.record(1, idempotency_key="now")
    assert pro.record(1, idempotency_key="now").event_id == now.event_id
    with pytest.raises(IdempotencyConflictError):
        late(pro, pro.now_and(milliseconds=1), 1, idempotency_key="now")


def test_a_moment_in_another_zone_is_the_same_moment_and_is_kept_to_the_millisecond(pro: Shop) -> None:
    in_delhi = datetime.fromisoformat("2026-02-28T15:29:59.999999+05:30")
    late(pro, in_delhi, 3)

    assert pro.past() == [("2026-02-28", 0), ("2026-01-31", 3)]
    assert pro.ledger("at") == [(at(2, 28) - MILLISECOND,)]


def test_what_was_held_then_and_still_is_leaves_late_events_less_room(pro: Shop, time: Any) -> None:
    time.move_to(at(4, 30) - timedelta(minutes=1))
    made = reserve_usage(pro.actor, ReserveUsage(user_id="ada", feature_id="calls", delta=6))
    time.move_to(at(4, 30) + timedelta(minutes=1))
    before = at(4, 30) - MILLISECOND

    assert late(pro, before, 5).reason == LIMIT_WOULD_BE_EXCEEDED
    assert late(pro, before, 4).recorded is True
    assert made.reservation is not None
    assert commit_reservation(pro.actor, made.reservation.id, CommitReservation()).consumption == of_ten(10)
    assert (pro.used(), pro.past()[0]) == (0, ("2026-03-31", 10))
