"""Who changes the package of what Stripe bills has its price changed there, and our copy follows: now, or when it is paid."""

from datetime import datetime, timedelta

import pytest
from freezegun import freeze_time

from app import clock
from app.errors import PackageStatusError, SubscriptionError
from app.gateways.billing_shapes import ProviderSubscription, SubscriptionChange
from app.gateways.stripe import StripeGateway
from app.gateways.stripe_double.faults import FaultKind
from app.services import packages
from app.services.stripe_subscriptions import copy_subscription
from app.services.subscription_dates import settle_due
from tests.services.shop import counted
from tests.services.told import listen, messages
from tests.stripe.market import API_KEY, Market
from tests.stripe.requests import requests, work, writes

DONE = ("CHANGE", "DONE", None)


@pytest.fixture
def pro(market: Market) -> Market:
    market.sell("pro", 1_000)
    market.sell("team", 5_000)
    market.shop.user()
    return market


def the_one(market: Market) -> str:
    return market.shop.subscriptions()[0].id


def price_at_stripe(market: Market, subscription_id: str) -> str:
    (item,) = market.gateway.subscription(subscription_id).items
    names = {price_id: package_id for package_id, price_id in market.prices.items()}
    return names.get(item.price.id, item.price.id)


class Noting(StripeGateway):
    """Notes which changes it is asked for."""

    def __init__(self, market: Market) -> None:
        super().__init__(API_KEY, base=market.double.url, tries_again=0)
        self._names = {price_id: package_id for package_id, price_id in market.prices.items()}
        self.changes: list[tuple[str, bool]] = []

    def change_subscription(
        self, subscription_id: str, change: SubscriptionChange, *, key: str
    ) -> ProviderSubscription:
        self.changes.append((self._names[change.price_id or ""], change.prorate))
        return super().change_subscription(subscription_id, change, key=key)


def noting(market: Market) -> list[tuple[str, bool]]:
    """(package of the price, whether prorated) of each change that workers ask for from now on."""
    market.gateway = gateway = Noting(market)
    return gateway.changes


