"""What answers: the database, its migrations, the broker."""

import time

import pytest

from app import migrating
from app.services.health import Readiness, readiness, worker_answers
from tests.environment import DEAD_BROKER, DEAD_DATABASE, environment


def test_everything_answers(product: str) -> None:
    assert readiness() == Readiness(database=True, broker=True, migrations=True)
    assert readiness().ready is True


def test_a_database_behind_this_code_is_not_ready(product: str, database_url: str) -> None:
    migrating.downgrade(database_url, "base")
    with environment(DATABASE_URL=database_url):
        found = readiness()
    assert (found, found.ready) == (Readiness(database=True, broker=True, migrations=False), False)


def test_a_database_that_is_away_is_said_within_seconds(product: str) -> None:
    began = time.monotonic()
    with environment(DATABASE_URL=DEAD_DATABASE):
        assert readiness() == Readiness(database=False, broker=True, migrations=False)
    assert time.monotonic() - began < 5


def test_a_broker_that_is_away_is_said_within_seconds(product: str) -> None:
    began = time.monotonic()
    with environment(REDIS_URL=DEAD_BROKER):
        assert readiness() == Readiness(database=True, broker=False, migrations=True)
        assert worker_answers() is False
    assert time.monotonic() - began < 8


@pytest.mark.parametrize("missing", ["database", "broker", "migrations"])
def test_ready_needs_all_three(missing: str) -> None:
    parts = {"database": True, "broker": True, "migrations": True, missing: False}
    assert Readiness(**parts).ready is False
