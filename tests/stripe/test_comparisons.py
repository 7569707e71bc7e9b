"""Every night all subscriptions are held against Stripe's, and all copies: what differs is copied, what is left is told."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time
from structlog.testing import capture_logs
from structlog.typing import EventDict

from app import jobs
from app.edge.metrics import exposition
from app.gateways.billing_errors import BillingUnavailableError
from app.services.status import status
from app.services.stripe_checks import compare_subscriptions, resume_checks
from tests.environment import environment
from tests.stripe.market import Market

CHECK = "subscriptions:test"


@pytest.fixture
def pro(market: Market) -> Iterator[Market]:
    market.forget_others()
    market.sell("pro", 1_000)
    market.shop.user()
    # As many calls as the tests like: what is compared is not how fast.
    with environment(STRIPE_SWEEPS_PER_SECOND="1000"):
        yield market


def differences(logs: list[EventDict]) -> list[tuple[object, ...]]:
    found = [each for each in logs if each["event"] == "stripe.difference"]
    return [(each["what"], each["object_id"], each["outcome"]) for each in found]


def compared() -> tuple[int, list[tuple[object, ...]]]:
    """How many were compared in a whole comparison, and where we differed."""
    with capture_logs() as logs:
        swept = compare_subscriptions()
    assert not swept.more
    return swept.handled, differences(logs)


def check(market: Market) -> tuple[object, ...]:
    """(differences, left, whether one is under way)"""
    (row,) = market.ask("SELECT differences, left_over, began_at IS NOT NULL FROM stripe_checks")
    return row


async def test_where_all_is_equal_nothing_is_found_with_a_call_for_a_page(pro: Market) -> None:
    await pro.buy("pro")
    before = len(pro.double.world.requests())
    assert compared() == (1, [])
    assert [each.path for each in pro.double.world.requests()[before:]] == ["/v1/subscriptions"]
    assert check(pro) == (0, 0, False)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("status = 'PAST_DUE'", "status"),
        ("ends_at = '2099-01-01T00:00:00Z'", "end"),
        ("trial_ends_at = '2099-01-01T00:00:00Z'", "end of trial"),
        ("quantity = 7", "quantity"),
        ("provider_price_id = 'price_other'", "price"),
        ("provider_item_id = 'si_other'", "not copied"),
    ],
)
async def test_what_differs_is_found_and_is_as_at_stripe_afterwards(pro: Market, change: str, what: str) -> None:
    subscription_id = await pro.buy("pro")
    statement = "SELECT status, ends_at, trial_ends_at, quantity, provider_price_id FROM subscriptions"
    (right,) = pro.ask(f"{statement} WHERE tenant_id = :tenant_id")
    pro.change(f"UPDATE subscriptions SET {change} WHERE tenant_id = {pro.shop.actor.tenant_id}")  # noqa: S608 — our own words

    _, found = compared()
    assert found[0] == (what, subscription_id, "repaired")
    assert {outcome for _, _, outcome in found} == {"repaired"}
    assert right in pro.ask(f"{statement} WHERE tenant_id = :tenant_id AND status = 'ACTIVE'")
    assert check(pro) == (len(found), 0, False)
    assert compared() == (1, [])
    assert check(pro) == (0, 0, False)


async def test_what_was_bought_while_no_webhook_came_is_copied_and_what_was_cancelled_gives_nothing(
    pro: Market,
) -> None:
    ended = await pro.buy("pro")
    pro.gateway.cancel_subscription(ended)
    pro.shop.user("bob")
    bought = str(pro.double.world.pay(pro.checkout("pro", user_id="bob").id)["subscription"])
    assert compared() == (
        2,
        [("not copied", bought, "repaired"), ("status", ended, "repaired"), ("end", ended, "repaired")],
    )
    assert (pro.states("bob"), pro.may(user_id="bob")) == ([("pro", "ACTIVE")], True)
    assert (pro.states(), pro.may()) == ([("pro", "CANCELLED")], False)


async def test_time_that_nobody_wrote_down_yet_is_no_difference(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    pro.double.world.arrange_end(subscription_id, at_period_end=True)
    await pro.hear()
    with freeze_time(pro.gateway.subscription(subscription_id).items[0].period_end + timedelta(hours=1)):
        assert compared() == (1, [])


async def test_what_is_paid_for_no_package_is_left_and_told_every_night(pro: Market) -> None:
    await pro.buy("pro")
    (customer_id,) = pro.ask("SELECT billing_id FROM users WHERE tenant_id = :tenant_id")[0]
    mystery = pro.new_price("mystery")
    made = pro.dashboard.subscriptions.create(params={"customer": customer_id, "items": [{"price": mystery}]})
    for _ in range(2):
        assert compared() == (2, [("price without package", made.id, "left")])
        assert check(pro) == (1, 1, False)
    assert "1 differences from Stripe are left of the last comparison of subscriptions:test" in str(
        status(ping_workers=False).problems
    )
    metrics = exposition().decode()
    assert f'meterline_stripe_differences{{check="{CHECK}"}} 1.0' in metrics
    assert f'meterline_stripe_differences_left{{check="{CHECK}"}} 1.0' in metrics


async def test_what_another_deployment_sold_in_the_account_does_not_count(pro: Market) -> None:
    await pro.buy("pro", tags={"meterline_tenant": "test_another-deployment"})
    assert compared() == (0, [])


async def test_a_copy_that_stripe_does_not_have_is_told_of_and_left_alone(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    del pro.double.world.account.state.objects["subscription"][subscription_id]
    for _ in range(2):
        assert compared() == (1, [("not at Stripe", subscription_id, "left")])
    assert (pro.states(), pro.may()) == ([("pro", "ACTIVE")], True)


async def test_what_is_over_or_was_paid_once_is_not_missed_at_stripe(pro: Market) -> None:
    pro.sell("boost", 5_000, is_addon=True, is_once=True)
    subscription_id = await pro.buy("pro")
    await pro.buy("boost")
    pro.gateway.cancel_subscription(subscription_id)
    await pro.hear()
    del pro.double.world.account.state.objects["subscription"][subscription_id]
    assert compared() == (0, [])


async def test_a_copy_that_the_list_did_not_have_is_asked_for(pro: Market) -> None:
    """As if it had slipped from one page to the other."""
    subscription_id = await pro.buy("pro")
    objects = pro.double.world.account.state.objects["subscription"]
    hidden = objects.pop(subscription_id)
    assert compare_subscriptions(run_seconds=0.0).more
    objects[subscription_id] = hidden
    assert compared() == (1, [])


async def test_a_run_is_bounded_and_the_next_one_goes_on(pro: Market) -> None:
    many(pro, 201)
    with capture_logs():
        runs = [compare_subscriptions(run_seconds=0.0) for _ in range(4)]
    assert [(run.handled, run.more) for run in runs] == [(100, True), (100, True), (1, True), (0, False)]
    assert (count_pages(pro), check(pro)) == (3, (201, 0, False))
    assert compared() == (201, [])


async def test_an_outage_in_the_middle_is_gone_on_with_once_stripe_answers(pro: Market) -> None:
    many(pro, 150)
    with capture_logs():
        compare_subscriptions(run_seconds=0.0)
    pro.double.world.set_down(down=True)
    with pytest.raises(BillingUnavailableError):
        compare_subscriptions()
    pro.double.world.set_down(down=False)
    assert resume_checks() == 0
    with freeze_time(datetime.now(UTC) + timedelta(minutes=11)):
        assert resume_checks() == 1
    assert compared()[0] == 50
    assert check(pro) == (150, 0, False)
    with freeze_time(datetime.now(UTC) + timedelta(minutes=11)):
        assert resume_checks() == 0


async def test_a_place_that_stripe_does_not_know_any_more_is_left_for_the_beginning(pro: Market) -> None:
    many(pro, 101)
    with capture_logs():
        assert compare_subscriptions(run_seconds=0.0).more
    pro.change("UPDATE stripe_checks SET after = 'sub_of_another_account'")
    assert compared()[0] == 101


async def test_one_that_cannot_be_copied_keeps_no_other_from_it(pro: Market) -> None:
    broken = await pro.buy("pro")
    pro.shop.user("bob")
    bought = str(pro.double.world.pay(pro.checkout("pro", user_id="bob").id)["subscription"])
    item = pro.double.world.account.find("subscription", broken)["items"]["data"][0]
    item["quantity"] = 2**70  # no column holds it
    assert compared() == (2, [("not copied", bought, "repaired"), ("quantity", broken, "left")])


def test_without_a_key_nothing_is_compared(product: str) -> None:
    with environment(STRIPE_API_KEY=None):
        assert compare_subscriptions().handled == 0


def test_both_jobs_are_for_the_queue_of_those_that_take_minutes() -> None:
    assert {jobs.COMPARE_SUBSCRIPTIONS.queue, jobs.CHECK_PRICES.queue} == {jobs.Queue.STRIPE_SWEEPS}


def many(market: Market, count: int) -> None:
    """So many subscriptions at Stripe that we do not know, of one customer of ours."""
    customer = market.dashboard.customers.create(params={"email": "ada@example.com"})
    market.change(
        "UPDATE users SET billing_id = :customer_id WHERE tenant_id = :tenant_id",
        customer_id=customer.id,
        tenant_id=market.shop.actor.tenant_id,
    )
    for _ in range(count):
        items = [{"price": market.prices["pro"]}]
        market.dashboard.subscriptions.create(params={"customer": customer.id, "items": items})


def count_pages(market: Market) -> int:
    return sum(each.path == "/v1/subscriptions" for each in market.double.world.requests() if each.method == "GET")
