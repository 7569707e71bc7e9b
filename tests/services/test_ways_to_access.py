"""What would give access: reservations that expire, the next period, and packages on sale."""

from datetime import UTC, datetime

import pytest
from freezegun import freeze_time

from app.contract.explanations import AccessLater, OpenReservation
from app.domain.entitlements import ALLOWED_CONSUMABLE, NO_SUBSCRIPTION
from app.domain.explanations import SubscribingStep
from app.domain.subscribing import MISSING_BASE
from app.services.packages import archive_package
from app.services.reservations import release_reservation
from tests.services.explaining import hold, offered, why
from tests.services.shop import DAY, Shop, counted

SUBSCRIBE, CHANGE = SubscribingStep.SUBSCRIBE, SubscribingStep.CHANGE_SUBSCRIPTION


@pytest.fixture
def pro(shop: Shop) -> Shop:
    """Ada is in the shop, and `pro` gives 10 calls a month."""
    shop.feature()
    shop.package("pro", counted(10))
    shop.user()
    return shop


def test_without_any_subscription_it_says_what_to_subscribe_to(pro: Shop) -> None:
    pro.package("max", counted(None))
    pro.package("mini", counted(2))
    pro.draft("unpublished", counted(50))
    pro.package("old", counted(50))
    archive_package(pro.actor, "old")
    pro.addon("boost", counted(5))
    pro.package("other")

    found = why(pro, 3)

    assert (found.answer.reason, found.decision, found.period, found.sums) == (NO_SUBSCRIPTION, None, None, None)
    assert (found.candidates, found.allowance) == ([], None)
    assert (found.ways.after_holds, found.ways.after_reset) == (None, None)
    # Those that leave room for 3 come first, then the oldest first.
    assert [(offer.package_id, offer.problem, offer.grants) for offer in found.ways.packages] == [
        ("pro", None, True),
        ("max", None, True),
        ("boost", MISSING_BASE, True),
        ("mini", None, False),
    ]
    assert found.in_short == [
        NO_SUBSCRIPTION,
        "None of the user's subscriptions gives the feature now.",
        "Subscribe to one of these packages, and it would be allowed: pro, max.",
    ]


def test_what_is_held_and_when_enough_of_it_is_free(pro: Shop) -> None:
    with freeze_time("2026-01-31T10:00:00Z") as clock:
        pro.subscribe("pro")
        pro.record(2)
        long, short, middle = hold(pro, 2, 900), hold(pro, 3, 60), hold(pro, 3, 120)
        clock.tick(10)
        found = why(pro, 5)
        assert found.answer.access is False
        assert found.pending.reservations == [
            OpenReservation(id=short, amount=3, expires_at="2026-01-31T10:01:00.000Z", counts=True),
            OpenReservation(id=middle, amount=3, expires_at="2026-01-31T10:02:00.000Z", counts=True),
            OpenReservation(id=long, amount=2, expires_at="2026-01-31T10:15:00.000Z", counts=True),
        ]
        assert found.ways.after_holds == AccessLater(
            at="2026-01-31T10:02:00.000Z", access=True, allowance=6, package_id="pro"
        )
        assert (
            "Reservations stand in the way: enough of them will have expired at 2026-01-31T10:02:00.000Z, "
            "and 6 can be used then."
        ) in found.in_short
        assert (found.allowance, why(pro, 9).ways.after_holds) == (0, None)  # 9 would not fit without them either

        release_reservation(pro.actor, middle)
        assert why(pro, 3).ways.after_holds is None  # it fits now
        clock.move_to("2026-01-31T10:02:00Z")
        assert why(pro, 6).answer.access is True


def test_what_was_held_in_another_period_is_listed_and_does_not_count(shop: Shop) -> None:
    shop.feature()
    shop.package("daily", counted(10, DAY))
    shop.user()
    with freeze_time("2026-01-31T10:00:00Z") as clock:
        shop.subscribe("daily")
        clock.move_to("2026-02-01T09:59:00Z")
        hold(shop, 8, 3600)
        assert why(shop, 3).ways.after_holds is None  # the period is over before the reservation is
        clock.move_to("2026-02-01T10:00:00Z")
        found = why(shop, 10)

    assert [(one.amount, one.counts) for one in found.pending.reservations] == [(8, False)]
    assert (found.answer.access, found.allowance) == (True, 10)


