"""What is used beyond a limit is what Stripe's meter says, whatever comes late."""

from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from app.errors import SubscriptionError
from app.services import reverts
from app.services.meter_reports import send_reports
from tests.services.shop import DAY, SET, counted
from tests.stripe.metering import BEGAN, UNIT_MINOR, Metering
from tests.stripe.requests import requests, work


def test_checkout_sells_overage_as_a_line_without_a_quantity_and_it_is_no_subscription_of_its_own(
    pro: Metering,
) -> None:
    items = pro.market.gateway.subscription(pro.subscription_id).items
    assert [(item.quantity, item.price.meter_id is not None) for item in items] == [(1, False), (None, True)]
    assert pro.market.states() == [("pro", "ACTIVE")]


def test_what_is_used_beyond_the_limit_is_told_by_the_hour_when_the_hour_is_over(pro: Metering) -> None:
    pro.use(90)
    pro.after(minutes=20)
    pro.use(30)
    assert (pro.tell(), pro.meter()) == (0, {})
    pro.after(minutes=45)
    pro.use(7)
    assert (pro.tell(), pro.meter()) == (1, {"10 10:00": 20})
    pro.after(hours=5)
    pro.use(3)
    assert (pro.tell(), pro.meter()) == (1, {"10 10:00": 20, "10 11:00": 7})
    pro.after(hours=6)
    assert (pro.tell(), pro.meter()) == (1, {"10 10:00": 20, "10 11:00": 7, "10 15:00": 3})
    assert (pro.tell(), send_reports(pro.market.gateway).handled) == (0, 0)


def test_who_stays_within_the_limit_is_no_matter_for_stripe(pro: Metering) -> None:
    pro.use(100)
    pro.after(hours=2)
    assert (pro.tell(), pro.told()) == (0, [])


def test_late_events_take_backs_and_sets_change_what_was_told(pro: Metering) -> None:
    first = pro.use(120)
    pro.after(hours=1)
    pro.use(30)
    pro.after(hours=2)
    pro.tell()
    assert pro.meter() == {"10 10:00": 20, "10 11:00": 30}
    reverts.revert_usage(pro.market.shop.actor, first)
    pro.tell()
    assert pro.meter() == {"10 10:00": 0, "10 11:00": 0}
    pro.use(110, timestamp=BEGAN + timedelta(minutes=5))
    pro.tell()
    assert pro.meter() == {"10 10:00": 10, "10 11:00": 30}
    pro.use(-35)
    pro.after(hours=3)
    pro.tell()
    assert pro.meter() == {"10 10:00": 10, "10 11:00": 30, "10 12:00": -35}
    pro.use(250, action=SET)
    pro.after(hours=4)
    pro.tell()
    assert pro.meter() == {"10 10:00": 10, "10 11:00": 30, "10 12:00": -35, "10 13:00": 145}
    assert [each for each in pro.told() if each[0] == "10 10:20"] == [
        ("10 10:20", 1, 20, "SENT"),
        ("10 10:20", 2, 0, "SENT"),
        ("10 10:20", 3, 10, "SENT"),
    ]


def test_the_hour_in_which_a_bill_ends_is_told_in_two_parts_each_to_its_own_bill(pro: Metering) -> None:
    pro.use(130)
    end = BEGAN + timedelta(days=31)
    pro.move_to(end - timedelta(minutes=5))
    pro.use(11)
    pro.move_to(end)
    pro.use(104)
    pro.tell()
    assert pro.counted_in(BEGAN, end) == 41
    pro.copy()
    pro.move_to(end + timedelta(hours=1))
    pro.tell()
    assert pro.counted_in(BEGAN, end) == 41
    assert pro.counted_in(end, end + timedelta(hours=1)) == 4
    assert [(hour, value) for hour, _, value, _ in pro.told()] == [("10 10:20", 30), ("10 10:00", 11), ("10 10:20", 4)]


def test_what_is_told_of_a_bill_that_was_made_is_told_and_somebody_hears_of_it(pro: Metering) -> None:
    pro.use(130)
    end = BEGAN + timedelta(days=31)
    pro.move_to(end + timedelta(minutes=50))
    pro.copy()
    pro.tell()
    with capture_logs() as in_time:
        pro.use(5, timestamp=end - timedelta(minutes=30))
        pro.tell()
    pro.move_to(end + timedelta(minutes=70))
    with capture_logs() as too_late:
        pro.use(2, timestamp=end - timedelta(minutes=30))
        pro.tell()
    assert pro.counted_in(BEGAN, end) == 37
    warnings = [
        [each for each in logs if each["event"] == "stripe.overage_after_invoice"] for logs in (in_time, too_late)
    ]
    assert [[(each["since"], each["hours"]) for each in found] for found in warnings] == [
        [],
        [("2026-02-10T09:00:00.000Z", 1)],
    ]


@pytest.mark.parametrize(("limit", "overage"), [(None, True), (10, False)])
def test_without_a_limit_or_without_overage_nothing_is_told(
    metering: Metering, limit: int | None, overage: bool
) -> None:
    metering.sell(limit=limit, overage=overage)
    metering.sell_addon_with_overage()
    metering.buy()
    metering.market.shop.record(5_000)
    metering.after(hours=2)
    assert (metering.tell(), metering.told()) == (0, [])


