"""Who cancels what Stripe bills has it cancelled there, and our copy follows."""

from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time

from app import clock
from app.domain.subscription_requests import RequestKind, RequestStatus
from app.gateways.billing_shapes import BillingInterval, ProviderSubscription, SubscriptionChange
from app.gateways.stripe import StripeGateway
from app.gateways.stripe_double.faults import FaultKind
from app.services.stripe_subscriptions import copy_subscription
from app.services.subscription_acting import act, sweep_requests
from tests.environment import environment
from tests.services.at_once import at_once
from tests.services.told import listen, messages
from tests.stripe.market import API_KEY, Market
from tests.stripe.metering import BEGAN, Metering
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


BASE_ENDS = datetime(2027, 1, 10, 10, 20, tzinfo=UTC)
TOGETHER = {"pro": BASE_ENDS, "extra": BASE_ENDS}


@pytest.fixture
def year(metering: Metering) -> Metering:
    """The base is paid by the year, from 10 January. One clock for the double and for us."""
    metering.market.sell("pro", 1_000, interval=BillingInterval.YEAR)
    metering.market.sell("extra", 500, is_addon=True)
    metering.market.shop.user()
    return metering


def bought(metering: Metering, package_id: str, *others: str) -> str:
    """What the user pays for from now on, on one bill; the id of the subscription."""
    market = metering.market
    id_ = str(market.double.world.pay(market.checkout(package_id).id)["subscription"])
    for each in others:
        add_item(market, id_, each)
    assert copy_subscription(market.gateway, id_)
    return id_


def bought_apart(year: Metering) -> tuple[str, str]:
    """The base, and twenty days later the add-on."""
    pro_id = bought(year, "pro")
    year.after(days=20)
    return pro_id, bought(year, "extra")


def ends(market: Market) -> dict[str, datetime]:
    """When our copies end, by package."""
    found = [(each.package.id, each.ends_at) for each in market.shop.subscriptions()]
    return {package_id: datetime.fromisoformat(at) for package_id, at in found if at}


def cancel_with_addons(market: Market, package_id: str = "pro") -> None:
    """At the period's end, and what comes of it."""
    market.shop.cancel(the_one(market, package_id), at_period_end=True)
    work(market)
    work(market)


async def test_an_addon_of_a_shorter_period_goes_on_until_its_base_ends(year: Metering) -> None:
    pro_id, extra_id = bought_apart(year)
    cancel_with_addons(year.market)
    found = year.market.gateway.subscription(extra_id)
    assert (found.cancel_at, found.cancel_at_period_end, found.status) == (BASE_ENDS, False, "active")
    assert (requests(year.market), ends(year.market)) == ([DONE, DONE], TOGETHER)

    year.move_to(BASE_ENDS - timedelta(seconds=1))
    assert year.market.gateway.subscription(extra_id).status == "active"
    year.move_to(BASE_ENDS)
    over = [year.market.gateway.subscription(id_) for id_ in (pro_id, extra_id)]
    assert [(each.status, each.ended_at) for each in over] == [("canceled", BASE_ENDS)] * 2
    paid = year.market.gateway.invoices(subscription_id=extra_id).items
    # Eleven months, and of the last one, from 30 December, eleven days of 31.
    assert sorted(each.amount_paid_minor for each in paid) == [1_774, *[5_000] * 11]


async def test_an_addon_of_a_longer_period_ends_with_its_base_too(year: Metering) -> None:
    year.market.sell("much", 9_000, is_addon=True, interval=BillingInterval.YEAR)
    bought(year, "pro")
    year.after(days=20)
    much_id = bought(year, "much")
    cancel_with_addons(year.market)
    assert year.market.gateway.subscription(much_id).cancel_at == BASE_ENDS
    assert ends(year.market) == {"pro": BASE_ENDS, "much": BASE_ENDS}


async def test_an_addon_that_was_to_end_with_its_longer_period_ends_with_its_base(year: Metering) -> None:
    year.market.sell("much", 9_000, is_addon=True, interval=BillingInterval.YEAR)
    bought(year, "pro")
    year.after(days=20)
    much_id = bought(year, "much")
    cancel_with_addons(year.market, "much")
    assert ends(year.market)["much"] == BASE_ENDS + timedelta(days=20)
    cancel_with_addons(year.market)
    found = year.market.gateway.subscription(much_id)
    assert (found.cancel_at, found.cancel_at_period_end) == (BASE_ENDS, False)
    assert ends(year.market) == {"pro": BASE_ENDS, "much": BASE_ENDS}


