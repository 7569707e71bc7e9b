"""What happens at Stripe is what users may do here: payments, failures, cancellations, upgrades."""

from dataclasses import replace
from datetime import timedelta

import pytest
from freezegun import freeze_time
from structlog.testing import capture_logs

from app import clock
from app.contract.users import CreateUser, UpdateUser
from app.domain.billing import BillingTemplateStatus
from app.domain.webhooks import WebhookEventType
from app.errors import InUseError
from app.gateways.account_limits import limits_for
from app.gateways.billing import Lane
from app.gateways.billing_shapes import SubscriptionChange
from app.services import tenants, users
from app.services.packages import delete_package
from app.services.stripe_events import handle_event
from app.services.stripe_subscriptions import copy_subscription
from app.services.usage_resets import reset_due
from tests.services.shop import Shop, counted
from tests.services.told import listen, messages
from tests.stripe.market import Market
from tests.tenants import Tenant


@pytest.fixture
def pro(market: Market) -> Market:
    market.sell("pro", 1_000)
    market.shop.user()
    return market


async def test_who_pays_has_the_package(pro: Market) -> None:
    listen(pro.shop)
    assert not pro.may()
    subscription_id = await pro.buy("pro")

    assert pro.states() == [("pro", "ACTIVE")]
    assert (pro.may(1_000), pro.may(1_001)) == (True, False)
    (row,) = pro.ask(
        "SELECT provider, provider_subscription_id, provider_price_id, quantity, ends_at, is_second_base "
        "FROM subscriptions WHERE tenant_id = :tenant_id"
    )
    assert row == ("STRIPE", subscription_id, pro.prices["pro"], 1, None, False)
    assert pro.waiting() == 0
    assert [type_ for type_, _ in messages(pro.shop)] == ["subscription.created"]
    customer_id = pro.gateway.subscription(subscription_id).customer_id
    assert pro.ask("SELECT id, billing_id FROM users WHERE tenant_id = :tenant_id") == [("ada", customer_id)]


async def test_a_refused_card_gives_nothing(pro: Market) -> None:
    session = pro.checkout("pro")
    pro.double.world.decline(session.id)
    await pro.hear()
    assert (pro.states(), pro.may()) == ([], False)


async def test_a_payment_that_takes_days_gives_access_when_it_is_there(pro: Market) -> None:
    session = pro.checkout("pro")
    pro.double.world.pay_later(session.id)
    await pro.hear()
    assert (pro.states(), pro.may()) == ([("pro", "INCOMPLETE")], False)
    pro.double.world.settle(session.id)
    await pro.hear()
    assert (pro.states(), pro.may()) == ([("pro", "ACTIVE")], True)


async def test_what_was_never_paid_has_expired_and_is_told_as_over(pro: Market) -> None:
    session = pro.checkout("pro")
    subscription_id = pro.double.world.pay_later(session.id)["subscription"]
    await pro.hear()
    listen(pro.shop)
    pro.double.world.settle(session.id, paid=False)
    pro.double.world.advance(86_400)
    await pro.hear()
    with freeze_time(clock.now() + timedelta(days=2)):
        assert (pro.states(), pro.may()) == ([("pro", "INCOMPLETE_EXPIRED")], False)
        assert copy_subscription(pro.gateway, subscription_id)
    assert pro.ask("SELECT status FROM subscriptions WHERE tenant_id = :tenant_id") == [("INCOMPLETE_EXPIRED",)]
    told = [(type_, data["status"]) for type_, data in messages(pro.shop)]
    assert told == [("subscription.cancelled", "INCOMPLETE_EXPIRED")]


