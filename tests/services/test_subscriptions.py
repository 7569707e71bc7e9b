"""Subscriptions: who may have what, from when, until when."""

from collections.abc import Callable

import pytest
from freezegun import freeze_time

from app.contract.shapes import PageRequest
from app.contract.subscriptions import ChangeSubscription, Subscribe
from app.domain.subscribing import MISSING_BASE, SECOND_BASE, SubscriptionStatus
from app.errors import (
    InvalidInputError,
    MeterlineError,
    PackageNotFoundError,
    PackageStatusError,
    SubscriptionError,
    SubscriptionNotFoundError,
    UserNotFoundError,
)
from app.services import packages, subscriptions
from tests.services.shop import DAY, EVERYTHING, MONTH, NOWHERE, YEAR, Shop, counted

ACTIVE, CANCELLED = SubscriptionStatus.ACTIVE, SubscriptionStatus.CANCELLED
START = "2026-01-31T10:00:00.000Z"


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


def refusal(shop: Shop, error: type[MeterlineError], attempt: Callable[[], object]) -> str:
    """The message; nothing may have changed."""
    before = shop.rows()
    with pytest.raises(error) as refused:
        attempt()
    assert shop.rows() == before
    return refused.value.message


def statuses(shop: Shop) -> dict[str, SubscriptionStatus]:
    found = subscriptions.list_subscriptions(shop.actor, EVERYTHING, "ada").data
    return {subscription.package.id: subscription.status for subscription in found}


def test_subscriptions_come_back_in_the_order_asked_for(market: Shop) -> None:
    with freeze_time(START):
        command = Subscribe(user_id="ada", package_ids=["boost", "pro"], metadata={"via": "sales"})
        boost, pro = subscriptions.subscribe(market.actor, command)

    assert (boost.package.id, pro.package.id) == ("boost", "pro")
    assert int(boost.id) < int(pro.id)
    assert (pro.user_id, pro.status, pro.started_at, pro.ends_at) == ("ada", ACTIVE, START, None)
    assert (pro.metadata, boost.metadata) == ({"via": "sales"}, {"via": "sales"})
    assert pro.package == packages.get_package(market.actor, "pro")
    assert market.subscription(pro.id) == pro


def test_an_addon_can_follow_its_base_later_and_be_held_twice(market: Shop) -> None:
    market.subscribe("pro")
    market.subscribe("boost")
    market.subscribe("boost")
    found = subscriptions.list_subscriptions(market.actor, EVERYTHING, "ada").data
    assert [subscription.package.id for subscription in found] == ["pro", "boost", "boost"]


def test_an_addon_needs_a_base(market: Shop) -> None:
    assert refusal(market, SubscriptionError, lambda: market.subscribe("boost")) == MISSING_BASE


def test_two_bases_are_refused_in_one_call_and_in_two(market: Shop) -> None:
    assert refusal(market, SubscriptionError, lambda: market.subscribe("pro", "max")) == SECOND_BASE
    market.subscribe("pro")
    assert refusal(market, SubscriptionError, lambda: market.subscribe("max")) == SECOND_BASE
    assert refusal(market, SubscriptionError, lambda: market.subscribe("pro")) == SECOND_BASE
    assert refusal(market, SubscriptionError, lambda: market.subscribe("boost", "max")) == SECOND_BASE


def test_an_addon_goes_with_its_own_bases_alone(market: Shop) -> None:
    message = "Cannot subscribe to addon. Package turbo does not go with pro."
    assert refusal(market, SubscriptionError, lambda: market.subscribe("pro", "turbo")) == message
    market.subscribe("pro")
    assert refusal(market, SubscriptionError, lambda: market.subscribe("turbo")) == message

    market.user("bob")
    assert [made.package.id for made in market.subscribe("max", "turbo", user_id="bob")] == ["max", "turbo"]


def test_only_published_packages_can_be_bought(market: Shop) -> None:
    market.draft("soon")
    packages.archive_package(market.actor, "max")

    assert refusal(market, PackageStatusError, lambda: market.subscribe("soon")) == (
        "Cannot subscribe to package soon: it is DRAFT, not PUBLISHED"
    )
    assert refusal(market, PackageStatusError, lambda: market.subscribe("max")) == (
        "Cannot subscribe to package max: it is ARCHIVED, not PUBLISHED"
    )


