"""Who cancels what Stripe bills has it cancelled there, and our copy follows."""

from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time

from app import clock
from app.domain.subscription_requests import RequestKind, RequestStatus
from app.gateways.stripe import StripeGateway
from app.gateways.stripe_double.faults import FaultKind
from app.services.subscription_acting import act, sweep_requests
from tests.environment import environment
from tests.services.at_once import at_once
from tests.services.told import listen, messages
from tests.stripe.market import Market
from tests.stripe.requests import requests, work, writes

DONE = ("CANCEL", "DONE", None)


@pytest.fixture
def pro(market: Market) -> Market:
    market.sell("pro", 1_000)
    market.sell("extra", 500, is_addon=True)
    market.shop.user()
    return market


def the_one(market: Market, package_id: str = "pro") -> str:
    return next(each.id for each in market.shop.subscriptions() if each.package.id == package_id)


def add_item(market: Market, subscription_id: str, package_id: str) -> None:
    """In the dashboard, to the same bill."""
    items = [{"price": market.prices[package_id], "quantity": 1}]
    market.dashboard.subscriptions.update(subscription_id, params={"items": items})


async def test_nothing_changes_before_stripe_has_ended_it(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    listen(pro.shop)
    before = pro.shop.rows("subscriptions")
    asked = pro.shop.cancel(the_one(pro))
    assert asked.last_request is not None
    assert (asked.last_request.kind, asked.last_request.status) == (RequestKind.CANCEL, RequestStatus.PENDING)
    assert (asked.status, asked.ends_at, pro.may(), messages(pro.shop)) == ("ACTIVE", None, True, [])
    assert pro.shop.rows("subscriptions") == before

    assert work(pro) == 1
    ended = pro.gateway.subscription(subscription_id)
    (found,) = pro.shop.subscriptions()
    assert (ended.status, pro.may()) == ("canceled", False)
    assert ended.ended_at is not None
    assert (found.status, found.ends_at) == ("CANCELLED", clock.to_wire(ended.ended_at))
    ((type_, told),) = messages(pro.shop)
    assert (type_, told["lastRequest"]["status"]) == ("subscription.cancelled", "DONE")


async def test_what_the_webhooks_say_of_it_then_changes_nothing_more(pro: Market) -> None:
    await pro.buy("pro")
    pro.shop.cancel(the_one(pro), at_period_end=True)
    work(pro)
    before = pro.shop.subscriptions()
    assert "customer.subscription.updated" in await pro.hear()
    assert pro.shop.subscriptions() == before


async def test_at_the_periods_end_it_is_the_period_that_is_paid(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    pro.shop.cancel(the_one(pro), at_period_end=True)
    work(pro)
    found = pro.gateway.subscription(subscription_id)
    assert (found.status, found.cancel_at_period_end) == ("active", True)
    (row,) = pro.shop.subscriptions()
    assert (row.status, row.ends_at) == ("ACTIVE", clock.to_wire(found.items[0].period_end))


async def test_a_repeat_changes_nothing_and_an_earlier_end_is_not_put_off(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    soon = int(pro.gateway.subscription(subscription_id).started_at.timestamp()) + 86_400
    pro.dashboard.subscriptions.update(subscription_id, params={"cancel_at": soon})
    began = len(pro.double.world.requests())
    pro.shop.cancel(the_one(pro), at_period_end=True)
    assert (work(pro), writes(pro, began)) == (1, [])
    assert pro.shop.subscriptions()[0].ends_at == clock.to_wire(datetime.fromtimestamp(soon, UTC))

    pro.shop.cancel(the_one(pro))
    work(pro)
    before = pro.shop.rows()
    assert pro.shop.cancel(the_one(pro)).status == "CANCELLED"
    assert pro.shop.cancel(the_one(pro), at_period_end=True).status == "CANCELLED"
    assert (pro.shop.rows(), requests(pro)) == (before, [DONE, DONE])


async def test_who_cancelled_in_the_portal_first_is_no_problem(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    pro.shop.cancel(the_one(pro))
    pro.gateway.cancel_subscription(subscription_id)
    assert (work(pro), pro.states(), requests(pro)) == (1, [("pro", "CANCELLED")], [DONE])


async def test_one_who_owes_can_be_cancelled(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    pro.double.world.fail_renewal(subscription_id)
    pro.double.world.advance(3_600)
    await pro.hear()
    assert pro.states() == [("pro", "PAST_DUE")]
    pro.shop.cancel(the_one(pro))
    work(pro)
    assert (pro.states(), pro.gateway.subscription(subscription_id).status) == ([("pro", "CANCELLED")], "canceled")


async def test_the_same_wish_is_one_request_and_now_goes_before_later(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    at_once(*[lambda: pro.shop.cancel(the_one(pro), at_period_end=True)] * 4)
    assert requests(pro) == [("CANCEL", "PENDING", None)]
    pro.shop.cancel(the_one(pro))
    pro.shop.cancel(the_one(pro), at_period_end=True)
    work(pro)
    assert (requests(pro), pro.gateway.subscription(subscription_id).status) == ([DONE], "canceled")


async def test_many_workers_at_once_ask_for_it_once(pro: Market) -> None:
    await pro.buy("pro")
    listen(pro.shop)
    pro.shop.cancel(the_one(pro), at_period_end=True)
    assert [each for each in at_once(*[lambda: work(pro)] * 4) if not isinstance(each, int)] == []
    assert (requests(pro), [type_ for type_, _ in messages(pro.shop)]) == ([DONE], ["subscription.updated"])


@pytest.mark.parametrize("at_period_end", [False, True])
@pytest.mark.parametrize(
    "fault",
    [FaultKind.LOST_ANSWER, FaultKind.LOST_REQUEST, FaultKind.ERROR, FaultKind.RATE_LIMIT, FaultKind.STORED_ERROR],
)
async def test_a_call_that_failed_is_repeated(pro: Market, fault: FaultKind, *, at_period_end: bool) -> None:
    subscription_id = await pro.buy("pro")
    pro.shop.cancel(the_one(pro), at_period_end=at_period_end)
    path = f"/v1/subscriptions/{subscription_id}"
    pro.double.world.fail(fault, f"{'POST' if at_period_end else 'DELETE'} {path}")
    assert (work(pro), work(pro)) == (0, 1)
    found = pro.gateway.subscription(subscription_id)
    assert (found.cancel_at_period_end, found.status) == (at_period_end, "active" if at_period_end else "canceled")
    assert requests(pro) == [DONE]


async def test_while_stripe_is_away_it_waits_and_the_sweep_has_it_asked_again(pro: Market) -> None:
    await pro.buy("pro")
    pro.double.world.set_down(down=True)
    pro.shop.cancel(the_one(pro))
    assert work(pro) == 0
    (row,) = pro.shop.subscriptions()
    assert row.last_request is not None
    assert (row.status, row.last_request.status) == ("ACTIVE", "PENDING")
    assert (row.last_request.error or "").startswith("Stripe could not be asked yet: ")
    assert sweep_requests().handled == 0
    with freeze_time(datetime.now(UTC) + timedelta(days=2)):
        # Some of other tests may wait too.
        assert sweep_requests().handled >= 1
        assert sweep_requests().handled == 0
    pro.double.world.set_down(down=False)
    assert (work(pro), pro.states()) == (1, [("pro", "CANCELLED")])


@pytest.mark.parametrize("key", [None, "not-a-key-of-stripes"])
async def test_without_a_key_that_stripe_accepts_it_waits_and_is_ended_when_there_is_one(
    pro: Market, key: str | None
) -> None:
    await pro.buy("pro")
    pro.shop.cancel(the_one(pro))
    ((id_,),) = pro.ask("SELECT id FROM subscription_requests WHERE tenant_id = :tenant_id")
    with environment(STRIPE_API_KEY=key):
        assert act(pro.shop.actor.tenant_id, str(id_)) == 0
    (row,) = pro.shop.subscriptions()
    assert row.last_request is not None
    assert (row.status, row.last_request.status, row.last_request.error) == (
        "ACTIVE",
        "PENDING",
        "This server is not set up for Stripe, or Stripe does not accept its key.",
    )
    assert (work(pro), pro.states()) == (1, [("pro", "CANCELLED")])


async def test_with_a_key_of_the_other_mode_it_waits_too(pro: Market) -> None:
    await pro.buy("pro")
    pro.shop.cancel(the_one(pro))
    ((id_,),) = pro.ask("SELECT id FROM subscription_requests WHERE tenant_id = :tenant_id")
    assert act(pro.shop.actor.tenant_id, str(id_), StripeGateway("sk_live_0", base=pro.double.url)) == 0
    error = "Stripe does not do it: This is a test app, and STRIPE_API_KEY is a live key."
    assert requests(pro) == [("CANCEL", "PENDING", error)]
    assert (work(pro), pro.states()) == (1, [("pro", "CANCELLED")])


async def test_one_of_several_items_ends_alone_and_now(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    add_item(pro, subscription_id, "extra")
    await pro.hear()
    pro.shop.cancel(the_one(pro, "extra"))
    work(pro)
    assert pro.states() == [("pro", "ACTIVE"), ("extra", "CANCELLED")]
    found = pro.gateway.subscription(subscription_id)
    assert (found.status, [item.price.id for item in found.items]) == ("active", [pro.prices["pro"]])


async def test_one_of_several_items_cannot_end_with_the_period(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    add_item(pro, subscription_id, "extra")
    await pro.hear()
    before = pro.shop.rows("subscriptions")
    extra = the_one(pro, "extra")
    pro.shop.cancel(extra, at_period_end=True)
    assert work(pro) == 1
    error = (
        f"Cannot cancel subscription {extra} when its period ends: it is billed together with others, and Stripe can end "
        "one of several only at once."
    )
    assert (requests(pro), pro.shop.rows("subscriptions")) == ([("CANCEL", "REFUSED", error)], before)


@pytest.mark.parametrize("at_period_end", [False, True])
async def test_a_base_takes_the_addons_of_the_same_bill_with_it(pro: Market, *, at_period_end: bool) -> None:
    subscription_id = await pro.buy("pro")
    add_item(pro, subscription_id, "extra")
    await pro.hear()
    pro.shop.cancel(the_one(pro), at_period_end=at_period_end)
    work(pro)
    found = pro.gateway.subscription(subscription_id)
    ends_at = found.items[0].period_end if at_period_end else found.ended_at
    assert ends_at is not None
    assert {each.ends_at for each in pro.shop.subscriptions()} == {clock.to_wire(ends_at)}
    assert (len(found.items), requests(pro)) == (2, [DONE])


async def test_a_price_that_is_not_ours_goes_on_without_the_base(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    pro.dashboard.subscriptions.update(subscription_id, params={"items": [{"price": pro.new_price("support")}]})
    await pro.hear()
    pro.shop.cancel(the_one(pro))
    work(pro)
    assert (pro.states(), pro.gateway.subscription(subscription_id).status) == ([("pro", "CANCELLED")], "active")


async def test_a_base_takes_addons_with_it_that_are_billed_elsewhere_or_not_at_all(pro: Market) -> None:
    pro.sell("boost", 50, is_addon=True, is_once=True)
    pro.shop.addon("free")
    await pro.buy("pro")
    extra_id = await pro.buy("extra")
    await pro.buy("boost")
    pro.shop.subscribe("free")
    pro.shop.cancel(the_one(pro))
    assert [status for _, status in pro.states()] == ["ACTIVE"] * 4
    work(pro)
    # And what came of it.
    work(pro)
    assert [status for _, status in pro.states()] == ["CANCELLED"] * 4
    assert pro.gateway.subscription(extra_id).status == "canceled"
    assert requests(pro) == [DONE, DONE]


async def test_a_base_that_is_not_billed_takes_billed_addons_with_it(pro: Market) -> None:
    (base,) = pro.shop.subscribe("pro")
    extra_id = await pro.buy("extra")
    pro.shop.cancel(base.id)
    assert pro.states() == [("pro", "CANCELLED"), ("extra", "ACTIVE")]
    work(pro)
    assert pro.states() == [("pro", "CANCELLED"), ("extra", "CANCELLED")]
    assert pro.gateway.subscription(extra_id).status == "canceled"


async def test_what_was_paid_once_ends_here(pro: Market) -> None:
    pro.sell("boost", 50, is_addon=True, is_once=True)
    await pro.buy("pro")
    await pro.buy("boost")
    began = len(pro.double.world.requests())
    assert pro.shop.cancel(the_one(pro, "boost")).status == "CANCELLED"
    assert (requests(pro), len(pro.double.world.requests())) == ([], began)
    assert pro.states() == [("pro", "ACTIVE"), ("boost", "CANCELLED")]
