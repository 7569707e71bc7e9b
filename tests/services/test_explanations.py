"""Why a user may or may not use a feature: all of it is true, and the answer is the one that everybody gets."""

import pytest
from freezegun import freeze_time
from sqlalchemy import text

from app.contract.explanations import (
    AccessLater,
    CandidateSubscription,
    DecidingSubscription,
    Explanation,
    PeriodArithmetic,
    PeriodSums,
)
from app.contract.packages import PackageFeatureTerms
from app.contract.usage import CheckAccess
from app.db import engine
from app.domain.entitlements import ALLOWANCE_EXHAUSTED, DecidingRule, FeatureType
from app.domain.explanations import SubscribingStep, SubscriptionStanding
from app.domain.subscribing import SubscriptionStatus
from app.errors import FeatureNotFoundError, UserNotFoundError
from app.services.explanations import explain
from app.services.reverts import revert_usage
from tests.services.at_once import at_once
from tests.services.explaining import hold, offered, why
from tests.services.shop import DAY, MONTH, NOWHERE, SET, YEAR, Shop, counted

DECIDES = SubscriptionStanding.DECIDES


@pytest.fixture
def pro(shop: Shop) -> Shop:
    """Ada is in the shop, and `pro` gives 10 calls a month."""
    shop.feature()
    shop.package("pro", counted(10))
    shop.user()
    return shop


def test_everything_behind_a_refusal(pro: Shop) -> None:
    with freeze_time("2026-01-31T10:00:00Z") as clock:
        (trial,) = pro.subscribe("pro")
        clock.move_to("2026-02-10T00:00:00Z")
        pro.cancel(trial.id)
        (held,) = pro.subscribe("pro")
        clock.move_to("2026-03-12T00:00:00Z")
        pro.record(3)
        last_set = pro.record(5, SET)
        pro.record(4)
        pro.record(-2)
        pro.record(7)
        clock.move_to("2026-03-15T12:30:00Z")
        found = why(pro, 4)

    assert (found.user_id, found.feature_id, found.feature_type, found.delta) == (
        "ada",
        "calls",
        FeatureType.CONSUMABLE,
        4,
    )
    assert found.at == "2026-03-15T12:30:00.000Z"
    assert (found.answer.access, found.answer.reason, found.allowance) == (False, ALLOWANCE_EXHAUSTED, 3)
    assert found.decision == DecidingSubscription(
        subscription_id=held.id,
        package_id="pro",
        rule=DecidingRule.ONLY_ONE,
        instead_of=None,
        because="it is the only one that counts",
    )
    assert found.candidates == [
        CandidateSubscription(
            subscription_id=held.id,
            package_id="pro",
            status=SubscriptionStatus.ACTIVE,
            started_at="2026-02-10T00:00:00.000Z",
            ends_at=None,
            limit=10,
            reset_period=MONTH,
            overage_enabled=False,
            standing=DECIDES,
            outranked_by=None,
            because="It decides: it is the only one that counts.",
        ),
        CandidateSubscription(
            subscription_id=trial.id,
            package_id="pro",
            status=SubscriptionStatus.CANCELLED,
            started_at="2026-01-31T10:00:00.000Z",
            ends_at="2026-02-10T00:00:00.000Z",
            limit=10,
            reset_period=MONTH,
            overage_enabled=False,
            standing=SubscriptionStanding.ENDED,
            outranked_by=None,
            because="It ended at 2026-02-10T00:00:00.000Z.",
        ),
    ]
    assert found.period == PeriodArithmetic(
        anchor="2026-02-10T00:00:00.000Z",
        unit=MONTH,
        n=1,
        start="2026-03-10T00:00:00.000Z",
        end="2026-04-10T00:00:00.000Z",
        in_words="from anchor + 1 × MONTH to anchor + 2 × MONTH",
    )
    assert found.sums == PeriodSums(
        recorded=4,
        refused=1,
        last_set_id=last_set.event_id,
        last_set_to=5,
        added=4,
        taken_back=2,
        cut_at_zero=0,
        total=7,
        counter=7,
        agree=True,
    )
    assert (found.pending.reservations, found.pending.events_ahead) == ([], [])
    assert found.ways.after_holds is None
    assert found.ways.after_reset == AccessLater(
        at="2026-04-10T00:00:00.000Z", access=True, allowance=10, package_id="pro"
    )
    assert found.ways.packages == []
    assert found.in_short == [
        ALLOWANCE_EXHAUSTED,
        f"Subscription {held.id} to pro decides: it is the only one that counts.",
        "The period began at 2026-03-10T00:00:00.000Z and ends at 2026-04-10T00:00:00.000Z: "
        "from anchor + 1 × MONTH to anchor + 2 × MONTH.",
        "Used: 7 of 10. Held: 0. Asked for: 4.",
        "At 2026-04-10T00:00:00.000Z a new period begins, and 10 can be used then.",
        "No package on sale would allow it at once.",
    ]