async def test_an_addon_that_ends_before_its_base_is_left_alone(year: Metering) -> None:
    _, extra_id = bought_apart(year)
    year.market.dashboard.subscriptions.update(extra_id, params={"cancel_at_period_end": True})
    own = year.market.gateway.subscription(extra_id).items[0].period_end
    began = len(year.market.double.world.requests())
    cancel_with_addons(year.market)
    cancel_with_addons(year.market)
    assert writes(year.market, began) == ["POST subscriptions"]
    assert ends(year.market) == {"pro": BASE_ENDS, "extra": own}


@pytest.mark.parametrize("fault", [FaultKind.LOST_ANSWER, FaultKind.LOST_REQUEST, FaultKind.STORED_ERROR])
async def test_an_addons_end_is_asked_for_until_it_is_so(year: Metering, fault: FaultKind) -> None:
    _, extra_id = bought_apart(year)
    year.market.shop.cancel(the_one(year.market), at_period_end=True)
    work(year.market)
    year.market.double.world.fail(fault, f"POST /v1/subscriptions/{extra_id}")
    assert (work(year.market), work(year.market)) == (0, 1)
    began = len(year.market.double.world.requests())
    cancel_with_addons(year.market)
    assert (writes(year.market, began), ends(year.market)) == ([], TOGETHER)
    assert {state for _, state, _ in requests(year.market)} == {"DONE"}


async def test_an_addon_that_could_not_be_asked_for_in_time_ends_at_once(year: Metering) -> None:
    _, extra_id = bought_apart(year)
    year.market.shop.cancel(the_one(year.market), at_period_end=True)
    work(year.market)
    late = BASE_ENDS + timedelta(days=2)
    year.move_to(late)
    assert work(year.market) == 1
    found = year.market.gateway.subscription(extra_id)
    assert (found.status, found.ended_at, requests(year.market)) == ("canceled", late, [DONE, DONE])


async def test_addons_of_one_bill_end_together_with_a_base_of_another(year: Metering) -> None:
    year.market.sell("more", 50, is_addon=True)
    bought(year, "pro")
    year.after(days=20)
    extra_id = bought(year, "extra", "more")
    cancel_with_addons(year.market)
    assert year.market.gateway.subscription(extra_id).cancel_at == BASE_ENDS
    assert (requests(year.market), ends(year.market)) == ([DONE] * 3, {**TOGETHER, "more": BASE_ENDS})


async def test_who_takes_a_bases_end_back_in_the_portal_takes_that_of_the_base_alone(year: Metering) -> None:
    pro_id, extra_id = bought_apart(year)
    cancel_with_addons(year.market)
    for id_, left in ((pro_id, {"extra": BASE_ENDS}), (extra_id, {})):
        year.market.dashboard.subscriptions.update(id_, params={"cancel_at": ""})
        copy_subscription(year.market.gateway, id_)
        assert ends(year.market) == left


class HastyCustomers(StripeGateway):
    """What is to end is taken back in the portal before we have copied it."""

    def change_subscription(
        self, subscription_id: str, change: SubscriptionChange, *, key: str
    ) -> ProviderSubscription:
        super().change_subscription(subscription_id, change, key=key)
        back = SubscriptionChange(cancel_at_period_end=False)
        return super().change_subscription(subscription_id, back, key=f"{key}:back")


async def test_a_bases_end_that_is_taken_back_at_once_ends_no_addons(year: Metering) -> None:
    bought_apart(year)
    year.market.gateway = HastyCustomers(API_KEY, base=year.market.double.url, tries_again=0)
    cancel_with_addons(year.market)
    assert (requests(year.market), ends(year.market)) == ([DONE], {})
    assert year.market.states() == [("pro", "ACTIVE"), ("extra", "ACTIVE")]


@pytest.mark.parametrize("is_base_first", [False, True])
async def test_a_wish_to_end_with_the_own_period_goes_before_one_to_end_with_the_base(
    year: Metering, *, is_base_first: bool
) -> None:
    _, extra_id = bought_apart(year)
    own = year.market.gateway.subscription(extra_id).items[0].period_end
    year.market.shop.cancel(the_one(year.market, "pro" if is_base_first else "extra"), at_period_end=True)
    if is_base_first:
        work(year.market)
    year.market.shop.cancel(the_one(year.market, "extra" if is_base_first else "pro"), at_period_end=True)
    work(year.market)
    work(year.market)
    assert (requests(year.market), ends(year.market)) == ([DONE, DONE], {"pro": BASE_ENDS, "extra": own})


async def test_a_base_that_is_not_billed_has_billed_addons_end_at_its_moment(year: Metering) -> None:
    (base,) = year.market.shop.subscribe("pro")
    year.after(days=20)
    extra_id = bought(year, "extra")
    assert year.market.shop.cancel(base.id, at_period_end=True).ends_at == "2026-02-10T10:20:00.000Z"
    work(year.market)
    assert year.market.gateway.subscription(extra_id).cancel_at == BEGAN + timedelta(days=31)
    assert set(ends(year.market).values()) == {BEGAN + timedelta(days=31)}
