"""What was paid by links while webhooks were lost is found by asking Stripe, link by link and in its list."""

from datetime import datetime, timedelta

import pytest
from freezegun import freeze_time

from app import clock
from app.gateways.billing_errors import BillingUnavailableError
from app.gateways.billing_shapes import CheckoutSession
from app.gateways.stripe import StripeGateway
from app.gateways.stripe_double.faults import FaultKind
from app.services.checkout_sweeping import look_at_link, sweep_links
from app.services.pruning import prune
from app.services.sweeps import Swept
from tests.environment import environment
from tests.services.told import listen, messages
from tests.stripe.links import Links
from tests.stripe.market import API_KEY, Market

ONE = "GET /v1/checkout/sessions/"
LIST = "GET /v1/checkout/sessions"


@pytest.fixture
def links(market: Market) -> Links:
    """Nothing comes from Stripe by itself, and there are no links of other tests."""
    market.change(
        "UPDATE checkout_links SET look_at = NULL, status = 'FAILED' WHERE look_at IS NOT NULL OR status = 'PENDING'"
    )
    market.sell("pro", 1_000)
    market.sell("team", 5_000)
    market.sell("boost", 9_000, is_addon=True, is_once=True)
    market.shop.user()
    found = Links(market)
    found.lose_webhooks()
    return found


def look_at(links: Links, link_id: str) -> datetime | None:
    ((moment,),) = links.market.ask("SELECT look_at FROM checkout_links WHERE id = :id", id=link_id)
    return moment  # type: ignore[no-any-return]  # a moment or NULL, by the column


def asked(links: Links, match: str) -> int:
    """How often the double was asked so."""
    return len(
        [each for each in links.market.double.world.requests() if f"{each.method} {each.path}".startswith(match)]
    )


def test_what_was_paid_is_found_in_the_list_of_complete_sessions(links: Links) -> None:
    listen(links.market.shop)
    links.market.shop.user("bob")
    paid, still_open = links.opened("pro"), links.opened("pro", "bob")
    links.pay(paid)
    assert [links.sweep(), links.sweep()] == [1, 0]
    assert links.states(paid, still_open) == ["PAID", "OPEN"]
    assert (links.market.states(), links.market.may()) == ([("pro", "ACTIVE")], True)
    assert [type_ for type_, _ in messages(links.market.shop)] == ["subscription.created", "checkout.completed"]


def test_what_was_paid_once_is_given_by_the_sweep(links: Links) -> None:
    links.pay(links.opened("pro"))
    links.sweep()
    link_id = links.opened("boost")
    links.pay(link_id)
    assert links.sweep() == 1
    assert (links.states(link_id), links.market.may(9_000)) == (["PAID"], True)


def test_without_open_links_stripe_is_not_asked(links: Links) -> None:
    assert links.sweep() == 0
    assert asked(links, LIST) == 0


def test_a_link_past_its_time_is_looked_at_and_an_open_one_every_six_hours(links: Links) -> None:
    link_id = links.opened("pro")
    began = clock.now()
    seen = []
    for hours in (5.9, 6, 11.9, 12.1, 24, 24.2):
        with freeze_time(began + timedelta(hours=hours, minutes=1)):
            links.sweep()
        seen.append(asked(links, ONE))
    assert seen == [0, 1, 1, 2, 3, 4]
    links.market.double.world.advance(24 * 3_600 + 1)
    with freeze_time(began + timedelta(hours=24.5)):
        assert links.sweep() == 1
    assert (links.states(link_id), look_at(links, link_id)) == (["EXPIRED"], None)


def test_money_that_came_days_later_is_found_within_the_hour(links: Links) -> None:
    link_id = links.opened("pro")
    links.pay_later(link_id)
    assert (links.sweep(), links.states(link_id)) == (1, ["UNPAID"])
    links.market.double.world.settle(links.page(link_id)["id"])
    with freeze_time(clock.now() + timedelta(minutes=59)):
        assert links.sweep() == 0
    with freeze_time(clock.now() + timedelta(minutes=61)):
        assert links.sweep() == 1
    assert (links.states(link_id), links.market.states()) == (["PAID"], [("pro", "ACTIVE")])


