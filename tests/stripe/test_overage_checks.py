"""Once a day: what Stripe's meters have counted is what they were told, or they are told again."""

from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from app.gateways.billing_errors import BillingUnavailableError
from app.services.overage_checks import compare_overage
from tests.stripe.market import Market
from tests.stripe.metering import BEGAN, Metering


def drift(metering: Metering) -> tuple[int, list[int]]:
    """How many items a night's run compared, and in how many hours of each that differed it did."""
    with capture_logs() as logs:
        compared = compare_overage(metering.market.gateway).handled
    return compared, [each["hours"] for each in logs if each["event"] == "stripe.overage_drift"]


@pytest.fixture
def told(pro: Metering) -> Metering:
    """Three hours with overage, which the meter knows."""
    for hour, units in enumerate((120, 30, 3)):
        pro.after(hours=hour)
        pro.use(units)
    pro.after(hours=3)
    pro.tell()
    assert pro.meter() == {"10 10:00": 20, "10 11:00": 30, "10 12:00": 3}
    return pro


def forge(metering: Metering, minutes: int, value: int) -> None:
    """Somebody else tells the meter of an hour."""
    (meter,) = metering.market.gateway.meters().items
    at = BEGAN + timedelta(minutes=minutes)
    metering.market.gateway.send_meter_event(
        meter.event_name, customer_id=metering.customer_id, value=value, at=at, identifier=f"forged:{minutes}:{value}"
    )


def lose(metering: Metering, n: int) -> None:
    """Stripe forgets what it was told."""
    events = metering.market.double.world.account.state.objects["billing.meter_event"]
    del events[list(events)[n]]


def test_where_both_agree_nothing_is_told_and_nobody_is_asked_twice_a_night(told: Metering) -> None:
    told.after(hours=8)
    assert (drift(told), drift(told)) == ((1, []), (0, []))
    asked = len(told.market.double.world.requests())
    # After two nights these hours are known to be right.
    told.after(hours=8 + 3 * 24)
    assert (drift(told), len(told.market.double.world.requests())) == ((1, []), asked)


def test_what_stripe_has_lost_or_got_otherwise_is_told_again_and_is_right_then(told: Metering) -> None:
    lose(told, 0)
    told.after(hours=8)
    forge(told, 60, 31)
    forge(told, 190, 7)
    assert told.meter() == {"10 11:00": 31, "10 12:00": 3, "10 13:00": 7}
    assert drift(told) == (1, [3])
    told.tell()
    assert told.meter() == {"10 10:00": 20, "10 11:00": 30, "10 12:00": 3, "10 13:00": 0}
    told.after(hours=8 + 24)
    assert drift(told) == (1, [])


def test_what_was_told_just_now_may_not_be_counted_yet(told: Metering) -> None:
    told.use(4)
    told.after(hours=4, minutes=10)
    told.tell()
    lose(told, 3)
    told.after(hours=5)
    assert drift(told) == (1, [])
    told.after(hours=26)
    assert drift(told) == (1, [1])


def test_a_customer_or_a_meter_that_is_gone_keeps_nobody_else_from_being_compared(told: Metering) -> None:
    Market.change("UPDATE metered_items SET meter_id = 'mtr_gone'")
    told.after(hours=8)
    with capture_logs() as logs:
        assert compare_overage(told.market.gateway).handled == 1
    assert [each["event"] for each in logs if each["log_level"] == "error"] == ["stripe.overage_not_compared"]


def test_while_stripe_is_away_the_job_fails_and_the_rest_has_its_turn(told: Metering) -> None:
    told.after(hours=8)
    told.market.double.world.set_down(down=True)
    with pytest.raises(BillingUnavailableError):
        compare_overage(told.market.gateway)
    told.market.double.world.set_down(down=False)
    assert drift(told) == (0, [])
    told.after(hours=30)
    lose(told, 0)
    assert drift(told) == (1, [1])


def test_hours_that_no_event_told_of_are_worked_out_again_every_night(told: Metering) -> None:
    """Somebody has changed the ledger by hand, under an old id."""
    told.market.change(
        "UPDATE usage_events SET applied = 31, delta = 31 WHERE tenant_id = :tenant_id AND applied = 30",
        tenant_id=told.market.shop.actor.tenant_id,
    )
    told.after(hours=8)
    told.tell()
    told.after(hours=24)
    drift(told)
    told.tell()
    assert told.meter()["10 11:00"] == 31
