"""What is announced when usage passes a threshold, or nothing is left of a limit."""

from datetime import timedelta

import pytest
from freezegun import freeze_time

from app import clock
from app.contract.features import UpdateFeature
from app.contract.reservations import CommitReservation, ReserveUsage
from app.contract.usage import RecordUsage, RecordUsages
from app.domain.entitlements import FeatureType
from app.errors import InvalidInputError
from app.services import batches, features, usage
from app.services.reservations import commit_reservation, reserve_usage
from app.services.reverts import revert_usage
from tests.services.at_once import at_once, patiently
from tests.services.shop import DAY, SET, Shop, counted
from tests.services.test_statement_counts import cost
from tests.services.told import listen, messages, told

REACHED = "usage.limit_reached"
PASSED = "usage.threshold"


@pytest.fixture
def shop(shop: Shop) -> Shop:
    """Ada has a hundred calls a month."""
    shop.feature()
    shop.package("pro", counted(100))
    shop.user()
    shop.subscribe("pro")
    return shop


def event(delta: int, **more: str) -> RecordUsage:
    return RecordUsage(user_id="ada", feature_id="calls", delta=delta, **more)


def test_each_threshold_is_told_once_in_its_period_with_all_that_there_is_to_know(shop: Shop) -> None:
    listen(shop, PASSED, REACHED)
    with freeze_time("2026-03-05T10:00:00Z"):
        shop.user("bob")
        shop.subscribe("pro", user_id="bob")
        for delta in (79, 1, 19, -50, 50, 1):
            shop.record(delta, user_id="bob")

    common = {
        "userId": "bob",
        "featureId": "calls",
        "limit": 100,
        "periodStart": "2026-03-05T10:00:00.000Z",
        "periodEnd": "2026-04-05T10:00:00.000Z",
    }
    assert messages(shop) == [
        (PASSED, common | {"threshold": 80, "used": 80}),
        (PASSED, common | {"threshold": 100, "used": 100}),
        (REACHED, common | {"used": 100}),
    ]


def test_a_new_period_begins_anew(shop: Shop) -> None:
    listen(shop, PASSED, REACHED)
    with freeze_time("2026-03-05T10:00:00Z") as time:
        shop.user("bob")
        shop.subscribe("pro", user_id="bob")
        shop.record(80, user_id="bob")
        time.move_to("2026-04-05T10:00:00Z")
        shop.record(79, user_id="bob")
        shop.record(1, user_id="bob")
        # A late event passes one in the period that it counts in.
        shop.record(20, user_id="bob", timestamp=clock.now() - timedelta(days=1))

    assert told(shop) == [(PASSED, 80, 80), (PASSED, 80, 80), (PASSED, 100, 100), (REACHED, None, 100)]
    assert [data["periodStart"][:7] for _, data in messages(shop)] == ["2026-03", "2026-04", "2026-03", "2026-03"]


def test_one_event_can_pass_several_and_a_set_passes_them_too(shop: Shop) -> None:
    listen(shop, PASSED, REACHED)
    shop.record(99, SET)
    assert told(shop) == [(PASSED, 80, 99)]
    shop.record(100, SET)
    assert told(shop)[1:] == [(PASSED, 100, 100), (REACHED, None, 100)]


def test_a_refused_event_tells_that_the_limit_is_reached(shop: Shop) -> None:
    listen(shop, PASSED, REACHED)
    shop.record(70)
    assert shop.record(31).recorded is False
    assert shop.record(31).recorded is False
    assert told(shop) == [(REACHED, None, 70)]


def test_a_limit_of_zero_is_reached_by_the_first_refusal_and_no_threshold_is_passed(shop: Shop) -> None:
    listen(shop, PASSED, REACHED)
    shop.feature("exports")
    shop.package("none", counted(0, feature_id="exports"))
    shop.user("bob")
    shop.subscribe("none", user_id="bob")
    assert shop.record(1, user_id="bob", feature_id="exports").recorded is False
    assert told(shop) == [(REACHED, None, 0)]


def test_with_overage_thresholds_go_on_and_no_limit_is_reached(shop: Shop) -> None:
    listen(shop, PASSED, REACHED)
    shop.feature("mails")
    features.update_feature(shop.actor, "mails", UpdateFeature(usage_thresholds=[100, 150, 200]))
    shop.package("open", counted(10, overage=True, feature_id="mails"))
    shop.user("bob")
    shop.subscribe("open", user_id="bob")
    for delta in (10, 4, 1, 5):
        shop.record(delta, user_id="bob", feature_id="mails")
    assert told(shop) == [(PASSED, 100, 10), (PASSED, 150, 15), (PASSED, 200, 20)]


def test_without_a_limit_nothing_is_passed(shop: Shop) -> None:
    listen(shop, PASSED, REACHED)
    shop.feature("mails")
    shop.package("free", counted(None, feature_id="mails"))
    shop.user("bob")
    shop.subscribe("free", user_id="bob")
    shop.record(1_000_000, user_id="bob", feature_id="mails")
    assert told(shop) == []


def test_no_thresholds_at_all_switch_them_off_and_the_limit_is_still_told(shop: Shop) -> None:
    listen(shop, PASSED, REACHED)
    features.update_feature(shop.actor, "calls", UpdateFeature(usage_thresholds=[]))
    shop.record(100)
    assert told(shop) == [(REACHED, None, 100)]


