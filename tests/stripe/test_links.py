"""What becomes of links to pay by, as events tell of it: paid, refused, closed; whose it is; and other pages that are closed."""

from datetime import timedelta

import pytest
from freezegun import freeze_time

from app import clock
from app.contract.users import UpdateUser
from app.domain import billing_tags
from app.errors import SubscriptionError
from app.gateways.billing_shapes import NewCheckout
from app.services.checkout_settling import follow_session
from app.services.stripe_subscriptions import copy_subscription
from app.services.users import update_user
from tests.services.at_once import at_once
from tests.services.shop import counted
from tests.services.told import listen, messages
from tests.stripe.links import Links
from tests.stripe.market import Market


@pytest.fixture
def links(market: Market) -> Links:
    market.sell("pro", 1_000)
    market.sell("team", 5_000)
    market.sell("boost", 9_000, is_addon=True, is_once=True)
    market.shop.user()
    return Links(market)


def told(links: Links) -> list[tuple[str, str]]:
    """(type, status) of what webhook endpoints are told."""
    return [(type_, data["status"]) for type_, data in messages(links.market.shop)]


async def test_who_owes_for_a_base_package_gets_no_link_to_another_until_that_is_settled(links: Links) -> None:
    pro = links.market
    subscription_id = await pro.buy("pro")
    pro.double.world.fail_renewal(subscription_id)
    await pro.hear()
    assert pro.states() == [("pro", "PAST_DUE")]
    for package_id in ("pro", "team"):
        with pytest.raises(SubscriptionError, match="A payment for package pro is late"):
            links.asked(package_id)
    pro.gateway.cancel_subscription(subscription_id)
    await pro.hear()
    assert links.asked("team").status == "PENDING"


async def test_a_link_that_was_paid_says_so_when_the_package_is_there(links: Links) -> None:
    listen(links.market.shop)
    link_id = links.opened("pro")
    links.pay(link_id)
    await links.market.hear()
    assert links.states(link_id) == ["PAID"]
    assert links.read(link_id).user_id == "ada"
    assert links.market.states() == [("pro", "ACTIVE")]
    assert told(links) == [("subscription.created", "ACTIVE"), ("checkout.completed", "PAID")]
    _, data = messages(links.market.shop)[1]
    assert (data["id"], data["userId"], data["templateId"]) == (link_id, "ada", links.read(link_id).template_id)


@pytest.mark.parametrize("user_id", ["ada", None])
async def test_a_links_buyer_is_known_though_page_and_subscription_lost_their_tags_and_the_subscription_is_first(
    links: Links, user_id: str | None
) -> None:
    market = links.market
    link_id = links.opened("pro", user_id)
    paid = links.pay(link_id, email="eve@example.com")
    market.dashboard.checkout.sessions.update(paid["id"], params={"metadata": ""})
    market.dashboard.subscriptions.update(paid["subscription"], params={"metadata": ""})
    assert copy_subscription(market.gateway, paid["subscription"])
    buyer = user_id or paid["customer"]
    assert market.states(buyer) == [("pro", "ACTIVE")]
    others = [] if user_id else [(paid["customer"], paid["customer"])]
    billing_id = paid["customer"] if user_id else None
    users = "SELECT id, billing_id FROM users WHERE tenant_id = :tenant_id ORDER BY key"
    assert market.ask(users) == [("ada", billing_id), *others]
    await market.hear()
    assert (links.read(link_id).user_id, links.states(link_id)) == (buyer, ["PAID"])
    assert market.ask(users) == [("ada", billing_id), *others]


async def test_doubled_and_late_events_tell_once_and_change_nothing(links: Links) -> None:
    listen(links.market.shop)
    link_id = links.opened("pro")
    was_open = links.market.gateway.checkout_session(links.page(link_id)["id"])
    links.pay(link_id)
    paid = links.market.gateway.checkout_session(was_open.id)
    await links.market.hear()
    assert [follow_session(links.market.gateway, found) for found in (paid, was_open)] == [False, False]
    assert links.states(link_id) == ["PAID"]
    assert told(links) == [("subscription.created", "ACTIVE"), ("checkout.completed", "PAID")]


async def test_many_workers_at_once_tell_once(links: Links) -> None:
    listen(links.market.shop)
    link_id = links.opened("pro")
    links.pay(link_id)
    found = links.market.gateway.checkout_session(links.page(link_id)["id"])
    changed = at_once(*[lambda: follow_session(links.market.gateway, found)] * 8)
    assert sorted(changed) == [False] * 7 + [True]
    assert told(links) == [("subscription.created", "ACTIVE"), ("checkout.completed", "PAID")]


