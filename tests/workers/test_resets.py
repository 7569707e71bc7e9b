"""Usage periods end while real workers and a real beat are at work: at their pace, killed, and several at once."""

from datetime import UTC, datetime, timedelta

import pytest

from app import clock
from tests.environment import environment
from tests.services.shop import DAY, MONTH, Shop, counted
from tests.tenants import Tenant
from tests.workers.stage import Stage, children, kill

pytestmark = pytest.mark.processes

SECONDS_PER_DAY = 2
DAYS = 4
COUNTERS = 20_000

# Users that subscribed two months ago and have used 3 in the month that is over. Only the counters know: nothing here asks the
# ledger.
_BACKLOG = f"""
WITH made AS (
  INSERT INTO users (tenant_id, id, metadata, created_at, updated_at)
  SELECT tenant_id, 'u' || n, '{{}}', now(), now() FROM packages, generate_series(1, {COUNTERS}) AS n
  RETURNING tenant_id, key
), subscribed AS (
  INSERT INTO subscriptions (tenant_id, user_key, package_key, status, started_at, metadata, created_at, updated_at)
  SELECT m.tenant_id, m.key, p.key, 'ACTIVE', date_trunc('hour', now()) - interval '2 months 1 hour', '{{}}', now(), now()
  FROM made m JOIN packages p USING (tenant_id)
  RETURNING tenant_id, user_key, started_at
)
INSERT INTO consumptions (tenant_id, user_key, feature_key, period_start, period_end, used)
SELECT s.tenant_id, s.user_key, f.key, s.started_at + interval '1 month', s.started_at + interval '2 months', 3
FROM subscribed s JOIN features f USING (tenant_id)
"""  # noqa: S608 — a number of ours
_DUE = "SELECT count(*) FROM consumptions WHERE period_end <= now()"
_HISTORY = """
SELECT count(*) || ' rows, ' || count(DISTINCT user_key) || ' users, ' || sum(used) || ' used, ' || min(usage_limit) || ' allowed'
FROM usage_periods WHERE closed_at IS NOT NULL
"""


def test_days_pass_and_each_is_closed_with_what_was_used_in_it(stage: Stage, shop: Tenant) -> None:
    began = datetime.now(UTC)
    moved = f"2026-02-27T12:00:00Z@{began.isoformat()}*{86_400 // SECONDS_PER_DAY}"
    with environment(METERLINE_CLOCK=moved):
        used = Shop(shop.actor)
        used.feature()
        used.package("daily", counted(3, DAY))
        used.user()
        (subscription,) = used.subscribe("daily")
        started = datetime.fromisoformat(subscription.started_at)
        stage.start("worker", "beat", with_rows=False, METERLINE_CLOCK=moved, SCHEDULE_USAGE_RESET_DUE="0.3")

        accepted = [0] * (DAYS + 1)

        def days_are_over() -> bool:
            """Use as much as there is, all the time; note in which day it was."""
            answer = used.record()
            assert answer.consumption is not None
            event = used.ledger("at", "recorded")[-1]
            day = (event[0] - started).days
            if answer.recorded and day <= DAYS:
                accepted[day] += 1
            return clock.now() >= started + timedelta(days=DAYS)

        stage.until(days_are_over)
        over = "SELECT count(*) FROM usage_periods WHERE closed_at IS NOT NULL AND period_end <= "
        end = clock.to_wire(started + timedelta(days=DAYS))
        stage.until(lambda: stage.ask(f"{over}'{end}'") == DAYS)

        days = [(one.period_start, one.consumption.used, one.consumption.budget) for one in used.usage().past][::-1]
        assert days[:DAYS] == [(clock.to_wire(started + timedelta(days=day)), accepted[day], 3) for day in range(DAYS)]
        assert accepted[1:DAYS] == [3] * (DAYS - 1)


def test_a_backlog_is_closed_once_by_two_workers_of_which_one_is_killed(stage: Stage, shop: Tenant) -> None:
    used = Shop(shop.actor)
    used.feature()
    used.package("pro", counted(10, MONTH))
    stage.execute(_BACKLOG)
    assert stage.ask(_DUE) == COUNTERS

    doomed = stage.start("worker", with_rows=False)
    stage.start("worker", "beat", with_rows=False, SCHEDULE_USAGE_RESET_DUE="1")
    stage.until(lambda: stage.ask(_DUE) < COUNTERS)
    pid = doomed.pid_of("worker")
    assert pid is not None
    for each in [*children(pid), pid]:
        kill(each)

    stage.until(lambda: stage.ask(_DUE) == 0)
    assert stage.ask(_HISTORY) == f"{COUNTERS} rows, {COUNTERS} users, {3 * COUNTERS} used, 10 allowed"
    assert stage.ask("SELECT count(*) FROM consumptions WHERE used = 0 AND period_end > now()") == COUNTERS
