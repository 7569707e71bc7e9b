"""Telling Stripe's meters of overage, whatever fails on the way: the sums are exact, and nothing is told for nothing."""

from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from app import clock
from app.cli import meterline
from app.gateways.stripe import StripeGateway
from app.gateways.stripe_double.faults import FaultKind
from app.services.meter_reports import LEASED_FOR, drop_old, send_reports
from app.services.overage import report_overage
from app.services.status import status
from tests.environment import environment
from tests.services.at_once import at_once
from tests.stripe.market import API_KEY
from tests.stripe.metering import BEGAN, Metering

EVENTS = "POST /v1/billing/meter_events"


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.ERROR,
        FaultKind.STORED_ERROR,
        FaultKind.STORED_ERROR_AFTER,
        FaultKind.LOST_REQUEST,
        FaultKind.LOST_ANSWER,
        FaultKind.RATE_LIMIT,
        FaultKind.CONFLICT,
        FaultKind.BAD_GATEWAY,
        FaultKind.NOT_JSON,
    ],
)
def test_what_fails_is_told_later_and_counts_once(pro: Metering, kind: FaultKind) -> None:
    pro.use(120)
    pro.after(hours=1)
    pro.use(30)
    pro.after(hours=2)
    pro.market.double.world.fail(kind, EVENTS)
    assert pro.tell() == 0
    assert [state for _, _, _, state in pro.told() if state == "WAITING"] == ["WAITING"] * 2
    assert pro.tell() == 0
    pro.after(hours=2, minutes=1)
    assert (pro.tell(), pro.meter()) == (2, {"10 10:00": 20, "10 11:00": 30})


def test_a_long_outage_loses_nothing_and_asks_ever_more_rarely(pro: Metering) -> None:
    pro.use(120)
    pro.after(hours=1)
    pro.market.double.world.set_down(down=True)
    asked = 0
    for minutes in range(60, 60 * 31, 10):
        pro.after(minutes=minutes)
        pro.use(1)
        before = len(pro.market.double.world.requests())
        assert pro.tell() == 0
        asked += len(pro.market.double.world.requests()) - before
    pro.market.double.world.set_down(down=False)
    pro.after(hours=33)
    pro.tell()
    assert sum(pro.meter().values()) == 20 + 6 * 30
    assert {state for _, _, _, state in pro.told()} == {"SENT"}
    # Half a minute, one, two, … and then once an hour, where there were 180 occasions.
    assert asked <= 120


def test_a_worker_that_dies_after_it_has_told_and_before_it_has_noted_it_is_followed_by_one_that_tells_again(
    pro: Metering,
) -> None:
    class Died(BaseException):
        pass

    class DyingGateway(StripeGateway):
        def send_meter_event(self, *arguments: Any, **more: Any) -> None:
            super().send_meter_event(*arguments, **more)
            raise Died

    pro.use(120)
    pro.after(hours=1)
    with pytest.raises(Died):
        pro.tell(DyingGateway(API_KEY, base=pro.market.double.url, tries_again=0))
    # As long as it may still be at work nobody else is.
    assert (pro.told(), pro.tell()) == ([("10 10:20", 1, 20, "WAITING")], 0)
    pro.move_to(clock.now() + LEASED_FOR)
    assert (pro.tell(), pro.meter()) == (1, {"10 10:00": 20})
    pro.after(days=1, hours=3)
    assert pro.tell() == 0


def test_jobs_that_run_at_once_tell_everything_once(pro: Metering) -> None:
    for hour in range(5):
        pro.after(hours=hour)
        pro.use(150)
    pro.after(hours=6)
    answers = at_once(*[report_overage] * 3)
    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    at_once(*[lambda: send_reports(pro.market.gateway)] * 3)
    assert pro.meter() == {"10 10:00": 50, "10 11:00": 150, "10 12:00": 150, "10 13:00": 150, "10 14:00": 150}
    sent = [each for each in pro.market.double.world.requests() if each.path == "/v1/billing/meter_events"]
    assert (len(sent), {state for _, _, _, state in pro.told()}) == (5, {"SENT"})


def test_of_an_hour_that_changes_while_stripe_is_away_only_the_newest_is_told(pro: Metering) -> None:
    pro.use(120)
    pro.after(hours=1)
    pro.market.double.world.set_down(down=True)
    pro.tell()
    pro.use(5, timestamp=BEGAN + timedelta(minutes=1))
    pro.tell()
    pro.market.double.world.set_down(down=False)
    pro.after(hours=1, minutes=30)
    assert (pro.tell(), pro.meter()) == (1, {"10 10:00": 25})
    assert pro.told() == [("10 10:20", 1, 20, "SUPERSEDED"), ("10 10:20", 2, 25, "SENT")]


