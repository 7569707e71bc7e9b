"""Many calls in one transaction: each is answered as if it came alone, after those before it."""

import pytest

from app.contract.usage import RecordedUsage, RecordUsage
from app.domain.metering import LIMIT_WOULD_BE_EXCEEDED
from app.errors import FeatureNotFoundError, IdempotencyConflictError, MeterlineError, UserNotFoundError
from app.services.usage import Call, record_many
from tests.services.shop import NOWHERE, SET, Shop, counted
from tests.tenants import Tenant


@pytest.fixture
def pro(tenant: Tenant) -> Shop:
    """Ada and Bob may use 10 calls a month."""
    return sold(Shop(tenant.actor))


@pytest.fixture
def other(other_tenant: Tenant) -> Shop:
    return sold(Shop(other_tenant.actor))


def sold(shop: Shop) -> Shop:
    shop.feature()
    shop.package("pro", counted(10))
    for user_id in ("ada", "bob"):
        shop.user(user_id)
        shop.subscribe("pro", user_id=user_id)
    return shop


def call(shop: Shop, delta: int = 1, user_id: str = "ada", feature_id: str = "calls", **more: object) -> Call:
    return shop.actor, RecordUsage(user_id=user_id, feature_id=feature_id, delta=delta, **more)


def used(answers: list[RecordedUsage | MeterlineError]) -> list[object]:
    """What each call left behind, `None` where it was refused, the class of an error."""
    return [
        type(answer)
        if isinstance(answer, MeterlineError)
        else answer.consumption.used
        if answer.recorded and answer.consumption
        else None
        for answer in answers
    ]


def test_calls_are_decided_in_their_order_and_a_smaller_one_may_fit_where_a_larger_did_not(pro: Shop) -> None:
    answers = record_many(
        [call(pro, 6), call(pro, 5), call(pro, 4), call(pro, 1), call(pro, -3), call(pro, 2, action=SET)]
    )

    assert used(answers) == [6, None, 10, None, 7, 2]
    assert [answer.reason for answer in answers if not answer.recorded] == [LIMIT_WOULD_BE_EXCEEDED] * 2
    ids = [int(answer.event_id) for answer in answers]
    assert ids == sorted(set(ids))
    assert pro.used() == 2
    assert [row[5:7] for row in pro.rows("usage_events")["usage_events"]] == [
        ("ADD", 6),
        ("ADD", 5),
        ("ADD", 4),
        ("ADD", 1),
        ("ADD", -3),
        ("SET", 2),
    ]


def test_users_and_tenants_of_one_batch_do_not_touch_each_other(pro: Shop, other: Shop) -> None:
    answers = record_many([call(pro, 9), call(other, 8), call(pro, 7, user_id="bob"), call(pro, 1), call(other, 3)])

    assert used(answers) == [9, 8, 7, 10, None]
    assert (pro.used(), other.used(), pro.access(user_id="bob").consumption.used) == (10, 8, 7)


def test_what_is_wrong_with_one_call_is_its_answer_alone(pro: Shop) -> None:
    answers = record_many([call(pro, user_id=NOWHERE), call(pro, 2), call(pro, feature_id=NOWHERE), call(pro, 3)])

    assert used(answers) == [UserNotFoundError, 2, FeatureNotFoundError, 5]


def test_a_key_repeated_within_the_batch_counts_once_for_each_tenant(pro: Shop, other: Shop) -> None:
    calls = [call(pro, 2, idempotency_key="k"), call(other, 3, idempotency_key="k"), call(pro, 2, idempotency_key="k")]

    first, others, repeat = record_many(calls)

    assert used([first, others]) == [2, 3]
    assert (repeat.event_id, repeat.duplicate, repeat.consumption) == (first.event_id, True, first.consumption)
    assert (first.duplicate, others.duplicate) == (False, False)
    assert (pro.used(), other.used()) == (2, 3)
    assert [answer.duplicate for answer in record_many(calls)] == [True, True, True]
    assert (pro.used(), other.used()) == (2, 3)


def test_a_key_that_asks_for_something_else_within_the_batch_is_refused_and_leaves_nothing_behind(pro: Shop) -> None:
    answers = record_many([call(pro, 2, idempotency_key="k"), call(pro, 2, user_id="bob", idempotency_key="k")])

    assert used(answers) == [2, IdempotencyConflictError]
    assert len(pro.rows("consumptions")["consumptions"]) == 1
    assert len(pro.rows("usage_events")["usage_events"]) == 1


def test_a_key_belongs_to_the_first_call_that_could_be_decided(pro: Shop) -> None:
    answers = record_many([call(pro, user_id=NOWHERE, idempotency_key="k"), call(pro, 2, idempotency_key="k")])

    assert used(answers) == [UserNotFoundError, 2]


def test_no_calls_have_no_answers(pro: Shop) -> None:
    assert record_many([]) == []