@pytest.mark.parametrize(("is_paid", "state", "news"), [(True, "PAID", "completed"), (False, "FAILED", "failed")])
async def test_money_that_takes_days_is_unpaid_until_it_is_there_or_refused(
    links: Links, is_paid: bool, state: str, news: str
) -> None:
    link_id = links.opened("pro")
    links.pay_later(link_id)
    await links.market.hear()
    assert (links.states(link_id), links.market.may()) == (["UNPAID"], False)
    listen(links.market.shop)
    links.market.double.world.settle(links.page(link_id)["id"], paid=is_paid)
    await links.market.hear()
    assert (links.states(link_id), links.market.may()) == ([state], is_paid)
    assert (f"checkout.{news}", state) in told(links)
    assert links.read(link_id).error == (None if is_paid else "The payment failed.")


async def test_a_page_that_closed_unpaid_is_expired_and_nobody_is_told(links: Links) -> None:
    listen(links.market.shop)
    link_id = links.opened("pro")
    links.market.double.world.expire(links.page(link_id)["id"])
    assert (await links.market.hear())[-1] == "checkout.session.expired"
    assert (links.states(link_id), told(links)) == (["EXPIRED"], [])
    assert links.asked("pro").id != link_id


async def test_who_pays_by_a_link_that_we_gave_out_no_more_has_paid(links: Links) -> None:
    link_id = links.opened("pro")
    with freeze_time(clock.now() + timedelta(hours=23, minutes=45)):
        second_id = links.asked("pro").id
    assert links.states(link_id, second_id) == ["EXPIRED", "PENDING"]
    links.pay(link_id)
    await links.market.hear()
    assert (links.states(link_id), links.market.states()) == (["PAID"], [("pro", "ACTIVE")])


async def test_a_link_whose_worker_died_after_the_page_was_made_follows_the_page(links: Links) -> None:
    link_id = links.opened("pro")
    links.market.change(
        "UPDATE checkout_links SET status = 'PENDING', session_id = NULL, url = NULL, look_at = NULL WHERE id = :id",
        id=link_id,
    )
    links.pay(link_id)
    await links.market.hear()
    assert (links.states(link_id), links.market.states()) == (["PAID"], [("pro", "ACTIVE")])


async def test_the_page_of_an_attempt_that_was_left_behind_closes_without_the_link(links: Links) -> None:
    link_id = links.opened("pro")
    page = links.page(link_id)
    new = NewCheckout(
        price_id=links.market.prices["pro"],
        recurring=True,
        success_url="https://example.com",
        metadata=page["metadata"],
    )
    stray = links.market.gateway.create_checkout_session(new, key="stray")
    links.market.gateway.expire_checkout_session(stray.id)
    await links.market.hear()
    assert links.states(link_id) == ["OPEN"]


@pytest.mark.parametrize(
    "tags", [{}, {billing_tags.TENANT: "test_another"}, {billing_tags.TENANT: "live_of-the-other-mode"}]
)
async def test_a_page_that_only_says_that_it_is_a_links_is_not(links: Links, tags: dict[str, str]) -> None:
    link_id = links.opened("pro")
    new = NewCheckout(
        price_id=links.market.prices["pro"],
        recurring=True,
        success_url="https://example.com",
        client_reference_id=link_id,
        metadata=tags | ({billing_tags.LINK: link_id} if tags else {}),
    )
    links.market.double.world.pay(links.market.gateway.create_checkout_session(new, key="anybody").id)
    await links.market.hear()
    assert links.states(link_id) == ["OPEN"]


async def test_what_a_renamed_user_pays_is_theirs_even_if_another_has_the_old_name(links: Links) -> None:
    link_id = links.opened("pro")
    update_user(links.market.shop.actor, "ada", UpdateUser(id="ada-lovelace"))
    links.market.shop.user("ada")
    links.pay(link_id)
    await links.market.hear()
    assert (links.market.states("ada-lovelace"), links.market.states("ada")) == ([("pro", "ACTIVE")], [])
    assert links.read(link_id).user_id == "ada-lovelace"


async def test_the_link_says_whose_a_subscription_is_when_all_tags_were_taken_away(links: Links) -> None:
    link_id = links.opened("pro")
    page = links.page(link_id)
    links.market.dashboard.checkout.sessions.update(page["id"], params={"metadata": ""})
    paid = links.pay(link_id)
    links.market.dashboard.subscriptions.update(paid["subscription"], params={"metadata": ""})
    follow_session(links.market.gateway, links.market.gateway.checkout_session(page["id"]))
    await links.market.hear()
    assert (links.states(link_id), links.market.states()) == (["PAID"], [("pro", "ACTIVE")])


