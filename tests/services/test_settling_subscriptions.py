"""The job that writes down what time has done to subscriptions: all of it, once, whoever else is at work."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from freezegun import freeze_time
from sqlalchemy import text
from sqlmodel import Session

from app import jobs
from app.db import engine, transaction
from app.domain.subscribing import SubscriptionStatus
from app.queries import job_records
from app.queries.users import locked_user
from app.services.job_runs import run_noted
from app.services.subscription_dates import settle_due
from app.services.sweeps import Swept
from tests.environment import environment
from tests.services.at_once import at_once
from tests.services.shop import Shop, counted
from tests.services.test_statement_counts import cost
from tests.services.told import listen, messages
from tests.tenants import new_tenant

START, PERIOD_END, A_WEEK_LATER = "2026-01-31T10:00:00Z", "2026-02-28T10:00:00.000Z", "2026-03-07T10:00:00Z"


@pytest.fixture(autouse=True)
def _database_of_its_own(product: str, database_url: str) -> Iterator[None]:
    """A job does all tenants'. Here there are only those of the test."""
    with environment(DATABASE_URL=database_url):
        yield


def stocked(users: int = 0) -> Shop:
    """A shop whose users have `pro` each, which becomes `max` at the end of February."""
    shop = Shop(new_tenant().actor)
    shop.feature()
    shop.package("pro", counted(10))
    shop.package("max", counted(20))
    fill(shop, range(users))
    return shop


def fill(shop: Shop, numbers: range) -> None:
    with freeze_time(START):
        for number in numbers:
            shop.user(f"user-{number}")
            (bought,) = shop.subscribe("pro", user_id=f"user-{number}")
            shop.change(bought.id, "max", at_period_end=True)


def packages_of(shop: Shop) -> list[str]:
    """As they are written down."""
    statement = """
      SELECT p.id FROM subscriptions s JOIN packages p ON p.tenant_id = s.tenant_id AND p.key = s.package_key
      WHERE s.tenant_id = :id ORDER BY s.id
    """
    with engine().connect() as connection:
        return list(connection.execute(text(statement), {"id": shop.actor.tenant_id}).scalars())


