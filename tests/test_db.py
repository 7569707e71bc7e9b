"""The one way to the database: what its errors tell, and to whom."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DataError, InternalError
from sqlmodel import Session
from structlog.testing import capture_logs

from app import db
from app.db import Pool, close_engines, engine, transaction
from app.errors import OverloadedError
from tests.environment import DEAD_DATABASE, environment
from tests.tenants import new_tenant


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What `app.db` logs. Its own logger is kept as it was first used, so a new one is listened to."""
    with capture_logs() as lines:
        monkeypatch.setattr(db, "log", structlog.get_logger("test"))
        yield lines


def run(session: Session, statement: str) -> None:
    session.connection().execute(text(statement))


def backend_of(session: Session) -> int:
    pid: int = session.connection().execute(text("SELECT pg_backend_pid()")).scalar_one()
    return pid


def refused(*steps: Callable[[Session], object], pool: Pool = Pool.GENERAL) -> OverloadedError:
    """What a transaction of these steps raises."""

    def run_all() -> None:
        with transaction(pool) as session:
            for step in steps:
                step(session)

    with pytest.raises(OverloadedError) as raised:
        run_all()
    return raised.value


def sql(statement: str) -> Callable[[Session], None]:
    return lambda session: run(session, statement)


def end_backend(database_url: str, pid: int) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


def test_an_error_of_the_database_does_not_repeat_what_was_sent(product: str) -> None:
    with pytest.raises(DataError, match="division by zero") as raised, transaction() as session:
        session.connection().execute(text("SELECT 1/0 WHERE :email <> ''"), {"email": "ada@example.com"})

    # Its text is what the log line of a fault holds.
    assert "ada@example.com" not in str(raised.value)


def test_a_lock_that_is_not_had_in_time_is_held_up_by_others(product: str, logs: list[Any]) -> None:
    with psycopg.connect(product) as holder:
        holder.execute("LOCK TABLE users")
        refusal = refused(sql("SELECT FROM users"), pool=Pool.METERING)

    assert (refusal.held_up, refusal.nothing_done) == (True, True)
    assert logs == [{"event": "database.unavailable", "log_level": "info", "sqlstate": "55P03"}]


def test_a_statement_that_takes_too_long_is_ended_and_nothing_is_done(product: str) -> None:
    refusal = refused(sql("SET LOCAL statement_timeout = '10ms'"), sql("SELECT pg_sleep(30)"))

    assert (refusal.held_up, refusal.nothing_done) == (False, True)


@pytest.mark.parametrize("pool", list(Pool))
def test_a_connection_that_is_lost_in_the_middle_has_done_nothing(product: str, pool: Pool, logs: list[Any]) -> None:
    refusal = refused(lambda session: end_backend(product, backend_of(session)), sql("SELECT 1"), pool=pool)

    assert (refusal.held_up, refusal.nothing_done) == (False, True)
    assert logs == [{"event": "database.unavailable", "log_level": "warning", "sqlstate": "57P01"}]


def test_of_a_connection_that_is_lost_at_the_commit_nobody_knows_what_it_has_done(product: str) -> None:
    refusal = refused(lambda session: end_backend(product, backend_of(session)))

    assert (refusal.held_up, refusal.nothing_done) == (False, False)


def test_a_connection_that_was_lost_while_it_was_idle_is_replaced_without_anybody_noticing(product: str) -> None:
    with transaction() as session:
        pid = backend_of(session)
    end_backend(product, pid)

    with transaction() as session:
        assert backend_of(session) != pid


def test_a_transaction_that_slept_too_long_has_done_nothing(product: str) -> None:
    def sleep(session: Session) -> None:
        run(session, "SET LOCAL idle_in_transaction_session_timeout = '10ms'")
        pid = backend_of(session)
        with psycopg.connect(product, autocommit=True) as other:
            while other.execute("SELECT FROM pg_stat_activity WHERE pid = %s", (pid,)).rowcount:
                other.execute("SELECT pg_sleep(0.01)")

    assert refused(sleep, sql("SELECT 1")).nothing_done is True


def test_a_server_that_only_reads_is_away_for_who_wants_to_write(product: str) -> None:
    assert refused(sql("SET TRANSACTION READ ONLY"), sql("DELETE FROM usage_events")).nothing_done is True


def test_an_error_that_will_not_pass_is_not_taken_for_one_that_does(product: str) -> None:
    def go_on_after_an_error(session: Session) -> None:
        with pytest.raises(DataError):
            run(session, "SELECT 1/0")
        run(session, "SELECT 1")

    with pytest.raises(InternalError, match="current transaction is aborted"), transaction() as session:
        go_on_after_an_error(session)


def test_a_database_that_is_away_has_done_nothing() -> None:
    with environment(DATABASE_URL=DEAD_DATABASE):
        refusal = refused(sql("SELECT 1"))

    assert (refusal.held_up, refusal.nothing_done) == (False, True)


def test_threads_that_come_first_together_share_one_engine(product: str) -> None:
    close_engines()
    together = threading.Barrier(8)
    made = []

    def ask() -> None:
        together.wait()
        made.append(engine(Pool.METERING))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(made), len(set(made))) == (8, 1)


def _tenants(session: Session) -> int:
    return int(session.connection().execute(text("SELECT count(*) FROM tenants")).scalar_one())


def test_a_snapshot_sees_nothing_of_what_is_committed_meanwhile_and_the_next_transaction_does(product: str) -> None:
    with transaction(snapshot=True) as session:
        before = _tenants(session)
        new_tenant()
        assert _tenants(session) == before

    with transaction() as session:
        assert _tenants(session) == before + 2  # test and live


def test_a_snapshot_can_only_read_and_leaves_its_connection_as_it_was(product: str) -> None:
    touch = text("UPDATE tenants SET name = name WHERE false")
    with pytest.raises(OverloadedError), transaction(snapshot=True) as session:
        session.connection().execute(touch)

    with transaction() as session:
        session.connection().execute(touch)
        level = session.connection().execute(text("SHOW transaction_isolation")).scalar_one()
    assert level == "read committed"
