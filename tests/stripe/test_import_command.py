"""`meterline stripe import`: an account becomes a tenant's, and a second time changes nothing."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app import clock
from app.db import transaction
from app.gateways.stripe_double.faults import FaultKind
from app.queries import stripe_copies as queries
from app.services import tenants
from app.services.stripe_import import import_account
from app.services.stripe_subscriptions import copy_subscription
from tests import test_cli
from tests.environment import environment
from tests.services.shop import counted
from tests.stripe.market import Market
from tests.test_cli import run
from tests.until import until

logging_as_before = test_cli.logging_as_before
CUSTOMERS = 120
DAY = 86_400


@pytest.fixture
def old(market: Market) -> Iterator[Market]:
    """A team that has sold at Stripe for years, and has packages here but nothing else."""
    market.forget_others()
    market.shop.feature()
    market.shop.package("pro", counted(1_000))
    market.shop.package("team", counted(5_000))
    for name in ("pro", "team", "retired", "mystery"):
        market.prices[name] = market.new_price(name)
    with environment(STRIPE_SWEEPS_PER_SECOND="1000"):
        yield market


def imported(market: Market, *options: str) -> tuple[int, list[list[str]]]:
    """The exit code, and the lines, in their columns."""
    result = run("stripe", "import", "--app", market.app_id, *options)
    assert result.exit_code in (0, 1), result.output
    return result.exit_code, [line.split("\t") for line in result.stdout.splitlines()]


def mapping(market: Market) -> list[str]:
    return [f"--map={market.prices[name]}={package}" for name, package in (("pro", "pro"), ("team", "team"))]


def customers(market: Market, count: int) -> list[str]:
    create = market.dashboard.customers.create
    return [create(params={"name": str(number), "email": f"{number}@example.com"}).id for number in range(count)]


def subscribe(market: Market, customer_id: str, price: str, **more: Any) -> str:
    items = [{"price": market.prices[price]}]
    return str(market.dashboard.subscriptions.create(params={"customer": customer_id, "items": items, **more}).id)


def of_all_statuses(market: Market, customer_ids: list[str]) -> dict[str, str]:
    """A subscription in each status that Stripe has, by the status."""
    world, ids = market.double.world, iter(customer_ids)
    pause = {"end_behavior": {"missing_payment_method": "pause"}}
    made = {"paused": subscribe(market, paused := next(ids), "pro", trial_period_days=1, trial_settings=pause)}
    world.set_card(paused, "none")
    made["incomplete_expired"] = subscribe(market, next(ids), "pro", payment_behavior="default_incomplete")
    for status in ("unpaid", "past_due"):
        made[status] = subscribe(market, failing := next(ids), "pro")
        world.set_card(failing, "declines")
    world.advance(2 * DAY)
    made["canceled"] = subscribe(market, next(ids), "pro")
    market.gateway.cancel_subscription(made["canceled"])
    made["active"] = subscribe(market, next(ids), "team")
    made["trialing"] = subscribe(market, next(ids), "pro", trial_period_days=14)
    made["incomplete"] = subscribe(market, next(ids), "pro", payment_behavior="default_incomplete")
    objects = world.account.state.objects["subscription"]
    for status in ("unpaid", "past_due"):
        # How long dunning goes on, and what it ends with, is a setting of the account's.
        objects[made[status]]["status"] = status
    assert {status: market.gateway.subscription(each).status.value for status, each in made.items()} == {
        status: status for status in made
    }
    return made


def rows(market: Market) -> list[list[tuple[Any, ...]]]:
    tables = ("users", "subscriptions", "billing_templates")
    found = [market.ask(f"SELECT t::text FROM {table} t WHERE tenant_id = :tenant_id ORDER BY 1") for table in tables]  # noqa: S608 — our own names
    return [*found, market.ask("SELECT t::text FROM stripe_objects t ORDER BY 1")]


async def test_a_shop_of_120_customers_is_imported_once(old: Market) -> None:
    ids = customers(old, CUSTOMERS)
    made = of_all_statuses(old, ids)
    for customer_id in ids[20:70]:
        subscribe(old, customer_id, "pro")
    unmapped = subscribe(old, ids[70], "mystery")
    over = subscribe(old, ids[71], "retired")
    old.gateway.cancel_subscription(over)
    before = rows(old)
    summary = [
        ["prices: 2 mapped now, 2 not mapped"],
        ["customers: 120 new"],
        ["subscriptions: 58 copied, 2 not copied"],
    ]

    code, said = imported(old, *mapping(old), "--dry-run")
    assert (code, rows(old) == before, said[-3:]) == (1, True, summary)

    code, said = imported(old, *mapping(old))
    assert (code, said[-3:]) == (1, summary)
    prices = {line[1]: line[2:] for line in said if line[0] == "price"}
    assert prices[old.prices["pro"]][0] == "mapped now"
    assert prices[old.prices["pro"]][1].startswith("package pro; 50.00 EUR every month, prod_")
    assert prices[old.prices["mystery"]][0] == "not mapped"
    assert [line for line in said if line[0] in ("customer", "subscription")] == [
        ["subscription", over, "not copied", f"price without package: {old.prices['retired']}"],
        ["subscription", unmapped, "not copied", f"price without package: {old.prices['mystery']}"],
    ]
    assert old.ask("SELECT id, billing_id, name, email FROM users WHERE tenant_id = :tenant_id ORDER BY name::int") == [
        (customer_id, customer_id, str(number), f"{number}@example.com") for number, customer_id in enumerate(ids)
    ]
    statuses = Counter(status for (status,) in old.ask("SELECT status FROM subscriptions WHERE tenant_id = :tenant_id"))
    assert statuses == {
        "ACTIVE": 51,
        "TRIALING": 1,
        "PAST_DUE": 1,
        "UNPAID": 2,
        "CANCELLED": 1,
        "INCOMPLETE": 1,
        "INCOMPLETE_EXPIRED": 1,
    }
    ((owner,),) = old.ask(
        "SELECT u.id FROM subscriptions s JOIN users u ON u.tenant_id = s.tenant_id AND u.key = s.user_key "
        "WHERE s.tenant_id = :tenant_id AND provider_subscription_id = :id",
        id=made["active"],
    )
    assert (old.states(owner), old.may(5_000, user_id=owner)) == ([("team", "ACTIVE")], True)

    after = rows(old)
    asked = len(old.double.world.requests())
    code, said = imported(old, *mapping(old))
    assert (code, rows(old) == after) == (1, True)
    assert said[-3:] == [
        ["prices: 2 mapped, 2 not mapped"],
        ["customers: 120 known"],
        ["subscriptions: 58 same, 2 not copied"],
    ]
    # The mapped prices and their products, and five pages.
    assert len(old.double.world.requests()) - asked == 4 + 1 + 2 + 1


async def test_a_customer_is_the_user_that_its_metadata_names_and_no_billing_id_is_changed(old: Market) -> None:
    old.shop.user("ada")
    old.shop.user("bob")
    create = old.dashboard.customers.create
    first = create(params={"metadata": {"meterline_user": "ada"}}).id
    second = create(params={"metadata": {"meterline_user": "ada"}}).id
    by_bob = create(params={"metadata": {"meterline_user": "bob"}}).id
    new = create(params={"metadata": {"meterline_user": "cleo"}, "email": "cleo@example.com"}).id
    for customer_id in (first, second, by_bob, new):
        subscribe(old, customer_id, "pro")
    old.change(
        "UPDATE users SET billing_id = 'cus_of_before' WHERE id = 'bob' AND tenant_id = :tenant_id",
        tenant_id=old.shop.actor.tenant_id,
    )
    for options in (["--dry-run"], []):
        code, said = imported(old, *mapping(old), *options)
        assert (code, said[-2:]) == (0, [["customers: 1 new, 1 linked, 2 kept"], ["subscriptions: 4 copied"]])
        assert [line for line in said if line[0] == "customer"] == [
            ["customer", by_bob, "kept", "the user bob keeps the billing id cus_of_before"],
            ["customer", second, "linked", "user ada"],
            ["customer", first, "kept", f"the user ada keeps the billing id {second}"],
        ]
    assert old.ask("SELECT id, billing_id FROM users WHERE tenant_id = :tenant_id ORDER BY id") == [
        ("ada", second),
        ("bob", "cus_of_before"),
        ("cleo", new),
    ]
    assert [len(old.states(user_id)) for user_id in ("ada", "bob", "cleo")] == [2, 1, 1]
    code, said = imported(old)
    assert said[-2:] == [["customers: 2 known, 2 kept"], ["subscriptions: 4 same"]]


async def test_the_metadata_can_be_the_teams_own(old: Market) -> None:
    customer_id = old.dashboard.customers.create(params={"metadata": {"our_user": "u-17"}}).id
    bad = old.dashboard.customers.create(params={"metadata": {"our_user": "x" * 300}}).id
    _, said = imported(old, "--user-metadata", "our_user")
    assert ["customer", bad, "new", "its metadata our_user is no user id"] in said
    found = old.ask("SELECT id, billing_id FROM users WHERE tenant_id = :tenant_id ORDER BY length(id)")
    assert found == [("u-17", customer_id), (bad, bad)]


async def test_nobody_is_taken_for_somebody_because_of_an_email(old: Market) -> None:
    old.shop.user("ada@example.com")
    customer_id = old.dashboard.customers.create(params={"email": "ada@example.com"}).id
    subscribe(old, customer_id, "pro")
    code, said = imported(old, *mapping(old))
    why = "the user ada@example.com has the same email, and was not taken for it"
    assert (code, ["customer", customer_id, "new", why] in said) == (0, True)
    assert (old.states("ada@example.com"), old.states(customer_id)) == ([], [("pro", "ACTIVE")])


async def test_what_is_another_tenants_or_another_deployments_is_left_alone(old: Market) -> None:
    other = tenants.create_app(f"other-{old.shop.actor.tenant_id}", None)[0]
    theirs = old.dashboard.customers.create(params={"metadata": {"meterline_tenant": other.app_id}}).id
    subscribe(old, theirs, "pro")
    ours = old.dashboard.customers.create(params={}).id
    subscribe(old, ours, "pro", metadata={"meterline_tenant": "test_of-another-deployment"})
    shared = old.dashboard.customers.create(params={}).id
    subscribe(old, shared, "pro")
    old.change(
        "INSERT INTO users (tenant_id, id, billing_id, created_at, updated_at) "
        "SELECT id, 'zoe', :customer_id, now(), now() FROM tenants WHERE public_id = :app_id",
        customer_id=shared,
        app_id=other.app_id,
    )
    code, said = imported(old, *mapping(old))
    assert (code, said[-2:]) == (0, [["customers: 1 new, 2 another's"], ["subscriptions: 3 another's"]])
    assert ["customer", shared, "another's", f"a user of {other.app_id} has it"] in said
    assert old.ask("SELECT id FROM users WHERE tenant_id = :tenant_id") == [(ours,)]


async def test_what_is_not_sold_any_more_can_be_mapped_for_those_who_pay_it(old: Market) -> None:
    (customer_id,) = customers(old, 1)
    subscribe(old, customer_id, "retired")
    old.dashboard.prices.update(old.prices["retired"], params={"active": False})
    code, _ = imported(old, f"--map={old.prices['retired']}=pro")
    assert (code, old.states(customer_id)) == (0, [("pro", "ACTIVE")])
    error = f"The price {old.prices['retired']} cannot be sold: it is archived."
    found = old.ask("SELECT id, status, error, amount_minor FROM billing_templates WHERE tenant_id = :tenant_id")
    assert found == [(old.prices["retired"], "INACTIVE", error, 5_000)]


async def test_an_outage_in_the_middle_ends_with_2_and_the_next_run_does_the_rest(old: Market) -> None:
    ids = customers(old, CUSTOMERS)
    subscribe(old, ids[0], "pro")
    old.double.world.fail(FaultKind.ERROR, "GET /v1/subscriptions", times=0)
    result = run("stripe", "import", "--app", old.app_id, *mapping(old))
    assert result.exit_code == 2
    assert "Error: Stripe: " in result.stderr
    old.double.world.mend()
    code, said = imported(old)
    assert (code, said[-2:]) == (0, [["customers: 120 known"], ["subscriptions: 1 copied"]])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--map=price_none=pro"], "Stripe has no price price_none"),
        (["--map={pro}=nothing"], "There is no package nothing"),
        (["--map={pro}"], "is not PRICE=PACKAGE"),
        (["--map={pro}=pro", "--map={pro}=team"], "is given for two packages"),
        (["--app=test_nobody"], "There is no tenant test_nobody"),
        (["--app={live}"], "This is a live app, and STRIPE_API_KEY is a test key."),
    ],
)
async def test_what_cannot_be_is_refused_before_anything_is_done(old: Market, options: list[str], said: str) -> None:
    before = rows(old)
    places = {"pro": old.prices["pro"], "live": old.app_id.replace("test_", "live_")}
    filled = [each.format(**places) for each in options]
    result = run("stripe", "import", "--app", old.app_id, *filled)
    assert (result.exit_code, result.stdout, rows(old) == before) == (2, "", True)
    assert said in result.stderr


async def test_an_import_and_many_workers_at_once_make_one_user_of_a_customer(old: Market) -> None:
    old.link("pro", old.prices["pro"])
    customer_ids = customers(old, 20)
    made = [subscribe(old, customer_id, "pro") for customer_id in customer_ids]
    with ThreadPoolExecutor(5) as at_once:
        copied = [at_once.submit(copy_subscription, old.gateway, each) for each in made]
        said = at_once.submit(lambda: list(import_account(old.app_id, {})))
    assert [each.result() for each in copied] == [True] * 20
    assert len(said.result()) == 3
    assert old.ask("SELECT count(*), count(DISTINCT billing_id) FROM users WHERE tenant_id = :tenant_id") == [(20, 20)]
    assert old.ask("SELECT count(*) FROM subscriptions WHERE tenant_id = :tenant_id") == [(20,)]


async def test_a_worker_waits_for_an_import_that_is_making_the_user(old: Market) -> None:
    old.link("pro", old.prices["pro"])
    (customer_id,) = customers(old, 1)
    subscription_id = subscribe(old, customer_id, "pro")
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with ThreadPoolExecutor(1) as worker:
        with transaction() as session:
            queries.lock_objects(session, [customer_id])
            queries.add_buyer(session, old.shop.actor.tenant_id, customer_id, customer_id, None, None, clock.now())
            copied = worker.submit(copy_subscription, old.gateway, subscription_id)
            await until(lambda: old.ask(waiting) == [(1,)])
        assert copied.result()
    assert old.ask("SELECT id FROM users WHERE tenant_id = :tenant_id") == [(customer_id,)]
    assert old.states(customer_id) == [("pro", "ACTIVE")]
