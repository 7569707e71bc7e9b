"""The books: what is wrong is found and named, a repair puts it right and nothing else, and what is right is never doubted."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from freezegun import freeze_time
from sqlalchemy import text

from app.contract.reservations import CommitReservation, ReserveUsage
from app.db import engine
from app.domain.periods import Period
from app.errors import OverloadedError
from app.queries.books import KeyedEvent, LooseKey
from app.services.books import Checked, Difference, Kind, Step, check_books
from app.services.books_repairs import Outcome, drop_key, key_event, rebuild_counter
from app.services.reservations import commit_reservation, release_reservation, reserve_usage
from app.services.reverts import revert_usage
from tests.environment import environment
from tests.services.at_once import patiently
from tests.services.shop import DAY, SET, Shop, counted
from tests.tenants import Tenant, new_tenant

BOOKS = ("consumptions", "usage_events", "idempotency_keys", "reservations")


@pytest.fixture
def shop(tenant: Tenant) -> Shop:
    """Ada has used 12 of her calls, with keys; Bob 5; Ada was refused 1,000 more."""
    shop = stocked(tenant)
    shop.record(7, idempotency_key="first")
    shop.record(5, idempotency_key="second")
    shop.record(1000)
    shop.record(5, user_id="bob")
    return shop


def stocked(tenant: Tenant) -> Shop:
    shop = Shop(tenant.actor)
    shop.feature()
    shop.package("pro", counted(500))
    for user_id in ("ada", "bob"):
        shop.user(user_id)
        shop.subscribe("pro", user_id=user_id)
    return shop


def tamper(shop: Shop, statement: str, **values: Any) -> None:
    """Behind everybody's back, and with one row."""
    with engine().begin() as connection:
        done = connection.execute(
            text(statement), values | {"tenant": shop.actor.tenant_id, "user": key_of(shop, "ada")}
        )
        assert done.rowcount == 1


def key_of(shop: Shop, user_id: str) -> int:
    return next(row[1] for row in shop.rows("users")["users"] if row[2] == user_id)


def check(shop: Shop, **how: Any) -> list[Difference]:
    return [one for part in parts(shop, **how) for one in part.differences]


def parts(shop: Shop, **how: Any) -> list[Checked]:
    return list(check_books(shop.actor.app_id, **how))


def found(kind: Kind, counter: Any, ledger: Any, *, user_id: str | None = "ada") -> tuple[Any, ...]:
    return kind, user_id, "calls" if user_id else None, counter, ledger


def told(differences: list[Difference]) -> list[tuple[Any, ...]]:
    return [(one.kind, one.user_id, one.feature_id, one.counter, one.ledger) for one in differences]


def ids(shop: Shop) -> list[int]:
    """Of all events, oldest first."""
    return [row[1] for row in shop.rows("usage_events")["usage_events"]]


def outcomes(differences: list[Difference]) -> list[Outcome]:
    return [one.outcome for one in differences]


def test_right_books_have_no_difference_and_everything_was_looked_at(shop: Shop) -> None:
    assert [(part.step, part.done, part.total, part.events, part.differences) for part in parts(shop)] == [
        (Step.COUNTERS, 2, 2, 3, []),
        (Step.LEDGER, 1, 1, 4, []),
    ]


def test_a_counter_that_is_not_its_ledger_is_named_and_rebuilt_and_nothing_else_is_touched(shop: Shop) -> None:
    before = shop.rows()
    tamper(shop, "UPDATE consumptions SET used = 400 WHERE tenant_id = :tenant AND user_key = :user")

    (difference,) = check(shop)
    start, end = next((row[3], row[4]) for row in before["consumptions"] if row[1] == key_of(shop, "ada"))
    assert difference == Difference(
        kind=Kind.COUNTER,
        app_id=shop.actor.app_id,
        user_id="ada",
        feature_id="calls",
        period=Period(start, end),
        counter=400,
        ledger=12,
        outcome=Outcome.FOUND,
    )
    assert shop.record(101).recorded is False  # checking alone changes nothing: she is believed to have used 400
    refused = shop.rows()

    assert outcomes(check(shop, repair=True)) == [Outcome.REPAIRED]
    assert check(shop) == []
    assert shop.rows("consumptions") == {"consumptions": before["consumptions"]}
    assert shop.rows() | {"consumptions": []} == refused | {"consumptions": []}
    assert shop.used() == 12