async def test_a_failed_renewal_takes_access_and_a_payment_gives_it_back(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    pro.double.world.fail_renewal(subscription_id)
    pro.double.world.advance(3_600)
    await pro.hear()
    assert (pro.states(), pro.may()) == ([("pro", "PAST_DUE")], False)

    found = pro.gateway.subscription(subscription_id)
    pro.double.world.set_card(found.customer_id, "good")
    pro.double.world.pay_invoice(str(found.latest_invoice_id))
    await pro.hear()
    assert (pro.states(), pro.may()) == ([("pro", "ACTIVE")], True)


async def test_a_renewal_changes_nothing_that_anybody_is_told(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    listen(pro.shop)
    before = pro.shop.subscriptions()
    pro.double.world.renew(subscription_id)
    pro.double.world.advance(3_600)
    assert "invoice.paid" in await pro.hear()
    assert (pro.shop.subscriptions(), messages(pro.shop)) == (before, [])


async def test_what_is_cancelled_at_the_periods_end_goes_on_until_then_and_can_be_taken_back(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    listen(pro.shop)
    pro.double.world.arrange_end(subscription_id, at_period_end=True)
    await pro.hear()
    end = pro.gateway.subscription(subscription_id).items[0].period_end
    assert [each.ends_at for each in pro.shop.subscriptions()] == [clock.to_wire(end)]
    assert (pro.states(), pro.may()) == ([("pro", "ACTIVE")], True)
    with freeze_time(end - timedelta(milliseconds=1)):
        assert pro.may()
    with freeze_time(end):
        assert (pro.states(), pro.may()) == ([("pro", "CANCELLED")], False)

    pro.double.world.arrange_end(subscription_id, at_period_end=False)
    await pro.hear()
    assert [each.ends_at for each in pro.shop.subscriptions()] == [None]
    assert [type_ for type_, _ in messages(pro.shop)] == ["subscription.updated"] * 2


async def test_what_stripe_ended_is_over_since_then(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    listen(pro.shop, WebhookEventType.SUBSCRIPTION_CANCELLED)
    ended = pro.gateway.cancel_subscription(subscription_id)
    assert "customer.subscription.deleted" in await pro.hear()
    assert (pro.states(), pro.may()) == ([("pro", "CANCELLED")], False)
    assert ended.ended_at is not None
    assert pro.shop.subscriptions()[0].ends_at == clock.to_wire(ended.ended_at)
    assert [type_ for type_, _ in messages(pro.shop)] == ["subscription.cancelled"]


async def test_another_price_is_another_package_and_periods_and_usage_go_on(pro: Market) -> None:
    pro.sell("team", 5_000)
    subscription_id = await pro.buy("pro")
    pro.shop.record(900)
    (before,) = pro.shop.subscriptions()
    item = pro.gateway.subscription(subscription_id).items[0]
    change = SubscriptionChange(item_id=item.id, price_id=pro.prices["team"])
    pro.gateway.change_subscription(subscription_id, change, key="upgrade")
    await pro.hear()
    (after,) = pro.shop.subscriptions()
    assert (after.id, after.started_at, after.package.id) == (before.id, before.started_at, "team")
    assert (pro.shop.used(), pro.may(4_100), pro.may(4_101)) == (900, True, False)


async def test_a_period_that_ended_before_another_price_came_is_closed_by_the_terms_that_it_had(pro: Market) -> None:
    pro.sell("team", 5_000)
    subscription_id = await pro.buy("pro")
    pro.shop.record(900)
    item = pro.gateway.subscription(subscription_id).items[0]
    with freeze_time(item.period_end + timedelta(days=1)):
        change = SubscriptionChange(item_id=item.id, price_id=pro.prices["team"])
        pro.gateway.change_subscription(subscription_id, change, key="upgrade")
        copy_subscription(pro.gateway, subscription_id)
        assert pro.shop.subscriptions()[0].package.id == "team"
        reset_due()
    closed = "SELECT used, usage_limit FROM usage_periods WHERE tenant_id = :tenant_id AND closed_at IS NOT NULL"
    assert pro.ask(closed) == [(900, 1_000)]


async def test_a_trial_ends_by_its_date(pro: Market) -> None:
    subscription_id = await pro.buy("pro", trial_days=14)
    trial_end = pro.gateway.subscription(subscription_id).trial_end
    assert trial_end is not None
    assert pro.states() == [("pro", "TRIALING")]
    assert (pro.shop.subscriptions()[0].trial_ends_at, pro.may()) == (clock.to_wire(trial_end), True)


async def test_each_item_is_a_subscription_of_its_own_with_its_quantity(pro: Market) -> None:
    pro.sell("extra", 500, is_addon=True)
    subscription_id = await pro.buy("pro")
    pro.dashboard.subscriptions.update(
        subscription_id, params={"items": [{"price": pro.prices["extra"], "quantity": 3}]}
    )
    await pro.hear()
    assert pro.states() == [("pro", "ACTIVE"), ("extra", "ACTIVE")]
    quantities = "SELECT quantity FROM subscriptions WHERE tenant_id = :tenant_id ORDER BY id"
    assert pro.ask(quantities) == [(1,), (3,)]

    extra = pro.gateway.subscription(subscription_id).items[1]
    pro.dashboard.subscriptions.update(subscription_id, params={"items": [{"id": extra.id, "deleted": True}]})
    await pro.hear()
    assert pro.states() == [("pro", "ACTIVE"), ("extra", "CANCELLED")]


async def test_of_what_nobody_pays_because_its_quantity_is_0_there_is_no_access(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    (item,) = pro.gateway.subscription(subscription_id).items
    for quantity, state, may in ((0, "UNPAID", False), (2, "ACTIVE", True)):
        changed = {"items": [{"id": item.id, "quantity": quantity}]}
        pro.dashboard.subscriptions.update(subscription_id, params=changed)
        await pro.hear()
        assert (pro.states(), pro.may()) == ([("pro", state)], may)


async def test_a_pause_of_collection_takes_no_access(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    pro.dashboard.subscriptions.update(subscription_id, params={"pause_collection": {"behavior": "void"}})
    await pro.hear()
    assert (pro.states(), pro.may()) == ([("pro", "ACTIVE")], True)


async def test_two_paid_bases_are_both_kept_and_the_second_is_flagged(pro: Market) -> None:
    pro.sell("team", 5_000)
    first = await pro.buy("pro")
    with capture_logs() as logs:
        second = await pro.buy("team")
    assert pro.states() == [("pro", "ACTIVE"), ("team", "ACTIVE")]
    flags = "SELECT is_second_base FROM subscriptions WHERE tenant_id = :tenant_id ORDER BY id"
    assert pro.ask(flags) == [(False,), (True,)]
    assert pro.may(5_000)
    alerts = [each["provider_subscription_id"] for each in logs if each["event"] == "stripe.second_base"]
    assert alerts == [second]

    pro.gateway.cancel_subscription(first)
    await pro.hear()
    assert pro.states() == [("pro", "CANCELLED"), ("team", "ACTIVE")]
    assert pro.ask(flags) == [(False,), (False,)]


async def test_who_is_not_known_becomes_a_user_once(pro: Market) -> None:
    pro.sell("extra", 500, is_addon=True)
    first = await pro.buy("pro", user_id=None, email="eve@example.com")
    customer_id = pro.gateway.subscription(first).customer_id
    await pro.buy("extra", user_id=None, customer_id=customer_id)
    statement = "SELECT id, billing_id, email FROM users WHERE tenant_id = :tenant_id ORDER BY key"
    assert pro.ask(statement) == [("ada", None, None), (customer_id, customer_id, "eve@example.com")]
    assert pro.states(customer_id) == [("pro", "ACTIVE"), ("extra", "ACTIVE")]


@pytest.mark.parametrize("is_there_before", [True, False])
async def test_what_somebody_typed_as_their_email_gives_nothing_to_and_takes_nothing_from_the_user_with_that_id(
    pro: Market, is_there_before: bool
) -> None:
    if is_there_before:
        pro.shop.user("eve@example.com")
    subscription_id = await pro.buy("pro", user_id=None, email="eve@example.com")
    if not is_there_before:
        pro.shop.user("eve@example.com")
    customer_id = pro.gateway.subscription(subscription_id).customer_id
    assert pro.states("eve@example.com") == []
    assert pro.states(customer_id) == [("pro", "ACTIVE")]


async def test_a_user_who_was_renamed_keeps_what_was_bought(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    users.update_user(pro.shop.actor, "ada", UpdateUser(id="countess"))
    pro.double.world.arrange_end(subscription_id, at_period_end=True)
    await pro.hear()
    assert pro.states("countess") == [("pro", "ACTIVE")]
    assert pro.ask("SELECT id FROM users WHERE tenant_id = :tenant_id") == [("countess",)]


async def test_what_was_made_in_the_dashboard_is_found_by_customer_and_by_price(pro: Market) -> None:
    customer = pro.dashboard.customers.create(params={"email": "bob@example.com"})
    pro.dashboard.subscriptions.create(params={"customer": customer.id, "items": [{"price": pro.prices["pro"]}]})
    await pro.hear()
    (status,) = pro.states(customer.id)
    assert status[0] == "pro"


async def test_who_is_a_customer_of_another_tenant_too_has_it_of_the_one_that_sells_it(
    pro: Market, other_tenant: Tenant
) -> None:
    theirs = Shop(other_tenant.actor)
    customer = pro.dashboard.customers.create(params={"email": "bob@example.com"})
    users.create_user(theirs.actor, CreateUser(id="bob", billing_id=customer.id))
    pro.dashboard.subscriptions.create(params={"customer": customer.id, "items": [{"price": pro.prices["pro"]}]})
    await pro.hear()
    assert [package_id for package_id, _ in pro.states(customer.id)] == ["pro"]
    assert theirs.subscriptions("bob") == []


async def test_a_price_of_two_tenants_goes_by_who_the_customer_bought_of_and_else_an_operator_is_told(
    pro: Market, other_tenant: Tenant
) -> None:
    pro.sell("extra", 500, is_addon=True)
    theirs = replace(pro, shop=Shop(other_tenant.actor))
    theirs.shop.package("theirs")
    theirs.link("theirs", pro.prices["pro"])
    known, unknown = (pro.dashboard.customers.create(params={"email": f"{who}@example.com"}).id for who in "bc")
    await pro.buy("extra", customer_id=known)
    with capture_logs() as logs:
        for customer_id in (known, unknown):
            pro.dashboard.subscriptions.create(
                params={"customer": customer_id, "items": [{"price": pro.prices["pro"]}]}
            )
        await pro.hear()
    assert [package_id for package_id, _ in pro.states()] == ["extra", "pro"]
    lost = pro.gateway.subscriptions(customer_id=unknown).items[0].id
    assert {each["subscription_id"] for each in logs if each["event"] == "stripe.tenant_unclear"} == {lost}


async def test_a_template_that_failed_says_of_no_price_what_it_is_for(pro: Market, other_tenant: Tenant) -> None:
    pro.shop.package("team", counted(5_000))
    with freeze_time("2026-01-01"):
        pro.link("team", pro.prices["pro"], BillingTemplateStatus.FAILED)
    theirs = replace(pro, shop=Shop(other_tenant.actor))
    theirs.shop.package("theirs")
    theirs.link("theirs", pro.prices["pro"], BillingTemplateStatus.FAILED)

    customer = pro.dashboard.customers.create(params={"email": "bob@example.com"})
    pro.dashboard.subscriptions.create(params={"customer": customer.id, "items": [{"price": pro.prices["pro"]}]})
    await pro.hear()
    assert [package_id for package_id, _ in pro.states(customer.id)] == ["pro"]


@pytest.mark.parametrize("tag", ["test_another-deployment", "nonsense"])
async def test_what_another_deployment_sold_is_not_ours(pro: Market, tag: str) -> None:
    await pro.buy("pro", tags={"meterline_tenant": tag, "meterline_user": "ada"})
    assert (pro.states(), pro.waiting()) == ([], 0)


async def test_a_live_tenant_is_not_given_what_was_paid_in_test_mode(pro: Market, tenant: Tenant) -> None:
    live = tenant.app_id.replace("test_", "live_")
    assert live in tenants.app_ids()
    await pro.buy("pro", tags={"meterline_tenant": live, "meterline_user": "ada"})
    assert pro.states() == []
    assert pro.ask(
        "SELECT count(*) FROM subscriptions s JOIN tenants t ON t.id = s.tenant_id AND t.public_id = :live", live=live
    ) == [(0,)]


async def test_an_old_price_stays_what_it_was_bought_as(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    pro.unlink(pro.prices["pro"])
    pro.double.world.arrange_end(subscription_id, at_period_end=True)
    await pro.hear()
    assert pro.states() == [("pro", "ACTIVE")]
    assert pro.shop.subscriptions()[0].ends_at is not None


async def test_a_price_without_a_package_leaves_what_was_there_and_is_put_right_later(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    unknown = pro.new_price("mystery")
    item = pro.gateway.subscription(subscription_id).items[0]
    pro.gateway.change_subscription(subscription_id, SubscriptionChange(item_id=item.id, price_id=unknown), key="x")
    await pro.hear()
    assert pro.states() == [("pro", "ACTIVE")]

    pro.sell("mystery-box", 7)
    pro.link("mystery-box", unknown)
    pro.double.world.arrange_end(subscription_id, at_period_end=True)
    await pro.hear()
    assert pro.states() == [("mystery-box", "ACTIVE")]


async def test_while_stripe_is_away_an_event_waits_and_is_handled_later(pro: Market) -> None:
    paid = pro.double.world.pay(pro.checkout("pro").id)
    pro.double.world.set_down(down=True)
    await pro.hear()
    assert (pro.states(), pro.waiting()) == ([], len(pro.inbox()))
    assert all(attempts == 1 and "BillingUnavailableError" in error for _, attempts, _, error in pro.inbox())
    pro.double.world.set_down(down=False)
    # Else nobody would ask it for half a minute.
    limits_for(Lane.LINKS).note_answer()
    handle_event(next(each["id"] for each in pro.double.world.objects("event") if each["type"] == "invoice.paid"))
    assert (paid["status"], pro.states()) == ("complete", [("pro", "ACTIVE")])


async def test_a_user_that_was_made_for_a_buyer_is_called_as_they_are_at_stripe_and_no_other(pro: Market) -> None:
    ada, eve = [
        pro.gateway.subscription(await pro.buy("pro", user_id=user_id, email=email)).customer_id
        for user_id, email in (("ada", None), (None, "eve@example.com"))
    ]
    for customer_id in (ada, eve):
        pro.dashboard.customers.update(customer_id, params={"name": "Eve Ahr", "email": "eve@new.example"})
    assert (await pro.hear()).count("customer.updated") >= 2
    assert pro.ask("SELECT id, name, email FROM users WHERE tenant_id = :tenant_id ORDER BY key") == [
        ("ada", None, None),
        (eve, "Eve Ahr", "eve@new.example"),
    ]


async def test_a_customer_who_was_deleted_at_stripe_is_nobodys_and_has_nothing(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    pro.dashboard.customers.delete(pro.gateway.subscription(subscription_id).customer_id)
    assert "customer.deleted" in await pro.hear()
    assert pro.ask("SELECT id, billing_id FROM users WHERE tenant_id = :tenant_id") == [("ada", None)]
    assert (pro.states(), pro.may(), pro.waiting()) == ([("pro", "CANCELLED")], False, 0)
    copy_subscription(pro.gateway, subscription_id)
    assert pro.ask("SELECT billing_id FROM users WHERE tenant_id = :tenant_id") == [(None,)]


async def test_of_25_items_each_is_a_subscription_and_none_that_was_not_told_at_once_is_taken_for_dropped(
    pro: Market,
) -> None:
    pro.sell("extra", 500, is_addon=True)
    subscription_id = await pro.buy("pro")
    more = [{"price": pro.prices["extra"], "quantity": number} for number in range(1, 25)]
    pro.dashboard.subscriptions.update(subscription_id, params={"items": more})
    await pro.hear()
    assert pro.states() == [("pro", "ACTIVE"), *[("extra", "ACTIVE")] * 24]
    pro.double.world.arrange_end(subscription_id, at_period_end=True)
    await pro.hear()
    assert pro.states() == [("pro", "ACTIVE"), *[("extra", "ACTIVE")] * 24]
    quantities = "SELECT quantity FROM subscriptions WHERE tenant_id = :tenant_id ORDER BY id"
    assert pro.ask(quantities) == [(1,), *[(number,) for number in range(1, 25)]]


async def test_a_draft_whose_price_somebody_pays_at_stripe_is_theirs_and_cannot_be_deleted(pro: Market) -> None:
    pro.shop.draft("beta", counted(5))
    pro.prices["beta"] = pro.new_price("beta")
    pro.link("beta", pro.prices["beta"])
    await pro.buy("beta")
    with pytest.raises(InUseError) as refused:
        delete_package(pro.shop.actor, "beta")
    assert refused.value.message == "Package beta cannot be deleted: somebody has subscribed to it at Stripe."
    assert (pro.states(), pro.may(5)) == ([("beta", "ACTIVE")], True)