def test_who_is_told_what_it_knows_already_has_it(pro: Metering) -> None:
    pro.use(120)
    pro.after(hours=1)
    pro.market.double.world.fail(FaultKind.LOST_ANSWER, EVENTS)
    assert pro.tell() == 0
    # A day later the idempotency key is forgotten, and the identifier is not: 400.
    pro.after(hours=30)
    assert (pro.tell(), pro.meter()) == (1, {"10 10:00": 20})
    statuses = [each.status for each in pro.market.double.world.requests() if each.path == "/v1/billing/meter_events"]
    assert statuses[-1] == 400


def test_what_stripe_will_never_take_is_given_up_and_somebody_hears_of_it(pro: Metering) -> None:
    pro.use(120)
    pro.after(hours=1)
    (meter,) = pro.market.gateway.meters().items
    pro.market.dashboard.billing.meters.deactivate(meter.id)
    with capture_logs() as logs:
        assert pro.tell() == 1
    (alert,) = [each for each in logs if each["event"] == "stripe.meter_report_dead"]
    assert (alert["log_level"], alert["value"], alert["hour"]) == ("error", 20, "2026-01-10T10:20:00.000Z")
    assert pro.told() == [("10 10:20", 1, 20, "DEAD")]
    pro.after(hours=2)
    assert pro.tell() == 0
    # A newer version of the hour is tried.
    pro.market.dashboard.billing.meters.reactivate(meter.id)
    pro.use(1, timestamp=BEGAN + timedelta(minutes=1))
    assert (pro.tell(), pro.meter()) == (1, {"10 10:00": 21})
    assert pro.told() == [("10 10:20", 1, 20, "SUPERSEDED"), ("10 10:20", 2, 21, "SENT")]


def test_an_operator_sees_what_was_given_up_and_has_it_told_again(pro: Metering) -> None:
    pro.use(120)
    pro.after(hours=1)
    (meter,) = pro.market.gateway.meters().items
    pro.market.dashboard.billing.meters.deactivate(meter.id)
    pro.tell()
    seen = CliRunner().invoke(meterline, ["overage", "dead"])
    mine = (
        f"{pro.market.app_id}\t{pro.subscription_id}\tpro\tcalls\t2026-01-10T10:20:00.000Z\t20\tNo active meter found"
    )
    assert (seen.exit_code, seen.output.startswith(mine)) == (1, True)
    records = status(ping_workers=False).records
    assert records is not None
    assert records.dead_meter_reports.count == 1

    pro.market.dashboard.billing.meters.reactivate(meter.id)
    assert CliRunner().invoke(meterline, ["overage", "retry"]).output == "1 hours are told again.\n"
    assert (pro.tell(), pro.meter()) == (1, {"10 10:00": 20})
    assert CliRunner().invoke(meterline, ["overage", "dead"]).exit_code == 0


def test_what_waited_for_over_34_days_is_given_up(pro: Metering) -> None:
    pro.use(120)
    pro.after(hours=1)
    report_overage()
    pro.after(days=34, hours=1)
    pro.copy()
    pro.tell()
    assert pro.told()[0] == ("10 10:20", 1, 20, "DEAD")
    assert CliRunner().invoke(meterline, ["overage", "retry"]).output == "0 hours are told again.\n"
    assert CliRunner().invoke(meterline, ["overage", "forget"]).output == "1 hours are forgotten.\n"
    assert CliRunner().invoke(meterline, ["overage", "dead"]).exit_code == 0
    pro.after(days=400)
    assert (drop_old(), len(pro.told())) == (0, 1)
    pro.after(days=400, hours=2)
    assert (drop_old(), pro.told()) == (1, [])


def test_without_a_key_to_stripe_nothing_is_told_and_nothing_is_lost(pro: Metering) -> None:
    pro.use(120)
    pro.after(hours=1)
    report_overage()
    with environment(STRIPE_API_KEY=None):
        assert send_reports().handled == 0
    assert pro.told() == [("10 10:20", 1, 20, "WAITING")]
    live = StripeGateway("sk_live_of_the_tests", base=pro.market.double.url, tries_again=0)
    assert (send_reports(live).handled, pro.meter()) == (0, {})
    assert (send_reports(pro.market.gateway).handled, pro.meter()) == (1, {"10 10:00": 20})


def test_what_cannot_be_written_down_is_set_aside_and_written_down_later(pro: Metering) -> None:
    pro.use(120)
    pro.after(hours=1)
    pro.market.change(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$; "
        "CREATE TRIGGER refuse BEFORE INSERT ON meter_reports FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    try:
        assert (report_overage().set_aside, pro.told()) == (1, [])
    finally:
        pro.market.change("DROP FUNCTION refuse CASCADE")
    pro.after(hours=1, minutes=2)
    assert (pro.tell(), pro.meter()) == (1, {"10 10:00": 20})
