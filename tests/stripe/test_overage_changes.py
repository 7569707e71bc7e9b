"""A change of package changes what overage costs: each unit is charged once, by the price of the package that it was used in."""

import json
from datetime import datetime, timedelta

import pytest

from app import jobs
from app.dev.valkey import EmbeddedValkey
from app.gateways.billing_shapes import ProviderSubscription, SubscriptionChange
from app.gateways.stripe import StripeGateway
from app.gateways.stripe_double.faults import FaultKind
from app.jobs import celery_app
from app.services.overage_adjusting import adjust_overage
from app.services.overage_checks import compare_overage
from app.services.stripe_comparison import compare_page
from tests.environment import environment
from tests.services.shop import counted
from tests.stripe.market import API_KEY
from tests.stripe.metering import BEGAN, UNIT_MINOR, Metering
from tests.stripe.requests import requests, work, writes

END = BEGAN + timedelta(days=31)
SETTLED = timedelta(hours=73)
TEAM_UNIT_MINOR = 3
PRO_MINOR, TEAM_MINOR = 5_000, 9_000
OVER = [("pro-month", 1), ("pro-over", None)]
BOTH = [("team-month", 1), ("pro-over", None), ("team-over", None)]


@pytest.fixture
def team(pro: Metering) -> Metering:
    """Ada has pro, and a package is on sale with a higher limit, whose overage costs more."""
    pro.market.shop.package("team", counted(1_000, overage=True))
    pro.price("team", "team-month", TEAM_MINOR)
    pro.price("team", "team-over", TEAM_UNIT_MINOR, metered_feature_id="calls")
    return pro


def templates(it: Metering) -> dict[str, str]:
    return dict(it.market.ask("SELECT id, price_id FROM billing_templates WHERE tenant_id = :tenant_id"))


def items(it: Metering) -> list[tuple[str, int | None]]:
    """(template of the price, quantity) of all that Stripe bills."""
    names = {price_id: id_ for id_, price_id in templates(it).items()}
    found = it.market.gateway.subscription(it.subscription_id).items
    return [(names[item.price.id], item.quantity) for item in found]


def change(it: Metering, package_id: str, *, at_period_end: bool = False) -> None:
    (held,) = it.market.shop.subscriptions()
    it.market.shop.change(held.id, package_id, at_period_end=at_period_end)
    assert work(it.market) == 1


def change_in_dashboard(it: Metering, template_id: str) -> None:
    item = it.market.gateway.subscription(it.subscription_id).items[0]
    wanted = SubscriptionChange(item_id=item.id, price_id=templates(it)[template_id])
    it.market.gateway.change_subscription(it.subscription_id, wanted, key=f"dashboard:{template_id}")
    it.copy()


def adjusted(it: Metering) -> int:
    """What the job does that the copy asks for."""
    return adjust_overage(it.market.shop.actor.tenant_id, it.subscription_id, it.market.gateway)


def compared(it: Metering, *, repair: bool = True) -> list[tuple[str, str, str, str]]:
    """(what, ours, Stripe's, outcome), as the nightly comparison finds and repairs it."""
    part, _ = compare_page(it.market.gateway, None, repair=repair)
    return [(each.what, each.ours, each.stripes, each.outcome) for each in part.differences]


def meters(it: Metering) -> dict[str, dict[str, int]]:
    """By package, what Stripe has counted."""
    found = it.market.ask(
        "SELECT p.id, m.meter_id FROM billing_meters m JOIN packages p ON p.tenant_id = m.tenant_id "
        "AND p.key = m.package_key WHERE m.tenant_id = :tenant_id ORDER BY p.id"
    )
    return {package_id: it.meter(meter_id) for package_id, meter_id in found}


class Twice(StripeGateway):
    """Each change is asked for by two workers that know the same."""

    def change_subscription(
        self, subscription_id: str, change: SubscriptionChange, *, key: str
    ) -> ProviderSubscription:
        super().change_subscription(subscription_id, change, key=key)
        return super().change_subscription(subscription_id, change, key=key)


class Beside(StripeGateway):
    """While the new price is given, another worker does what the copy of the old one has asked for: before, and after."""

    tenant_id = 0

    def change_subscription(
        self, subscription_id: str, change: SubscriptionChange, *, key: str
    ) -> ProviderSubscription:
        if not change.prorate or change.price_id is None:
            return super().change_subscription(subscription_id, change, key=key)
        adjust_overage(self.tenant_id, subscription_id, self)
        changed = super().change_subscription(subscription_id, change, key=key)
        adjust_overage(self.tenant_id, subscription_id, self)
        return changed


