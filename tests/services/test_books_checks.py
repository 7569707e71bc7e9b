"""The nightly check of the books: each tenant's by a job of its own, and what it finds is remembered."""

from collections.abc import Iterator

import pytest
from freezegun import freeze_time
from sqlalchemy import text
from sqlmodel import Session
from structlog.testing import capture_logs

from app import clock, jobs
from app.db import engine
from app.dev.valkey import EmbeddedValkey
from app.jobs import celery_app
from app.queries.job_records import runs
from app.services.books_checks import LastCheck, check_all, check_one, last_checks
from app.services.job_runs import run_noted
from app.services.usage_resets import reset_due
from tests.environment import environment
from tests.services.shop import Shop, counted
from tests.tenants import new_tenant


@pytest.fixture(autouse=True)
def _database_of_its_own(product: str, database_url: str, valkey: EmbeddedValkey) -> Iterator[None]:
    """And a broker of its own."""
    with environment(DATABASE_URL=database_url, REDIS_URL=valkey.url_of(6)), freeze_time("2026-01-31T10:00:00.000Z"):
        yield


@pytest.fixture
def shop(_database_of_its_own: None) -> Shop:
    return stocked()


def stocked(users: int = 1) -> Shop:
    """Each user has used 1."""
    shop = Shop(new_tenant().actor)
    shop.feature()
    shop.package("pro", counted(10))
    for number in range(users):
        shop.user(f"user-{number}")
        shop.subscribe("pro", user_id=f"user-{number}")
        shop.record(user_id=f"user-{number}")
    return shop


def falsify(shop: Shop) -> None:
    with engine().begin() as connection:
        connection.execute(
            text("UPDATE consumptions SET used = 7 WHERE tenant_id = :tenant"), {"tenant": shop.actor.tenant_id}
        )


def test_books_that_are_right_are_remembered_as_right(shop: Shop) -> None:
    assert last_checks() == []
    with capture_logs() as logged:
        assert check_one(shop.actor.app_id) == 0
    assert logged == []
    assert last_checks() == [LastCheck(shop.actor.app_id, clock.now(), 0, is_whole=True)]


def test_differences_are_counted_told_without_the_user_and_not_repaired(shop: Shop) -> None:
    other = stocked()
    for each in (shop, other):
        falsify(each)
    before = shop.rows("consumptions", "usage_events")

    with capture_logs() as logged:
        run_noted(jobs.CHECK_BOOKS_OF, lambda: check_one(shop.actor.app_id))

    assert [line for line in logged if line["event"].startswith("books.")] == [
        {
            "event": "books.difference",
            "log_level": "error",
            "kind": "counter",
            "app_id": shop.actor.app_id,
            "feature_id": "calls",
            "period_start": "2026-01-31T10:00:00.000Z",
            "counter": "7",
            "ledger": "1",
        }
    ]
    assert shop.rows("consumptions", "usage_events") == before
    assert last_checks() == [LastCheck(shop.actor.app_id, clock.now(), 1, is_whole=True)]
    with Session(engine()) as session:
        (run,) = runs(session)
    assert (run.handled, run.error) == (1, None)


def test_a_closed_period_that_is_not_its_ledger_counts_like_any_other_difference(shop: Shop) -> None:
    with freeze_time("2026-02-28T10:00:00.000Z"):
        reset_due()
        with engine().begin() as connection:
            connection.execute(text("UPDATE usage_periods SET used = 7"))
        with capture_logs() as logged:
            assert check_one(shop.actor.app_id) == 1
        assert last_checks() == [LastCheck(shop.actor.app_id, clock.now(), 1, is_whole=True)]
    assert [(line["kind"], line["counter"], line["ledger"]) for line in logged] == [("closed period", "7", "1")]


def test_of_many_differences_the_first_are_told_and_all_are_counted() -> None:
    shop = stocked(users=25)
    falsify(shop)
    with capture_logs() as logged:
        assert check_one(shop.actor.app_id) == 25
    assert [line["event"] for line in logged] == [*["books.difference"] * 20, "books.more_differences"]
    assert last_checks()[0].differences == 25


def test_the_last_check_is_the_one_that_is_remembered(shop: Shop) -> None:
    falsify(shop)
    check_one(shop.actor.app_id)
    shop.rows()
    with engine().begin() as connection:
        connection.execute(text("UPDATE consumptions SET used = 1"))
    with freeze_time("2026-02-01T10:00:00.000Z"):
        check_one(shop.actor.app_id)
        assert last_checks() == [LastCheck(shop.actor.app_id, clock.now(), 0, is_whole=True)]


def test_a_check_whose_time_is_up_says_how_far_it_came(shop: Shop) -> None:
    falsify(shop)
    with capture_logs() as logged:
        assert check_one(shop.actor.app_id, run_seconds=-1) == 1
    assert [line["event"] for line in logged] == ["books.difference", "books.check_cut"]
    assert last_checks() == [LastCheck(shop.actor.app_id, clock.now(), 1, is_whole=False)]


def test_a_tenant_that_is_not_there_is_a_failure() -> None:
    with pytest.raises(LookupError):
        check_one("test_nobody")
    assert last_checks() == []


def test_every_tenant_gets_a_job_of_its_own(shop: Shop) -> None:
    stocked()
    assert check_all() == 4  # test and live of each
    assert jobs.wait_until_sent(5)
    with celery_app.sender().connection_for_read() as connection:
        client = connection.default_channel.client
        assert client.llen(jobs.Queue.MAINTENANCE) == 4
        client.flushdb()
