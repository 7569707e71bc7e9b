"""`meterline ledger …` and what a release does for the ledger: what an operator sees of its months."""

import psycopg
from freezegun import freeze_time

from tests import test_cli
from tests.environment import environment
from tests.services import test_ledger_partitions
from tests.services.test_ledger_partitions import names
from tests.test_cli import run, said

logging_as_before = test_cli.logging_as_before
no_months = test_ledger_partitions.no_months


@freeze_time("2026-01-10T12:00:00Z")
def test_the_months_are_made_and_listed(no_months: None) -> None:
    lines = said("ledger", "partitions", "--make-ahead", "1").splitlines()
    assert lines[0] == "Made usage_events_p2026_01, usage_events_p2026_02."
    assert [line.split() for line in lines[1:]] == [
        ["usage_events_p2026_01", "2026-01-01", "to", "2026-02-01", "0", "rows", "0.0", "MB"],
        ["usage_events_p2026_02", "2026-02-01", "to", "2026-03-01", "0", "rows", "0.0", "MB"],
        ["usage_events_default", "what", "has", "no", "month", "0", "rows", "0.0", "MB"],
    ]
    assert said("ledger", "partitions", "--make-ahead", "1").splitlines() == lines[1:]


@freeze_time("2026-01-10T12:00:00Z")
def test_expired_months_are_dropped_and_foretold(no_months: None) -> None:
    said("ledger", "partitions", "--make-ahead", "1")
    with freeze_time("2027-03-20T12:00:00Z"):
        assert said("ledger", "drop-expired") == "USAGE_RETENTION_DAYS is not set: the ledger is kept for good.\n"
        with environment(USAGE_RETENTION_DAYS="400"):
            foretold = said("ledger", "drop-expired", "--dry-run").splitlines()
            assert len(said("ledger", "partitions").splitlines()) == 3
            dropped = said("ledger", "drop-expired").splitlines()
            assert len(said("ledger", "partitions").splitlines()) == 2
    assert foretold[0] == dropped[0]
    assert foretold[0].split()[0] == "usage_events_p2026_01"
    what = (
        "what is before 2026-02-01: 1 months, 0 events without a month, 0 idempotency keys, 0 reservations, "
        "0 closed periods; 0 counters"
    )
    assert foretold[1:] == [f"Would drop {what} would stand for nothing now."]
    assert dropped[1:] == [f"Dropped {what} stand for nothing now."]


@freeze_time("2026-01-10T12:00:00Z")
def test_a_release_makes_the_next_months_unless_somebody_is_reading_the_ledger(
    no_months: None, database_url: str
) -> None:
    with psycopg.connect(database_url) as dump:
        dump.execute("LOCK TABLE usage_events IN ACCESS SHARE MODE")
        result = run("migrate")
        assert (result.exit_code, result.stdout) == (0, "The database is up to date.\n")
        assert result.stderr.splitlines()[-1] == (
            "The ledger is in use, so its next months were not made. `meterline ledger partitions --make-ahead 3` makes them."
        )
    made = ", ".join(names("2026_01", 4))
    assert said("migrate") == f"Made {made}.\nThe database is up to date.\n"
    assert said("migrate") == "The database is up to date.\n"