def test_events_that_are_dated_ahead_are_pending_and_count_where_they_belong(pro: Shop) -> None:
    with freeze_time("2026-01-31T10:00:00Z") as clock:
        pro.subscribe("pro")
        clock.move_to("2026-02-28T09:58:00Z")
        here = pro.record(4, timestamp=datetime(2026, 2, 28, 9, 59, tzinfo=UTC))
        there = pro.record(7, timestamp=datetime(2026, 2, 28, 10, 1, tzinfo=UTC))
        found = why(pro)

    assert [event.id for event in found.pending.events_ahead] == [here.event_id, there.event_id]
    assert (found.sums.total, found.allowance) == (4, 6) if found.sums else False
    assert found.ways.after_reset == AccessLater(
        at="2026-02-28T10:00:00.000Z", access=True, allowance=3, package_id="pro"
    )
    assert "Events are dated ahead of now, up to 2026-02-28T10:01:00.000Z." in found.in_short


def test_a_period_after_which_nothing_follows_says_so(pro: Shop) -> None:
    with freeze_time("2026-01-31T10:00:00Z"):
        (held,) = pro.subscribe("pro")
        pro.cancel(held.id, at_period_end=True)
        found = why(pro)

    assert found.ways.after_reset == AccessLater(
        at="2026-02-28T10:00:00.000Z", access=False, allowance=None, package_id=None
    )
    assert (
        "At 2026-02-28T10:00:00.000Z, when the period is over, no subscription will give the feature any more."
        in found.in_short
    )


def test_packages_that_give_more_say_how_to_get_them_and_whether_they_would_do(pro: Shop) -> None:
    pro.package("same", counted(10))
    pro.package("less", counted(9))
    pro.package("more", counted(12))
    pro.package("most", counted(100))
    pro.package("over", counted(1, overage=True))
    pro.addon("boost", counted(20))
    pro.addon("not-yours", counted(30), base_package_ids=["most"])
    pro.addon("over-boost", counted(5, overage=True))
    pro.subscribe("pro")
    pro.record(8)

    found = why(pro, 6)

    assert offered(found) == [
        ("most", CHANGE, True),
        ("over", CHANGE, True),
        ("boost", SUBSCRIBE, True),
        # As an add-on it would not decide: the base's limit is higher.
        ("over-boost", SUBSCRIBE, False),
        ("more", CHANGE, False),
    ]
    (refused,) = [offer for offer in found.ways.packages if offer.problem]
    assert (refused.package_id, refused.step, refused.grants) == ("not-yours", SUBSCRIBE, True)
    assert refused.problem == "Cannot subscribe to addon. Package not-yours does not go with pro."
    assert found.in_short[-2:] == [
        "Subscribe to one of these packages, and it would be allowed: boost.",
        "Change to one of these packages, and it would be allowed: most, over.",
    ]


def test_a_change_that_an_add_on_forbids_says_so(pro: Shop) -> None:
    pro.addon("boost", counted(1), base_package_ids=["pro"])
    pro.package("max", counted(100))
    pro.subscribe("pro", "boost")

    (offer,) = why(pro, 11).ways.packages
    assert (offer.package_id, offer.step, offer.grants) == ("max", CHANGE, True)
    assert offer.problem == "Cannot change to package max: add-on boost does not go with it."


def test_twenty_packages_are_enough(pro: Shop) -> None:
    for number in range(25):
        pro.package(f"max-{number}", counted(100 + number))
    pro.subscribe("pro")

    assert [offer.package_id for offer in why(pro).ways.packages] == [f"max-{number}" for number in range(20)]


def test_who_may_is_told_so_and_offered_no_words_about_packages(pro: Shop) -> None:
    pro.package("max", counted(None))
    pro.subscribe("pro")
    found = why(pro)

    assert found.in_short[0] == ALLOWED_CONSUMABLE
    assert not any("package" in sentence for sentence in found.in_short[1:])
    assert offered(found) == [("max", CHANGE, True)]


def test_the_base_that_the_user_has_is_not_offered_even_if_an_add_on_keeps_its_overage_from_deciding(
    shop: Shop,
) -> None:
    shop.feature()
    shop.package("base", counted(5, overage=True))
    shop.addon("boost", counted(10))
    shop.user()
    shop.subscribe("base", "boost")

    found = why(shop, 11)

    assert (found.answer.access, found.answer.package_id, found.ways.packages) == (False, "boost", [])
