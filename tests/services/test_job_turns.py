"""Whose turn it is: each job once a period, whoever asks, and whatever becomes of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy import text

from app import jobs
from app.db import engine
from app.services.job_turns import give_back, note_sent, take_due
from tests.environment import environment
from tests.services.at_once import at_once

OFF = {f"SCHEDULE_{job.name.replace('.', '_').upper()}": "0" for job in jobs.JOBS if job.schedule}
DAILY, HOURLY = jobs.CHECK_BOOKS, jobs.HEARTBEAT


@pytest.fixture(autouse=True)
def two_jobs(product: str, database_url: str) -> Iterator[None]:
    """Of all jobs only these are on."""
    chosen = {"SCHEDULE_MAINTENANCE_CHECK_BOOKS": "86400", "SCHEDULE_MAINTENANCE_HEARTBEAT": "3600"}
    with environment(DATABASE_URL=database_url, **{**OFF, **chosen}):
        yield


def pass_time(seconds: float) -> None:
    """The rows get older: the database's clock is not ours to move."""
    with engine().begin() as connection:
        connection.execute(
            text(
                "UPDATE job_turns SET sent_at = sent_at - make_interval(secs => :s), "
                "taken_until = taken_until - make_interval(secs => :s)"
            ),
            {"s": seconds},
        )


def send_what_is_due() -> list[str]:
    due = take_due()
    for job in due:
        note_sent(job)
    return [job.name for job in due]


def test_what_was_never_sent_is_due_at_once_and_then_after_each_period() -> None:
    assert send_what_is_due() == [HOURLY.name, DAILY.name]
    assert send_what_is_due() == []
    pass_time(3_590)
    assert send_what_is_due() == []
    pass_time(10)
    assert send_what_is_due() == [HOURLY.name]


def test_a_daily_job_is_daily_though_somebody_asks_anew_every_hour() -> None:
    """Nothing is remembered by who asks: a restart is the same as asking again."""
    sent = []
    for _ in range(49):
        sent += send_what_is_due()
        pass_time(3_600)
    assert (sent.count(DAILY.name), sent.count(HOURLY.name)) == (3, 49)


def test_what_was_due_while_nobody_asked_is_sent_once() -> None:
    send_what_is_due()
    pass_time(10 * 86_400)
    assert send_what_is_due() == [HOURLY.name, DAILY.name]
    assert send_what_is_due() == []


def test_of_many_who_ask_at_once_one_has_it() -> None:
    @dataclass
    class Beat:
        def __call__(self) -> list[str]:
            return [job.name for job in take_due()]

    answers = at_once(*[Beat()] * 8)
    assert sorted(name for answer in answers for name in answer) == sorted([HOURLY.name, DAILY.name])


def test_what_somebody_took_and_died_with_is_due_again_after_ten_seconds() -> None:
    assert take_due() == [HOURLY, DAILY]
    pass_time(9)
    assert take_due() == []
    pass_time(1)
    assert take_due() == [HOURLY, DAILY]


def test_what_could_not_be_sent_is_due_again_at_once() -> None:
    first, second = take_due()
    note_sent(first)
    give_back([second])
    assert take_due() == [second]


def test_a_changed_period_counts_from_the_last_time_and_a_job_that_is_switched_off_is_never_due() -> None:
    send_what_is_due()
    pass_time(600)
    with environment(SCHEDULE_MAINTENANCE_CHECK_BOOKS="600", SCHEDULE_MAINTENANCE_HEARTBEAT="601"):
        assert send_what_is_due() == [DAILY.name]
    with environment(SCHEDULE_MAINTENANCE_CHECK_BOOKS="0", SCHEDULE_MAINTENANCE_HEARTBEAT="0"):
        assert send_what_is_due() == []