@contextmanager
def poisoned(shop: Shop, user_id: str) -> Iterator[str]:
    """While the block runs, the database refuses every change of this user's subscription, whose id it is."""
    (held,) = shop.subscriptions(user_id)
    execute(
        f"""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.id = {held.id} THEN RAISE EXCEPTION 'poison'; END IF; RETURN NEW; END $$""",
        "CREATE TRIGGER refuse BEFORE UPDATE ON subscriptions FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    yield held.id
    execute("DROP FUNCTION refuse() CASCADE")


def execute(*statements: str) -> None:
    with engine().begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def faults(shop: Shop) -> list[tuple[str, int, str]]:
    with Session(engine()) as session:
        found = job_records.faults_of(session, shop.actor.tenant_id, jobs.SETTLE_SUBSCRIPTIONS.name)
        return [(fault.row_id, fault.attempts, fault.error) for fault in found]


def test_what_is_due_is_settled_once_and_nothing_before_its_time() -> None:
    shop = stocked(3)
    with freeze_time("2026-02-28T09:59:59.999Z"):
        assert settle_due() == Swept(handled=0, set_aside=0, more=False)
    with freeze_time(PERIOD_END):
        assert packages_of(shop) == ["pro"] * 3
        assert settle_due() == Swept(handled=3, set_aside=0, more=False)
        assert packages_of(shop) == ["max"] * 3
        settled = shop.rows()
        assert settle_due() == Swept(handled=0, set_aside=0, more=False)
        assert shop.rows() == settled


def test_every_tenants_are_settled_and_told_of_to_that_tenant_alone() -> None:
    shops = [stocked(2), stocked(1), stocked(0)]
    for shop in shops[:2]:
        listen(shop)
    with freeze_time(A_WEEK_LATER):
        assert settle_due() == Swept(handled=3, set_aside=0, more=False)
        for shop, users in zip(shops, (2, 1, 0), strict=True):
            assert [(type_, data["userId"], data["package"]["id"]) for type_, data in messages(shop)] == [
                ("subscription.updated", f"user-{number}", "max") for number in range(users)
            ]


def test_more_than_a_batch_is_settled_in_one_run() -> None:
    shop = stocked(1)
    execute(
        "INSERT INTO users (tenant_id, id, created_at, updated_at) "
        "SELECT tenant_id, 'more-' || n, created_at, created_at FROM users, generate_series(1, 2500) n",
        "INSERT INTO subscriptions (tenant_id, user_key, package_key, status, started_at, ends_at, created_at, updated_at) "
        "SELECT u.tenant_id, u.key, s.package_key, 'ACTIVE', s.started_at, s.changes_at, s.created_at, s.created_at "
        "FROM users u, subscriptions s WHERE u.id LIKE 'more-%'",
    )
    with freeze_time(A_WEEK_LATER):
        assert settle_due() == Swept(handled=2501, set_aside=0, more=False)
    assert {row[4] for row in shop.rows("subscriptions")["subscriptions"][1:]} == {SubscriptionStatus.CANCELLED}


def test_many_cost_as_many_statements_as_few() -> None:
    shop = stocked(1)
    listen(shop)
    with freeze_time(A_WEEK_LATER):
        few = cost(settle_due)
    fill(shop, range(1, 41))
    with freeze_time(A_WEEK_LATER):
        assert cost(settle_due) == few
    assert packages_of(shop) == ["max"] * 41


def test_settlers_at_once_share_the_work_and_nothing_is_told_twice() -> None:
    shop = stocked(60)
    listen(shop)
    with freeze_time(A_WEEK_LATER):
        swept = at_once(settle_due, settle_due, settle_due)
        assert sum(each.handled for each in swept) == 60
        assert sorted(data["userId"] for _, data in messages(shop)) == sorted(f"user-{number}" for number in range(60))
    assert packages_of(shop) == ["max"] * 60


def test_a_user_whom_somebody_holds_is_left_for_the_next_run() -> None:
    shop = stocked(3)
    with freeze_time(A_WEEK_LATER):
        with transaction() as session:
            locked_user(session, shop.actor.tenant_id, "user-1")
            assert settle_due() == Swept(handled=2, set_aside=0, more=False)
            assert packages_of(shop) == ["max", "pro", "max"]
        assert settle_due() == Swept(handled=1, set_aside=0, more=False)


def test_a_row_that_cannot_be_settled_is_set_aside_and_the_others_are_done() -> None:
    shop = stocked(25)
    listen(shop)
    with freeze_time(A_WEEK_LATER) as clock:
        with poisoned(shop, "user-7") as poison:
            assert settle_due() == Swept(handled=24, set_aside=1, more=False)
            assert packages_of(shop) == [*["max"] * 7, "pro", *["max"] * 17]
            assert "user-7" not in {data["userId"] for _, data in messages(shop)}
            ((row_id, attempts, error),) = faults(shop)
            assert (row_id, attempts) == (poison, 1)
            assert "poison" in error
            # It is right all the same, and left alone for a while.
            assert shop.access(user_id="user-7").consumption.budget == 20
            assert settle_due() == Swept(handled=0, set_aside=0, more=False)
        clock.tick(3600)
        assert settle_due() == Swept(handled=1, set_aside=0, more=False)
        assert faults(shop) == []
        assert (len(messages(shop)), packages_of(shop)) == (25, ["max"] * 25)


def test_the_run_is_noted() -> None:
    stocked(3)
    with freeze_time(A_WEEK_LATER):
        run_noted(jobs.SETTLE_SUBSCRIPTIONS, settle_due)
    with Session(engine()) as session:
        (run,) = job_records.runs(session)
    assert (run.name, run.handled, run.error) == (jobs.SETTLE_SUBSCRIPTIONS.name, 3, None)
