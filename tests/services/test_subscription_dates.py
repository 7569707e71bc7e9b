"""What time does to subscriptions, before a job has written it down and after: trials, changes at the period's end."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from freezegun import freeze_time
from sqlalchemy import select
from sqlmodel import Session, col

from app import models
from app.contract.subscriptions import Subscription
from app.contract.usage import CheckAccess
from app.db import engine
from app.domain.periods import ResetPeriod
from app.domain.subscribing import SubscriptionStatus
from app.domain.webhooks import WebhookEventType
from app.errors import InvalidInputError, MeterlineError, PackageStatusError, SubscriptionError
from app.services import packages
from app.services.explanations import explain
from app.services.subscription_dates import settle_due
from tests.environment import environment
from tests.services.shop import DAY, MONTH, YEAR, Shop, counted
from tests.services.told import listen, messages

ACTIVE, TRIALING, CANCELLED = SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING, SubscriptionStatus.CANCELLED
START = "2026-01-31T10:00:00.000Z"
PERIOD_END = "2026-02-28T10:00:00.000Z"
MILLISECOND = timedelta(milliseconds=1)
WEEK = timedelta(days=7)


@pytest.fixture
def market(shop: Shop) -> Shop:
    """Bases `pro` and `max`, add-ons `boost` (any base) and `turbo` (with `max` alone); Ada has none of them yet."""
    shop.feature()
    shop.package("pro", counted(10))
    shop.package("max", counted(20))
    shop.addon("boost", counted(15))
    shop.addon("turbo", counted(50), base_package_ids=["max"])
    shop.user()
    return shop


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def refusal(shop: Shop, error: type[MeterlineError], attempt: Callable[[], object]) -> str:
    """The message; nothing may have changed."""
    before = shop.rows()
    with pytest.raises(error) as refused:
        attempt()
    assert shop.rows() == before
    return refused.value.message


def seen(shop: Shop, subscription_id: str) -> dict[str, Any]:
    """What every way to ask says of Ada's subscription and of what it gives her."""
    view = shop.subscription(subscription_id)
    access, explained = shop.access(), explain(shop.actor, CheckAccess(user_id="ada", feature_id="calls"))
    current = shop.usage().current
    assert shop.subscriptions()[0] == view
    (candidate,) = explained.candidates
    assert (candidate.package_id, candidate.status) == (view.package.id, view.status)
    assert explained.answer == access
    budgets = {
        "canUseFeature": access.consumption and access.consumption.budget,
        "showUsage": current and current.consumption.budget,
        "explain": candidate.limit if explained.decision else None,
    }
    change = view.pending_change
    return {
        "status": view.status,
        "package": view.package.id,
        "pending": change and (change.package.id, change.at),
        "access": access.access,
        "budget": budgets.popitem()[1] if len(set(budgets.values())) == 1 else budgets,
    }


def state(
    status: SubscriptionStatus = ACTIVE,
    package: str = "pro",
    pending: tuple[str, str] | None = None,
    *,
    budget: int | None = 10,
) -> dict[str, Any]:
    return {
        "status": status,
        "package": package,
        "pending": pending,
        "access": budget is not None,
        "budget": budget,
    }


def plain(subscription: Subscription) -> Any:
    return msgspec.to_builtins(subscription)


def written(shop: Shop) -> list[tuple[Any, ...]]:
    """(status, ends_at, next_package_key, changes_at, due_at) of each row."""
    statement = select(
        models.Subscription.status,
        models.Subscription.ends_at,
        models.Subscription.next_package_key,
        models.Subscription.changes_at,
        models.Subscription.due_at,
    ).where(models.Subscription.tenant_id == shop.actor.tenant_id)
    with Session(engine()) as session:
        return [tuple(row) for row in session.execute(statement.order_by(col(models.Subscription.id)))]


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        ("2026-01-31T10:00:00.123Z", 1, "2026-02-01T10:00:00.123Z"),
        ("2026-01-31T10:00:00.000Z", 28, "2026-02-28T10:00:00.000Z"),
        ("2028-01-30T23:59:59.999Z", 30, "2028-02-29T23:59:59.999Z"),
        ("2027-12-31T00:00:00.000Z", 1, "2028-01-01T00:00:00.000Z"),
        ("2028-02-29T00:00:00.000Z", 730, "2030-02-28T00:00:00.000Z"),
    ],
)
def test_a_trial_ends_so_many_days_after_it_began(market: Shop, start: str, days: int, end: str) -> None:
    with freeze_time(start):
        base, addon = market.subscribe("pro", "boost", trial_days=days)
    assert (base.status, base.started_at, base.trial_ends_at, base.ends_at) == (TRIALING, start, end, None)
    assert (addon.status, addon.trial_ends_at, addon.ends_at) == (TRIALING, end, None)


