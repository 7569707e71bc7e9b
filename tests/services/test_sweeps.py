"""Sweeps: batches beside everybody else; a row that cannot be done is set aside, the others go on."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory
from sqlalchemy import text
from sqlmodel import Session

from app import jobs
from app.db import engine
from app.errors import OverloadedError
from app.services.sweeps import Sweep, Swept, run
from tests.environment import environment
from tests.tenants import new_tenant

BEGUN = datetime(2026, 1, 10, 12, tzinfo=UTC)
JOB = jobs.RESET_DUE

_DUE = """
SELECT id FROM chores WHERE tenant_id = %s AND times = 0 AND NOT id::text = ANY(%s::text[])
ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
"""


@dataclass
class Chores:
    """Rows to be done once. `bad` ones make a batch fail; `sizes` are those of the batches that were tried."""

    bad: set[int] = field(default_factory=set)
    sizes: list[int] = field(default_factory=list)
    error: type[Exception] = ValueError
    meanwhile: Callable[[], None] = lambda: None

    def sweep(self, batch: int) -> Sweep[int]:
        return Sweep(JOB, self._due, self._handle, id_of=str, batch=batch)

    def _due(
        self, session: Session, tenant_id: int, now: datetime, limit: int, but_not: Sequence[str]
    ) -> Sequence[int]:
        return list(session.connection().exec_driver_sql(_DUE, (tenant_id, list(but_not), limit)).scalars())

    def _handle(self, session: Session, rows: Sequence[int], now: datetime) -> None:
        self.sizes.append(len(rows))
        session.connection().exec_driver_sql("UPDATE chores SET times = times + 1 WHERE id = ANY(%s)", (list(rows),))
        self.meanwhile()
        if found := self.bad & set(rows):
            raise self.error(f"cannot do {sorted(found)}")


@pytest.fixture
def chores(product: str, database_url: str) -> Iterator[Chores]:
    with environment(DATABASE_URL=database_url):
        execute("CREATE TABLE chores (tenant_id int NOT NULL, id int PRIMARY KEY, times int NOT NULL DEFAULT 0)")
        yield Chores()


def execute(statement: str, **values: object) -> None:
    with engine().begin() as connection:
        connection.execute(text(statement), values)


def write(tenant_id: int, first: int, count: int) -> None:
    execute(
        "INSERT INTO chores SELECT :t, generate_series(CAST(:a AS int), CAST(:b AS int))",
        t=tenant_id,
        a=first,
        b=first + count - 1,
    )


def rows(question: str) -> list[tuple[object, ...]]:
    with engine().connect() as connection:
        return [tuple(row) for row in connection.execute(text(question))]


def left() -> list[int]:
    """The rows that are not done; none was done twice."""
    assert rows("SELECT id FROM chores WHERE times > 1") == []
    return [int(str(row[0])) for row in rows("SELECT id FROM chores WHERE times = 0 ORDER BY id")]


def faults() -> list[tuple[object, ...]]:
    return rows("SELECT row_id, attempts, error, retry_at FROM job_faults ORDER BY row_id")


@pytest.fixture
def tenant_id(chores: Chores) -> int:
    return new_tenant().actor.tenant_id


def test_everything_is_done_in_batches_a_batch_of_each_tenant_in_turn(chores: Chores, tenant_id: int) -> None:
    write(tenant_id, 1, 25)
    write(new_tenant().actor.tenant_id, 101, 5)
    assert run(chores.sweep(10)) == Swept(handled=30, set_aside=0, more=False)
    assert sorted(chores.sizes) == [5, 5, 10, 10]
    # The small tenant did not wait for all of the large one's.
    assert chores.sizes.index(5) < 2
    assert left() == []
    assert run(chores.sweep(10)) == Swept(handled=0, set_aside=0, more=False)


def test_a_run_ends_after_its_time_and_says_that_there_is_more(chores: Chores, tenant_id: int) -> None:
    write(tenant_id, 1, 30)
    over = threading.Event()
    chores.meanwhile = lambda: over.wait(0.3) or None
    assert run(chores.sweep(10), run_seconds=0.25) == Swept(handled=10, set_aside=0, more=True)
    over.set()
    assert run(chores.sweep(10)) == Swept(handled=20, set_aside=0, more=False)


def test_a_row_that_fails_is_found_and_set_aside_and_the_others_are_done(chores: Chores, tenant_id: int) -> None:
    write(tenant_id, 1, 250)
    chores.bad = {7, 133}
    with freeze_time(BEGUN):
        assert run(chores.sweep(100), run_seconds=float("inf")) == Swept(handled=248, set_aside=2, more=False)
    assert left() == [7, 133]
    # A batch of a hundred is narrowed to ten and to one, and grows again with each that is done.
    assert chores.sizes[:6] == [100, 10, 1, 10, 1, 10]
    assert chores.sizes.count(100) >= 2
    assert len(chores.sizes) < 40
    soon = BEGUN + timedelta(minutes=1)
    assert faults() == [
        ("133", 1, "ValueError: cannot do [133]", soon),
        ("7", 1, "ValueError: cannot do [7]", soon),
    ]


def test_what_is_set_aside_is_tried_again_later_and_later_and_forgiven_when_it_is_done(
    chores: Chores, tenant_id: int
) -> None:
    write(tenant_id, 1, 3)
    chores.bad = {2}

    def try_at(time: FrozenDateTimeFactory, moment: datetime) -> Swept:
        time.move_to(moment)
        return run(chores.sweep(10), run_seconds=float("inf"))

    with freeze_time(BEGUN) as time:
        assert try_at(time, BEGUN).set_aside == 1
        for attempts, minutes in ((2, 2), (3, 4), (4, 8)):
            (retry_at,) = (row[3] for row in faults())
            assert isinstance(retry_at, datetime)
            assert try_at(time, retry_at - timedelta(milliseconds=1)) == Swept(handled=0, set_aside=0, more=False)
            assert try_at(time, retry_at) == Swept(handled=0, set_aside=1, more=False)
            assert faults()[0][1:] == (
                attempts,
                "ValueError: cannot do [2]",
                retry_at + timedelta(minutes=minutes),
            )
        execute("UPDATE job_faults SET attempts = 40")
        assert try_at(time, BEGUN + timedelta(days=1)).set_aside == 1
        assert faults()[0][3] == BEGUN + timedelta(days=2)
        chores.bad = set()
        assert try_at(time, BEGUN + timedelta(days=2)) == Swept(handled=1, set_aside=0, more=False)
    assert (left(), faults()) == ([], [])


def test_why_a_row_was_set_aside_is_kept_without_what_the_row_holds(chores: Chores, tenant_id: int) -> None:
    write(tenant_id, 1, 1)
    execute("CREATE TABLE members (email text PRIMARY KEY)")
    chores.meanwhile = lambda: execute("INSERT INTO members VALUES ('ada@example.com'), ('ada@example.com')")
    assert run(chores.sweep(10), run_seconds=float("inf")).set_aside == 1
    assert [row[2] for row in faults()] == [
        'IntegrityError: UniqueViolation: duplicate key value violates unique constraint "members_pkey"'
        " (sqlstate 23505, constraint members_pkey, table members)"
    ]


def test_two_at_once_share_the_rows_and_do_each_once(chores: Chores, tenant_id: int) -> None:
    write(tenant_id, 1, 40)
    both_in_the_middle = threading.Barrier(2, timeout=10)
    first = threading.local()

    def meet_once() -> None:
        if not getattr(first, "has_met", False):
            first.has_met = True
            both_in_the_middle.wait()

    chores.meanwhile = meet_once
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(run, chores.sweep(10)) for _ in range(2)]
        handled = [one.result().handled for one in runs]
    assert sum(handled) == 40
    assert min(handled) >= 10
    assert left() == []


def test_a_database_that_is_busy_ends_the_run_and_blames_no_row(chores: Chores, tenant_id: int) -> None:
    write(tenant_id, 1, 30)
    chores.bad, chores.error = {15}, OverloadedError
    with pytest.raises(OverloadedError):
        run(chores.sweep(10))
    assert (left()[0], faults()) == (11, [])


def test_a_question_that_fails_is_raised_and_blames_no_row(chores: Chores, tenant_id: int) -> None:
    execute("DROP TABLE chores")
    with pytest.raises(Exception, match="chores"):
        run(chores.sweep(10))
    assert faults() == []