@pytest.mark.parametrize(("days", "state"), [(29, "UNPAID"), (30, "FAILED")])
def test_money_is_waited_for_for_thirty_days(links: Links, days: int, state: str) -> None:
    links.pay(links.opened("pro"))
    links.sweep()
    link_id = links.opened("boost")
    links.pay_later(link_id)
    links.sweep()
    with freeze_time(clock.now() + timedelta(days=days, minutes=1)):
        links.sweep()
    assert links.states(link_id) == [state]


def test_a_subscription_that_ended_before_it_was_paid_makes_its_link_fail(links: Links) -> None:
    link_id = links.opened("pro")
    links.pay_later(link_id)
    links.sweep()
    links.market.double.world.settle(links.page(link_id)["id"], paid=False)
    links.market.double.world.advance(24 * 3_600)
    with freeze_time(clock.now() + timedelta(hours=25)):
        assert links.sweep() == 1
    assert (links.states(link_id), links.market.may()) == (["FAILED"], False)


def test_who_paid_by_a_link_that_we_gave_out_no_more_is_found(links: Links) -> None:
    link_id = links.opened("pro")
    with freeze_time(clock.now() + timedelta(hours=23, minutes=45)):
        links.asked("pro")
    assert links.states(link_id) == ["EXPIRED"]
    links.pay(link_id)
    assert links.sweep() == 1
    assert (links.states(link_id), links.market.states()) == (["PAID"], [("pro", "ACTIVE")])


def test_a_link_whose_worker_died_after_its_page_was_made_is_found_in_the_list(links: Links) -> None:
    link_id = links.opened("pro")
    links.market.change(
        "UPDATE checkout_links SET status = 'PENDING', session_id = NULL, url = NULL, look_at = NULL WHERE id = :id",
        id=link_id,
    )
    links.pay(link_id)
    assert links.sweep() == 1
    assert links.states(link_id) == ["PAID"]


def test_while_stripe_is_away_nothing_changes_and_afterwards_all_is_found(links: Links) -> None:
    paid = []
    for number in range(5):
        links.market.shop.user(f"user-{number}")
        paid.append(links.opened("pro", f"user-{number}"))
        links.pay(paid[-1])
    later = clock.now() + timedelta(hours=7)
    links.market.double.world.set_down(down=True)
    with freeze_time(later), pytest.raises(BillingUnavailableError):
        links.sweep()
    assert links.states(*paid) == ["OPEN"] * 5
    links.market.double.world.set_down(down=False)
    with freeze_time(later):
        assert links.sweep() == 5
    assert links.states(*paid) == ["PAID"] * 5


def test_one_look_that_fails_does_not_keep_others_from_theirs(links: Links) -> None:
    paid = []
    for number in range(3):
        links.market.shop.user(f"user-{number}")
        paid.append(links.opened("pro", f"user-{number}"))
        links.pay(paid[-1])
    links.market.double.world.fail(FaultKind.ERROR, LIST)
    links.market.double.world.fail(FaultKind.ERROR, ONE)
    later = clock.now() + timedelta(hours=7)
    with freeze_time(later):
        assert links.sweep() == 2
    with freeze_time(later + timedelta(minutes=11)):
        assert links.sweep() == 1
    assert links.states(*paid) == ["PAID"] * 3


def test_a_link_that_makes_trouble_is_set_aside_and_the_others_go_on(links: Links) -> None:
    links.market.shop.user("bob")
    bad, good = links.opened("pro"), links.opened("pro", "bob")
    links.pay(good)
    bad_page = links.page(bad)["id"]

    class Broken(StripeGateway):
        def checkout_session(self, session_id: str) -> CheckoutSession:
            if session_id == bad_page:
                raise KeyError("status")
            return super().checkout_session(session_id)

    broken = Broken(API_KEY, base=links.market.double.url, tries_again=0)
    links.market.double.world.fail(FaultKind.ERROR, LIST)
    with freeze_time(clock.now() + timedelta(hours=7)):
        assert sweep_links(broken) == Swept(handled=1, set_aside=1, more=False)
    faults = "SELECT job, row_id, error FROM job_faults WHERE tenant_id = :tenant_id"
    assert links.market.ask(faults) == [("stripe.sweep_links", bad, "KeyError: 'status'")]
    with freeze_time(clock.now() + timedelta(hours=8)):
        links.sweep()
    assert links.market.ask(faults) == []