@pytest.mark.parametrize("days", [0, -1, 731])
def test_no_other_trials_can_be_asked_for(market: Shop, days: int) -> None:
    message = refusal(market, InvalidInputError, lambda: market.subscribe("pro", trial_days=days))
    assert message.startswith("trialDays: must be ")


def test_without_trial_days_there_is_no_trial(market: Shop) -> None:
    (bought,) = market.subscribe("pro")
    assert (bought.status, bought.trial_ends_at) == (ACTIVE, None)


def test_a_trial_becomes_active_on_time_with_or_without_the_job(market: Shop) -> None:
    with freeze_time(START) as clock:
        (bought,) = market.subscribe("pro", trial_days=14)
        end = moment(START) + timedelta(days=14)
        clock.move_to(end - MILLISECOND)
        settle_due()
        assert seen(market, bought.id) == state(TRIALING)
        clock.move_to(end)
        assert seen(market, bought.id) == state(ACTIVE)
        clock.move_to(end + WEEK)
        before = seen(market, bought.id), market.subscription(bought.id)
        assert written(market) == [(TRIALING, None, None, None, end)]

        settle_due()

        assert (seen(market, bought.id), market.subscription(bought.id)) == before
        assert before[0] == state(ACTIVE)
        assert written(market) == [(ACTIVE, None, None, None, None)]


def test_a_trial_that_is_to_be_cancelled_ends_on_time_with_or_without_the_job(market: Shop) -> None:
    with freeze_time(START) as clock:
        with environment(TRIAL_END="CANCELLED"):
            (bought,) = market.subscribe("pro", trial_days=14)
        end = moment(START) + timedelta(days=14)
        assert bought.ends_at == bought.trial_ends_at
        clock.move_to(end - MILLISECOND)
        settle_due()
        assert seen(market, bought.id) == state(TRIALING)
        assert market.record().recorded is True
        clock.move_to(end)
        assert seen(market, bought.id) == state(CANCELLED, budget=None)
        assert market.record().recorded is False
        clock.move_to(end + WEEK)
        before = seen(market, bought.id), market.subscription(bought.id)

        settle_due()

        assert (seen(market, bought.id), market.subscription(bought.id)) == before
        assert before[0] == state(CANCELLED, budget=None)
        assert written(market) == [(CANCELLED, end, None, None, None)]


def test_what_a_trial_becomes_is_fixed_when_it_is_made(market: Shop) -> None:
    with freeze_time(START) as clock:
        (bought,) = market.subscribe("pro", trial_days=14)
        with environment(TRIAL_END="CANCELLED"):
            clock.move_to("2026-03-01T00:00:00Z")
            assert seen(market, bought.id) == state(ACTIVE)
            settle_due()
            assert seen(market, bought.id) == state(ACTIVE)


def test_an_addon_ends_with_the_trial_of_its_base_or_with_its_own(market: Shop) -> None:
    with freeze_time(START), environment(TRIAL_END="CANCELLED"):
        (base,) = market.subscribe("pro", trial_days=14)
        (paid,) = market.subscribe("boost")
        (short,) = market.subscribe("boost", trial_days=3)
        (long,) = market.subscribe("boost", trial_days=30)
    assert [addon.ends_at for addon in (paid, short, long)] == [base.ends_at, short.trial_ends_at, base.ends_at]


def test_a_trial_can_be_cancelled_and_changed(market: Shop) -> None:
    with freeze_time(START) as clock:
        (bought,) = market.subscribe("pro", trial_days=40)
        changed = market.change(bought.id, "max")
        assert (changed.status, changed.trial_ends_at) == (TRIALING, bought.trial_ends_at)
        assert market.cancel(bought.id, at_period_end=True).ends_at == PERIOD_END
        clock.move_to("2026-02-05T00:00:00Z")
        now = market.cancel(bought.id)
        assert (now.status, now.ends_at) == (CANCELLED, "2026-02-05T00:00:00.000Z")
        settle_due()
        assert market.subscription(bought.id) == now


