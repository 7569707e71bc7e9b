"""`meterline stripe reconcile`: what an operator sees of the differences between us and Stripe, and what becomes of them."""

from collections.abc import Iterator

import pytest
from sqlmodel import SQLModel, select

from app import models
from app.db import transaction
from app.gateways.stripe_double.deliveries import WebhookFaults
from app.gateways.stripe_double.faults import FaultKind
from app.services.stripe_inbox import take
from tests import test_cli
from tests.environment import environment
from tests.stripe.links import Links
from tests.stripe.market import Market
from tests.test_cli import run

logging_as_before = test_cli.logging_as_before
AGREE = "Meterline and Stripe agree.\n"
CHANGEABLE: tuple[type[SQLModel], ...] = (
    models.User,
    models.Subscription,
    models.PastPackage,
    models.SubscriptionRequest,
    models.BillingTemplate,
    models.CheckoutLink,
    models.MeteredItem,
    models.StripeEvent,
    models.StripeCursor,
    models.StripeObject,
    models.StripeCustomer,
    models.StripeCheck,
    models.JobFault,
)


@pytest.fixture
def pro(market: Market) -> Iterator[Market]:
    market.forget_others()
    market.sell("pro", 1_000)
    market.shop.user()
    with environment(STRIPE_SWEEPS_PER_SECOND="1000"):
        yield market


def reconciled(*options: str) -> tuple[int, list[list[str]]]:
    """The exit code, and the lines, in their columns."""
    result = run("stripe", "reconcile", *options)
    return result.exit_code, [line.split("\t") for line in result.stdout.splitlines()]


def rows() -> list[list[str]]:
    """All that a command could have changed, of all tenants."""
    with transaction() as session:
        return [sorted(row.model_dump_json() for row in session.exec(select(table))) for table in CHANGEABLE]


async def test_those_who_agree_are_told_so_with_the_steps_on_standard_error(pro: Market) -> None:
    await pro.buy("pro")
    result = run("stripe", "reconcile")
    assert (result.exit_code, result.stdout) == (0, AGREE)
    assert result.stderr.splitlines() == [
        "events that wait: 0, all",
        "events that did not come: 0, all",
        "links to pay by: 0, all",
        "subscriptions: 1, all",
        "copies that Stripe did not list: 1, all",
        "billing templates: 1, all",
    ]


async def test_every_difference_is_a_line_and_is_repaired_once_asked_for(pro: Market) -> None:
    cancelled = await pro.buy("pro")
    pro.double.world.break_webhooks(WebhookFaults(drop_rate=1.0))
    pro.shop.user("bob")
    bought = str(pro.double.world.pay(pro.checkout("pro", user_id="bob").id)["subscription"])
    pro.gateway.cancel_subscription(cancelled)
    pro.dashboard.prices.update(pro.prices["pro"], params={"active": False})
    await pro.arrived()
    pro.change("UPDATE subscriptions SET quantity = 9 WHERE provider_subscription_id = :id", id=cancelled)
    app, price_id = pro.app_id, pro.prices["pro"]
    before = rows()

    code, found = reconciled("--dry-run")
    assert (code, rows() == before) == (1, True)
    events = [line for line in found if line[0] == "event did not come"]
    assert sorted(line[4] for line in events) == sorted(
        f"{kind}.{what}"
        for kind, what in (
            ("customer.subscription", "created"),
            ("checkout.session", "completed"),
            ("invoice", "paid"),
            ("customer.subscription", "deleted"),
            ("price", "updated"),
        )
    )
    others = [line for line in found[:-1] if line not in events]
    ended = pro.gateway.subscription(cancelled).ended_at
    assert ended is not None
    assert others == [
        ["not copied", app, bought, "-", price_id, "found"],
        ["status", app, cancelled, "ACTIVE", "CANCELLED", "found"],
        ["end", app, cancelled, "-", f"{ended:%Y-%m-%dT%H:%M:%S.000Z}", "found"],
        ["quantity", app, cancelled, "9", "1", "found"],
        [
            f"billing template template-{price_id}",
            app,
            price_id,
            "ACTIVE",
            f"The price {price_id} cannot be sold: it is archived.",
            "found",
        ],
    ]
    assert found[-1] == ["Differences: 10 found."]

    code, repaired = reconciled()
    assert (code, repaired[-1]) == (0, ["Differences: 5 repaired."])
    assert sorted(line[2] for line in repaired[:-1]) == sorted(line[2] for line in events)
    assert (pro.states("bob"), pro.states()) == ([("pro", "ACTIVE")], [("pro", "CANCELLED")])
    assert reconciled() == (0, [[AGREE.strip()]])


