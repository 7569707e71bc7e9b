"""`meterline schedule` and `meterline status`: what an operator sees, and the exit code that an alarm goes by."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory

from app import jobs
from app.gateways.account_limits import FAILURES_MAX, limits_for
from app.gateways.billing import Lane
from app.services.job_runs import run_noted
from app.services.ledger_partitions import make_ahead
from tests import test_cli
from tests.environment import DEAD_BROKER, DEAD_DATABASE, environment
from tests.services import test_status
from tests.services.test_status import BEGUN, do_all_jobs, stocked
from tests.test_cli import run, said

logging_as_before = test_cli.logging_as_before
own_database = test_status.own_database


@pytest.fixture
def time(own_database: None) -> Iterator[FrozenDateTimeFactory]:
    """It goes on: whoever waits for workers goes by it."""
    with freeze_time(BEGUN, tick=True) as moved:
        make_ahead(BEGUN, 3)
        yield moved


def test_the_schedule_lists_every_job_with_its_setting_and_its_last_run(time: FrozenDateTimeFactory) -> None:
    run_noted(jobs.RESET_DUE, lambda: 1_200)
    time.tick(timedelta(seconds=90))
    with environment(SCHEDULE_MAINTENANCE_PRUNE="0"):
        lines = said("schedule").splitlines()
        told = json.loads(said("schedule", "--json"))
    assert [line for line in lines if not line.startswith(" ")] == [f"{job.name}  ({job.queue})" for job in jobs.JOBS]
    at = lines.index("usage.reset_due  (default)")
    assert lines[at + 1 : at + 3] == [
        "  closes periods that have ended and moves their counters on",
        "  every 60 s (SCHEDULE_USAGE_RESET_DUE)",
    ]
    assert lines[at + 3].startswith("  done 90 s ago in 0.")
    assert lines[at + 3].endswith(" s, 1,200 things")
    at = lines.index("maintenance.prune  (maintenance)")
    assert lines[at + 2 : at + 4] == ["  switched off (SCHEDULE_MAINTENANCE_PRUNE=0)", "  has not run yet"]
    at = lines.index("maintenance.check_books_of  (maintenance)")
    assert lines[at + 2] == "  sent when there is cause"

    assert [one["name"] for one in told] == [job.name for job in jobs.JOBS]
    assert told[1]["handled"] == 1_200
    assert told[1]["succeeded_at"].startswith("2026-01-10T12:00:0")


def test_without_workers_the_status_ends_with_1_and_says_so(time: FrozenDateTimeFactory) -> None:
    do_all_jobs()
    seen = run("status")
    assert seen.exit_code == 1
    assert seen.stdout.splitlines()[-2:] == ["PROBLEM          no worker answers", "Not all is well."]
    assert "workers          none answered within 2 s" in seen.stdout.splitlines()
    assert "beat             never sent a job" in seen.stdout.splitlines()


def test_what_is_late_is_told_to_people_and_to_programs(time: FrozenDateTimeFactory) -> None:
    with freeze_time(BEGUN):
        stocked().record()
    time.move_to("2026-02-10T14:00:00Z")
    do_all_jobs()
    problem = "counters wait for usage.reset_due since 2026-02-10T12:00:00.000Z"

    people = run("status")
    assert people.exit_code == 1
    assert f"PROBLEM          {problem}" in people.stdout.splitlines()
    assert "waiting          counters: the oldest is due since 2 h ago" in people.stdout.splitlines()
    assert "at Stripe        unpaid links: none" in people.stdout.splitlines()
    assert "last webhook     none came from Stripe yet" in people.stdout.splitlines()

    programs = run("status", "--json")
    assert programs.exit_code == 1
    told = json.loads(programs.stdout)
    assert told["problems"] == ["no worker answers", problem]
    assert set(told["messages"]["waiting"]) == set(jobs.Queue)
    assert told["records"]["backlogs"][0] == {
        "kind": "counters",
        "job": "usage.reset_due",
        "oldest_at": "2026-02-10T12:00:00Z",
        "is_late": True,
    }


def test_with_a_key_to_stripe_it_is_said_whether_it_answers(own_database: None) -> None:
    with environment(STRIPE_API_KEY="sk_test_cli_status"):
        assert "Stripe           is asked" in run("status").stdout.splitlines()
        for _ in range(FAILURES_MAX):
            limits_for(Lane.SWEEPS).note_failure()
        assert "Stripe           does not answer" in run("status").stdout.splitlines()


def test_what_is_away_is_said_and_the_rest_is_shown(own_database: None) -> None:
    with environment(REDIS_URL=DEAD_BROKER):
        seen = run("status")
        assert seen.exit_code == 1
        assert "messages         unknown, the broker is away" in seen.stdout.splitlines()
        assert "rows set aside   0" in seen.stdout.splitlines()
    with environment(DATABASE_URL=DEAD_DATABASE):
        seen = run("status")
        assert seen.exit_code == 1
        assert "database         away" in seen.stdout.splitlines()