@pytest.mark.parametrize(
    ("statement", "ledger"),
    [
        ("UPDATE usage_events SET applied = applied + 1 WHERE tenant_id = :tenant AND id = :first", 13),
        ("UPDATE usage_events SET recorded = false WHERE tenant_id = :tenant AND id = :first", 5),
        ("UPDATE usage_events SET action = 'SET', delta = 2 WHERE tenant_id = :tenant AND id = :second", 2),
        ("UPDATE usage_events SET applied = -9 WHERE tenant_id = :tenant AND id = :first", 5),
        ("UPDATE usage_events SET at = at - interval '40 days' WHERE tenant_id = :tenant AND id = :refused", None),
    ],
)
def test_the_ledger_is_believed(shop: Shop, statement: str, ledger: int | None) -> None:
    first, second, refused, _ = ids(shop)
    with engine().begin() as connection:
        connection.execute(
            text(
                statement.replace(":first", str(first))
                .replace(":second", str(second))
                .replace(":refused", str(refused))
            ),
            {"tenant": shop.actor.tenant_id},
        )
    differences = check(shop, repair=True)
    assert told(differences) == ([] if ledger is None else [found(Kind.COUNTER, 12, ledger)])
    assert check(shop) == []


def test_a_counter_without_a_period_says_nothing_but_0(shop: Shop) -> None:
    tamper(
        shop,
        "UPDATE consumptions SET period_start = NULL, period_end = NULL, used = 3 WHERE tenant_id = :tenant AND user_key = :user",
    )
    assert told(check(shop)) == [found(Kind.COUNTER_WITHOUT_PERIOD, 3, 0)]
    assert outcomes(check(shop, repair=True)) == [Outcome.REPAIRED]
    assert check(shop) == []
    assert shop.used() == 12


def test_a_pair_with_events_and_no_counter_is_named_once_and_gets_one(shop: Shop) -> None:
    tamper(shop, "DELETE FROM consumptions WHERE tenant_id = :tenant AND user_key = :user")

    assert told(check(shop)) == [found(Kind.NO_COUNTER, None, 3)]
    assert outcomes(check(shop, repair=True)) == [Outcome.REPAIRED]
    assert check(shop) == []
    assert shop.used() == 12
    assert shop.record(489).recorded is False


def test_an_event_whose_key_is_lost_is_named_and_gets_it_back(shop: Shop) -> None:
    before = shop.rows()
    tamper(shop, "DELETE FROM idempotency_keys WHERE tenant_id = :tenant AND event_id = :event", event=ids(shop)[0])

    assert told(check(shop)) == [found(Kind.EVENT_WITHOUT_KEY, None, ids(shop)[0])]
    assert outcomes(check(shop, repair=True)) == [Outcome.REPAIRED]
    assert shop.rows() == before
    assert shop.record(7, idempotency_key="first").duplicate is True


def test_a_key_to_which_no_event_answers_is_named_and_freed(shop: Shop) -> None:
    lost = ids(shop)[1]
    tamper(shop, "DELETE FROM usage_events WHERE tenant_id = :tenant AND id = :event", event=lost)

    assert told(check(shop)) == [
        found(Kind.COUNTER, 12, 7),
        found(Kind.KEY_WITHOUT_EVENT, lost, None, user_id=None),
    ]
    with pytest.raises(OverloadedError):
        shop.record(5, idempotency_key="second")
    assert outcomes(check(shop, repair=True)) == [Outcome.REPAIRED, Outcome.REPAIRED]
    assert check(shop) == []
    again = shop.record(5, idempotency_key="second")
    assert (again.recorded, again.duplicate) == (True, False)
    assert shop.used() == 12