async def test_links_that_say_something_else_than_their_pages_are_told_and_settled(pro: Market) -> None:
    links = Links(pro)
    links.lose_webhooks()
    users = ("bob", "cyd", "dan", "eve")
    for user_id in users:
        pro.shop.user(user_id)
    paid, late, closed, gone, untouched = (links.opened("pro", user_id) for user_id in ("ada", *users))
    links.pay(paid)
    links.pay_later(late)
    pages = {name: links.page(link_id)["id"] for name, link_id in zip("plcg", (paid, late, closed, gone), strict=True)}
    pro.gateway.expire_checkout_session(pages["c"])
    del pro.double.world.account.state.objects["checkout.session"][pages["g"]]
    # Whose page closed is looked at when that was to be expected.
    pro.change("UPDATE checkout_links SET look_at = now() WHERE look_at IS NOT NULL")
    # No event tells of it any more.
    pro.double.world.account.state.objects["event"].clear()
    before, app = rows(), pro.app_id

    code, found = reconciled("--dry-run")
    assert (code, rows() == before) == (1, True)
    of_links = [line for line in found if line[0].startswith("link")]
    assert sorted(of_links) == sorted(
        [
            ["link", app, pages["p"], "OPEN", "PAID", "found"],
            ["link", app, pages["l"], "OPEN", "UNPAID", "found"],
            ["link", app, pages["c"], "OPEN", "EXPIRED", "found"],
            ["link without page", app, pages["g"], "OPEN", "-", "found"],
        ]
    )

    code, repaired = reconciled()
    assert sorted(line for line in repaired if line[0].startswith("link")) == sorted(
        [*line[:5], "repaired"] for line in of_links if line[0] == "link"
    )
    assert (code, links.states(paid, late, closed, untouched)) == (0, ["PAID", "UNPAID", "EXPIRED", "OPEN"])
    code, left = reconciled("--dry-run")
    assert [line[0] for line in left if line[0].startswith("link")] == []


async def test_a_page_that_nobody_needs_any_more_is_told_before_it_is_closed(pro: Market) -> None:
    links = Links(pro)
    await pro.arrived()
    other = links.opened("pro")
    await pro.buy("pro")
    pro.change("UPDATE checkout_links SET look_at = now() WHERE look_at IS NOT NULL")
    page = links.page(other)["id"]
    line = ["link to close", pro.app_id, page, "OPEN", "open", "found"]
    assert reconciled("--dry-run") == (1, [line, ["Differences: 1 found."]])
    assert links.states(other) == ["OPEN"]
    line = ["link", pro.app_id, page, "OPEN", "EXPIRED", "repaired"]
    assert reconciled() == (0, [line, ["Differences: 1 repaired."]])


async def test_what_no_event_told_of_is_repaired_by_comparing(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    pro.change("UPDATE subscriptions SET quantity = 9 WHERE provider_subscription_id = :id", id=subscription_id)
    line = ["quantity", pro.app_id, subscription_id, "9", "1", "repaired"]
    assert reconciled() == (0, [line, ["Differences: 1 repaired."]])
    assert pro.ask("SELECT differences, left_over FROM stripe_checks ORDER BY name") == [(0, 0), (1, 0)]
    assert reconciled() == (0, [[AGREE.strip()]])


async def test_what_cannot_be_repaired_ends_with_1(pro: Market) -> None:
    subscription_id = await pro.buy("pro")
    del pro.double.world.account.state.objects["subscription"][subscription_id]
    line = ["not at Stripe", pro.app_id, subscription_id, "ACTIVE", "-", "left"]
    assert reconciled() == (1, [line, ["Differences: 1 left."]])
    assert pro.states() == [("pro", "ACTIVE")]


async def test_events_that_wait_are_handled_without_a_worker(pro: Market) -> None:
    await pro.arrived()
    pro.double.world.pay(pro.checkout("pro").id)
    for each in await pro.arrived():
        take(each.body, each.signature)
    code, lines = reconciled("--dry-run")
    assert (code, [line[0] for line in lines[:3]]) == (1, ["event not handled"] * 3)
    code, lines = reconciled()
    assert (code, lines[-1]) == (0, ["Differences: 3 repaired."])
    assert pro.states() == [("pro", "ACTIVE")]


async def test_an_outage_in_the_middle_ends_with_2_and_what_was_done_stays_done(pro: Market) -> None:
    await pro.arrived()
    pro.double.world.pay(pro.checkout("pro").id)
    for each in await pro.arrived():
        take(each.body, each.signature)
    pro.double.world.fail(FaultKind.ERROR, "GET /v1/events", times=0)
    result = run("stripe", "reconcile")
    assert result.exit_code == 2
    assert "Error: Stripe: " in result.stderr
    assert pro.states() == [("pro", "ACTIVE")]


def test_without_a_key_or_a_database_it_ends_with_2(product: str) -> None:
    with environment(STRIPE_API_KEY=None):
        result = run("stripe", "reconcile")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: Stripe: STRIPE_API_KEY is not set\n" in result.stderr