def test_the_checks_come_in_the_documented_order(market: Shop) -> None:
    market.draft("soon")
    nobody = lambda: market.subscribe(NOWHERE, "soon", user_id=NOWHERE)  # noqa: E731
    assert refusal(market, UserNotFoundError, nobody) == "User Id not found for app"
    unknown = lambda: market.subscribe("soon", "pro", "max", NOWHERE)  # noqa: E731
    assert refusal(market, PackageNotFoundError, unknown) == "Package Id not found for app"
    assert "soon" in refusal(market, PackageStatusError, lambda: market.subscribe("pro", "max", "soon"))
    assert refusal(market, SubscriptionError, lambda: market.subscribe("pro", "max", "turbo")) == SECOND_BASE


def test_a_base_can_be_bought_again_when_the_first_is_over(market: Shop) -> None:
    with freeze_time(START):
        (first,) = market.subscribe("pro")
        market.cancel(first.id)
        (second,) = market.subscribe("max")
    assert statuses(market) == {"pro": CANCELLED, "max": ACTIVE}
    assert first.id != second.id


def test_a_base_cancelled_at_period_end_still_counts_until_then(market: Shop) -> None:
    with freeze_time(START) as clock:
        (first,) = market.subscribe("pro")
        market.cancel(first.id, at_period_end=True)
        clock.move_to("2026-02-28T09:59:59.999Z")
        assert refusal(market, SubscriptionError, lambda: market.subscribe("max")) == SECOND_BASE
        clock.move_to("2026-02-28T10:00:00Z")
        market.subscribe("max")
    assert statuses(market) == {"pro": CANCELLED, "max": ACTIVE}


def test_a_cancellation_now_ends_access_at_once(market: Shop) -> None:
    with freeze_time(START):
        (bought,) = market.subscribe("pro")
        cancelled = market.cancel(bought.id)
        assert (cancelled.status, cancelled.ends_at) == (CANCELLED, START)
        assert market.access().access is False
        assert market.record().recorded is False


def test_a_cancellation_at_period_end_is_seen_by_reads_without_any_job(market: Shop) -> None:
    with freeze_time(START) as clock:
        (bought,) = market.subscribe("pro")
        market.record(4)
        cancelled = market.cancel(bought.id, at_period_end=True)
        assert (cancelled.status, cancelled.ends_at) == (ACTIVE, "2026-02-28T10:00:00.000Z")

        clock.move_to("2026-02-28T09:59:59.999Z")
        assert (market.subscription(bought.id).status, market.used()) == (ACTIVE, 4)
        clock.move_to("2026-02-28T10:00:00Z")
        assert market.subscription(bought.id).status is CANCELLED
        assert statuses(market) == {"pro": CANCELLED}
        assert market.access().access is False
        assert market.record().recorded is False
        assert (market.usage().current, market.usage().past) == (None, [])


@pytest.mark.parametrize(
    ("features", "ends_at"),
    [
        ([], "2026-02-28T10:00:00.000Z"),
        ([("a", DAY)], "2026-02-01T10:00:00.000Z"),
        ([("a", DAY), ("b", MONTH)], "2026-02-28T10:00:00.000Z"),
        ([("a", DAY), ("b", YEAR)], "2027-01-31T10:00:00.000Z"),
    ],
)
def test_the_paid_period_is_the_packages_longest(shop: Shop, features: list[tuple[str, str]], ends_at: str) -> None:
    for feature_id, _ in features:
        shop.feature(feature_id)
    shop.package("mix", *(counted(1, per, feature_id=feature_id) for feature_id, per in features))
    shop.user()
    with freeze_time(START):
        (bought,) = shop.subscribe("mix")
        assert shop.cancel(bought.id, at_period_end=True).ends_at == ends_at


def test_the_period_that_ends_is_the_running_one(market: Shop) -> None:
    with freeze_time(START) as clock:
        (bought,) = market.subscribe("pro")
        clock.move_to("2026-03-31T10:00:00Z")
        assert market.cancel(bought.id, at_period_end=True).ends_at == "2026-04-30T10:00:00.000Z"


def test_a_repeated_cancellation_changes_nothing_and_an_earlier_end_is_never_put_off(market: Shop) -> None:
    with freeze_time(START) as clock:
        (bought,) = market.subscribe("pro")
        at_end = market.cancel(bought.id, at_period_end=True)
        clock.move_to("2026-02-10T00:00:00Z")
        assert market.cancel(bought.id, at_period_end=True) == at_end
        now = market.cancel(bought.id)
        assert (now.status, now.ends_at) == (CANCELLED, "2026-02-10T00:00:00.000Z")
        clock.move_to("2026-02-11T00:00:00Z")
        before = market.rows()
        assert market.cancel(bought.id, at_period_end=True) == now
        assert market.cancel(bought.id) == now
        assert market.rows() == before


