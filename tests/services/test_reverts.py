"""Taking a usage event back: what it applied, where it was counted, once."""

from datetime import timedelta
from typing import Any

import pytest
from freezegun import freeze_time

from app.contract.actors import Actor
from app.contract.reservations import CommitReservation, ReserveUsage
from app.contract.usage import Consumption, RecordedUsage, RecordUsage
from app.contract.users import UpdateUser
from app.domain.metering import Enforcement
from app.domain.values import INT32_MAX
from app.errors import RevertError, UsageEventNotFoundError
from app.services import users
from app.services.reservations import commit_reservation, reserve_usage
from app.services.reverts import revert_usage
from app.services.usage import record_usage
from tests.services.at_once import at_once
from tests.services.books_by_hand import read_books
from tests.services.shop import DAY, SET, Shop, counted


@pytest.fixture
def pro(shop: Shop) -> Shop:
    """Ada has 10 calls a month."""
    shop.feature()
    shop.package("pro", counted(10))
    shop.user()
    shop.subscribe("pro")
    return shop


def revert(shop: Shop, event: RecordedUsage) -> RecordedUsage:
    return revert_usage(shop.actor, event.event_id)


def of_ten(used: int, reserved: int = 0) -> Consumption:
    return Consumption(used=used, budget=10, overage_enabled=False, reserved=reserved)


def counter_agrees(shop: Shop) -> bool:
    (book,) = read_books(shop.actor.tenant_id, ["ada"])
    return book.counter_is_right()


def test_what_was_added_is_taken_back_by_an_event_of_its_own(pro: Shop) -> None:
    first = pro.record(4)
    pro.record(3)

    back = revert(pro, first)

    assert (back.recorded, back.reason, back.duplicate, back.consumption) == (True, None, False, of_ten(3))
    assert int(back.event_id) > int(first.event_id)
    assert pro.ledger("action", "delta", "applied", "recorded", "reverts_id") == [
        ("ADD", 4, 4, True, None),
        ("ADD", 3, 3, True, None),
        ("ADD", -4, -4, True, int(first.event_id)),
    ]
    moments = pro.ledger("at")
    assert moments[2] == moments[0]  # where the first counts
    assert (pro.used(), counter_agrees(pro)) == (3, True)


def test_a_second_revert_changes_nothing_and_gets_the_first_answer(pro: Shop) -> None:
    event = pro.record(4)
    first = revert(pro, event)
    pro.record(9)
    before = pro.rows()

    again = revert(pro, event)

    assert (again.duplicate, again.event_id, again.consumption) == (True, first.event_id, of_ten(0))
    assert pro.rows() == before


def test_one_event_reverted_at_once_is_taken_back_once(pro: Shop) -> None:
    pro.record(5)
    event = pro.record(4)

    answers = at_once(*[lambda: revert(pro, event)] * 8)

    assert len({answer.event_id for answer in answers}) == 1
    assert sorted(answer.duplicate for answer in answers) == [False] + [True] * 7
    assert (pro.used(), counter_agrees(pro)) == (5, True)


def test_a_taking_back_that_was_cut_at_zero_gives_back_what_it_took(pro: Shop) -> None:
    pro.record(3)
    event = pro.record(-5)

    assert revert(pro, event).consumption == of_ten(3)


def test_a_set_gives_back_the_difference_it_made(pro: Shop) -> None:
    pro.record(9)
    down = pro.record(2, SET)
    up = pro.record(6, SET)

    assert revert(pro, up).consumption == of_ten(2)
    assert revert(pro, down).consumption == of_ten(9)
    assert (pro.used(), counter_agrees(pro)) == (9, True)


def test_after_a_later_set_the_total_is_cut_at_zero(pro: Shop) -> None:
    event = pro.record(8)
    pro.record(3, SET)

    back = revert(pro, event)

    assert (back.consumption, pro.used()) == (of_ten(0), 0)
    assert pro.ledger("delta", "applied") == [(8, 8), (3, -5), (-8, -3)]
    assert pro.record(2).consumption == of_ten(2)
    assert counter_agrees(pro)


def test_no_limit_and_no_reservation_refuses_it(pro: Shop) -> None:
    pro.record(9)
    event = pro.record(-9)
    pro.record(6)
    reserve_usage(pro.actor, ReserveUsage(user_id="ada", feature_id="calls", delta=4))

    assert revert(pro, event).consumption == of_ten(15, reserved=4)
    assert pro.access().access is False


def test_it_counts_in_the_period_of_the_event_however_long_ago(pro: Shop) -> None:
    with freeze_time("2026-01-31T10:00:00Z") as clock:
        pro.user("bob")
        pro.subscribe("pro", user_id="bob")
        event = pro.record(7, user_id="bob")
        pro.record(2, user_id="bob")
        clock.move_to("2027-06-01T00:00:00Z")
        pro.record(5, user_id="bob")
        before = pro.rows("consumptions")

        assert revert(pro, event).consumption == of_ten(2)

        shown = pro.usage(user_id="bob")
        assert (shown.current.consumption, shown.past[-1].consumption) == (of_ten(5), of_ten(2))
        assert pro.rows("consumptions") == before