def test_a_clamped_day_is_told(pro: Shop) -> None:
    with freeze_time("2026-01-31T10:00:00Z") as clock:
        pro.subscribe("pro")
        clock.move_to("2026-03-01T00:00:00Z")
        found = why(pro)

    assert found.period is not None
    assert (found.period.n, found.period.start, found.period.in_words) == (
        1,
        "2026-02-28T10:00:00.000Z",
        "from anchor + 1 × MONTH (day clamped to 28) to anchor + 2 × MONTH",
    )


def test_of_several_the_rule_that_decided_is_named_and_the_others_say_what_they_lost_by(shop: Shop) -> None:
    shop.feature()
    shop.user()
    shop.package("base", counted(10))
    for name, terms in {
        "small": counted(5),
        "same": counted(10),
        "over": counted(10, overage=True),
        "high": counted(20),
        "endless": counted(None),
    }.items():
        shop.addon(name, terms)
    with freeze_time("2026-01-31T10:00:00Z") as clock:
        story = []
        for name in ("base", "small", "same", "over", "high", "endless"):
            clock.tick(60)
            shop.subscribe(name)
            found = why(shop)
            assert found.decision is not None
            story.append((found.decision.package_id, found.decision.rule))
        final = why(shop)

    assert story == [
        ("base", DecidingRule.ONLY_ONE),
        ("base", DecidingRule.HIGHER_LIMIT),
        ("same", DecidingRule.NEWEST),
        ("over", DecidingRule.OVERAGE),
        ("high", DecidingRule.HIGHER_LIMIT),
        ("endless", DecidingRule.UNLIMITED),
    ]
    assert [(one.package_id, one.outranked_by) for one in final.candidates] == [
        ("endless", None),
        ("high", DecidingRule.UNLIMITED),
        ("over", DecidingRule.UNLIMITED),
        ("same", DecidingRule.UNLIMITED),
        ("base", DecidingRule.UNLIMITED),
        ("small", DecidingRule.UNLIMITED),
    ]
    winner, second, *_ = final.candidates
    assert final.decision is not None
    assert (final.decision.instead_of, final.decision.because) == (second.subscription_id, "it is unlimited")
    assert second.because == f"Subscription {winner.subscription_id} goes before it: it is unlimited."
    assert (final.allowance, final.ways.packages) == (None, [])


def test_of_two_from_the_same_moment_the_one_made_last_decides(pro: Shop) -> None:
    pro.addon("twin", counted(10))
    with freeze_time("2026-01-31T10:00:00Z"):
        pro.subscribe("pro", "twin")
        found = why(pro)

    assert found.decision is not None
    assert (found.decision.package_id, found.decision.rule) == ("twin", DecidingRule.MADE_LAST)


@pytest.mark.parametrize(
    ("status", "standing", "because"),
    [
        ("PAST_DUE", SubscriptionStanding.INACTIVE, "It is PAST_DUE, and only ACTIVE and TRIALING give access."),
        ("UNPAID", SubscriptionStanding.INACTIVE, "It is UNPAID, and only ACTIVE and TRIALING give access."),
        ("CANCELLED", SubscriptionStanding.ENDED, "It was cancelled."),
        ("TRIALING", DECIDES, "It decides: it is the only one that counts."),
    ],
)
def test_a_subscription_that_does_not_count_says_why(
    pro: Shop, status: str, standing: SubscriptionStanding, because: str
) -> None:
    (held,) = pro.subscribe("pro")
    _put(pro, held.id, f"status = '{status}'")

    (found,) = why(pro).candidates
    assert (found.status, found.standing, found.because) == (status, standing, because)


def test_a_subscription_that_begins_later_or_is_over_by_time_alone_says_so(pro: Shop) -> None:
    with freeze_time("2026-01-31T10:00:00Z"):
        (held,) = pro.subscribe("pro")
        _put(pro, held.id, "started_at = '2026-01-31T10:00:01Z'")
        (found,) = why(pro).candidates
        assert (found.standing, found.because) == (
            SubscriptionStanding.NOT_BEGUN,
            "It begins at 2026-01-31T10:00:01.000Z.",
        )
        _put(pro, held.id, "started_at = '2026-01-30Z', ends_at = '2026-01-31T10:00:00Z'")
        (found,) = why(pro).candidates
        assert (found.status, found.standing, found.because) == (
            "CANCELLED",
            SubscriptionStanding.ENDED,
            "It ended at 2026-01-31T10:00:00.000Z.",
        )


def _put(shop: Shop, subscription_id: str, change: str) -> None:
    """What only a payment provider will do."""
    with engine().begin() as connection:
        connection.execute(
            text(f"UPDATE subscriptions SET {change} WHERE tenant_id = :tenant_id AND id = :id"),  # noqa: S608 — our own words
            {"tenant_id": shop.actor.tenant_id, "id": int(subscription_id)},
        )