def test_a_subscription_over_by_time_alone_is_not_cancelled_anew(market: Shop) -> None:
    with freeze_time(START) as clock:
        (bought,) = market.subscribe("pro")
        market.cancel(bought.id, at_period_end=True)
        clock.move_to("2026-06-01T00:00:00Z")
        before = market.rows()
        assert market.cancel(bought.id).ends_at == "2026-02-28T10:00:00.000Z"
        assert market.rows() == before


@pytest.mark.parametrize("at_period_end", [False, True])
def test_a_cancelled_base_takes_the_addons_along(market: Shop, at_period_end: bool) -> None:
    with freeze_time(START) as clock:
        base, _ = market.subscribe("pro", "boost")
        clock.move_to("2026-02-05T00:00:00Z")
        market.subscribe("boost")
        market.cancel(base.id, at_period_end=at_period_end)

        found = subscriptions.list_subscriptions(market.actor, EVERYTHING, "ada").data
        assert {held.ends_at for held in found} == {
            "2026-02-28T10:00:00.000Z" if at_period_end else "2026-02-05T00:00:00.000Z"
        }


def test_an_addon_that_is_to_end_before_its_base_keeps_its_end(market: Shop) -> None:
    market.addon("daily", counted(1, DAY))
    with freeze_time(START):
        base, daily = market.subscribe("pro", "daily")
        market.cancel(daily.id, at_period_end=True)
        market.cancel(base.id, at_period_end=True)
        assert (market.subscription(daily.id).ends_at, market.subscription(base.id).ends_at) == (
            "2026-02-01T10:00:00.000Z",
            "2026-02-28T10:00:00.000Z",
        )


def test_an_addon_that_was_over_before_its_base_keeps_its_end(market: Shop) -> None:
    with freeze_time(START):
        base, boost = market.subscribe("pro", "boost")
        market.cancel(boost.id)
        market.cancel(base.id, at_period_end=True)
        assert (market.subscription(boost.id).ends_at, market.subscription(base.id).ends_at) == (
            START,
            "2026-02-28T10:00:00.000Z",
        )


def test_a_cancelled_addon_leaves_its_base_alone(market: Shop) -> None:
    base, boost = market.subscribe("pro", "boost")
    market.cancel(boost.id)
    assert statuses(market) == {"pro": ACTIVE, "boost": CANCELLED}
    assert market.subscription(base.id).ends_at is None


def test_another_users_addons_are_not_taken_along(market: Shop) -> None:
    market.user("bob")
    _, bobs_boost = market.subscribe("pro", "boost", user_id="bob")
    (base,) = market.subscribe("pro")
    market.cancel(base.id)
    assert market.subscription(bobs_boost.id).status is ACTIVE


def test_an_addon_bought_on_a_base_already_cancelled_ends_with_it(market: Shop) -> None:
    with freeze_time(START) as clock:
        (base,) = market.subscribe("pro")
        market.cancel(base.id, at_period_end=True)
        clock.move_to("2026-02-20T00:00:00Z")
        (boost,) = market.subscribe("boost")
        assert (boost.status, boost.ends_at) == (ACTIVE, "2026-02-28T10:00:00.000Z")
        clock.move_to("2026-02-28T10:00:00Z")
        assert statuses(market) == {"pro": CANCELLED, "boost": CANCELLED}


def test_a_change_keeps_id_start_and_usage(market: Shop) -> None:
    with freeze_time(START) as clock:
        (bought,) = market.subscribe("pro")
        market.record(9)
        clock.move_to("2026-02-10T00:00:00Z")

        changed = market.change(bought.id, "max")
        assert (changed.id, changed.started_at, changed.package.id) == (bought.id, START, "max")
        assert market.record(11).consumption.used == 20
        assert market.record(1).recorded is False


def test_a_change_to_less_than_was_used_refuses_more_but_takes_back(market: Shop) -> None:
    (bought,) = market.subscribe("max")
    market.record(18)
    market.change(bought.id, "pro")

    assert (market.access().access, market.used()) == (False, 18)
    assert market.record(1).recorded is False
    assert market.record(-9).consumption.used == 9
    assert market.record(1).consumption.used == 10