def test_a_key_that_names_another_event_is_moved_back_to_its_own(shop: Shop) -> None:
    before = shop.rows()
    first, _, refused, _ = ids(shop)
    tamper(
        shop,
        "UPDATE idempotency_keys SET event_id = :wrong WHERE tenant_id = :tenant AND event_id = :event",
        wrong=refused,
        event=first,
    )
    assert told(check(shop)) == [
        found(Kind.EVENT_WITHOUT_KEY, None, first),
        found(Kind.KEY_WITHOUT_EVENT, refused, None, user_id=None),
    ]
    assert outcomes(check(shop, repair=True)) == [Outcome.REPAIRED, Outcome.RIGHT_BY_NOW]
    assert shop.rows() == before


def test_a_key_that_was_changed_in_the_ledger_is_believed(shop: Shop) -> None:
    first = ids(shop)[0]
    tamper(
        shop,
        "UPDATE usage_events SET idempotency_key = 'other' WHERE tenant_id = :tenant AND id = :event",
        event=first,
    )
    assert told(check(shop)) == [
        found(Kind.EVENT_WITHOUT_KEY, None, first),
        found(Kind.KEY_WITHOUT_EVENT, first, None, user_id=None),
    ]
    assert outcomes(check(shop, repair=True)) == [Outcome.REPAIRED, Outcome.REPAIRED]
    assert check(shop) == []
    assert shop.record(7, idempotency_key="other").duplicate is True


def test_two_events_of_one_key_are_left_to_the_operator(shop: Shop) -> None:
    second = ids(shop)[1]
    tamper(
        shop,
        "UPDATE usage_events SET idempotency_key = 'first' WHERE tenant_id = :tenant AND id = :event",
        event=second,
    )
    differences = check(shop, repair=True)
    assert told(differences) == [
        found(Kind.EVENT_WITHOUT_KEY, None, second),
        found(Kind.KEY_WITHOUT_EVENT, second, None, user_id=None),
    ]
    assert outcomes(differences) == [Outcome.NOT_REPAIRED, Outcome.REPAIRED]
    assert [(one.kind, one.outcome.is_left) for one in check(shop, repair=True)] == [(Kind.EVENT_WITHOUT_KEY, True)]
    assert shop.record(7, idempotency_key="first").event_id == str(ids(shop)[0])


@pytest.mark.parametrize("lead_seconds", [None, 1])
def test_a_counter_that_would_overlook_a_reservation_is_named_and_looks_again(
    shop: Shop, lead_seconds: int | None
) -> None:
    reserve(shop, 100, ttl_seconds=60)
    reserve(shop, 200, ttl_seconds=900)
    before = shop.rows()
    right = max(row[7] for row in before["reservations"])
    wrong = None if lead_seconds is None else right - timedelta(seconds=lead_seconds)
    tamper(
        shop,
        "UPDATE consumptions SET held_until = :wrong WHERE tenant_id = :tenant AND user_key = :user",
        wrong=wrong,
    )

    assert told(check(shop)) == [found(Kind.HOLD, wrong, right)]
    assert outcomes(check(shop, repair=True)) == [Outcome.REPAIRED]
    assert shop.rows() == before


def test_reservations_that_hold_nothing_any_more_are_not_asked_about(shop: Shop) -> None:
    release_reservation(shop.actor, reserve(shop, 100, ttl_seconds=900))
    reserve(shop, 50, ttl_seconds=60)
    tamper(shop, "UPDATE consumptions SET held_until = NULL WHERE tenant_id = :tenant AND user_key = :user")
    assert [one.kind for one in check(shop)] == [Kind.HOLD]
    with freeze_time(datetime.now(UTC) + timedelta(seconds=61)):
        assert check(shop) == []