def test_holds_are_not_usage_and_a_commit_is(shop: Shop) -> None:
    listen(shop, PASSED, REACHED)
    held = reserve_usage(shop.actor, ReserveUsage(user_id="ada", feature_id="calls", delta=90))
    assert told(shop) == []
    assert held.reservation is not None
    commit_reservation(shop.actor, held.reservation.id, CommitReservation(delta=85))
    assert told(shop) == [(PASSED, 80, 85)]


def test_taking_a_taking_back_back_passes_a_threshold(shop: Shop) -> None:
    features.update_feature(shop.actor, "calls", UpdateFeature(usage_thresholds=[50]))
    shop.record(60)
    taken = shop.record(-20)
    listen(shop, PASSED, REACHED)
    revert_usage(shop.actor, taken.event_id)
    assert told(shop) == [(PASSED, 50, 60)]


def test_a_batch_tells_what_each_of_its_events_passes(shop: Shop) -> None:
    listen(shop, PASSED, REACHED)
    batches.record_batch(shop.actor, RecordUsages(events=[event(50), event(30), event(-40), event(60), event(1)]))
    assert told(shop) == [(PASSED, 80, 80), (PASSED, 100, 100), (REACHED, None, 100)]


def test_a_batch_that_is_refused_tells_of_the_refusal_alone(shop: Shop) -> None:
    listen(shop, PASSED, REACHED)
    batches.record_batch(shop.actor, RecordUsages(events=[event(90), event(11)], all_or_nothing=True))
    assert told(shop) == [(REACHED, None, 0)]


def test_a_batch_with_a_mistake_tells_nothing(shop: Shop) -> None:
    listen(shop, PASSED, REACHED)
    wrong = RecordUsage(user_id="nobody", feature_id="calls")
    batches.record_batch(shop.actor, RecordUsages(events=[event(90), wrong], all_or_nothing=True))
    assert told(shop) == []


def test_a_repeat_tells_nothing_anew(shop: Shop) -> None:
    shop.record(90, idempotency_key="k")
    listen(shop, PASSED, REACHED)
    assert shop.record(90, idempotency_key="k").duplicate is True
    assert told(shop) == []


def test_only_what_an_endpoint_wants_is_written_and_only_in_its_tenant(shop: Shop, other_shop: Shop) -> None:
    listen(shop, "usage.limit_reached")
    listen(other_shop)
    shop.record(100)
    assert told(shop) == [(REACHED, None, 100)]
    assert told(other_shop) == []


def test_twenty_at_once_tell_each_threshold_once(shop: Shop) -> None:
    listen(shop, PASSED, REACHED)
    answers = at_once(*[lambda: patiently(lambda: shop.record(5)) for _ in range(20)])
    assert [answer.recorded for answer in answers] == [True] * 20
    assert told(shop) == [(PASSED, 80, 80), (PASSED, 100, 100), (REACHED, None, 100)]


def test_nothing_passed_costs_no_statement_and_without_an_endpoint_one(shop: Shop) -> None:
    calls = [(shop.actor, event(1)) for _ in range(10)]
    shop.record(1)
    assert cost(lambda: usage.record_many(calls)) == 3
    assert cost(lambda: usage.record_many([(shop.actor, event(70))])) == 4
    listen(shop, PASSED, REACHED)
    # Whether somebody wants to know, the names, the messages.
    assert cost(lambda: usage.record_many([(shop.actor, event(19))])) == 6


def test_a_period_of_a_day_has_its_own(shop: Shop) -> None:
    listen(shop, PASSED, REACHED)
    shop.feature("mails")
    shop.package("daily", counted(10, DAY, feature_id="mails"))
    with freeze_time("2026-03-05T10:00:00Z") as time:
        shop.user("bob")
        shop.subscribe("daily", user_id="bob")
        for _ in range(3):
            shop.record(9, user_id="bob", feature_id="mails")
            time.tick(timedelta(days=1))
    assert told(shop) == [(PASSED, 80, 9)] * 3


def test_a_binary_feature_has_no_thresholds(shop: Shop) -> None:
    assert shop.feature("sso", FeatureType.BINARY).usage_thresholds == []
    with pytest.raises(InvalidInputError, match=r"^usageThresholds: a BINARY feature is not counted, so it has no thr"):
        features.update_feature(shop.actor, "sso", UpdateFeature(usage_thresholds=[80]))


def test_thresholds_are_kept_as_given_and_null_goes_back_to_the_default(shop: Shop) -> None:
    assert features.get_feature(shop.actor, "calls").usage_thresholds == [80, 100]
    changed = features.update_feature(shop.actor, "calls", UpdateFeature(usage_thresholds=[1, 50, 1_000]))
    assert changed.usage_thresholds == [1, 50, 1_000]
    assert features.update_feature(shop.actor, "calls", UpdateFeature(name="Calls")).usage_thresholds == [1, 50, 1_000]
    assert features.update_feature(shop.actor, "calls", UpdateFeature(usage_thresholds=None)).usage_thresholds == [
        80,
        100,
    ]