def test_it_works_when_the_subscription_is_over_and_the_user_has_another_name(pro: Shop) -> None:
    event = pro.record(7)
    pro.record(2)
    pro.cancel(pro.subscriptions()[0].id)
    users.update_user(pro.actor, "ada", UpdateUser(id="lovelace"))

    assert revert(pro, event).consumption == of_ten(2)
    (book,) = read_books(pro.actor.tenant_id, ["lovelace"])
    assert (book.counter.used, book.counter_is_right()) == (2, True)


def test_it_counts_in_every_period_that_holds_the_moment(pro: Shop) -> None:
    """An add-on decides by days; without it the base counts the same events by months."""
    with freeze_time("2026-03-05T12:00:00Z") as clock:
        pro.package("burst", counted(50, DAY), is_addon=True)
        pro.user("bob")
        pro.subscribe("pro", user_id="bob")
        (addon,) = pro.subscribe("burst", user_id="bob")
        event = pro.record(8, user_id="bob")
        clock.tick(timedelta(days=1))
        pro.record(1, user_id="bob")
        pro.cancel(addon.id)
        assert pro.access(user_id="bob").consumption == of_ten(9)

        answer = revert(pro, event)

        # As the day stood in which the event was counted.
        assert answer.consumption == Consumption(used=0, budget=50, overage_enabled=False, reserved=0)
        assert pro.access(user_id="bob").consumption == of_ten(1)


def test_the_settlement_of_a_reservation_can_be_taken_back(pro: Shop) -> None:
    made = reserve_usage(pro.actor, ReserveUsage(user_id="ada", feature_id="calls", delta=6))
    assert made.reservation is not None
    settled = commit_reservation(pro.actor, made.reservation.id, CommitReservation(delta=5))

    assert revert(pro, settled).consumption == of_ten(0)
    again = commit_reservation(pro.actor, made.reservation.id, CommitReservation(delta=5))
    assert (again.duplicate, pro.used()) == (True, 0)


@pytest.mark.parametrize("what", ["refused", "a taking back"])
def test_what_was_not_counted_and_what_takes_back_cannot_be_reverted(pro: Shop, what: str) -> None:
    event = pro.record(11) if what == "refused" else revert(pro, pro.record(5))
    before = pro.rows()

    with pytest.raises(RevertError) as refused:
        revert(pro, event)
    assert (
        refused.value.message
        == {
            "refused": f"Event {event.event_id} was not counted, so there is nothing to take back.",
            "a taking back": f"Event {event.event_id} takes another one back and cannot be reverted. Record the usage again.",
        }[what]
    )
    assert pro.rows() == before


def test_an_event_of_nobody_or_of_another_tenant_is_not_there(pro: Shop, other_shop: Shop) -> None:
    event = pro.record(5)

    for event_id in (event.event_id, "0", "-1", "007", "²", "x", "", "9" * 30):
        with pytest.raises(UsageEventNotFoundError):
            revert_usage(other_shop.actor, event_id)
    assert pro.used() == 5


def test_a_total_that_an_int_cannot_carry_is_refused_and_one_beyond_it_may_shrink(shop: Shop) -> None:
    shop.feature()
    shop.package("free", counted(None))
    shop.user()
    shop.subscribe("free")
    shop.record(INT32_MAX)
    to_zero = shop.record(0, SET)
    one = shop.record(1)
    before = shop.rows()

    with pytest.raises(RevertError) as refused:
        revert(shop, to_zero)
    assert refused.value.message == (
        f"Event {to_zero.event_id} cannot be reverted: the period's total would exceed {INT32_MAX}."
    )
    assert shop.rows() == before
    revert(shop, one)
    assert revert(shop, to_zero).consumption.used == INT32_MAX


def test_usage_over_the_limit_that_was_recorded_as_a_fact_can_be_taken_back(pro: Shop) -> None:
    lenient = Actor(pro.actor.tenant_id, pro.actor.app_id, Enforcement.RECORD)
    event = record_usage(lenient, RecordUsage(user_id="ada", feature_id="calls", delta=15))

    assert revert(pro, event).consumption == of_ten(0)


def test_the_key_of_an_event_that_was_taken_back_still_answers_its_repeat(pro: Shop) -> None:
    call: dict[str, Any] = {"delta": 5, "idempotency_key": "k"}
    event = pro.record(**call)
    revert(pro, event)

    again = pro.record(**call)

    assert (again.event_id, again.duplicate, again.consumption, pro.used()) == (event.event_id, True, of_ten(5), 0)
