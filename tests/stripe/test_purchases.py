"""What is paid once gives its package once, when the money is there."""

from dataclasses import replace

import pytest

from app.contract.users import CreateUser
from app.gateways.stripe_double.deliveries import WebhookFaults
from app.services.stripe_events import handle_event
from app.services.stripe_inbox import take
from app.services.stripe_purchases import copy_purchase
from app.services.users import create_user
from tests.services.told import listen, messages
from tests.stripe.market import Market


@pytest.fixture
def pro(market: Market) -> Market:
    market.sell("pro", 1_000)
    market.sell("boost", 5_000, is_addon=True, is_once=True)
    market.shop.user()
    return market


async def test_an_addon_that_is_paid_once_is_there_for_good_and_given_once(pro: Market) -> None:
    await pro.buy("pro")
    listen(pro.shop)
    pro.double.world.break_webhooks(WebhookFaults(double_rate=1.0))
    await pro.buy("boost")
    assert pro.states() == [("pro", "ACTIVE"), ("boost", "ACTIVE")]
    assert (pro.may(5_000), pro.shop.subscriptions()[1].ends_at) == (True, None)
    assert [type_ for type_, _ in messages(pro.shop)] == ["subscription.created"]


async def test_money_that_is_on_its_way_gives_nothing_yet_and_none_gives_nothing(pro: Market) -> None:
    for is_paid, given in ((False, []), (True, [("boost", "ACTIVE")])):
        session = pro.checkout("boost")
        pro.double.world.pay_later(session.id)
        await pro.hear()
        assert pro.states() == []
        pro.double.world.settle(session.id, paid=is_paid)
        await pro.hear()
        assert pro.states() == given


async def test_a_buyer_who_is_not_known_becomes_a_user(pro: Market) -> None:
    session = pro.checkout("boost", user_id=None)
    pro.double.world.pay(session.id, email="eve@example.com")
    for each in await pro.arrived():
        take(each.body, each.signature)
        handle_event(each.event["id"])
    customer_id = pro.gateway.checkout_session(session.id).customer_id
    statement = "SELECT id, billing_id FROM users WHERE tenant_id = :tenant_id ORDER BY key"
    assert pro.ask(statement) == [("ada", None), (customer_id, customer_id)]
    assert pro.states(str(customer_id)) == [("boost", "ACTIVE")]


@pytest.mark.parametrize("tags", [{}, {"meterline_tenant": "test_another-deployment", "meterline_package": "boost"}])
async def test_what_was_sold_without_our_tag_or_with_anothers_is_not_ours(pro: Market, tags: dict[str, str]) -> None:
    await pro.buy("boost", tags=tags)
    assert (pro.states(), pro.waiting()) == ([], 0)


async def test_a_buyer_without_a_customer_is_not_the_user_whose_billing_id_is_empty(pro: Market) -> None:
    create_user(pro.shop.actor, CreateUser(id="eve", billing_id=""))
    made = pro.checkout("boost", user_id=None)
    pro.double.world.pay(made.id)
    paid = replace(pro.gateway.checkout_session(made.id), customer_id=None)
    assert not copy_purchase(pro.gateway, paid)
    assert pro.states("eve") == []
