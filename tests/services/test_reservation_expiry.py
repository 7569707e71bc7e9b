"""The job that marks reservations which nobody settled in time."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from freezegun import freeze_time
from sqlalchemy import select
from sqlmodel import Session, col

from app.contract.reservations import CommitReservation, Reservation, ReserveUsage
from app.db import engine, transaction
from app.domain.reservations import ReservationStatus
from app.errors import ReservationError
from app.models import Reservation as Row
from app.queries.standings import locked_standings
from app.services.books import check_books
from app.services.reservation_expiry import expire_due
from app.services.reservations import commit_reservation, get_reservation, release_reservation, reserve_usage
from app.services.sweeps import Swept
from tests.environment import environment
from tests.services.at_once import at_once
from tests.services.shop import Shop, counted
from tests.tenants import new_tenant

START, EXPIRY = "2026-01-31T10:00:00.000Z", datetime(2026, 1, 31, 10, 1, tzinfo=UTC)
HELD, EXPIRED = ReservationStatus.HELD, ReservationStatus.EXPIRED


@pytest.fixture(autouse=True)
def _database_of_its_own(product: str, database_url: str) -> Iterator[None]:
    """A job does all tenants'. Here there are only those of the test."""
    with environment(DATABASE_URL=database_url):
        yield


@pytest.fixture
def shop(_database_of_its_own: None) -> Shop:
    return stocked()


def stocked() -> Shop:
    shop = Shop(new_tenant().actor)
    shop.feature()
    shop.package("pro", counted(1000))
    with freeze_time(START):
        for user_id in ("ada", "bob"):
            shop.user(user_id)
            shop.subscribe("pro", user_id=user_id)
    return shop


def reserve(shop: Shop, user_id: str = "ada", ttl_seconds: int = 60) -> Reservation:
    command = ReserveUsage(user_id=user_id, feature_id="calls", delta=3, ttl_seconds=ttl_seconds)
    made = reserve_usage(shop.actor, command).reservation
    assert made is not None
    return made


def written(shop: Shop) -> list[tuple[ReservationStatus, datetime | None]]:
    statement = select(Row.status, Row.settled_at).where(Row.tenant_id == shop.actor.tenant_id).order_by(col(Row.id))
    with Session(engine()) as session:
        return [(status, settled_at) for status, settled_at in session.execute(statement)]


def test_what_has_expired_is_marked_as_of_the_moment_it_did_and_nothing_else_is_touched(shop: Shop) -> None:
    with freeze_time(START) as clock:
        late, longer, committed, released = reserve(shop), reserve(shop, ttl_seconds=61), reserve(shop), reserve(shop)
        commit_reservation(shop.actor, committed.id, CommitReservation(delta=2))
        release_reservation(shop.actor, released.id)
        settled = written(shop)[2:]
        clock.move_to("2026-01-31T10:00:59.999Z")
        assert expire_due() == Swept(handled=0, set_aside=0, more=False)
        clock.move_to(EXPIRY)
        before, counters = get_reservation(shop.actor, late.id), shop.rows("consumptions")

        assert expire_due() == Swept(handled=1, set_aside=0, more=False)

        assert written(shop) == [(EXPIRED, EXPIRY), (HELD, None), *settled]
        assert get_reservation(shop.actor, late.id) == before
        assert shop.rows("consumptions") == counters
        assert shop.access().consumption.reserved == 3
        assert expire_due() == Swept(handled=0, set_aside=0, more=False)
        clock.move_to("2026-02-07T10:00:00Z")
        assert expire_due() == Swept(handled=1, set_aside=0, more=False)
        assert get_reservation(shop.actor, longer.id).status is EXPIRED
        assert all(part.differences == [] for part in check_books())


def test_a_marked_one_answers_as_one_that_expired_by_time_alone(shop: Shop) -> None:
    with freeze_time(START) as clock:
        late = reserve(shop)
        clock.move_to(EXPIRY)
        for _ in range(2):
            with pytest.raises(ReservationError, match="cannot be committed: it is EXPIRED"):
                commit_reservation(shop.actor, late.id, CommitReservation())
            assert release_reservation(shop.actor, late.id).status is EXPIRED
            expire_due()


def test_those_whose_counter_somebody_holds_are_left_for_the_next_run(shop: Shop) -> None:
    with freeze_time(START) as clock:
        reserve(shop), reserve(shop, "bob")
        clock.move_to(EXPIRY)
        with transaction() as session:
            locked_standings(session, [(shop.actor.tenant_id, "ada", "calls")])
            assert expire_due() == Swept(handled=1, set_aside=0, more=False)
            assert [status for status, _ in written(shop)] == [HELD, EXPIRED]
        assert expire_due() == Swept(handled=1, set_aside=0, more=False)


def test_several_at_once_share_the_work_of_all_tenants(shop: Shop) -> None:
    other = stocked()
    with freeze_time(START) as clock:
        for _ in range(120):
            reserve(shop), reserve(shop, "bob")
        reserve(other)
        clock.move_to(EXPIRY)
        swept = at_once(expire_due, expire_due)
        rest = expire_due()
        assert sum(each.handled for each in (*swept, rest)) == 241
        assert {*written(shop), *written(other)} == {(EXPIRED, EXPIRY)}
