"""How everything that counts usage is run: what is tried again, how often, and what nobody can know."""

import threading
from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import text
from sqlmodel import Session

from app.db import Pool, transaction
from app.errors import OverloadedError
from app.services.meters import CountersMissingError, KeyTakenError, run_metering
from tests.environment import DEAD_DATABASE, environment
from tests.services.at_once import at_once

pytestmark = pytest.mark.usefixtures("product")


@pytest.fixture(autouse=True)
def tallies(product: str) -> None:
    """A table of two rows of our own, both at 0."""
    with psycopg.connect(product, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS tallies (name text PRIMARY KEY, n int NOT NULL)")
        connection.execute("TRUNCATE tallies")
        connection.execute("INSERT INTO tallies VALUES ('a', 0), ('b', 0)")


def add(session: Session, name: str) -> None:
    session.connection().execute(text("UPDATE tallies SET n = n + 1 WHERE name = :name"), {"name": name})


def counts(product: str) -> dict[str, int]:
    with psycopg.connect(product) as connection:
        return dict(connection.execute("SELECT name, n FROM tallies").fetchall())


def kill_backend(product: str, session: Session) -> None:
    """As an administrator, or a crash, would end the connection of a transaction."""
    pid = session.connection().execute(text("SELECT pg_backend_pid()")).scalar_one()
    with psycopg.connect(product, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


class Tries:
    """Counts how often some work is begun, and lets it fail the first times."""

    def __init__(self, fail: Callable[[Session], None], *, times: int = 1) -> None:
        self.count = 0
        self._fail = fail
        self._times = times

    def __call__(self, session: Session) -> str:
        self.count += 1
        add(session, "a")
        if self.count <= self._times:
            self._fail(session)
        return "done"


def test_two_that_wait_for_each_other_are_both_done_in_the_end(product: str) -> None:
    both_hold_one = threading.Barrier(2)
    begun: list[str] = []

    def move(first: str, second: str) -> None:
        def work(session: Session) -> None:
            # The wait is ended by finding the circle, not by the lock timeout.
            session.connection().execute(text("SET LOCAL deadlock_timeout = '20ms'"))
            session.connection().execute(text("SET LOCAL lock_timeout = '10s'"))
            begun.append(first)
            add(session, first)
            if begun.count(first) == 1:
                both_hold_one.wait(10)
            add(session, second)

        run_metering(work)

    assert at_once(lambda: move("a", "b"), lambda: move("b", "a")) == [None, None]

    assert len(begun) > 2
    assert counts(product) == {"a": 2, "b": 2}


def test_who_read_what_has_changed_meanwhile_is_tried_again(product: str) -> None:
    def lose_the_race(session: Session) -> None:
        session.rollback()
        session.connection().execute(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
        session.connection().execute(text("SELECT n FROM tallies")).all()
        with transaction() as other:
            add(other, "b")
        add(session, "b")  # could not serialize access due to concurrent update

    work = Tries(lose_the_race)

    assert run_metering(work) == "done"

    assert work.count == 2
    assert counts(product) == {"a": 1, "b": 1}


def test_a_counter_that_somebody_holds_is_told_at_once_and_not_waited_for_again(product: str) -> None:
    work = Tries(lambda session: add(session, "b"))

    with psycopg.connect(product) as holder:
        holder.execute("SELECT FROM tallies WHERE name = 'b' FOR UPDATE")
        with pytest.raises(OverloadedError) as raised:
            run_metering(work)

    assert work.count == 1
    assert (raised.value.held_up, raised.value.nothing_done) == (True, True)
    assert counts(product) == {"a": 0, "b": 0}


@pytest.mark.parametrize("pool", [Pool.METERING, Pool.LANES])
def test_connections_that_were_lost_between_calls_cost_a_try_and_no_call(product: str, pool: Pool) -> None:
    run_metering(lambda session: add(session, "b"), pool)
    with psycopg.connect(product, autocommit=True) as connection:
        ended = connection.execute(
            """SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'meterline'"""
        ).fetchall()
    assert (True,) in ended
    work = Tries(lambda _: None)

    assert run_metering(work, pool) == "done"

    assert work.count == 2
    assert counts(product) == {"a": 1, "b": 1}


def test_a_connection_that_is_lost_in_the_middle_costs_a_try_and_counts_once(product: str) -> None:
    def lose_connection(session: Session) -> None:
        kill_backend(product, session)
        add(session, "b")

    work = Tries(lose_connection)

    assert run_metering(work) == "done"

    assert work.count == 2
    assert counts(product) == {"a": 1, "b": 0}


def test_a_connection_that_is_lost_at_the_commit_is_not_tried_again_for_nobody_knows(product: str) -> None:
    work = Tries(lambda session: kill_backend(product, session))

    with pytest.raises(OverloadedError) as raised:
        run_metering(work)

    assert work.count == 1
    assert raised.value.nothing_done is False


@pytest.mark.parametrize("failure", [KeyTakenError(), CountersMissingError([])], ids=["a key", "a counter"])
def test_what_others_take_away_every_time_is_tried_four_times(product: str, failure: Exception) -> None:
    def fail(_session: Session) -> None:
        raise failure

    work = Tries(fail, times=10**9)

    with pytest.raises(OverloadedError, match="Nothing was done") as raised:
        run_metering(work)

    assert work.count == 4
    assert (raised.value.held_up, raised.value.nothing_done) == (True, True)
    assert counts(product) == {"a": 0, "b": 0}


def test_a_database_that_stays_away_is_not_taken_for_a_counter_that_is_held() -> None:
    work = Tries(lambda _: None)

    with environment(DATABASE_URL=DEAD_DATABASE), pytest.raises(OverloadedError) as raised:
        run_metering(work)

    assert (raised.value.held_up, raised.value.nothing_done) == (False, True)


def test_what_is_no_matter_of_others_is_not_tried_again(product: str) -> None:
    def fail(_session: Session) -> None:
        raise ZeroDivisionError

    work = Tries(fail)

    with pytest.raises(ZeroDivisionError):
        run_metering(work)

    assert work.count == 1
    assert counts(product) == {"a": 0, "b": 0}