def test_whatever_the_services_do_leaves_the_books_right(tenant: Tenant) -> None:
    """Late, set, taken back, reverted, reserved, over a month's end, by a subscription with another period, renamed."""
    with freeze_time("2026-01-31T12:00:00Z") as time:
        shop = stocked(tenant)
        shop.package("daily", counted(900, DAY))
        shop.record(20, idempotency_key="a")
        time.tick(timedelta(days=3))
        late = shop.record(4, timestamp=datetime(2026, 2, 1, tzinfo=UTC), idempotency_key="b")
        shop.record(-50)
        shop.record(33, SET)
        shop.record(40, timestamp=datetime(2026, 2, 3, 12, 3, tzinfo=UTC))
        held = reserve(shop, 30, ttl_seconds=3600)
        revert_usage(shop.actor, str(late.event_id))
        commit_reservation(shop.actor, held, CommitReservation(delta=10))
        reserve(shop, 5, ttl_seconds=3600)
        assert check(shop) == []
        time.move_to("2026-02-28T12:00:00Z")
        shop.record(1)
        shop.change(subscription_of(shop, "ada"), "daily")
        shop.record(6)
        time.tick(timedelta(days=1))
        shop.record(2, timestamp=datetime(2026, 2, 28, 13, tzinfo=UTC))
        assert check(shop) == []
        time.move_to("2027-01-01T00:00:00Z")
        assert check(shop) == []


def subscription_of(shop: Shop, user_id: str) -> str:
    return str(next(row[1] for row in shop.rows("subscriptions")["subscriptions"] if row[2] == key_of(shop, user_id)))


def test_another_tenants_books_are_neither_judged_nor_repaired(shop: Shop, other_tenant: Tenant) -> None:
    other = stocked(other_tenant)
    other.record(3, idempotency_key="first")
    tamper(other, "UPDATE consumptions SET used = 4 WHERE tenant_id = :tenant AND user_key = :user")
    tamper(other, "DELETE FROM idempotency_keys WHERE tenant_id = :tenant AND event_id = :event", event=ids(other)[0])
    before = other.rows()

    assert check(shop, repair=True) == []
    assert other.rows() == before
    everywhere = [one for part in check_books() for one in part.differences]
    assert {one.kind for one in everywhere if one.app_id == other.actor.app_id} == {
        Kind.COUNTER,
        Kind.EVENT_WITHOUT_KEY,
    }
    assert [one for one in everywhere if one.app_id == shop.actor.app_id] == []


def test_an_unknown_tenant_is_said_so(product: str) -> None:
    with pytest.raises(LookupError, match="There is no tenant test_nobody"):
        list(check_books("test_nobody"))


@pytest.mark.parametrize("counters_per_part", [1, 2, 3, 1000])
def test_every_counter_is_looked_at_once_whatever_the_size_of_a_part(tenant: Tenant, counters_per_part: int) -> None:
    shop = Shop(tenant.actor)
    for feature_id in ("calls", "mails"):
        shop.feature(feature_id)
    shop.package("pro", counted(), counted(feature_id="mails"))
    for number in range(5):
        shop.user(f"user-{number}")
        shop.subscribe("pro", user_id=f"user-{number}")
        for feature_id in ("calls", "mails")[: 1 + number % 2]:
            shop.record(number + 1, user_id=f"user-{number}", feature_id=feature_id)
    with engine().begin() as connection:
        connection.execute(
            text("UPDATE consumptions SET used = used + 1 WHERE tenant_id = :id"), {"id": tenant.actor.tenant_id}
        )

    checked = [part for part in parts(shop, counters_per_part=counters_per_part) if part.step is Step.COUNTERS]
    assert checked[-1].done == checked[-1].total == 7
    assert sum(part.events for part in checked) == 7
    differences = [(one.user_id, one.feature_id, one.ledger) for part in checked for one in part.differences]
    assert sorted(differences) == [
        ("user-0", "calls", 1),
        ("user-1", "calls", 2),
        ("user-1", "mails", 2),
        ("user-2", "calls", 3),
        ("user-3", "calls", 4),
        ("user-3", "mails", 4),
        ("user-4", "calls", 5),
    ]


