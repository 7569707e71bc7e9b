"""Recording usage: the answer, the counter, the ledger and the idempotency record."""

from typing import Any

import pytest
from freezegun import freeze_time

from app.contract.actors import Actor
from app.contract.packages import PackageFeatureTerms
from app.contract.usage import Consumption, RecordedUsage, RecordUsage
from app.domain.entitlements import NO_SUBSCRIPTION, FeatureType
from app.domain.metering import (
    BINARY_HAS_NO_USAGE,
    LIMIT_WOULD_BE_EXCEEDED,
    TOTAL_OUT_OF_RANGE,
    Enforcement,
    RecordUsageAction,
)
from app.errors import FeatureNotFoundError, InvalidInputError, UserNotFoundError
from app.services import features, usage
from tests.services.at_once import at_once
from tests.services.shop import ADD, DAY, NOWHERE, SET, Shop, counted

INT32_MAX = 2**31 - 1


@pytest.fixture
def pro(shop: Shop) -> Shop:
    """Ada has 10 calls a month."""
    shop.feature()
    shop.package("pro", counted(10))
    shop.user()
    shop.subscribe("pro")
    return shop


def answer(recorded: RecordedUsage) -> tuple[bool, str | None, Consumption | None]:
    return recorded.recorded, recorded.reason, recorded.consumption


def of_ten(used: int) -> Consumption:
    return Consumption(used=used, budget=10, overage_enabled=False, reserved=0)


def ledger(shop: Shop) -> list[tuple[Any, ...]]:
    """(action, delta, applied, recorded, reason) of every event, in order."""
    return [row[5:10] for row in shop.rows("usage_events")["usage_events"]]


def test_usage_is_added_up_to_the_limit_and_refused_above_it(pro: Shop) -> None:
    assert answer(pro.record()) == (True, None, of_ten(1))
    assert answer(pro.record(9)) == (True, None, of_ten(10))
    assert answer(pro.record()) == (False, LIMIT_WOULD_BE_EXCEEDED, of_ten(10))
    assert pro.used() == 10


def test_a_command_is_recorded_whole_or_not_at_all(pro: Shop) -> None:
    pro.record(9)
    assert answer(pro.record(2)) == (False, LIMIT_WOULD_BE_EXCEEDED, of_ten(9))
    assert answer(pro.record(1)) == (True, None, of_ten(10))


def test_a_refusal_is_kept_in_the_ledger_and_changes_no_counter(pro: Shop) -> None:
    pro.record(9)
    before = pro.rows("consumptions")
    refused = pro.record(2)
    assert pro.rows("consumptions") == before
    assert ledger(pro) == [("ADD", 9, 9, True, None), ("ADD", 2, 0, False, LIMIT_WOULD_BE_EXCEEDED)]
    assert (refused.duplicate, refused.event_id.isdigit()) == (False, True)


def test_taking_back_is_cut_at_zero_and_the_ledger_says_what_was_applied(pro: Shop) -> None:
    pro.record(3)
    assert answer(pro.record(-5)) == (True, None, of_ten(0))
    assert answer(pro.record(-1)) == (True, None, of_ten(0))
    assert answer(pro.record(2)) == (True, None, of_ten(2))
    assert [event[1:3] for event in ledger(pro)] == [(3, 3), (-5, -3), (-1, 0), (2, 2)]


def test_set_replaces_the_total_both_ways_and_keeps_to_the_limit(pro: Shop) -> None:
    pro.record(3)
    assert answer(pro.record(10, SET)) == (True, None, of_ten(10))
    assert answer(pro.record(11, SET)) == (False, LIMIT_WOULD_BE_EXCEEDED, of_ten(10))
    assert answer(pro.record(4, SET)) == (True, None, of_ten(4))
    assert answer(pro.record(0, SET)) == (True, None, of_ten(0))
    assert [event[:3] for event in ledger(pro)] == [
        ("ADD", 3, 3), ("SET", 10, 7), ("SET", 11, 0), ("SET", 4, -6), ("SET", 0, -4),
    ]  # fmt: skip


def test_overage_and_no_limit_record_anything(shop: Shop) -> None:
    shop.feature("calls")
    shop.feature("mails")
    shop.package("pro", counted(1, overage=True), counted(None, feature_id="mails"))
    shop.user()
    shop.subscribe("pro")

    assert answer(shop.record(5)) == (True, None, Consumption(used=5, budget=1, overage_enabled=True, reserved=0))
    assert answer(shop.record(9, SET, feature_id="mails")) == (
        True,
        None,
        Consumption(used=9, budget=None, overage_enabled=False, reserved=0),
    )


def test_without_a_subscription_nothing_is_recorded(shop: Shop) -> None:
    shop.feature()
    shop.user()
    assert answer(shop.record()) == (False, NO_SUBSCRIPTION, None)
    assert answer(shop.record(-1)) == (False, NO_SUBSCRIPTION, None)


def test_what_was_refused_before_the_subscription_is_not_counted_by_it(pro: Shop) -> None:
    pro.user("bob")
    pro.record(5, user_id="bob")
    pro.subscribe("pro", user_id="bob")
    assert pro.record(1, user_id="bob").consumption == of_ten(1)


def test_a_binary_feature_has_no_usage(shop: Shop) -> None:
    shop.feature("sso", FeatureType.BINARY)
    shop.package("pro", PackageFeatureTerms(id="sso"))
    shop.user()
    shop.subscribe("pro")
    assert answer(shop.record(feature_id="sso")) == (False, BINARY_HAS_NO_USAGE, None)


