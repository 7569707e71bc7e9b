"""Beat: one message for each job and period, however many beats there are and whatever becomes of them."""

import pytest

from app import jobs
from app.dev.valkey import EmbeddedValkey
from tests.workers.stage import Stage, kill

pytestmark = pytest.mark.processes

DAILY = jobs.CHECK_BOOKS.name
# Sent all the time: when beat has sent this again and again, it has looked at the others as often.
METRONOME = jobs.HEARTBEAT.name
SCHEDULE = {"SCHEDULE_MAINTENANCE_CHECK_BOOKS": "86400", "SCHEDULE_MAINTENANCE_HEARTBEAT": "0.2"}


def looked_again(stage: Stage) -> None:
    """Until beat has looked five times more."""
    before = stage.sent().count(METRONOME)
    stage.until(lambda: stage.sent().count(METRONOME) >= before + 5)


def let_a_day_pass(stage: Stage, hours: int = 24) -> None:
    """The rows get older: the database's clock is not ours to move."""
    stage.execute("UPDATE job_turns SET sent_at = sent_at - make_interval(hours => %s) WHERE name = %s", hours, DAILY)


def test_two_beats_send_each_job_once_a_period(stage: Stage) -> None:
    stage.start("beat", with_rows=False, **SCHEDULE)
    stage.start("beat", with_rows=False, **SCHEDULE)
    stage.until(lambda: stage.log.getvalue().count("beat: Starting...") == 2 and DAILY in stage.sent())
    for day in (1, 2):
        looked_again(stage)
        assert stage.sent().count(DAILY) == day
        let_a_day_pass(stage)


def test_a_killed_beat_goes_on_where_it_was_with_nothing_skipped_and_nothing_twice(stage: Stage) -> None:
    beat = stage.start("beat", with_rows=False, **SCHEDULE)
    looked_again(stage)
    assert stage.sent().count(DAILY) == 1
    killed = beat.pid_of("beat")
    assert killed is not None
    kill(killed)
    let_a_day_pass(stage)
    stage.until(lambda: beat.pid_of("beat") not in (killed, None))
    looked_again(stage)
    assert stage.sent().count(DAILY) == 2


def test_a_restart_an_hour_before_a_daily_job_is_due_does_not_put_it_off(stage: Stage) -> None:
    beat = stage.start("beat", with_rows=False, **SCHEDULE)
    looked_again(stage)
    let_a_day_pass(stage, hours=23)
    beat.stop(grace_seconds=10)
    beat.start()
    looked_again(stage)
    assert stage.sent().count(DAILY) == 1
    let_a_day_pass(stage, hours=1)
    looked_again(stage)
    assert stage.sent().count(DAILY) == 2


def test_what_was_due_while_the_broker_was_away_is_sent_once_when_it_is_back(
    stage: Stage, broker: EmbeddedValkey
) -> None:
    beat = stage.start("beat", with_rows=False, **SCHEDULE)
    looked_again(stage)
    broker.stop()
    let_a_day_pass(stage)
    stage.until(lambda: "beat.not_sent" in stage.log.getvalue())
    broker.start()
    looked_again(stage)
    stage.until(lambda: stage.sent().count(DAILY) == 2)
    looked_again(stage)
    assert stage.sent().count(DAILY) == 2
    assert beat.count_ends("beat") == 0