def test_more_differences_than_are_held_in_memory_are_cut_when_told_and_all_repaired(shop: Shop) -> None:
    for number in range(5):
        shop.record(1, idempotency_key=f"key-{number}")
    with engine().begin() as connection:
        connection.execute(text("DELETE FROM idempotency_keys WHERE tenant_id = :id"), {"id": shop.actor.tenant_id})

    (part,) = [part for part in parts(shop, differences_per_part=3) if part.step is Step.LEDGER]
    assert (len(part.differences), part.is_cut) == (3, True)
    rounds = [part for part in parts(shop, differences_per_part=3, repair=True) if part.step is Step.LEDGER]
    assert [(len(part.differences), part.is_cut, part.events) for part in rounds] == [
        (3, True, 9),
        (3, True, 0),
        (1, False, 0),
    ]
    assert check(shop) == []


def test_what_the_ledger_no_longer_keeps_is_not_judged(tenant: Tenant) -> None:
    with freeze_time("2026-01-15T12:00:00Z"):
        shop = stocked(tenant)
        shop.record(7, idempotency_key="first")
    with engine().begin() as connection:
        for table in ("usage_events", "idempotency_keys"):
            statement = text(f"DELETE FROM {table} WHERE tenant_id = :id")  # noqa: S608 — our own names
            connection.execute(statement, {"id": tenant.actor.tenant_id})
        statement = text("INSERT INTO idempotency_keys VALUES (:id, gen_random_uuid(), 1, '2026-01-15')")
        connection.execute(statement, {"id": tenant.actor.tenant_id})
    with freeze_time("2027-07-01T12:00:00Z"):
        assert {one.kind for one in check(shop)} == {Kind.COUNTER, Kind.KEY_WITHOUT_EVENT}
        with environment(USAGE_RETENTION_DAYS="500"):
            assert check(shop) == []
            pair = (tenant.actor.tenant_id, *shop.rows("consumptions")["consumptions"][0][1:3])
            assert rebuild_counter(pair, datetime(2026, 2, 1, tzinfo=UTC)) is Outcome.RIGHT_BY_NOW


def test_repairing_what_is_right_changes_nothing(shop: Shop) -> None:
    before = shop.rows()
    tenant_id = shop.actor.tenant_id
    _, event_id, user_key, feature_key, at, *_ = before["usage_events"][0]
    digest = next(row[1] for row in before["idempotency_keys"] if row[2] == event_id)
    repairs: list[Callable[[], Outcome]] = [
        lambda: rebuild_counter((tenant_id, user_key, feature_key), None),
        lambda: key_event(tenant_id, KeyedEvent(event_id, at, user_key, feature_key)),
        lambda: drop_key(tenant_id, LooseKey(digest, event_id)),
    ]
    assert [repair() for repair in repairs] == [Outcome.RIGHT_BY_NOW] * 3
    assert shop.rows() == before


def test_writers_at_work_are_never_taken_for_a_difference(product: str) -> None:
    """Four writers, each 60 rounds of everything that moves a counter; the check goes on as long as they do, one counter at a
    time and all at once."""
    shop = stocked(new_tenant())

    def write(writer: int) -> None:
        for n in range(60):
            user_id = ("ada", "bob")[n % 2]
            record = partial(shop.record, user_id=user_id)
            recorded = patiently(partial(record, 3, idempotency_key=f"{writer}-{n}"))
            patiently(partial(record, -2))
            if n % 10 == writer:
                patiently(partial(record, 40, SET))
                patiently(partial(revert_usage, shop.actor, str(recorded.event_id)))
            if n % 15 == writer:
                held = patiently(partial(reserve, shop, 2, ttl_seconds=300, user_id=user_id))
                patiently(partial(commit_reservation, shop.actor, held, CommitReservation()))

    checks = 0
    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, writer) for writer in range(4)]
        while not all(writer.done() for writer in writers):
            assert check(shop, counters_per_part=1 + checks % 2) == []
            checks += 1
    for writer in writers:
        writer.result()
    assert checks > 3
    assert check(shop) == []


def reserve(shop: Shop, delta: int, *, ttl_seconds: int, user_id: str = "ada") -> str:
    command = ReserveUsage(user_id=user_id, feature_id="calls", delta=delta, ttl_seconds=ttl_seconds)
    made = reserve_usage(shop.actor, command)
    assert made.reservation is not None
    return made.reservation.id