def test_the_user_is_looked_for_before_the_feature_and_errors_write_nothing(pro: Shop) -> None:
    before = pro.rows()
    with pytest.raises(UserNotFoundError, match=r"^User Id not found for app$"):
        pro.record(user_id=NOWHERE, feature_id=NOWHERE)
    with pytest.raises(FeatureNotFoundError, match=r"^Feature Id not found for app$"):
        pro.record(feature_id=NOWHERE)
    assert pro.rows() == before


def test_users_and_features_are_counted_apart(pro: Shop) -> None:
    pro.user("bob")
    pro.subscribe("pro", user_id="bob")
    pro.record(3)
    pro.record(4, user_id="bob")
    assert (pro.used(), pro.access(user_id="bob").consumption.used) == (3, 4)


def test_the_enforcement_record_writes_down_what_has_happened_over_the_limit(pro: Shop) -> None:
    lenient = Shop(Actor(pro.actor.tenant_id, pro.actor.app_id, Enforcement.RECORD))
    assert answer(lenient.record(25)) == (True, None, of_ten(25))
    assert answer(lenient.record(30, SET)) == (True, None, of_ten(30))
    assert lenient.access().access is False
    # Still refused: there is nothing to count it by.
    lenient.user("bob")
    assert answer(lenient.record(user_id="bob")) == (False, NO_SUBSCRIPTION, None)
    # Back under the strict rule, only what brings the total down is recorded.
    assert answer(pro.record(1)) == (False, LIMIT_WOULD_BE_EXCEEDED, of_ten(30))
    assert answer(pro.record(-22)) == (True, None, of_ten(8))


@pytest.mark.parametrize("enforcement", list(Enforcement))
def test_a_total_that_an_int_cannot_carry_is_refused_not_wrapped(shop: Shop, enforcement: Enforcement) -> None:
    shop = Shop(Actor(shop.actor.tenant_id, shop.actor.app_id, enforcement))
    shop.feature()
    shop.package("pro", counted(None))
    shop.user()
    shop.subscribe("pro")

    assert shop.record(INT32_MAX).consumption.used == INT32_MAX
    assert answer(shop.record(1)) == (
        False,
        TOTAL_OUT_OF_RANGE,
        Consumption(used=INT32_MAX, budget=None, overage_enabled=False, reserved=0),
    )
    assert shop.record(-INT32_MAX).consumption.used == 0
    assert shop.record(INT32_MAX, SET).consumption.used == INT32_MAX


@pytest.mark.parametrize(
    ("delta", "action"), [(0, ADD), (INT32_MAX + 1, ADD), (-INT32_MAX - 1, ADD), (INT32_MAX + 1, SET), (-1, SET)]
)
def test_a_delta_out_of_range_never_becomes_a_command(delta: int, action: RecordUsageAction) -> None:
    with pytest.raises(InvalidInputError) as refused:
        RecordUsage(user_id="ada", feature_id="calls", delta=delta, action=action)
    assert refused.value.field == "delta"


def test_calls_at_once_record_exactly_the_limit(pro: Shop) -> None:
    answers = at_once(*[pro.record] * 16)
    assert sum(recorded.recorded for recorded in answers) == 10
    assert sorted(recorded.consumption.used for recorded in answers if recorded.recorded) == list(range(1, 11))
    assert pro.used() == 10


def test_a_feature_deleted_between_look_up_and_count_is_not_found(shop: Shop) -> None:
    shop.feature()
    shop.user()
    answers = at_once(shop.record, lambda: _delete_calls(shop))
    event_kept, feature_deleted = isinstance(answers[0], RecordedUsage), not isinstance(answers[1], Exception)
    assert event_kept != feature_deleted
    assert isinstance(answers[0], RecordedUsage | FeatureNotFoundError)


def _delete_calls(shop: Shop) -> object:
    return features.delete_feature(shop.actor, "calls")


def test_a_day_is_counted_apart_from_the_next(shop: Shop) -> None:
    shop.feature()
    shop.package("pro", counted(2, DAY))
    shop.user()
    with freeze_time("2024-02-28T18:00:00Z") as clock:
        shop.subscribe("pro")
        for _ in range(4):  # over the leap day
            assert [shop.record().recorded for _ in range(3)] == [True, True, False]
            clock.tick(86_400)
        assert shop.past() == [("2024-03-02", 2), ("2024-03-01", 2), ("2024-02-29", 2), ("2024-02-28", 2)]


def test_a_clock_that_goes_back_over_a_boundary_counts_in_the_period_it_shows(shop: Shop) -> None:
    shop.feature()
    shop.package("pro", counted(5, DAY))
    shop.user()
    with freeze_time("2026-01-01T00:00:00Z") as clock:
        shop.subscribe("pro")
        shop.record(1)
        clock.move_to("2026-01-02T00:00:00.010Z")
        shop.record(2)
        clock.move_to("2026-01-01T23:59:59.990Z")
        assert shop.record(1).consumption.used == 2
        clock.move_to("2026-01-02T00:00:00.020Z")
        assert shop.record(1).consumption.used == 3
        assert shop.past() == [("2026-01-01", 2)]


def test_the_recorded_answer_is_complete(pro: Shop) -> None:
    command = RecordUsage(user_id="ada", feature_id="calls")
    made = usage.record_usage(pro.actor, command)
    assert made == RecordedUsage(
        recorded=True, reason=None, event_id=made.event_id, duplicate=False, consumption=of_ten(1)
    )