async def test_of_two_packages_with_one_price_the_buyer_has_the_one_that_the_link_was_for(links: Links) -> None:
    market = links.market
    price_id = market.prices["pro"]
    market.shop.package("max", counted(9_000))
    market.change("UPDATE billing_templates SET id = 'of-pro' WHERE price_id = :price_id", price_id=price_id)
    market.link("max", price_id)
    market.prices["max"] = price_id
    links.pay(links.opened("max"))
    await market.hear()
    assert market.states() == [("max", "ACTIVE")]


async def test_an_anonymous_buyer_becomes_a_user_whom_the_link_knows(links: Links) -> None:
    link_id = links.opened("pro", None)
    assert links.read(link_id).user_id is None
    links.pay(link_id, email="eve@example.com")
    await links.market.hear()
    customer_id = links.page(link_id)["customer"]
    assert links.read(link_id).user_id == customer_id
    assert links.market.states(customer_id) == [("pro", "ACTIVE")]


async def test_who_bought_one_base_package_cannot_pay_for_another_by_a_page_that_is_still_open(links: Links) -> None:
    bought, other, same, pending = (
        links.opened("pro"),
        links.opened("team"),
        links.opened("pro", cancel_url="https://example.com/elsewhere"),
        links.asked("team", cancel_url="https://example.com/elsewhere").id,
    )
    links.market.shop.user("bob")
    bobs = links.opened("team", "bob")
    links.pay(bought)
    await links.market.hear()
    assert links.close_others(bought) == 3
    assert links.states(bought, other, same, pending, bobs) == ["PAID", "EXPIRED", "EXPIRED", "EXPIRED", "OPEN"]
    assert [links.page(link_id)["status"] for link_id in (other, same, bobs)] == ["expired", "expired", "open"]
    assert links.close_others(bought) == 0


async def test_an_addon_closes_nothing_and_is_not_closed(links: Links) -> None:
    await links.market.buy("pro")
    first = links.opened("boost")
    second = links.opened("boost", cancel_url="https://example.com/elsewhere")
    links.pay(first)
    await links.market.hear()
    links.close_others(first)
    assert links.states(first, second) == ["PAID", "OPEN"]


async def test_a_page_that_cannot_be_closed_now_does_no_harm_and_one_that_was_paid_meanwhile_is_kept(
    links: Links,
) -> None:
    bought, other = links.opened("pro"), links.opened("team")
    links.pay(bought)
    await links.market.hear()
    links.market.double.world.set_down(down=True)
    assert links.close_others(bought) == 0
    links.market.double.world.set_down(down=False)
    assert links.states(other) == ["OPEN"]
    links.pay(other)
    assert links.close_others(bought) == 1
    assert links.states(bought, other) == ["PAID", "PAID"]
    assert links.market.states() == [("pro", "ACTIVE"), ("team", "ACTIVE")]


async def test_who_has_just_paid_gets_the_page_that_is_paid_or_none_and_never_another(links: Links) -> None:
    link_id = links.opened("pro")
    paid = links.pay(link_id)
    # The news is on its way: a second page could be paid a second time, and Stripe takes no more money on this one.
    assert links.asked("pro").id == link_id
    copy_subscription(links.market.gateway, paid["subscription"])
    with pytest.raises(SubscriptionError, match="multiple tiers"):
        links.asked("pro")


async def test_a_page_is_given_again_only_to_the_customer_that_it_is_for(links: Links) -> None:
    shop, dashboard = links.market.shop, links.market.dashboard
    shop.package("free", counted(1))
    shop.subscribe("free")
    for_nobody = links.opened("boost")
    first, second = (dashboard.customers.create({"email": "ada@example.com"}).id for _ in range(2))
    update_user(shop.actor, "ada", UpdateUser(billing_id=first))
    for_first = links.opened("boost")
    assert links.opened("boost") == for_first
    dashboard.customers.delete(first)
    await links.market.hear()
    assert links.asked("boost").id == for_nobody
    update_user(shop.actor, "ada", UpdateUser(billing_id=second))
    for_second = links.opened("boost")
    assert [links.page(each)["customer"] for each in (for_nobody, for_first, for_second)] == [None, first, second]
    links.pay(for_second)
    await links.market.hear()
    assert (links.states(for_second), links.market.may(9_000)) == (["PAID"], True)