def renew(it: Metering, moment: datetime) -> int:
    """The period ends, told of until then; what is to be paid at once, for the next and for the overage of this one."""
    it.move_to(moment - timedelta(minutes=1))
    it.tell()
    it.move_to(moment)
    it.copy()
    return it.market.gateway.invoices(subscription_id=it.subscription_id).items[0].amount_due_minor


def test_each_moment_is_charged_by_the_terms_and_the_price_of_the_package_of_then(team: Metering) -> None:
    team.use(120)
    team.after(minutes=50)
    change(team, "team")
    assert (items(team), requests(team.market)) == (BOTH, [("CHANGE", "DONE", None)])
    team.use(900)
    team.after(hours=3)
    team.tell()
    assert meters(team) == {"pro": {"10 10:00": 20}, "team": {"10 11:00": 20}}
    assert renew(team, END) == TEAM_MINOR + 20 * UNIT_MINOR + 20 * TEAM_UNIT_MINOR


def test_the_items_of_both_are_told_and_compared_one_by_one_whatever_the_planner_knows(team: Metering) -> None:
    # So many rows as there are now, it believes: then it looks into a table row by row, and may ask a subquery at each.
    team.market.change("ANALYZE metered_items, meter_reports, billing_meters")
    team.use(120)
    team.after(minutes=50)
    change(team, "team")
    team.use(900)
    team.after(hours=3)
    assert (team.tell(), meters(team)) == (2, {"pro": {"10 10:00": 20}, "team": {"10 11:00": 20}})
    team.after(days=1)
    assert compare_overage(team.market.gateway).handled == 2


def test_the_old_item_goes_when_no_bill_can_be_made_of_it_any_more_and_not_before(team: Metering) -> None:
    team.use(120)
    team.after(hours=1)
    change(team, "team")
    # In the period in which it was used it stays, however long that is over.
    team.after(days=10)
    assert (compared(team), adjusted(team), items(team)) == ([], 0, BOTH)
    renew(team, END)
    team.move_to(END + SETTLED - timedelta(seconds=1))
    assert (compared(team), adjusted(team), items(team)) == ([], 0, BOTH)
    team.move_to(END + SETTLED)
    invoices = len(team.market.gateway.invoices(subscription_id=team.subscription_id).items)
    assert (compared(team, repair=False), items(team)) == ([], BOTH)
    assert (compared(team), items(team)) == ([], [("team-month", 1), ("team-over", None)])
    assert (compared(team), adjusted(team)) == ([], 0)
    assert len(team.market.gateway.invoices(subscription_id=team.subscription_id).items) == invoices
    assert team.market.states() == [("team", "ACTIVE")]


def test_at_the_periods_end_usage_until_then_is_charged_by_the_old_price_and_later_usage_by_the_new(
    team: Metering,
) -> None:
    change(team, "team", at_period_end=True)
    assert (items(team), compared(team)) == (BOTH, [])
    team.after(days=20)
    team.use(130)
    assert renew(team, END) == TEAM_MINOR + 30 * UNIT_MINOR
    team.use(1_007)
    team.move_to(END + SETTLED)
    team.tell()
    assert meters(team) == {"pro": {"30 10:00": 30}, "team": {"10 10:00": 7}}
    assert (compared(team), items(team)) == ([], [("team-month", 1), ("team-over", None)])
    assert renew(team, END + timedelta(days=28)) == TEAM_MINOR + 7 * TEAM_UNIT_MINOR


def test_a_change_that_is_taken_back_leaves_nothing_to_charge_for(team: Metering) -> None:
    change(team, "team", at_period_end=True)
    team.after(days=1)
    change(team, "pro")
    team.use(120)
    team.after(hours=72, minutes=59)
    assert (adjusted(team), items(team)) == (0, [*OVER, ("team-over", None)])
    team.after(hours=73)
    assert (adjusted(team), items(team)) == (1, OVER)
    team.tell()
    assert meters(team) == {"pro": {"11 10:00": 20}, "team": {}}
    # Who changes again has it again.
    change(team, "team")
    assert items(team) == BOTH