def test_a_repeated_change_changes_nothing_even_when_the_package_is_archived(market: Shop) -> None:
    (bought,) = market.subscribe("pro")
    changed = market.change(bought.id, "max")
    assert market.change(bought.id, "max") == changed
    packages.archive_package(market.actor, "max")
    before = market.rows()
    assert market.change(bought.id, "max").package.id == "max"
    assert market.rows() == before


def test_a_change_keeps_an_end_that_was_set(market: Shop) -> None:
    with freeze_time(START):
        (bought,) = market.subscribe("pro")
        market.cancel(bought.id, at_period_end=True)
        assert market.change(bought.id, "max").ends_at == "2026-02-28T10:00:00.000Z"


def test_what_cannot_be_changed_says_why(market: Shop) -> None:
    market.draft("soon")
    base, turbo = market.subscribe("max", "turbo")

    def message(error: type[MeterlineError], subscription_id: str, package_id: str) -> str:
        return refusal(market, error, lambda: market.change(subscription_id, package_id))

    assert message(SubscriptionError, turbo.id, "pro") == (
        f"Cannot change subscription {turbo.id}: it is to an add-on, not a base."
    )
    assert message(SubscriptionError, base.id, "boost") == (
        "Cannot change to package boost: it is an add-on, not a base package."
    )
    assert message(SubscriptionError, base.id, "pro") == (
        "Cannot change to package pro: add-on turbo does not go with it."
    )
    assert message(PackageStatusError, base.id, "soon") == (
        "Cannot subscribe to package soon: it is DRAFT, not PUBLISHED"
    )
    assert message(PackageNotFoundError, base.id, NOWHERE) == "Package Id not found for app"
    market.cancel(turbo.id)
    assert market.change(base.id, "pro").package.id == "pro"
    market.cancel(base.id)
    assert message(SubscriptionError, base.id, "max") == f"Cannot change subscription {base.id}: it is over."


@pytest.mark.parametrize("subscription_id", [NOWHERE, "", "0", "-1", "1.0", "٣", "²", "9" * 18, "9" * 19, "a\0b"])
def test_an_unknown_subscription_is_not_found(market: Shop, subscription_id: str) -> None:
    for attempt in (
        lambda: market.subscription(subscription_id),
        lambda: market.cancel(subscription_id),
        lambda: market.change(subscription_id, "pro"),
    ):
        assert refusal(market, SubscriptionNotFoundError, attempt) == "Subscription Id not found for app"


def test_an_id_written_otherwise_is_nobodys(market: Shop) -> None:
    (bought,) = market.subscribe("pro")
    for other_spelling in (f"0{bought.id}", f"+{bought.id}", f" {bought.id}", f"{bought.id} "):
        with pytest.raises(SubscriptionNotFoundError):
            market.subscription(other_spelling)


def test_lists_hold_all_or_one_users_oldest_first(market: Shop) -> None:
    market.user("bob")
    market.user("eve")
    bobs = market.subscribe("pro", "boost", user_id="bob")
    (adas,) = market.subscribe("pro")
    market.cancel(bobs[1].id)

    def ids(user_id: str | None, **page: object) -> tuple[list[str], bool]:
        found = subscriptions.list_subscriptions(market.actor, PageRequest(**page), user_id)
        return [subscription.id for subscription in found.data], found.has_more

    assert ids(None) == ([bobs[0].id, bobs[1].id, adas.id], False)
    assert ids("bob") == ([bobs[0].id, bobs[1].id], False)
    assert ids("eve") == ([], False)
    assert ids("bob", limit=1) == ([bobs[0].id], True)
    assert ids("bob", limit=1, starting_after=bobs[0].id) == ([bobs[1].id], False)
    with pytest.raises(UserNotFoundError):
        ids(NOWHERE)
    with pytest.raises(InvalidInputError, match=r"^startingAfter: there is nothing with the id '12x'$"):
        ids(None, starting_after="12x")


def test_a_base_whose_start_is_ahead_of_this_machines_clock_still_counts(market: Shop) -> None:
    with freeze_time("2026-01-31T10:00:00.030Z"):  # made on a machine whose clock is 30 ms ahead
        market.subscribe("pro")
    with freeze_time(START):
        assert refusal(market, SubscriptionError, lambda: market.subscribe("max")) == SECOND_BASE


def test_the_command_is_refused_before_anything_is_asked(market: Shop) -> None:
    with pytest.raises(InvalidInputError, match=r"^packageId: must not be empty$"):
        ChangeSubscription(package_id="")
