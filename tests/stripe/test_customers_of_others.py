"""All tenants of a mode share an account at Stripe: who names another tenant's customer gets nothing of theirs."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from app.contract.billing import GeneratePortalLink
from app.contract.users import CreateUser, UpdateUser
from app.domain import billing_tags
from app.services import users
from app.services.portal_links import request_portal_link
from app.services.portal_making import make_portal_link
from app.services.stripe_import import import_account
from tests.services.shop import Shop
from tests.stripe.links import Links
from tests.stripe.market import Market
from tests.tenants import Tenant

UNKNOWN = "Stripe does not do it: No such customer: '{}'"


@pytest.fixture
def ada(market: Market) -> Market:
    market.sell("pro", 1_000)
    market.shop.user()
    return market


@pytest.fixture
def eve(ada: Market, other_tenant: Tenant) -> Market:
    """Another tenant of the same account, who sells something too."""
    market = replace(ada, shop=Shop(other_tenant.actor), app_id=other_tenant.app_id, prices={}, paid_once=set())
    market.sell("snake-oil", 1)
    market.shop.user("eve")
    return market


def name(market: Market, user_id: str, customer_id: str | None) -> None:
    users.update_user(market.shop.actor, user_id, UpdateUser(billing_id=customer_id))


def new_customer(market: Market, **metadata: str) -> str:
    return str(market.dashboard.customers.create(params={"email": "ada@example.com", "metadata": metadata}).id)


async def bought(market: Market) -> str:
    """The customer that Ada is since she paid."""
    return market.gateway.subscription(await market.buy("pro")).customer_id


def portal(market: Market, user_id: str) -> tuple[str, str | None]:
    """What becomes of a link that is asked for."""
    command = GeneratePortalLink(return_url=f"https://shop.example/{len(market.double.world.requests())}")
    asked = request_portal_link(market.shop.actor, user_id, command)
    make_portal_link(market.shop.actor.tenant_id, str(asked.id), market.gateway)
    ((status, error),) = market.ask(
        "SELECT status, error FROM portal_links WHERE tenant_id = :tenant_id AND id = :id", id=asked.id
    )
    return status, error


def pages_for(market: Market, kind: str, customer_id: str) -> int:
    return sum(each["customer"] == customer_id for each in market.double.world.objects(kind))


async def test_a_tenant_gets_no_portal_page_of_another_tenants_customer(ada: Market, eve: Market) -> None:
    customer_id = await bought(ada)
    name(eve, "eve", customer_id)
    refused = portal(eve, "eve")
    assert pages_for(ada, "billing_portal.session", customer_id) == 0
    name(eve, "eve", "cus_none")
    assert [refused, portal(eve, "eve")] == [
        ("FAILED", UNKNOWN.format(customer_id)),
        ("FAILED", UNKNOWN.format("cus_none")),
    ]
    assert portal(ada, "ada") == ("OPEN", None)


async def test_nor_a_link_to_pay_by_which_would_show_their_cards(ada: Market, eve: Market) -> None:
    customer_id = await bought(ada)
    name(eve, "eve", customer_id)
    links = Links(eve)
    with capture_logs() as logs:
        link = links.read(links.opened("snake-oil", "eve"))
    assert (link.status, link.error) == ("FAILED", UNKNOWN.format(customer_id))
    told = [(each["tenant_id"], each["customer_id"]) for each in logs if each["event"] == "stripe.customer_of_another"]
    assert told == [(eve.shop.actor.tenant_id, customer_id)]
    assert pages_for(ada, "checkout.session", customer_id) == 1
    name(eve, "eve", None)
    assert links.states(links.opened("snake-oil", "eve")) == ["OPEN"]


@pytest.mark.parametrize("is_eve_new", [False, True])
async def test_of_a_customer_who_has_bought_nothing_whoever_said_so_first_has_the_pages(
    ada: Market, eve: Market, is_eve_new: bool
) -> None:
    customer_id = new_customer(ada)
    name(ada, "ada", customer_id)
    if is_eve_new:
        users.create_user(eve.shop.actor, CreateUser(id="eve-2", billing_id=customer_id))
    else:
        name(eve, "eve", customer_id)
    assert portal(eve, "eve-2" if is_eve_new else "eve")[0] == "FAILED"
    assert portal(ada, "ada") == ("OPEN", None)
    name(ada, "ada", None)
    assert portal(eve, "eve-2" if is_eve_new else "eve")[0] == "OPEN"


async def test_what_is_bought_counts_more_than_who_said_so_first(ada: Market, eve: Market) -> None:
    customer_id = new_customer(ada)
    name(eve, "eve", customer_id)
    await ada.buy("pro", customer_id=customer_id)
    name(ada, "ada", "cus_of_before")
    name(ada, "ada", customer_id)
    assert (portal(ada, "ada"), portal(eve, "eve")[0]) == (("OPEN", None), "FAILED")
    assert (ada.states(), eve.states("eve")) == ([("pro", "ACTIVE")], [])


@pytest.mark.parametrize("of", ["ada", "nobody", "another deployment"])
async def test_our_tag_at_stripe_counts_more_than_all_of_it(ada: Market, eve: Market, of: str) -> None:
    customer_id = new_customer(ada)
    name(eve, "eve", customer_id)
    name(ada, "ada", customer_id)
    assert (portal(ada, "ada")[0], portal(eve, "eve")[0]) == ("FAILED", "OPEN")
    tag = {"ada": ada.app_id, "nobody": "", "another deployment": "live_elsewhere"}[of]
    ada.dashboard.customers.update(customer_id, params={"metadata": {billing_tags.TENANT: tag}})
    becomes = {"ada": ("OPEN", "FAILED"), "nobody": ("FAILED", "OPEN"), "another deployment": ("FAILED", "FAILED")}
    assert (portal(ada, "ada")[0], portal(eve, "eve")[0]) == becomes[of]


async def test_what_is_made_in_the_dashboard_for_a_customer_is_not_taken_by_who_names_customer_and_price(
    ada: Market, eve: Market
) -> None:
    customer_id = await bought(ada)
    unsold = ada.new_price("unsold")
    for price_id in (ada.prices["pro"], unsold):
        eve.link("snake-oil", price_id)
    name(eve, "eve", customer_id)
    with capture_logs() as logs:
        for price_id in (ada.prices["pro"], unsold):
            ada.dashboard.subscriptions.create(params={"customer": customer_id, "items": [{"price": price_id}]})
        await ada.hear()
    assert (len(ada.states()), eve.ask("SELECT count(*) FROM subscriptions WHERE tenant_id = :tenant_id")) == (
        2,
        [(0,)],
    )
    unclear = ada.gateway.subscriptions(customer_id=customer_id).items[0].id
    assert {each["subscription_id"] for each in logs if each["event"] == "stripe.tenant_unclear"} == {unclear}


async def test_an_import_leaves_them_alone_and_takes_its_own_whoever_names_them(ada: Market, eve: Market) -> None:
    ada.forget_others()
    bought_by_ada, new, named, claimed = await bought(ada), new_customer(ada), new_customer(ada), new_customer(ada)
    tagged = new_customer(ada, **{billing_tags.TENANT: ada.app_id})
    name(eve, "eve", bought_by_ada)
    for number, customer_id in enumerate((named, claimed, tagged)):
        users.create_user(eve.shop.actor, CreateUser(id=f"eve-{number}", billing_id=customer_id))
    users.create_user(ada.shop.actor, CreateUser(id="bob", billing_id=named))

    def became(market: Market) -> dict[str, tuple[str, str | None]]:
        customers = list(import_account(market.app_id, {}))[1]
        return {each.id: (each.became.value, each.why) for each in customers.imported}

    assert became(ada) == {
        bought_by_ada: ("known", None),
        new: ("new", None),
        named: ("known", None),
        claimed: ("another's", f"a user of {eve.app_id} has it"),
        tagged: ("new", None),
    }
    found = became(eve)
    assert found == {
        **dict.fromkeys((bought_by_ada, new, named), ("another's", f"it is a customer of {ada.app_id}")),
        claimed: ("known", None),
        tagged: ("another's", f"its metadata says that it is of {ada.app_id}"),
    }
    assert [portal(ada, user_id)[0] for user_id in ("ada", "bob", new)] == ["OPEN"] * 3


async def test_of_a_customer_who_was_deleted_nothing_is_kept(ada: Market, eve: Market) -> None:
    customer_id = await bought(ada)
    name(eve, "eve", customer_id)
    kept = "SELECT count(*) FROM stripe_customers WHERE customer_id = :customer_id"
    assert ada.ask(kept, customer_id=customer_id) == [(2,)]
    ada.dashboard.customers.delete(customer_id)
    await ada.hear()
    assert ada.ask(kept, customer_id=customer_id) == [(0,)]
