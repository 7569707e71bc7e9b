"""After a renewal that failed there is access for as long as PAST_DUE_GRACE_DAYS said, to the millisecond and without any job."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from app import clock
from app.domain.explanations import SubscriptionStanding
from app.errors import SubscriptionError
from app.services.subscription_dates import settle_due
from app.services.usage_resets import reset_due
from tests.environment import environment
from tests.services.explaining import why
from tests.services.shop import Shop, counted
from tests.stripe.metering import BEGAN, Metering

MILLISECOND = timedelta(milliseconds=1)
RENEWED = BEGAN + timedelta(days=31)
GRACE_ENDS = RENEWED + timedelta(days=3)
ONLY = "It decides: it is the only one that counts."
LATE = f"It is PAST_DUE, and its grace ends at {clock.to_wire(GRACE_ENDS)}."
OVER = f"It is PAST_DUE, and only ACTIVE and TRIALING give access. Its grace ended at {clock.to_wire(GRACE_ENDS)}."


@pytest.fixture
def grace() -> Iterator[None]:
    with environment(PAST_DUE_GRACE_DAYS="3"):
        yield


@pytest.fixture
def pro(metering: Metering, grace: None) -> Metering:
    """Ada has bought 100 calls a month, and has used 40."""
    metering.sell(overage=False)
    metering.buy()
    metering.use(40)
    return metering


def fail(pro: Metering) -> None:
    pro.market.double.world.set_card(pro.customer_id, "declines")
    pro.move_to(RENEWED)
    pro.copy()
    assert pro.market.states() == [("pro", "PAST_DUE")]


def pay(pro: Metering) -> None:
    pro.market.double.world.set_card(pro.customer_id, "good")
    pro.market.double.world.pay_invoice(str(pro.market.gateway.subscription(pro.subscription_id).latest_invoice_id))
    pro.copy()
    assert pro.market.states() == [("pro", "ACTIVE")]


def written(pro: Metering) -> list[tuple[str, datetime | None]]:
    found = pro.market.ask("SELECT status, grace_ends_at FROM subscriptions WHERE tenant_id = :tenant_id ORDER BY id")
    return [(status, at) for status, at in found]


def closed(pro: Metering) -> list[tuple[Any, ...]]:
    """(day on which it began, used, limit) of the periods that are closed."""
    return pro.market.ask(
        "SELECT to_char(period_start, 'YYYY-MM-DD'), used, usage_limit FROM usage_periods "
        "WHERE tenant_id = :tenant_id AND closed_at IS NOT NULL ORDER BY period_start"
    )


def everything_agrees(shop: Shop, *, access: bool) -> str:
    """Every way to ask says the same; the reason is returned."""
    answer, recorded = shop.access(), shop.record()
    assert (answer.access, recorded.recorded) == (access, access)
    assert (shop.usage().current is not None) is access
    found = why(shop)
    (candidate,) = found.candidates
    standing = SubscriptionStanding.DECIDES if access else SubscriptionStanding.INACTIVE
    assert (found.answer.access, found.decision is not None) == (access, access)
    assert (candidate.status, candidate.standing) == ("PAST_DUE", standing)
    assert candidate.because == (f"{ONLY} {LATE}" if access else OVER)
    return answer.reason


def test_access_goes_on_to_the_millisecond_and_is_refused_then_with_the_reason_of_whoever_has_nothing(
    pro: Metering,
) -> None:
    pro.market.shop.user("bob")
    fail(pro)
    assert written(pro) == [("PAST_DUE", GRACE_ENDS)]
    everything_agrees(pro.market.shop, access=True)
    pro.move_to(GRACE_ENDS - MILLISECOND)
    everything_agrees(pro.market.shop, access=True)
    assert pro.market.shop.used() == 2

    pro.move_to(GRACE_ENDS)

    assert [held.grace_ends_at for held in pro.market.shop.subscriptions()] == [clock.to_wire(GRACE_ENDS)]
    reason = everything_agrees(pro.market.shop, access=False)
    assert reason == pro.market.shop.access(user_id="bob").reason
    settle_due()
    everything_agrees(pro.market.shop, access=False)


def test_the_end_is_fixed_when_the_payment_is_first_seen_to_be_late(pro: Metering) -> None:
    fail(pro)
    pro.move_to(RENEWED + timedelta(days=2))
    with environment(PAST_DUE_GRACE_DAYS="30"):
        pro.copy()
        assert written(pro) == [("PAST_DUE", GRACE_ENDS)]
    with environment(PAST_DUE_GRACE_DAYS="0"):
        pro.copy()
        assert (written(pro), pro.market.may()) == ([("PAST_DUE", GRACE_ENDS)], True)


def test_without_the_setting_there_is_no_grace_and_what_was_late_before_it_was_set_gets_none(pro: Metering) -> None:
    with environment(PAST_DUE_GRACE_DAYS=None):
        fail(pro)
        assert (written(pro), pro.market.may()) == ([("PAST_DUE", None)], False)
    pro.copy()
    assert (written(pro), pro.market.may()) == ([("PAST_DUE", None)], False)


@pytest.mark.parametrize("paid_at", [GRACE_ENDS - MILLISECOND, GRACE_ENDS + timedelta(days=1)])
def test_who_pays_goes_on_in_the_same_period(pro: Metering, paid_at: datetime) -> None:
    fail(pro)
    pro.use(7)
    before = pro.market.shop.usage()
    pro.move_to(paid_at)
    pay(pro)
    after = pro.market.shop.usage()
    assert written(pro) == [("ACTIVE", None)]
    assert [held.grace_ends_at for held in pro.market.shop.subscriptions()] == [None]
    assert after == before
    assert pro.market.shop.used() == 7
    reset_due()
    assert closed(pro) == [("2026-01-10", 40, 100)]


def test_each_late_payment_has_a_grace_of_its_own(pro: Metering) -> None:
    fail(pro)
    pay(pro)
    again = RENEWED + timedelta(days=28)
    pro.market.double.world.set_card(pro.customer_id, "declines")
    pro.move_to(again)
    pro.copy()
    assert written(pro) == [("PAST_DUE", again + timedelta(days=3))]


def test_an_item_in_the_place_of_another_has_no_grace_of_its_own(pro: Metering) -> None:
    fail(pro)
    pro.move_to(RENEWED + timedelta(days=2))
    (item,) = pro.market.gateway.subscription(pro.subscription_id).items
    swapped = [{"id": item.id, "deleted": True}, {"price": item.price.id, "quantity": 1}]
    pro.market.dashboard.subscriptions.update(pro.subscription_id, params={"items": swapped})
    pro.copy()
    assert written(pro) == [("CANCELLED", GRACE_ENDS), ("PAST_DUE", GRACE_ENDS)]
    pro.move_to(GRACE_ENDS)
    assert not pro.market.may()


def test_a_quantity_of_none_and_back_brings_no_new_grace(pro: Metering) -> None:
    fail(pro)
    pro.move_to(RENEWED + timedelta(days=2))
    (item,) = pro.market.gateway.subscription(pro.subscription_id).items
    for quantity, status in ((0, "UNPAID"), (1, "PAST_DUE")):
        wanted = [{"id": item.id, "quantity": quantity}]
        pro.market.dashboard.subscriptions.update(pro.subscription_id, params={"items": wanted})
        pro.copy()
        assert written(pro) == [(status, GRACE_ENDS)]
    pro.move_to(GRACE_ENDS)
    assert not pro.market.may()


def test_an_item_that_is_removed_and_added_again_later_has_the_grace_of_before(metering: Metering, grace: None) -> None:
    metering.sell()
    metering.buy()
    fail(metering)
    metering.move_to(RENEWED + timedelta(days=2))
    item = metering.market.gateway.subscription(metering.subscription_id).items[0]
    for wanted in ({"id": item.id, "deleted": True}, {"price": item.price.id, "quantity": 1}):
        metering.market.dashboard.subscriptions.update(metering.subscription_id, params={"items": [wanted]})
        metering.copy()
    assert written(metering) == [("CANCELLED", GRACE_ENDS), ("PAST_DUE", GRACE_ENDS)]
    metering.move_to(GRACE_ENDS)
    assert not metering.market.may()


@pytest.mark.parametrize("closed_at", [RENEWED, GRACE_ENDS - MILLISECOND, GRACE_ENDS, GRACE_ENDS + timedelta(days=2)])
def test_a_period_is_closed_by_the_same_terms_in_the_grace_and_after_it(pro: Metering, closed_at: datetime) -> None:
    fail(pro)
    pro.move_to(closed_at)
    reset_due()
    assert closed(pro) == [("2026-01-10", 40, 100)]


@pytest.mark.parametrize("closed_before", [True, False])
def test_a_period_that_the_grace_ended_in_is_closed_by_its_terms_whenever_the_job_runs(
    pro: Metering, *, closed_before: bool
) -> None:
    fail(pro)
    pro.use(7)
    pro.move_to(GRACE_ENDS + timedelta(days=1))
    if closed_before:
        reset_due()
    pro.market.gateway.cancel_subscription(pro.subscription_id)
    pro.copy()
    pro.move_to(RENEWED + timedelta(days=60))
    reset_due()
    assert closed(pro) == [("2026-01-10", 40, 100), ("2026-02-10", 7, 100)]


def test_what_is_cancelled_after_its_grace_gave_access_until_the_end_of_it(pro: Metering) -> None:
    fail(pro)
    pro.move_to(GRACE_ENDS + timedelta(days=1))
    pro.market.gateway.cancel_subscription(pro.subscription_id)
    pro.copy()
    assert written(pro) == [("CANCELLED", GRACE_ENDS)]
    shop = pro.market.shop
    moments = (GRACE_ENDS - MILLISECOND, GRACE_ENDS)
    assert [shop.record(timestamp=at).recorded for at in moments] == [True, False]


def test_what_ends_in_its_grace_is_over_then(pro: Metering) -> None:
    fail(pro)
    pro.move_to(RENEWED + timedelta(days=1))
    pro.market.gateway.cancel_subscription(pro.subscription_id)
    pro.copy()
    assert (pro.market.states(), pro.market.may()) == ([("pro", "CANCELLED")], False)


def test_it_is_the_users_base_while_it_gives_access_and_cannot_be_changed_until_it_is_paid(pro: Metering) -> None:
    shop = pro.market.shop
    shop.package("team", counted(5_000))
    shop.addon("extra", counted(500))
    fail(pro)
    (held,) = shop.subscriptions()
    with pytest.raises(SubscriptionError) as refused:
        shop.change(held.id, "team")
    assert refused.value.message == f"Cannot change subscription {held.id}: it is PAST_DUE."
    problems = {offer.package_id: offer.problem for offer in why(shop).ways.packages}
    assert problems == {"extra": None, "team": refused.value.message}
    with pytest.raises(SubscriptionError) as refused:
        shop.subscribe("team")
    assert refused.value.message == "Cannot subscribe to multiple tiers"
    shop.subscribe("extra")

    pro.move_to(GRACE_ENDS)

    shop.subscribe("team")
    assert pro.market.states() == [("pro", "PAST_DUE"), ("extra", "ACTIVE"), ("team", "ACTIVE")]


def test_overage_in_a_grace_is_charged_and_stays_so_when_it_is_over(metering: Metering, grace: None) -> None:
    metering.sell()
    metering.buy()
    fail(metering)
    metering.use(140)
    for at in (RENEWED + timedelta(hours=3), GRACE_ENDS + timedelta(hours=3)):
        metering.move_to(at)
        metering.tell()
        assert metering.counted_in(RENEWED, RENEWED + timedelta(hours=1)) == 40
    assert not metering.market.may()