async def test_the_price_is_changed_at_once_and_the_package_follows(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    pro.shop.record(900)
    listen(pro.shop)
    (before,) = pro.shop.subscriptions()
    changes = noting(pro)
    asked = pro.shop.change(before.id, "team")
    assert (asked.package.id, asked.pending_change, pro.may(200)) == ("pro", None, False)
    assert asked.last_request is not None
    assert (asked.last_request.package_id, asked.last_request.status) == ("team", "PENDING")

    assert work(pro) == 1
    (after,) = pro.shop.subscriptions()
    assert (after.id, after.started_at, after.package.id) == (before.id, before.started_at, "team")
    assert (pro.shop.used(), pro.may(4_100), pro.may(4_101)) == (900, True, False)
    assert changes == [("team", True)]
    ((type_, told),) = messages(pro.shop)
    assert (type_, told["lastRequest"]["status"]) == ("subscription.updated", "DONE")

    await pro.hear()
    assert (pro.shop.subscriptions(), price_at_stripe(pro, subscription_id)) == ([after], "team")


async def test_at_the_periods_end_the_price_is_changed_at_once_and_the_package_then(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    listen(pro.shop)
    end = pro.gateway.subscription(subscription_id).items[0].period_end
    changes = noting(pro)
    pro.shop.change(the_one(pro), "team", at_period_end=True)
    work(pro)
    (row,) = pro.shop.subscriptions()
    assert row.pending_change is not None
    assert (row.package.id, row.pending_change.package.id) == ("pro", "team")
    assert row.pending_change.at == clock.to_wire(end)
    assert (price_at_stripe(pro, subscription_id), changes) == ("team", [("team", False)])
    await pro.hear()
    assert (pro.shop.subscriptions(), [type_ for type_, _ in messages(pro.shop)]) == ([row], ["subscription.updated"])

    with freeze_time(end - timedelta(milliseconds=1)):
        assert not pro.may(1_001)
    with freeze_time(end):
        assert pro.may(5_000)
        settle_due()
        (row,) = pro.shop.subscriptions()
        assert (row.package.id, row.pending_change) == ("team", None)
        copy_subscription(pro.gateway, subscription_id)
        assert pro.shop.subscriptions()[0] == row
    prices = "SELECT provider_price_id, next_price_id FROM subscriptions WHERE tenant_id = :tenant_id"
    assert pro.ask(prices) == [(pro.prices["team"], None)]


async def test_a_copy_after_the_periods_end_begins_the_package_at_its_moment_whether_a_job_ran_or_not(
    pro: Market,
) -> None:
    subscription_id = await pro.buy("pro")
    pro.shop.change(the_one(pro), "team", at_period_end=True)
    work(pro)
    end = pro.gateway.subscription(subscription_id).items[0].period_end
    pro.double.world.renew(subscription_id)
    with freeze_time(end + timedelta(hours=3)):
        copy_subscription(pro.gateway, subscription_id)
        assert pro.states() == [("team", "ACTIVE")]
    changed = "SELECT changed_at, provider_price_id FROM subscriptions WHERE tenant_id = :tenant_id"
    assert pro.ask(changed) == [(end, pro.prices["team"])]
    past = "SELECT until FROM past_packages WHERE tenant_id = :tenant_id"
    assert pro.ask(past) == [(end,)]


async def test_who_hears_of_the_price_before_the_worker_is_done_knows_that_it_is_for_later(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    pro.shop.change(the_one(pro), "team", at_period_end=True)
    # What Stripe did is heard of, and the worker that asked for it has died.
    pro.double.world.fail(FaultKind.LOST_ANSWER, f"POST /v1/subscriptions/{subscription_id}")
    assert (work(pro), price_at_stripe(pro, subscription_id)) == (0, "team")
    await pro.hear()
    (row,) = pro.shop.subscriptions()
    assert row.pending_change is not None
    assert row.last_request is not None
    assert (row.package.id, row.pending_change.package.id, row.last_request.status) == ("pro", "team", "PENDING")
    assert work(pro) == 1
    assert [each.package.id for each in pro.shop.subscriptions()] == ["pro"]
    assert requests(pro) == [DONE]


async def test_a_renewal_at_the_very_moment_is_still_of_the_package_of_before(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    market = pro

    class Late(StripeGateway):
        """Until its change arrives, a period has gone by."""

        def change_subscription(
            self, subscription_id: str, change: SubscriptionChange, *, key: str
        ) -> ProviderSubscription:
            market.double.world.renew(subscription_id)
            return super().change_subscription(subscription_id, change, key=key)

    pro.shop.change(the_one(pro), "team", at_period_end=True)
    pro.gateway = Late(API_KEY, base=pro.double.url, tries_again=0)
    work(pro)
    (row,) = pro.shop.subscriptions()
    assert row.pending_change is not None
    next_end = pro.gateway.subscription(subscription_id).items[0].period_end
    assert (row.package.id, row.pending_change.at) == ("pro", clock.to_wire(next_end))


async def test_a_worker_that_comes_back_after_the_renewal_gives_what_was_paid_then(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    end = pro.gateway.subscription(subscription_id).items[0].period_end
    pro.shop.change(the_one(pro), "team", at_period_end=True)
    # Stripe has done it, nobody heard of it, and the renewal was billed at the new price.
    pro.double.world.fail(FaultKind.LOST_ANSWER, f"POST /v1/subscriptions/{subscription_id}")
    assert work(pro) == 0
    pro.double.world.renew(subscription_id)
    with freeze_time(end + timedelta(hours=3)):
        assert work(pro) == 1
        assert pro.states() == [("team", "ACTIVE")]
    assert pro.ask("SELECT changes_at FROM subscriptions WHERE tenant_id = :tenant_id") == [(end,)]


async def test_a_change_to_come_is_taken_back_by_a_change_to_the_present_package(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    pro.unlink(pro.prices["pro"])
    changes = noting(pro)
    pro.shop.change(the_one(pro), "team", at_period_end=True)
    work(pro)
    pro.shop.change(the_one(pro), "pro")
    work(pro)
    (row,) = pro.shop.subscriptions()
    # To the very price that it had, though no template sells it any more.
    assert (row.package.id, row.pending_change, price_at_stripe(pro, subscription_id)) == ("pro", None, "pro")
    assert changes == [("team", False), ("pro", False)]


async def test_a_change_to_come_is_taken_back_in_the_dashboard(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    pro.shop.change(the_one(pro), "team", at_period_end=True)
    work(pro)
    item = pro.gateway.subscription(subscription_id).items[0]
    back = SubscriptionChange(item_id=item.id, price_id=pro.prices["pro"])
    pro.gateway.change_subscription(subscription_id, back, key="back")
    await pro.hear()
    assert (pro.shop.subscriptions()[0].pending_change, pro.states()) == (None, [("pro", "ACTIVE")])
    # And paid for after all: no request is for later any more.
    forth = SubscriptionChange(item_id=item.id, price_id=pro.prices["team"])
    pro.gateway.change_subscription(subscription_id, forth, key="forth")
    await pro.hear()
    assert pro.states() == [("team", "ACTIVE")]


@pytest.mark.parametrize("package_id", ["team", "max"])
async def test_a_change_now_instead_of_one_to_come_is_paid_from_the_price_of_now(pro: Market, package_id: str) -> None:
    pro.sell("max", 9_000)
    subscription_id = await pro.buy("pro")
    pro.shop.change(the_one(pro), "team", at_period_end=True)
    work(pro)
    changes = noting(pro)
    pro.shop.change(the_one(pro), package_id)
    work(pro)
    assert changes == [("pro", False), (package_id, True)]
    (row,) = pro.shop.subscriptions()
    assert (row.package.id, row.pending_change, price_at_stripe(pro, subscription_id)) == (package_id, None, package_id)


async def test_another_change_to_come_takes_the_place_of_one(pro: Market) -> None:
    pro.sell("max", 9_000)
    subscription_id = await pro.buy("pro")
    for package_id in ("team", "max"):
        pro.shop.change(the_one(pro), package_id, at_period_end=True)
        work(pro)
    (row,) = pro.shop.subscriptions()
    assert row.pending_change is not None
    assert (row.package.id, row.pending_change.package.id) == ("pro", "max")
    assert price_at_stripe(pro, subscription_id) == "max"


async def test_what_is_so_or_arranged_is_not_asked_for(pro: Market) -> None:
    await pro.buy("pro")
    pro.shop.change(the_one(pro), "pro")
    pro.shop.change(the_one(pro), "pro", at_period_end=True)
    assert requests(pro) == []
    pro.shop.change(the_one(pro), "team", at_period_end=True)
    work(pro)
    pro.shop.change(the_one(pro), "team", at_period_end=True)
    assert requests(pro) == [DONE]


async def test_an_end_goes_before_a_change_to_come(pro: Market) -> None:
    await pro.buy("pro")
    pro.shop.change(the_one(pro), "team", at_period_end=True)
    work(pro)
    pro.shop.cancel(the_one(pro), at_period_end=True)
    work(pro)
    (row,) = pro.shop.subscriptions()
    assert (row.pending_change, row.package.id) == (None, "pro")
    with freeze_time(datetime.fromisoformat(row.ends_at or "")):
        settle_due()
        assert pro.states() == [("pro", "CANCELLED")]


async def test_what_ends_with_its_period_cannot_change_then(pro: Market) -> None:
    await pro.buy("pro")
    pro.shop.cancel(the_one(pro), at_period_end=True)
    work(pro)
    before = pro.shop.rows("subscriptions")
    pro.shop.change(the_one(pro), "team", at_period_end=True)
    assert work(pro) == 1
    error = f"Cannot change subscription {the_one(pro)} when its period ends: it is over then."
    assert requests(pro)[1] == ("CHANGE", "REFUSED", error)
    assert pro.shop.rows("subscriptions") == before


async def test_what_stripe_refuses_is_told_and_changes_nothing(pro: Market) -> None:
    await pro.buy("pro")
    pro.dashboard.prices.update(pro.prices["team"], params={"active": False})
    before = pro.shop.rows("subscriptions")
    pro.shop.change(the_one(pro), "team")
    assert work(pro) == 1
    ((kind, status, error),) = requests(pro)
    assert (kind, status, error.startswith("Stripe does not do it: ")) == ("CHANGE", "REFUSED", True)
    assert (pro.shop.rows("subscriptions"), pro.states()) == (before, [("pro", "ACTIVE")])


async def test_another_change_is_refused_while_one_is_on_its_way_and_a_repeat_is_not(pro: Market) -> None:
    pro.sell("max", 9_000)
    await pro.buy("pro")
    pro.shop.change(the_one(pro), "team")
    pro.shop.change(the_one(pro), "team")
    for package_id, at_period_end in (("max", False), ("team", True), ("pro", False)):
        with pytest.raises(SubscriptionError) as refused:
            pro.shop.change(the_one(pro), package_id, at_period_end=at_period_end)
        words = f"Cannot change subscription {the_one(pro)}: another change of it is on its way. Ask again."
        assert refused.value.message == words
    assert requests(pro) == [("CHANGE", "PENDING", None)]


async def test_a_package_without_a_price_cannot_be_changed_to(pro: Market) -> None:
    await pro.buy("pro")
    pro.shop.package("free")
    with pytest.raises(SubscriptionError) as refused:
        pro.shop.change(the_one(pro), "free")
    assert refused.value.message == (
        "Cannot change to package free: it has no active billing template that is paid again and again."
    )
    assert requests(pro) == []


async def test_several_prices_of_one_kind_are_told(pro: Market) -> None:
    await pro.buy("pro")
    pro.link("team", pro.new_price("team-promotion"))
    of_team = (
        "SELECT t.id FROM billing_templates t JOIN packages p ON p.tenant_id = t.tenant_id AND p.key = t.package_key"
    )
    names = [id_ for (id_,) in pro.ask(f"{of_team} WHERE t.tenant_id = :tenant_id AND p.id = 'team' ORDER BY t.key")]
    pro.shop.change(the_one(pro), "team")
    work(pro)
    ((_, status, error),) = requests(pro)
    assert (status, error) == (
        "REFUSED",
        "Cannot change to package team: it has several active billing templates in eur by the month "
        f"({', '.join(names)}). Leave one of them active.",
    )


async def test_a_price_that_was_another_packages_is_for_the_one_that_it_is_on_sale_for(pro: Market) -> None:
    await pro.buy("pro")
    price_id = pro.prices["team"]
    pro.change("UPDATE billing_templates SET id = 'old', status = 'INACTIVE' WHERE price_id = :id", id=price_id)
    pro.shop.package("squad", counted(6_000))
    pro.link("squad", price_id)
    pro.shop.change(the_one(pro), "squad")
    assert (work(pro), pro.states()) == (1, [("squad", "ACTIVE")])


@pytest.mark.parametrize("at_period_end", [False, True])
async def test_a_package_with_the_price_of_the_present_one_cannot_be_changed_to(
    pro: Market, *, at_period_end: bool
) -> None:
    await pro.buy("pro")
    pro.change("UPDATE billing_templates SET id = 'of-pro' WHERE price_id = :id", id=pro.prices["pro"])
    pro.shop.package("pro-of-next-year", counted(2_000))
    pro.link("pro-of-next-year", pro.prices["pro"])
    pro.shop.change(the_one(pro), "pro-of-next-year", at_period_end=at_period_end)
    assert (work(pro), pro.states()) == (1, [("pro", "ACTIVE")])
    ((_, status, error),) = requests(pro)
    assert (status, error) == (
        "REFUSED",
        f"Cannot change to package pro-of-next-year: it has the price that subscription {the_one(pro)} has now, so Stripe "
        "cannot tell the two apart.",
    )


async def test_the_rules_of_changes_hold_for_what_is_billed(pro: Market) -> None:
    pro.sell("boost", 50, is_addon=True, is_once=True)
    await pro.buy("pro")
    await pro.buy("boost")
    base, boost = pro.shop.subscriptions()
    packages.archive_package(pro.shop.actor, "team")
    with pytest.raises(PackageStatusError):
        pro.shop.change(base.id, "team")
    with pytest.raises(SubscriptionError) as refused:
        pro.shop.change(boost.id, "pro")
    assert refused.value.message == f"Cannot change subscription {boost.id}: it was paid once, and is not billed again."
    pro.shop.cancel(base.id)
    work(pro)
    with pytest.raises(SubscriptionError) as refused:
        pro.shop.change(base.id, "team")
    assert refused.value.message == f"Cannot change subscription {base.id}: it is over."
    assert [kind for kind, _, _ in requests(pro)] == ["CANCEL"]


async def test_one_who_owes_cannot_change(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    pro.double.world.fail_renewal(subscription_id)
    pro.double.world.advance(3_600)
    await pro.hear()
    with pytest.raises(SubscriptionError) as refused:
        pro.shop.change(the_one(pro), "team")
    assert refused.value.message == f"Cannot change subscription {the_one(pro)}: it is PAST_DUE."


@pytest.mark.parametrize("at_period_end", [False, True])
@pytest.mark.parametrize(
    "fault",
    [
        FaultKind.LOST_ANSWER,
        FaultKind.LOST_REQUEST,
        FaultKind.ERROR,
        FaultKind.STORED_ERROR,
        FaultKind.STORED_ERROR_AFTER,
    ],
)
async def test_a_call_that_failed_is_repeated(pro: Market, fault: FaultKind, *, at_period_end: bool) -> None:
    subscription_id = await pro.buy("pro")
    pro.shop.change(the_one(pro), "team", at_period_end=at_period_end)
    pro.double.world.fail(fault, f"POST /v1/subscriptions/{subscription_id}")
    assert (work(pro), work(pro)) == (0, 1)
    assert (price_at_stripe(pro, subscription_id), requests(pro)) == ("team", [DONE])
    assert pro.states() == [("pro" if at_period_end else "team", "ACTIVE")]


async def test_what_is_done_already_is_not_asked_for_again(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    pro.shop.change(the_one(pro), "team")
    item = pro.gateway.subscription(subscription_id).items[0]
    pro.gateway.change_subscription(
        subscription_id, SubscriptionChange(item_id=item.id, price_id=pro.prices["team"]), key="portal"
    )
    began = len(pro.double.world.requests())
    assert (work(pro), writes(pro, began), pro.states()) == (1, [], [("team", "ACTIVE")])
