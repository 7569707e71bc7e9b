"""Idempotency keys: a call that is repeated counts once and gets its first answer."""

from typing import Any

import pytest
from freezegun import freeze_time

from app.contract.usage import Consumption, RecordedUsage
from app.contract.users import UpdateUser
from app.domain.entitlements import NO_SUBSCRIPTION
from app.domain.metering import LIMIT_WOULD_BE_EXCEEDED
from app.errors import FeatureNotFoundError, IdempotencyConflictError
from app.services import users
from tests.services.at_once import at_once
from tests.services.shop import NOWHERE, SET, Shop, counted


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


def test_a_repeated_key_counts_once_and_returns_the_first_answer(pro: Shop) -> None:
    first = pro.record(3, idempotency_key="k")
    pro.record(5)
    before = pro.rows()
    again = pro.record(3, idempotency_key="k")

    assert (first.duplicate, again.duplicate) == (False, True)
    assert (again.event_id, answer(again)) == (first.event_id, (True, None, of_ten(3)))
    assert pro.rows() == before


def test_a_repeated_refusal_stays_a_refusal_even_when_there_is_room_now(pro: Shop) -> None:
    pro.record(10)
    first = pro.record(1, idempotency_key="k")
    pro.record(0, SET)
    again = pro.record(1, idempotency_key="k")

    assert answer(again) == answer(first) == (False, LIMIT_WOULD_BE_EXCEEDED, of_ten(10))
    assert (again.event_id, again.duplicate, pro.used()) == (first.event_id, True, 0)


def test_a_refusal_without_a_subscription_repeats_after_one_was_bought(shop: Shop) -> None:
    shop.feature()
    shop.package("pro", counted(10))
    shop.user()
    shop.record(idempotency_key="k")
    shop.subscribe("pro")
    assert answer(shop.record(idempotency_key="k")) == (False, NO_SUBSCRIPTION, None)
    assert shop.used() == 0


def test_a_repeat_after_the_period_has_ended_still_returns_the_first_answer(pro: Shop) -> None:
    with freeze_time("2126-01-31T10:00:00Z") as clock:
        pro.user("bob")
        pro.subscribe("pro", user_id="bob")
        first = pro.record(3, user_id="bob", idempotency_key="k")
        clock.move_to("2129-06-01T00:00:00Z")
        again = pro.record(3, user_id="bob", idempotency_key="k")
        assert (again.event_id, again.duplicate, answer(again)) == (first.event_id, True, (True, None, of_ten(3)))
        assert pro.access(user_id="bob").consumption.used == 0


def test_a_repeat_after_a_rename_is_the_same_call(pro: Shop) -> None:
    first = pro.record(3, idempotency_key="k")
    users.update_user(pro.actor, "ada", UpdateUser(id="lovelace"))
    again = pro.record(3, user_id="lovelace", idempotency_key="k")
    assert (again.event_id, again.duplicate) == (first.event_id, True)

    # Another user who takes the old name has not made that call.
    pro.user("ada")
    with pytest.raises(IdempotencyConflictError):
        pro.record(3, idempotency_key="k")


@pytest.mark.parametrize(
    "other",
    [{"delta": 4}, {"action": SET}, {"user_id": "bob"}, {"feature_id": "mails"}],
    ids=lambda other: next(iter(other)),
)
def test_a_key_used_for_other_content_is_refused(pro: Shop, other: dict[str, Any]) -> None:
    pro.user("bob")
    pro.feature("mails")
    pro.record(3, idempotency_key="k")
    before = pro.rows()

    with pytest.raises(IdempotencyConflictError) as refused:
        pro.record(**({"delta": 3, "idempotency_key": "k"} | other))
    assert refused.value.message == (
        "idempotencyKey: this key was used before, for another user, feature, delta, action or timestamp"
    )
    assert pro.rows() == before


def test_a_key_belongs_to_its_tenant(pro: Shop, other_shop: Shop) -> None:
    other_shop.feature()
    other_shop.package("pro", counted(10))
    other_shop.user()
    other_shop.subscribe("pro")

    pro.record(3, idempotency_key="k")
    assert answer(other_shop.record(4, idempotency_key="k")) == (True, None, of_ten(4))
    assert pro.used() == 3


def test_a_key_that_was_refused_as_a_mistake_is_not_used_up(pro: Shop) -> None:
    with pytest.raises(FeatureNotFoundError):
        pro.record(feature_id=NOWHERE, idempotency_key="k")
    assert pro.record(3, idempotency_key="k").duplicate is False


def test_without_a_key_equal_calls_are_different_calls(pro: Shop) -> None:
    assert pro.record(2).event_id != pro.record(2).event_id
    assert pro.used() == 4


def test_one_key_repeated_at_once_counts_once(pro: Shop) -> None:
    answers = at_once(*[lambda: pro.record(3, idempotency_key="k")] * 12)
    assert len({recorded.event_id for recorded in answers}) == 1
    assert sorted(recorded.duplicate for recorded in answers) == [False] + [True] * 11
    assert pro.used() == 3


def test_one_key_used_at_once_for_two_users_counts_for_one_and_is_a_conflict_for_the_other(pro: Shop) -> None:
    pro.user("bob")
    pro.subscribe("pro", user_id="bob")
    answers = at_once(*[lambda who=who: pro.record(3, user_id=who, idempotency_key="k") for who in ("ada", "bob") * 4])
    conflicts = [raised for raised in answers if isinstance(raised, IdempotencyConflictError)]
    recorded = [made for made in answers if isinstance(made, RecordedUsage)]
    assert (len(conflicts), len(recorded)) == (4, 4)
    assert len({made.event_id for made in recorded}) == 1
    assert pro.access().consumption.used + pro.access(user_id="bob").consumption.used == 3