def test_what_could_not_be_taken_back_when_it_was_asked_is_not_among_what_was_taken_back(pro: Shop) -> None:
    pro.addon("boost", counted(100))
    with freeze_time("2026-01-01T00:00:00Z") as clock:
        pro.subscribe("pro")
        pro.record(5)
        clock.move_to("2026-01-20T00:00:00Z")
        pro.subscribe("boost")
        clock.move_to("2026-02-01T00:00:00Z")
        pro.record(3)
        clock.move_to("2026-02-20T00:00:00Z")
        pro.record(-4)  # the add-on's second period had nothing to take back of
        pro.record(2)
        first = pro.record(1)
        revert_usage(pro.actor, first.event_id)
        found = why(pro)

    assert found.sums is not None
    assert (found.sums.added, found.sums.taken_back, found.sums.cut_at_zero, found.sums.total) == (3, 1, 0, 2)
    assert found.sums.recorded == 4


def test_what_was_taken_back_in_another_window_may_be_cut_at_zero_in_this_one_and_the_sums_still_add_up(
    shop: Shop,
) -> None:
    shop.feature()
    shop.package("yearly", counted(100, YEAR))
    shop.package("daily", counted(10, DAY))
    shop.user()
    with freeze_time("2026-01-01T00:00:00Z") as clock:
        (held,) = shop.subscribe("yearly")
        shop.record(5)
        clock.move_to("2026-01-02T00:00:00Z")
        shop.record(-4)
        shop.record(1)
        shop.change(held.id, "daily")
        found = why(shop)

    assert found.sums == PeriodSums(
        recorded=2,
        refused=0,
        last_set_id=None,
        last_set_to=None,
        added=1,
        taken_back=4,
        cut_at_zero=4,
        total=1,
        counter=None,  # it stands for the year
        agree=True,
    )


def test_a_counter_that_differs_from_the_ledger_is_found_out(pro: Shop) -> None:
    pro.subscribe("pro")
    pro.record(3)
    with engine().begin() as connection:
        connection.execute(text("UPDATE consumptions SET used = 9 WHERE tenant_id = :id"), {"id": pro.actor.tenant_id})

    found = why(pro)

    assert found.sums is not None
    assert (found.sums.total, found.sums.counter, found.sums.agree) == (3, 9, False)
    assert (
        "The counter says 9, but the ledger 3: the books are wrong, and the ledger is right. "
        "The operator can repair them: meterline books check --repair."
    ) in found.in_short


def test_a_hundred_subscriptions_are_enough_and_those_that_count_come_first(pro: Shop) -> None:
    pro.addon("boost", counted(5))
    (held,) = pro.subscribe("pro")
    made = [pro.subscribe("boost")[0].id for _ in range(103)]
    for subscription_id in made[1:]:
        pro.cancel(subscription_id)

    listed = [one.subscription_id for one in why(pro).candidates]

    assert listed == [held.id, made[0], *reversed(made[5:])]
    assert len(listed) == 100


def test_a_binary_feature_is_explained_without_numbers(shop: Shop) -> None:
    shop.feature("sso", FeatureType.BINARY)
    shop.package("pro", PackageFeatureTerms(id="sso"))
    shop.package("max", PackageFeatureTerms(id="sso"))
    shop.user()
    lacking = why(shop, feature_id="sso")
    assert offered(lacking) == [("pro", SubscribingStep.SUBSCRIBE, True), ("max", SubscribingStep.SUBSCRIBE, True)]

    shop.subscribe("pro")
    having = why(shop, feature_id="sso")

    assert (having.answer.access, having.allowance, having.period, having.sums) == (True, None, None, None)
    assert (having.ways.after_reset, having.ways.packages) == (None, [])
    (held,) = having.candidates
    assert (held.limit, held.reset_period, held.overage_enabled, held.standing) == (None, None, None, DECIDES)


def test_unknown_ids_are_errors_the_user_first(pro: Shop) -> None:
    with pytest.raises(UserNotFoundError):
        explain(pro.actor, CheckAccess(user_id=NOWHERE, feature_id=NOWHERE))
    with pytest.raises(FeatureNotFoundError):
        explain(pro.actor, CheckAccess(user_id="ada", feature_id=NOWHERE))


def test_an_explanation_writes_nothing(pro: Shop) -> None:
    pro.subscribe("pro")
    pro.record(3)
    hold(pro, 2)
    before = pro.rows()
    why(pro)
    assert pro.rows() == before


def test_all_of_it_is_of_one_moment_whatever_is_recorded_meanwhile(shop: Shop) -> None:
    shop.feature()
    shop.package("pro", counted(None))
    shop.user()
    shop.subscribe("pro")

    def record() -> None:
        for _ in range(60):
            shop.record()

    def watch() -> list[Explanation]:
        command = CheckAccess(user_id="ada", feature_id="calls")
        return [explain(shop.actor, command) for _ in range(25)]

    *_, seen = at_once(record, record, watch)

    for found in seen:
        assert found.sums is not None
        assert found.sums.agree
        assert found.sums.total == found.sums.recorded == found.sums.added == found.answer.consumption.used
    assert shop.used() == 120
