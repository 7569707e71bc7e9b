"""Jobs leave after the commit, off the caller's thread, and never fail one."""

import time
from collections.abc import Iterator

import pytest

from app import jobs
from app.db import transaction
from app.dev.valkey import EmbeddedValkey
from app.errors import OverloadedError
from app.jobs import celery_app
from tests.environment import DEAD_BROKER, environment


def waiting(queue: jobs.Queue) -> int:
    """How many messages wait in the broker."""
    with celery_app.sender().connection_for_read() as connection:
        return int(connection.default_channel.client.llen(queue))


@pytest.fixture
def broker(database_url: str, valkey: EmbeddedValkey) -> Iterator[None]:
    with environment(METERLINE_ENV="development", DATABASE_URL=database_url, REDIS_URL=valkey.url_of(5)):
        with celery_app.sender().connection_for_read() as connection:
            connection.default_channel.client.flushdb()
        yield


def test_a_job_is_sent_after_the_commit_to_its_queue(broker: None) -> None:
    with transaction() as session:
        jobs.enqueue(session, jobs.PRUNE)
        assert jobs.wait_until_sent(5)
        assert waiting(jobs.Queue.MAINTENANCE) == 0
    assert jobs.wait_until_sent(5)
    assert waiting(jobs.Queue.MAINTENANCE) == 1
    assert waiting(jobs.Queue.DEFAULT) == 0


def test_a_job_of_a_transaction_that_is_rolled_back_is_never_sent(broker: None) -> None:
    with pytest.raises(OverloadedError):
        _enqueue_in_vain()
    assert jobs.wait_until_sent(5)
    assert waiting(jobs.Queue.MAINTENANCE) == 0


def _enqueue_in_vain() -> None:
    with transaction() as session:
        jobs.enqueue(session, jobs.PRUNE)
        raise OverloadedError("for once")


def test_the_same_hint_is_not_sent_twice_while_it_waits(broker: None) -> None:
    with transaction() as session:
        for _ in range(100):
            jobs.enqueue(session, jobs.CHECK_BOOKS_OF, "test_a")
            jobs.enqueue(session, jobs.CHECK_BOOKS_OF, "test_b")
    assert jobs.wait_until_sent(5)
    # At most two are on their way while the rest is put in: one that was taken out before its like came.
    assert 2 <= waiting(jobs.Queue.MAINTENANCE) <= 10


def test_without_a_broker_nobody_waits_and_nothing_fails(database_url: str) -> None:
    with environment(METERLINE_ENV="development", DATABASE_URL=database_url, REDIS_URL=DEAD_BROKER):
        began = time.monotonic()
        for number in range(1_000):
            with transaction() as session:
                jobs.enqueue(session, jobs.CHECK_BOOKS_OF, f"test_{number}")
        assert time.monotonic() - began < 5
        # What the broker could not take is dropped as a whole, not one by one.
        assert jobs.wait_until_sent(20)