@pytest.mark.parametrize(
    ("start", "per", "end"),
    [
        ("2026-01-31T10:00:00.123Z", MONTH, "2026-02-28T10:00:00.123Z"),
        ("2028-01-30T10:00:00.000Z", MONTH, "2028-02-29T10:00:00.000Z"),
        ("2028-02-29T10:00:00.000Z", YEAR, "2029-02-28T10:00:00.000Z"),
        ("2027-12-31T23:59:59.999Z", MONTH, "2028-01-31T23:59:59.999Z"),
        ("2026-12-31T10:00:00.000Z", DAY, "2027-01-01T10:00:00.000Z"),
    ],
)
def test_a_change_comes_when_the_period_ends_to_the_millisecond_with_or_without_the_job(
    shop: Shop, start: str, per: ResetPeriod, end: str
) -> None:
    shop.feature()
    shop.package("pro", counted(10, per))
    shop.package("max", counted(20, per))
    shop.user()
    with freeze_time(start) as clock:
        (bought,) = shop.subscribe("pro")
        told = shop.change(bought.id, "max", at_period_end=True)
        assert (told.package.id, told.ends_at) == ("pro", None)
        assert seen(shop, bought.id) == state(pending=("max", end))

        clock.move_to(moment(end) - MILLISECOND)
        settle_due()
        assert seen(shop, bought.id) == state(pending=("max", end))
        assert [shop.record(10).recorded, shop.record(1).recorded] == [True, False]
        clock.move_to(moment(end))
        assert seen(shop, bought.id) == state(package="max", budget=20)
        assert [shop.record(20).recorded, shop.record(1).recorded] == [True, False]
        assert (shop.subscription(bought.id).started_at, shop.usage().past[0].consumption.used) == (start, 10)
        clock.move_to(moment(end) + WEEK)
        before = seen(shop, bought.id), shop.subscription(bought.id), shop.usage()
        assert written(shop)[0][3] == moment(end)

        settle_due()

        assert (seen(shop, bought.id), shop.subscription(bought.id), shop.usage()) == before
        assert before[1].package.id == "max"
        assert written(shop) == [(ACTIVE, None, None, None, None)]


def test_an_explanation_foretells_a_change(market: Shop) -> None:
    with freeze_time(START):
        (bought,) = market.subscribe("pro")
        market.record(10)
        market.change(bought.id, "max", at_period_end=True)
        reset = explain(market.actor, CheckAccess(user_id="ada", feature_id="calls")).ways.after_reset
        assert reset is not None
        assert (reset.at, reset.package_id, reset.allowance) == (PERIOD_END, "max", 20)


def test_an_event_that_comes_late_counts_by_the_package_of_its_moment_until_the_change_is_written_down(
    market: Shop,
) -> None:
    with freeze_time(START) as clock:
        (bought,) = market.subscribe("pro")
        market.change(bought.id, "max", at_period_end=True)
        clock.move_to(PERIOD_END)
        in_time = moment(PERIOD_END) - MILLISECOND
        assert market.record(11, timestamp=in_time).recorded is False
        assert market.record(11, timestamp=moment(PERIOD_END)).recorded is True
        settle_due()
        assert market.record(11, timestamp=in_time).recorded is True


def test_the_last_change_that_is_asked_for_counts(market: Shop) -> None:
    market.package("mega", counted(30))
    with freeze_time(START):
        (bought,) = market.subscribe("pro")
        market.change(bought.id, "max", at_period_end=True)
        assert market.change(bought.id, "mega", at_period_end=True).pending_change.package.id == "mega"
        assert seen(market, bought.id) == state(pending=("mega", PERIOD_END))