def test_a_feature_that_starts_anew_every_day_is_charged_for_each_days_overage(metering: Metering) -> None:
    metering.sell(limit=10, per=DAY)
    metering.buy()
    metering.use(12)
    metering.after(hours=23, minutes=50)
    metering.use(5)
    metering.after(hours=24)
    metering.use(13)
    metering.after(hours=26)
    metering.tell()
    assert metering.meter() == {"10 10:00": 2, "11 10:00": 8}


def test_a_price_for_overage_is_none_that_a_package_is_changed_to(pro: Metering) -> None:
    shop = pro.market.shop
    shop.package("team", counted(1_000, overage=True))
    pro.price("team", "team-over", 1, metered_feature_id="calls")
    (held,) = shop.subscriptions()
    with pytest.raises(SubscriptionError) as refused:
        shop.change(held.id, "team")
    assert refused.value.message == (
        "Cannot change to package team: it has no active billing template that is paid again and again."
    )

    pro.price("team", "team-month", 9_000)
    shop.change(held.id, "team")
    assert work(pro.market) == 1
    assert requests(pro.market) == [("CHANGE", "DONE", None)]
    amounts = [item.price.amount_minor for item in pro.market.gateway.subscription(pro.subscription_id).items]
    assert amounts == [9_000, UNIT_MINOR, 1]
    assert pro.market.states() == [("team", "ACTIVE")]


def test_while_another_subscription_decides_nothing_is_charged_by_this_one(pro: Metering) -> None:
    pro.use(120)
    pro.after(hours=1)
    pro.market.shop.addon("plenty", counted(100_000))
    (plenty,) = pro.market.shop.subscribe("plenty")
    pro.use(50)
    pro.after(hours=2)
    pro.market.shop.cancel(plenty.id)
    pro.after(hours=2, minutes=1)
    pro.use(7)
    pro.after(hours=4)
    pro.tell()
    assert pro.meter() == {"10 10:00": 20, "10 12:00": 7}


def test_a_customer_of_two_packages_with_overage_of_the_same_feature_pays_it_once(pro: Metering) -> None:
    first, shop = pro.subscription_id, pro.market.shop
    shop.addon("extra", counted(500, overage=True))
    pro.price("extra", "extra-month", 900)
    pro.price("extra", "extra-over", 1, metered_feature_id="calls")
    pro.buy("extra", new=False)
    assert pro.market.gateway.subscription(first).customer_id == pro.customer_id
    pro.use(520)
    pro.after(hours=2)
    pro.tell()
    of_pro, of_extra = (pro.market.gateway.subscription(id_).items[1] for id_ in (first, pro.subscription_id))
    assert (pro.meter(of_pro.price.meter_id), pro.meter(of_extra.price.meter_id)) == ({}, {"10 10:00": 20})


def test_a_failed_payment_takes_nothing_back_and_a_good_one_tells_the_rest(pro: Metering) -> None:
    end = BEGAN + timedelta(days=31)
    pro.use(120)
    pro.after(hours=2)
    pro.tell()
    pro.market.double.world.set_card(pro.customer_id, "declines")
    pro.move_to(end)
    pro.use(140)
    pro.copy()
    assert pro.market.states() == [("pro", "PAST_DUE")]
    pro.move_to(end + timedelta(hours=3))
    pro.tell()
    assert pro.counted_in(BEGAN, end) == 20
    assert pro.counted_in(end, end + timedelta(hours=1)) == 0
    pro.market.double.world.set_card(pro.customer_id, "good")
    pro.market.double.world.pay_invoice(str(pro.market.gateway.subscription(pro.subscription_id).latest_invoice_id))
    pro.copy()
    pro.tell()
    assert pro.counted_in(BEGAN, end) == 20
    assert pro.counted_in(end, end + timedelta(hours=1)) == 40


def test_what_was_used_until_a_cancellation_is_told(pro: Metering) -> None:
    pro.use(120)
    pro.after(minutes=20, seconds=30)
    pro.market.gateway.cancel_subscription(pro.subscription_id)
    pro.copy()
    pro.after(minutes=25)
    assert (pro.tell(), pro.meter()) == (1, {"10 10:00": 20})
    pro.after(hours=30)
    assert pro.tell() == 0


def test_who_cancels_at_once_gets_an_invoice_for_the_overage_that_was_told(pro: Metering) -> None:
    pro.use(120)
    pro.after(hours=2)
    pro.tell()
    (held,) = pro.market.shop.subscriptions()
    pro.market.shop.cancel(held.id)
    assert work(pro.market) == 1
    invoices = pro.market.gateway.invoices(subscription_id=pro.subscription_id).items
    assert [(each.amount_due_minor, each.status) for each in invoices] == [(20 * UNIT_MINOR, "paid"), (5_000, "paid")]
    assert pro.market.states() == [("pro", "CANCELLED")]