def test_a_package_without_a_price_for_overage_charges_nothing_and_what_was_used_before_is_charged(
    pro: Metering,
) -> None:
    pro.market.shop.package("team", counted(1_000, overage=True))
    pro.price("team", "team-month", TEAM_MINOR)
    pro.use(120)
    pro.after(hours=1)
    change(pro, "team")
    pro.use(2_000)
    pro.after(hours=3)
    pro.tell()
    assert (items(pro), meters(pro)) == ([("team-month", 1), ("pro-over", None)], {"pro": {"10 10:00": 20}})
    assert renew(pro, END) == TEAM_MINOR + 20 * UNIT_MINOR


def test_a_lost_answer_leaves_one_item_for_overage(team: Metering) -> None:
    (held,) = team.market.shop.subscriptions()
    team.market.shop.change(held.id, "team")
    team.market.double.world.fail(FaultKind.LOST_ANSWER, f"POST /v1/subscriptions/{team.subscription_id}")
    assert (work(team.market), items(team)) == (0, BOTH)
    assert (work(team.market), items(team)) == (1, BOTH)


def test_the_newest_price_of_the_same_currency_and_interval_is_taken(team: Metering) -> None:
    team.price("team", "team-over-dearer", 7, metered_feature_id="calls")
    team.price("team", "team-over-yearly", 9, metered_feature_id="calls", interval="year")
    team.price("team", "team-over-usd", 9, metered_feature_id="calls", currency="usd")
    change(team, "team")
    assert items(team) == [("team-month", 1), ("pro-over", None), ("team-over-dearer", None)]


def test_a_change_in_the_dashboard_is_noticed_and_put_right_once(team: Metering) -> None:
    team.use(120)
    team.after(minutes=50)
    change_in_dashboard(team, "team-month")
    assert items(team) == [("team-month", 1), ("pro-over", None)]
    began = len(team.market.double.world.requests())
    assert (adjusted(team), items(team)) == (1, BOTH)
    assert (adjusted(team), writes(team.market, began)) == (0, ["POST subscriptions"])
    team.use(900)
    assert renew(team, END) == TEAM_MINOR + 20 * UNIT_MINOR + 20 * TEAM_UNIT_MINOR


def test_an_item_in_the_place_of_another_takes_nothing_back_and_brings_its_price_for_overage(team: Metering) -> None:
    team.use(120)
    team.after(hours=1)
    team.tell()
    item = team.market.gateway.subscription(team.subscription_id).items[0]
    swapped = [{"id": item.id, "deleted": True}, {"price": templates(team)["team-month"], "quantity": 1}]
    team.market.dashboard.subscriptions.update(team.subscription_id, params={"items": swapped})
    team.copy()
    assert (adjusted(team), items(team)) == (1, [("pro-over", None), ("team-month", 1), ("team-over", None)])
    assert (adjusted(team), compared(team)) == (0, [])
    team.use(900)
    team.after(hours=3)
    team.tell()
    assert meters(team) == {"pro": {"10 10:00": 20}, "team": {"10 11:00": 20}}
    assert renew(team, END) == TEAM_MINOR + 20 * UNIT_MINOR + 20 * TEAM_UNIT_MINOR


def test_what_an_operator_adds_before_they_change_the_package_stays(team: Metering) -> None:
    team.after(days=10)
    added = {"price": templates(team)["team-over"]}
    team.market.dashboard.subscriptions.update(team.subscription_id, params={"items": [added]})
    team.copy()
    assert (adjusted(team), items(team)) == (0, [*OVER, ("team-over", None)])
    # Nobody changed it after all.
    team.after(days=10, hours=72, minutes=59)
    assert (adjusted(team), items(team)) == (0, [*OVER, ("team-over", None)])
    team.after(days=10, hours=73)
    assert (adjusted(team), items(team)) == (1, OVER)


def test_an_item_that_was_bought_at_the_beginning_is_no_change_though_its_package_was_not_known_until_now(
    metering: Metering,
) -> None:
    metering.sell()
    metering.sell_addon_with_overage()
    metering.price("extra", "extra-month", 100)
    bought = [{"price": templates(metering)[name]} for name in ("pro-month", "extra-month")]
    customer = metering.market.dashboard.customers.create(params={"email": "ada@example.com"})
    metering.subscription_id = metering.market.dashboard.subscriptions.create(
        params={"customer": customer.id, "items": bought}
    ).id
    price_id = templates(metering)["extra-month"]
    known, unknown = "ACTIVE", "FAILED"
    for status, after in ((unknown, 0), (known, 1)):
        metering.market.change("UPDATE billing_templates SET status = :s WHERE price_id = :p", s=status, p=price_id)
        metering.after(hours=after)
        metering.copy()
    assert [package_id for package_id, _ in metering.market.states(customer.id)] == ["pro", "extra"]
    assert (adjusted(metering), items(metering)) == (0, [("pro-month", 1), ("extra-month", 1)])