@pytest.mark.parametrize("at_period_end", [False, True])
def test_a_change_to_the_present_package_takes_the_pending_one_back(market: Shop, at_period_end: bool) -> None:
    with freeze_time(START) as clock:
        (bought,) = market.subscribe("pro")
        packages.archive_package(market.actor, "pro")
        market.change(bought.id, "max", at_period_end=True)
        assert market.change(bought.id, "pro", at_period_end=at_period_end) == market.subscription(bought.id)
        assert seen(market, bought.id) == state()
        clock.move_to(PERIOD_END)
        assert seen(market, bought.id) == state()


def test_a_change_now_drops_the_pending_one(market: Shop) -> None:
    market.package("mega", counted(30))
    with freeze_time(START) as clock:
        (bought,) = market.subscribe("pro")
        market.change(bought.id, "max", at_period_end=True)
        market.change(bought.id, "mega")
        clock.move_to(PERIOD_END)
        assert seen(market, bought.id) == state(package="mega", budget=30)


@pytest.mark.parametrize("at_period_end", [False, True])
def test_a_repeated_change_changes_nothing(market: Shop, at_period_end: bool) -> None:
    listen(market)
    with freeze_time(START) as clock:
        (bought,) = market.subscribe("pro")
        market.change(bought.id, "max", at_period_end=at_period_end)
        packages.archive_package(market.actor, "max")
        clock.move_to("2026-02-20T00:00:00Z")
        before = market.rows()
        assert market.change(bought.id, "max", at_period_end=at_period_end) == market.subscription(bought.id)
        assert market.rows() == before


@pytest.mark.parametrize("at_period_end", [False, True])
def test_an_end_drops_a_pending_change(market: Shop, at_period_end: bool) -> None:
    with freeze_time(START) as clock:
        (bought,) = market.subscribe("pro")
        market.change(bought.id, "max", at_period_end=True)
        cancelled = market.cancel(bought.id, at_period_end=at_period_end)
        assert (cancelled.package.id, cancelled.pending_change) == ("pro", None)
        for _ in range(2):
            clock.move_to(PERIOD_END)
            assert seen(market, bought.id) == state(CANCELLED, budget=None)
            settle_due()


def test_a_subscription_that_ends_with_its_period_cannot_be_changed_then(market: Shop) -> None:
    with freeze_time(START) as clock:
        (bought,) = market.subscribe("pro")
        market.cancel(bought.id, at_period_end=True)
        message = refusal(market, SubscriptionError, lambda: market.change(bought.id, "max", at_period_end=True))
        assert message == f"Cannot change subscription {bought.id} when its period ends: it is over then."
        clock.move_to(PERIOD_END)
        message = refusal(market, SubscriptionError, lambda: market.change(bought.id, "max", at_period_end=True))
        assert message == f"Cannot change subscription {bought.id}: it is over."


def test_a_change_within_a_trial_that_will_be_cancelled_comes_before_its_end(shop: Shop) -> None:
    shop.feature()
    shop.package("pro", counted(10, DAY))
    shop.package("max", counted(20, DAY))
    shop.user()
    with freeze_time(START) as clock, environment(TRIAL_END="CANCELLED"):
        (bought,) = shop.subscribe("pro", trial_days=2)
        shop.change(bought.id, "max", at_period_end=True)
        clock.move_to("2026-02-01T10:00:00Z")
        assert seen(shop, bought.id) == state(TRIALING, "max", budget=20)
        clock.move_to("2026-02-02T10:00:00Z")
        assert seen(shop, bought.id) == state(CANCELLED, "max", budget=None)
        settle_due()
        assert seen(shop, bought.id) == state(CANCELLED, "max", budget=None)


def test_a_change_that_the_rules_forbid_is_refused_when_it_is_asked_for(market: Shop) -> None:
    market.draft("soon")
    base, turbo = market.subscribe("max", "turbo")

    def message(error: type[MeterlineError], subscription_id: str, package_id: str) -> str:
        return refusal(market, error, lambda: market.change(subscription_id, package_id, at_period_end=True))

    assert message(SubscriptionError, base.id, "pro") == (
        "Cannot change to package pro: add-on turbo does not go with it."
    )
    assert message(SubscriptionError, base.id, "boost") == (
        "Cannot change to package boost: it is an add-on, not a base package."
    )
    assert message(SubscriptionError, turbo.id, "pro") == (
        f"Cannot change subscription {turbo.id}: it is to an add-on, not a base."
    )
    assert message(PackageStatusError, base.id, "soon") == (
        "Cannot subscribe to package soon: it is DRAFT, not PUBLISHED"
    )