def test_pages_that_stripe_does_not_know_are_given_up_after_a_week(links: Links) -> None:
    link_id = links.opened("pro")
    links.market.change("UPDATE checkout_links SET session_id = 'cs_of_another_account' WHERE id = :id", id=link_id)
    states = []
    for days in (1, 7.9, 8.1):
        with freeze_time(clock.now() + timedelta(days=days)):
            links.sweep()
        states += links.states(link_id)
    assert states == ["OPEN", "OPEN", "FAILED"]
    assert "another account" in (links.read(link_id).error or "")


def test_whoever_asks_again_after_five_minutes_has_the_page_looked_at_once(links: Links) -> None:
    link_id = links.opened("pro")
    links.pay(link_id)
    later = clock.now() + timedelta(minutes=4)
    with freeze_time(later):
        assert links.asked("pro").id == link_id
        assert (look_at(links, link_id) or later) > later
    later += timedelta(minutes=2)
    with freeze_time(later):
        assert links.asked("pro").id == link_id
        assert look_at(links, link_id) == later
        assert look_at_link(links.market.shop.actor.tenant_id, link_id, links.market.gateway) == 1
    assert (links.states(link_id), links.market.may()) == (["PAID"], True)


def test_a_look_while_stripe_is_away_is_left_to_the_sweep(links: Links) -> None:
    link_id = links.opened("pro")
    links.market.double.world.set_down(down=True)
    assert look_at_link(links.market.shop.actor.tenant_id, link_id, links.market.gateway) == 0


def test_without_a_key_nobody_is_asked(product: str) -> None:
    with environment(STRIPE_API_KEY=None):
        assert sweep_links() == Swept(handled=0, set_aside=0, more=False)


def test_a_key_of_the_other_mode_looks_at_nothing_of_ours(links: Links) -> None:
    links.pay(links.opened("pro"))
    live = StripeGateway("sk_live_of_the_tests", base=links.market.double.url, tries_again=0)
    assert sweep_links(live).handled == 0
    assert asked(links, LIST) == 0


def test_a_page_that_could_not_be_closed_is_closed_by_the_sweep(links: Links) -> None:
    bought, other = links.opened("pro"), links.opened("team")
    links.pay(bought)
    links.sweep()
    links.market.double.world.set_down(down=True)
    assert links.close_others(bought) == 0
    links.market.double.world.set_down(down=False)
    assert links.sweep() == 1
    assert (links.states(bought, other), links.page(other)["status"]) == (["PAID", "EXPIRED"], "expired")


def test_who_got_a_base_package_without_paying_has_no_page_for_another_either(links: Links) -> None:
    link_id = links.opened("team")
    links.market.shop.subscribe("pro")
    with freeze_time(clock.now() + timedelta(hours=7)):
        assert links.sweep() == 1
    assert links.states(link_id) == ["EXPIRED"]


def test_links_are_dropped_in_the_end_unless_something_waits_for_them(links: Links) -> None:
    for name in ("open", "paid", "late", "unknown"):
        links.market.shop.user(name)
    ids = {name: links.opened("pro", name) for name in ("open", "paid", "late", "unknown")}
    links.pay(ids["paid"])
    links.pay_later(ids["late"])
    links.pay(ids["unknown"])
    links.sweep()
    links.market.change("UPDATE checkout_links SET bought_id = 'sub_without_a_copy' WHERE id = :id", id=ids["unknown"])
    links.market.double.world.expire(links.page(ids["open"])["id"])
    kept = "SELECT id::text FROM checkout_links WHERE tenant_id = :tenant_id"
    for days, left in ((89, set(ids)), (92, {"open", "late", "unknown"})):
        with freeze_time(clock.now() + timedelta(days=days)):
            prune()
        assert {link_id for (link_id,) in links.market.ask(kept)} == {ids[name] for name in left}
    with freeze_time(clock.now() + timedelta(days=2)):
        links.sweep()
    with freeze_time(clock.now() + timedelta(days=93)):
        prune()
    assert {link_id for (link_id,) in links.market.ask(kept)} == {ids["late"], ids["unknown"]}
    assert links.market.states("paid") == [("pro", "ACTIVE")]
