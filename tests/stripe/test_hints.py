"""Webhooks are hints: lost, doubled and shuffled ones, and many workers at once, end with what Stripe says."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.gateways.billing_shapes import ProviderSubscription, SubscriptionChange
from app.gateways.stripe import StripeGateway
from app.gateways.stripe_double.deliveries import WebhookFaults
from app.services.stripe_events import handle_event
from app.services.stripe_inbox import Receipt, take
from app.services.stripe_subscriptions import copy_subscription
from tests.services.told import listen, messages
from tests.stripe.market import Market, event_ids


@pytest.fixture
def pro(market: Market) -> Market:
    market.sell("pro", 1_000)
    market.sell("team", 5_000)
    market.shop.user()
    return market


async def test_doubled_and_shuffled_webhooks_do_no_harm(pro: Market) -> None:
    listen(pro.shop)
    pro.double.world.break_webhooks(WebhookFaults(shuffle=True, double_rate=0.5, seed=1))
    subscription_id = await pro.buy("pro")
    pro.double.world.arrange_end(subscription_id, at_period_end=True)
    pro.double.world.arrange_end(subscription_id, at_period_end=False)
    pro.gateway.cancel_subscription(subscription_id)
    taken = await pro.arrived()
    for each in [*reversed(taken), *taken]:
        assert take(each.body, each.signature) is Receipt.TAKEN
        handle_event(each.event["id"])
    assert (pro.states(), pro.waiting()) == ([("pro", "CANCELLED")], 0)
    assert [type_ for type_, _ in messages(pro.shop)] == ["subscription.created", "subscription.cancelled"]


async def test_one_look_answers_everything_that_came_before_it(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    pro.double.world.arrange_end(subscription_id, at_period_end=True)
    pro.double.world.arrange_end(subscription_id, at_period_end=False)
    taken = await pro.arrived()
    for each in taken:
        take(each.body, each.signature)
    before = len(pro.double.world.requests())
    assert [handle_event(event_id) for event_id in event_ids(taken)] == [2, 0]
    assert (len(pro.double.world.requests()) - before, pro.waiting()) == (1, 0)


async def test_many_workers_at_once_make_one_user_and_one_subscription(pro: Market) -> None:
    paid = pro.double.world.pay(pro.checkout("pro", user_id=None).id, email="eve@example.com")
    listen(pro.shop)
    with ThreadPoolExecutor(8) as workers:
        done = [workers.submit(copy_subscription, pro.gateway, paid["subscription"]) for _ in range(8)]
    assert [each.exception() for each in done] == [None] * 8
    assert pro.states(paid["customer"]) == [("pro", "ACTIVE")]
    assert [type_ for type_, _ in messages(pro.shop)] == ["subscription.created"]


async def test_two_subscriptions_of_one_unknown_buyer_at_once_make_one_user(pro: Market) -> None:
    customer = pro.dashboard.customers.create(params={"email": "bob@example.com"})
    made = [
        pro.dashboard.subscriptions.create(params={"customer": customer.id, "items": [{"price": pro.prices[package]}]})
        for package in ("pro", "team")
    ]
    with ThreadPoolExecutor(2) as workers:
        done = [workers.submit(copy_subscription, pro.gateway, each.id) for each in made]
    assert [each.result() for each in done] == [True, True]
    statement = "SELECT id, billing_id FROM users WHERE tenant_id = :tenant_id ORDER BY key"
    assert pro.ask(statement) == [("ada", None), (customer.id, customer.id)]
    assert sorted(package for package, _ in pro.states(customer.id)) == ["pro", "team"]


async def test_an_old_look_is_never_written_over_a_newer_one(pro: Market) -> None:
    subscription_id = await pro.buy("pro")

    class Slow(StripeGateway):
        """While its first answer is on the way, the subscription is cancelled and another worker copies that."""

        looks = 0

        def subscription(self, subscription_id: str) -> ProviderSubscription:
            found = super().subscription(subscription_id)
            self.looks += 1
            if self.looks == 1:
                pro.gateway.cancel_subscription(subscription_id)
                copy_subscription(pro.gateway, subscription_id)
            return found

    slow = Slow("sk_test_of_the_tests", base=pro.double.url, tries_again=0)
    assert copy_subscription(slow, subscription_id)
    assert (slow.looks, pro.states()) == (2, [("pro", "CANCELLED")])


async def test_the_events_of_an_upgrade_in_any_order_end_with_the_new_package(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    item = pro.gateway.subscription(subscription_id).items[0]
    for number, package_id in enumerate(["team", "pro", "team"]):
        change = SubscriptionChange(item_id=item.id, price_id=pro.prices[package_id])
        pro.gateway.change_subscription(subscription_id, change, key=f"change:{number}")
    for each in reversed(await pro.arrived()):
        take(each.body, each.signature)
        handle_event(each.event["id"])
    assert pro.states() == [("team", "ACTIVE")]