def test_what_was_promised_happens_whatever_has_become_of_the_package_and_the_addons(market: Shop) -> None:
    with freeze_time(START) as clock:
        (base,) = market.subscribe("max")
        market.change(base.id, "pro", at_period_end=True)
        (turbo,) = market.subscribe("turbo")  # goes with `max` alone
        packages.archive_package(market.actor, "pro")
        for _ in range(2):
            clock.move_to(PERIOD_END)
            found = {held.package.id: held.status for held in market.subscriptions()}
            assert found == {"pro": ACTIVE, "turbo": ACTIVE}
            assert market.access().consumption.budget == 50
            settle_due()
        market.cancel(turbo.id)
        assert market.access().consumption.budget == 10


def test_rules_go_by_the_package_that_a_late_job_has_not_written_down(market: Shop) -> None:
    with freeze_time(START) as clock:
        (base,) = market.subscribe("pro")
        market.change(base.id, "max", at_period_end=True)
        clock.move_to(PERIOD_END)
        (turbo,) = market.subscribe("turbo")
        assert turbo.package.id == "turbo"
        message = refusal(market, SubscriptionError, lambda: market.change(base.id, "pro"))
        assert message == "Cannot change to package pro: add-on turbo does not go with it."
        market.cancel(turbo.id)
        later = market.change(base.id, "pro", at_period_end=True)
        assert (later.package.id, later.pending_change.at) == ("max", "2026-03-31T10:00:00.000Z")
        assert market.cancel(base.id, at_period_end=True).ends_at == "2026-03-31T10:00:00.000Z"
        cancelled = market.cancel(base.id)
        assert (cancelled.package.id, cancelled.status) == ("max", CANCELLED)


def test_endpoints_are_told_of_everything_that_happens_to_subscriptions(market: Shop) -> None:
    listen(market)
    with freeze_time(START) as clock:
        base, boost = market.subscribe("pro", "boost", trial_days=3)
        pending = market.change(base.id, "max", at_period_end=True)
        clock.move_to("2026-02-03T10:00:00Z")
        settle_due()
        over = [market.subscription(held.id) for held in (base, boost)]
        clock.move_to(PERIOD_END)
        settle_due()
        changed = market.subscription(base.id)
        ending = market.cancel(base.id, at_period_end=True), market.subscription(boost.id)
        now = market.cancel(boost.id)
        clock.move_to("2026-03-31T10:00:00Z")
        settle_due()
        ended = market.subscription(base.id)

    assert messages(market) == [
        ("subscription.created", plain(base)),
        ("subscription.created", plain(boost)),
        ("subscription.updated", plain(pending)),
        ("subscription.updated", plain(over[0])),
        ("subscription.updated", plain(over[1])),
        ("subscription.updated", plain(changed)),
        ("subscription.updated", plain(ending[0])),
        ("subscription.updated", plain(ending[1])),
        ("subscription.cancelled", plain(now)),
        ("subscription.cancelled", plain(ended)),
    ]
    assert (pending.pending_change.package.id, changed.package.id, ended.status) == ("max", "max", CANCELLED)


def test_endpoints_are_told_once_and_only_of_what_they_want(market: Shop) -> None:
    listen(market, WebhookEventType.SUBSCRIPTION_CANCELLED)
    with freeze_time(START) as clock:
        base, _ = market.subscribe("pro", "boost")
        market.cancel(base.id, at_period_end=True)
        clock.move_to(PERIOD_END)
        assert messages(market) == []
        settle_due()
        settle_due()
        market.cancel(base.id)
        views = market.subscriptions()
    assert messages(market) == [("subscription.cancelled", plain(view)) for view in views]


def test_a_change_that_is_settled_by_a_call_is_told_of_too(market: Shop) -> None:
    with freeze_time(START) as clock:
        (base,) = market.subscribe("pro")
        market.change(base.id, "max", at_period_end=True)
        listen(market)
        clock.move_to(PERIOD_END)
        changed = market.subscription(base.id)
        cancelled = market.cancel(base.id)
        settle_due()
    assert messages(market) == [("subscription.updated", plain(changed)), ("subscription.cancelled", plain(cancelled))]
