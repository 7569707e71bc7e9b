"""Reservations: what is held counts against the limit, is settled once, and frees itself."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from freezegun import freeze_time

from app.contract.reservations import CommitReservation, ReservedUsage, ReserveUsage
from app.contract.usage import Consumption
from app.contract.users import UpdateUser
from app.domain.metering import LIMIT_WOULD_BE_EXCEEDED
from app.domain.reservations import ReservationStatus
from app.errors import (
    IdempotencyConflictError,
    ReservationError,
    ReservationNotFoundError,
)
from app.services import users
from app.services.reservations import commit_reservation, get_reservation, release_reservation, reserve_usage
from tests.services.at_once import at_once, patiently
from tests.services.shop import SET, Shop, counted
from tests.tenants import Tenant


@pytest.fixture
def shop(tenant: Tenant) -> Shop:
    """Ada may use 500 credits a month."""
    shop = Shop(tenant.actor)
    shop.feature()
    shop.package("pro", counted(500))
    shop.user("ada")
    shop.subscribe("pro")
    return shop


def reserve(shop: Shop, delta: int, ttl_seconds: int = 300, key: str | None = None) -> ReservedUsage:
    command = ReserveUsage(user_id="ada", feature_id="calls", delta=delta, ttl_seconds=ttl_seconds, idempotency_key=key)
    return reserve_usage(shop.actor, command)


def held(shop: Shop) -> tuple[int, int]:
    """(used, reserved)"""
    consumption = shop.access().consumption
    assert consumption is not None
    return consumption.used, consumption.reserved


def of(used: int, reserved: int = 0, *, budget: int = 500) -> Consumption:
    return Consumption(used=used, budget=budget, overage_enabled=False, reserved=reserved)


def test_twenty_simultaneous_reservations_of_75_out_of_500_give_exactly_six(shop: Shop) -> None:
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: reserve(shop, 75), range(20)))

    assert sum(answer.reserved for answer in answers) == 6
    assert {answer.reason for answer in answers if not answer.reserved} == {LIMIT_WOULD_BE_EXCEEDED}
    assert held(shop) == (0, 450)
    assert shop.access(50).access is True
    assert shop.access(51).access is False


def test_a_commit_settles_the_real_amount_and_frees_the_rest(shop: Shop) -> None:
    made = reserve(shop, 400)
    assert made.reservation is not None
    assert shop.record(101).reason == LIMIT_WOULD_BE_EXCEEDED

    settled = commit_reservation(shop.actor, made.reservation.id, CommitReservation(delta=120))

    assert (settled.recorded, settled.consumption.used, settled.consumption.reserved) == (True, 120, 0)
    assert held(shop) == (120, 0)
    again = commit_reservation(shop.actor, made.reservation.id, CommitReservation(delta=120))
    assert (again.duplicate, again.event_id) == (True, settled.event_id)
    with pytest.raises(ReservationError):
        commit_reservation(shop.actor, made.reservation.id, CommitReservation(delta=121))
    with pytest.raises(ReservationError):
        release_reservation(shop.actor, made.reservation.id)
    assert held(shop) == (120, 0)
    assert get_reservation(shop.actor, made.reservation.id).status is ReservationStatus.COMMITTED


def test_beyond_what_was_held_the_limit_decides_about_the_whole_and_the_hold_stays(shop: Shop) -> None:
    made = reserve(shop, 100)
    shop.record(350)

    refused = commit_reservation(shop.actor, made.reservation.id, CommitReservation(delta=151))
    assert (refused.recorded, refused.reason) == (False, LIMIT_WOULD_BE_EXCEEDED)
    assert held(shop) == (350, 100)
    assert commit_reservation(shop.actor, made.reservation.id, CommitReservation(delta=150)).recorded is True
    assert held(shop) == (500, 0)


def test_what_was_held_can_always_be_settled_whatever_was_set_meanwhile(shop: Shop) -> None:
    made = reserve(shop, 100)
    assert shop.record(450, SET).recorded is False
    assert shop.record(400, SET).recorded is True

    assert commit_reservation(shop.actor, made.reservation.id, CommitReservation()).recorded is True
    assert held(shop) == (500, 0)


def test_time_alone_frees_what_is_held(shop: Shop) -> None:
    with freeze_time() as clock:
        made = reserve(shop, 500, ttl_seconds=60)
        clock.tick(59.999)
        assert held(shop) == (0, 500)
        clock.tick(0.001)
        assert held(shop) == (0, 0)
        assert shop.record(500).recorded is True
        assert get_reservation(shop.actor, made.reservation.id).status is ReservationStatus.EXPIRED
        with pytest.raises(ReservationError, match="EXPIRED"):
            commit_reservation(shop.actor, made.reservation.id, CommitReservation())
        assert release_reservation(shop.actor, made.reservation.id).status is ReservationStatus.EXPIRED
    assert shop.used() == 500


def test_each_frees_itself_at_its_own_time(shop: Shop) -> None:
    with freeze_time() as clock:
        short, long = reserve(shop, 100, ttl_seconds=60), reserve(shop, 30, ttl_seconds=300)
        later = reserve(shop, 7, ttl_seconds=90)
        seen = []
        for seconds in (59, 1, 29, 1, 209, 1):
            clock.tick(seconds)
            seen.append(held(shop))

        assert seen == [(0, 137), (0, 37), (0, 37), (0, 30), (0, 30), (0, 0)]
        statuses = [get_reservation(shop.actor, made.reservation.id).status for made in (short, long, later)]
        assert statuses == [ReservationStatus.EXPIRED] * 3


def test_a_release_frees_at_once_and_can_be_repeated(shop: Shop) -> None:
    made = reserve(shop, 500)

    assert release_reservation(shop.actor, made.reservation.id).status is ReservationStatus.RELEASED
    assert release_reservation(shop.actor, made.reservation.id).status is ReservationStatus.RELEASED
    assert held(shop) == (0, 0)
    with pytest.raises(ReservationError, match="RELEASED"):
        commit_reservation(shop.actor, made.reservation.id, CommitReservation())


def test_a_repeated_key_holds_once(shop: Shop) -> None:
    first = reserve(shop, 300, key="k")
    again = reserve(shop, 300, key="k")

    assert (again.duplicate, again.reservation.id) == (True, first.reservation.id)
    assert again.consumption == first.consumption
    assert held(shop) == (0, 300)
    with pytest.raises(IdempotencyConflictError):
        reserve(shop, 301, key="k")


def test_a_settlement_counts_in_the_period_of_its_reservation(shop: Shop) -> None:
    with freeze_time("2026-01-31T10:00:00Z") as clock:
        shop.user("bob")
        shop.subscribe("pro", user_id="bob")
        clock.move_to("2026-02-28T09:59:59Z")
        made = reserve_usage(shop.actor, ReserveUsage(user_id="bob", feature_id="calls", delta=200))
        clock.move_to("2026-02-28T10:00:01Z")
        assert shop.access(user_id="bob").consumption.reserved == 0

        commit_reservation(shop.actor, made.reservation.id, CommitReservation(delta=30))

        usage = shop.usage(user_id="bob")
        assert (usage.current.consumption.used, [past.consumption.used for past in usage.past]) == (0, [30])


def test_another_tenants_reservation_is_not_there(shop: Shop, other_tenant: Tenant) -> None:
    made = reserve(shop, 10)
    for identifier in (made.reservation.id, "007", "x", "9" * 30, ""):
        with pytest.raises(ReservationNotFoundError):
            commit_reservation(other_tenant.actor, identifier, CommitReservation())
        with pytest.raises(ReservationNotFoundError):
            release_reservation(other_tenant.actor, identifier)
    assert held(shop) == (0, 10)


def test_what_is_held_at_the_end_of_a_period_is_shown_there_and_limits_late_events(shop: Shop) -> None:
    with freeze_time("2026-01-31T10:00:00Z") as clock:
        shop.user("bob")
        shop.subscribe("pro", user_id="bob")
        clock.move_to("2026-02-28T09:59:00Z")
        made = reserve_usage(shop.actor, ReserveUsage(user_id="bob", feature_id="calls", delta=200, ttl_seconds=600))
        clock.move_to("2026-02-28T10:00:00Z")

        usage = shop.usage(user_id="bob")
        assert (usage.current.consumption.reserved, [past.consumption.reserved for past in usage.past]) == (0, [200])
        then = shop.now_and(seconds=-1)
        refused = shop.record(301, user_id="bob", timestamp=then)
        assert (refused.recorded, refused.reason, refused.consumption) == (False, LIMIT_WOULD_BE_EXCEEDED, of(0, 200))
        assert shop.record(300, user_id="bob", timestamp=then).recorded is True
        assert shop.record(500, user_id="bob").recorded is True

        assert commit_reservation(shop.actor, made.reservation.id, CommitReservation()).recorded is True
        usage = shop.usage(user_id="bob")
        assert (usage.current.consumption, [past.consumption for past in usage.past]) == (of(500), [of(500)])


def test_a_settlement_with_nothing_used_records_a_zero_and_frees_all(shop: Shop) -> None:
    made = reserve(shop, 400)

    settled = commit_reservation(shop.actor, made.reservation.id, CommitReservation(delta=0))

    assert (settled.recorded, settled.consumption) == (True, of(0))
    found = get_reservation(shop.actor, made.reservation.id)
    assert (found.status, found.event_id) == (ReservationStatus.COMMITTED, settled.event_id)


def test_a_refused_settlement_is_kept_in_the_ledger_and_can_be_tried_again(shop: Shop) -> None:
    made = reserve(shop, 100)
    shop.record(400)
    commit_reservation(shop.actor, made.reservation.id, CommitReservation(delta=101))

    assert shop.ledger("delta", "applied", "recorded") == [(400, 400, True), (101, 0, False)]
    assert get_reservation(shop.actor, made.reservation.id).status is ReservationStatus.HELD
    assert commit_reservation(shop.actor, made.reservation.id, CommitReservation(delta=100)).recorded is True


def test_a_reservation_of_a_renamed_user_is_still_theirs(shop: Shop) -> None:
    made = reserve(shop, 100, key="k")
    users.update_user(shop.actor, "ada", UpdateUser(id="lovelace"))

    assert get_reservation(shop.actor, made.reservation.id).user_id == "lovelace"
    command = ReserveUsage(user_id="lovelace", feature_id="calls", delta=100, idempotency_key="k")
    assert reserve_usage(shop.actor, command).duplicate is True
    commit_reservation(shop.actor, made.reservation.id, CommitReservation(delta=7))
    assert shop.access(user_id="lovelace").consumption == of(7)


def test_a_key_is_for_one_user_feature_amount_and_time_and_a_refusal_does_not_use_it_up(shop: Shop) -> None:
    shop.user("bob")
    shop.feature("mails")
    assert reserve(shop, 501, key="k").reserved is False
    assert reserve(shop, 500, key="k").duplicate is False

    for other in ({"user_id": "bob"}, {"feature_id": "mails"}, {"delta": 1}, {"ttl_seconds": 301}):
        asked = {"user_id": "ada", "feature_id": "calls", "delta": 500, "idempotency_key": "k"} | other
        with pytest.raises(IdempotencyConflictError):
            reserve_usage(shop.actor, ReserveUsage(**asked))
    assert held(shop) == (0, 500)


def test_one_key_at_once_holds_once(shop: Shop) -> None:
    answers = at_once(*[lambda: reserve(shop, 75, key="k")] * 8)

    assert len({answer.reservation.id for answer in answers}) == 1
    assert sorted(answer.duplicate for answer in answers) == [False] + [True] * 7
    assert held(shop) == (0, 75)


def test_settled_and_released_at_once_it_ends_one_way(shop: Shop) -> None:
    made = reserve(shop, 75)
    commit = CommitReservation(delta=75)

    answers = at_once(
        *[lambda: commit_reservation(shop.actor, made.reservation.id, commit)] * 4,
        *[lambda: release_reservation(shop.actor, made.reservation.id)] * 4,
    )

    status = get_reservation(shop.actor, made.reservation.id).status
    losers = answers[4:] if status is ReservationStatus.COMMITTED else answers[:4]
    assert [type(answer) for answer in losers] == [ReservationError] * 4
    assert held(shop) == ((75, 0) if status is ReservationStatus.COMMITTED else (0, 0))


def test_of_two_users_who_take_one_key_at_once_one_has_it(shop: Shop) -> None:
    shop.user("bob")
    shop.subscribe("pro", user_id="bob")

    def reserving(user_id: str, key: str) -> Callable[[], ReservedUsage]:
        command = ReserveUsage(user_id=user_id, feature_id="calls", delta=1, idempotency_key=key)
        return lambda: patiently(lambda: reserve_usage(shop.actor, command))

    for n in range(20):
        answers = at_once(reserving("ada", f"k{n}"), reserving("bob", f"k{n}"))
        assert sorted(type(answer).__name__ for answer in answers) == ["IdempotencyConflictError", "ReservedUsage"]
    assert sum(shop.access(user_id=user_id).consumption.reserved for user_id in ("ada", "bob")) == 20
