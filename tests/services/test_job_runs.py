"""A job's runs are noted: when, how it went, how much; with more to do it is sent again."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory
from redis import Redis
from sqlalchemy.exc import DataError

from app import jobs
from app.db import transaction
from app.dev.valkey import EmbeddedValkey
from app.services.job_runs import run_noted
from app.services.job_states import JobState, list_states
from app.services.sweeps import Swept
from tests.environment import environment

BEGUN = datetime(2026, 1, 10, 12, tzinfo=UTC)
LATER = BEGUN + timedelta(minutes=1)
JOB = jobs.PRUNE


@pytest.fixture
def broker(product: str, database_url: str, valkey: EmbeddedValkey) -> Iterator[Redis]:
    url = valkey.url_of(6)
    with environment(DATABASE_URL=database_url, REDIS_URL=url), Redis.from_url(url) as redis:
        redis.flushdb()
        yield redis


@pytest.fixture
def time(broker: Redis) -> Iterator[FrozenDateTimeFactory]:
    with freeze_time(BEGUN) as frozen:
        yield frozen


def state() -> JobState:
    return next(one for one in list_states() if one.name == JOB.name)


def fail() -> int:
    raise LookupError("x" * 600)


def test_a_success_says_when_and_how_much(time: FrozenDateTimeFactory) -> None:
    run_noted(JOB, lambda: 7)
    found = state()
    assert (found.started_at, found.succeeded_at, found.failed_at, found.error) == (BEGUN, BEGUN, None, None)
    assert (found.handled, found.problem) == (7, None)


def test_a_failure_is_noted_and_raised_and_the_last_success_is_kept(time: FrozenDateTimeFactory) -> None:
    run_noted(JOB, lambda: 7)
    time.move_to(LATER)
    with pytest.raises(LookupError):
        run_noted(JOB, fail)
    found = state()
    assert (found.started_at, found.succeeded_at, found.failed_at) == (LATER, BEGUN, LATER)
    assert (found.error, found.handled) == (f"LookupError: {'x' * 600}"[:500], 7)
    time.move_to(LATER + timedelta(seconds=1))
    run_noted(JOB, lambda: 0)
    assert (state().error, state().failed_at, state().problem) == (None, LATER, None)


def test_a_failure_is_noted_without_what_rows_hold(time: FrozenDateTimeFactory) -> None:
    def fail_with_a_row() -> int:
        with transaction() as session:
            session.connection().exec_driver_sql("SELECT 'ada@example.com'::int")
        return 0

    with pytest.raises(DataError, match=r"ada@example\.com"):
        run_noted(JOB, fail_with_a_row)
    told = 'DataError: InvalidTextRepresentation: invalid input syntax for type integer: "…" (sqlstate 22P02)'
    assert (state().error, state().problem) == (told, f"failed: {told}")


def test_a_run_that_was_killed_shows_as_begun_and_not_ended(time: FrozenDateTimeFactory) -> None:
    run_noted(JOB, lambda: 7)
    time.move_to(LATER)

    def be_killed() -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_noted(JOB, be_killed)
    assert (state().started_at, state().succeeded_at, state().failed_at) == (LATER, BEGUN, None)


@pytest.mark.parametrize(("more", "sent"), [(True, 1), (False, 0)])
def test_with_more_to_do_the_job_is_sent_again(broker: Redis, more: bool, sent: int) -> None:
    run_noted(JOB, lambda: Swept(handled=5, set_aside=1, more=more))
    assert jobs.wait_until_sent(10)
    assert broker.llen(JOB.queue) == sent