def test_the_copy_has_the_job_done_only_if_there_is_something_to_do(team: Metering, valkey: EmbeddedValkey) -> None:
    with environment(REDIS_URL=valkey.url_of(5)), celery_app.sender().connection_for_read() as connection:
        broker = connection.default_channel.client
        broker.flushdb()
        team.copy()
        assert jobs.wait_until_sent(5)
        assert broker.llen(jobs.Queue.STRIPE) == 0
        change_in_dashboard(team, "team-month")
        assert jobs.wait_until_sent(5)
        (message,) = broker.lrange(jobs.Queue.STRIPE, 0, -1)
        assert json.loads(message)["headers"]["task"] == "stripe.adjust_overage"
        broker.flushdb()


def test_while_a_change_is_on_its_way_nothing_is_left_over(team: Metering) -> None:
    change(team, "team", at_period_end=True)
    team.after(days=4)
    beside = Beside(API_KEY, base=team.market.double.url, tries_again=0)
    beside.tenant_id = team.market.shop.actor.tenant_id
    team.market.gateway = beside
    # Not later but now, so the old price is given back first, and for a moment nobody is to be to team.
    change(team, "team")
    assert (items(team), team.market.states()) == (BOTH, [("team", "ACTIVE")])


def test_a_change_in_the_dashboard_that_was_not_copied_yet_takes_no_item_away(team: Metering) -> None:
    change(team, "team", at_period_end=True)
    team.after(days=1)
    change(team, "pro")
    team.after(days=4)
    item = team.market.gateway.subscription(team.subscription_id).items[0]
    wanted = SubscriptionChange(item_id=item.id, price_id=templates(team)["team-month"])
    team.market.gateway.change_subscription(team.subscription_id, wanted, key="dashboard")
    assert (adjusted(team), items(team)) == (0, BOTH)
    team.copy()
    assert (adjusted(team), compared(team), items(team)) == (0, [], BOTH)


def test_two_workers_at_once_add_one_item(team: Metering) -> None:
    change_in_dashboard(team, "team-month")
    twice = Twice(API_KEY, base=team.market.double.url, tries_again=0)
    assert adjust_overage(team.market.shop.actor.tenant_id, team.subscription_id, twice) == 1
    assert items(team) == BOTH


def test_while_stripe_is_away_it_waits_and_the_nightly_comparison_finds_it(team: Metering) -> None:
    change_in_dashboard(team, "team-month")
    price_id = templates(team)["team-over"]
    team.market.double.world.set_down(down=True)
    assert adjusted(team) == 0
    team.market.double.world.set_down(down=False)
    assert compared(team, repair=False) == [("overage not billed", price_id, "-", "found")]
    assert (compared(team), items(team)) == ([("overage not billed", price_id, "-", "repaired")], BOTH)
    assert compared(team) == []


def test_who_did_not_change_pays_what_they_agreed_to(team: Metering) -> None:
    over = team.market.gateway.subscription(team.subscription_id).items[1]
    team.market.gateway.change_subscription(
        team.subscription_id, SubscriptionChange(removed_item_ids=(over.id,)), key="goodwill"
    )
    team.copy()
    assert (adjusted(team), compared(team), items(team)) == (0, [], [("pro-month", 1)])


def test_what_somebody_takes_off_the_bill_after_a_change_stays_off(team: Metering) -> None:
    change(team, "team")
    over = team.market.gateway.subscription(team.subscription_id).items[2]
    team.after(days=1)
    team.market.gateway.change_subscription(
        team.subscription_id, SubscriptionChange(removed_item_ids=(over.id,)), key="goodwill"
    )
    team.copy()
    assert (adjusted(team), compared(team), items(team)) == (0, [], BOTH[:2])


def test_a_price_that_is_on_sale_since_the_change_only_is_not_charged(pro: Metering) -> None:
    pro.market.shop.package("team", counted(1_000, overage=True))
    pro.price("team", "team-month", TEAM_MINOR)
    change(pro, "team")
    pro.after(days=1)
    pro.price("team", "team-over", TEAM_UNIT_MINOR, metered_feature_id="calls")
    pro.copy()
    assert (adjusted(pro), compared(pro), items(pro)) == (0, [], [("team-month", 1), ("pro-over", None)])
