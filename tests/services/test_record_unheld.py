"""Calls that met by chance: what one of them has to wait for holds nobody else up."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from app.contract.usage import RecordedUsage, RecordUsage
from app.errors import FeatureNotFoundError, IdempotencyConflictError, OverloadedError, UserNotFoundError
from app.services.usage import Call, record_many, record_unheld
from tests.services.shop import NOWHERE, Shop, counted
from tests.tenants import Tenant


@pytest.fixture
def pro(tenant: Tenant) -> Shop:
    """Ada and Bob have used 1 of 10 calls, Cleo none yet."""
    shop = Shop(tenant.actor)
    shop.feature()
    shop.package("pro", counted(10))
    for user_id in ("ada", "bob", "cleo"):
        shop.user(user_id)
        shop.subscribe("pro", user_id=user_id)
    for user_id in ("ada", "bob"):
        shop.record(1, user_id=user_id)
    return shop


@contextmanager
def held(database_url: str, shop: Shop, user_id: str, *, rows: str = "consumptions") -> Iterator[None]:
    """Somebody holds the user's counter, or the user's own row."""
    by = {"consumptions": "c.user_key = u.key AND c.tenant_id = u.tenant_id", "users": "c.key = u.key"}[rows]
    with psycopg.connect(database_url) as holder:
        found = holder.execute(
            f"SELECT FROM {rows} c JOIN users u ON {by} WHERE u.tenant_id = %s AND u.id = %s FOR UPDATE OF c",
            (shop.actor.tenant_id, user_id),
        )
        assert found.rowcount == 1
        yield


def call(shop: Shop, user_id: str, **more: Any) -> Call:
    return shop.actor, RecordUsage(**{"user_id": user_id, "feature_id": "calls"} | more)


def used(shop: Shop, user_id: str) -> int:
    consumption = shop.access(user_id=user_id).consumption
    assert consumption is not None
    return consumption.used


def left_behind(answer: object) -> int | None:
    assert isinstance(answer, RecordedUsage)
    return answer.consumption.used if answer.consumption else None


def test_when_nothing_is_held_all_are_decided_as_in_any_batch(product: str, pro: Shop) -> None:
    answers = record_unheld([call(pro, "ada"), call(pro, NOWHERE), call(pro, "cleo", delta=2), call(pro, "ada")])

    assert [left_behind(answers[n]) for n in (0, 2, 3)] == [2, 2, 3]
    assert isinstance(answers[1], UserNotFoundError)


def test_only_the_calls_of_a_held_counter_are_left_undone_and_can_be_asked_again(product: str, pro: Shop) -> None:
    calls = [
        call(pro, "ada"),
        call(pro, "bob"),
        call(pro, "cleo"),  # has no counter yet
        call(pro, NOWHERE),
        call(pro, "ada", feature_id=NOWHERE),
        call(pro, "ada", delta=2),
    ]
    with held(product, pro, "ada"):
        answers = record_unheld(calls)

    assert (answers[0], answers[5]) == (None, None)
    assert [left_behind(answers[n]) for n in (1, 2)] == [2, 1]
    assert [type(answers[n]) for n in (3, 4)] == [UserNotFoundError, FeatureNotFoundError]
    assert [used(pro, user_id) for user_id in ("ada", "bob", "cleo")] == [1, 2, 1]

    assert [left_behind(answer) for answer in record_unheld([calls[0], calls[5]])] == [2, 4]


def test_a_user_whose_row_is_held_and_who_has_no_counter_yet_holds_up_nobody_else(product: str, pro: Shop) -> None:
    pro.user("dan")
    pro.subscribe("pro", user_id="dan")

    with held(product, pro, "cleo", rows="users"):
        answers = record_unheld([call(pro, "cleo"), call(pro, "dan"), call(pro, "ada")])

    assert answers[0] is None
    assert [left_behind(answer) for answer in answers[1:]] == [1, 2]
    assert used(pro, "cleo") == 0


def test_the_key_of_a_call_that_was_left_undone_is_still_free(product: str, pro: Shop) -> None:
    adas, bobs = call(pro, "ada", idempotency_key="k"), call(pro, "bob", idempotency_key="k")

    with held(product, pro, "ada"):
        answers = record_unheld([adas, bobs, adas])

    assert (answers[0], answers[2]) == (None, None)
    assert left_behind(answers[1]) == 2
    assert [type(answer) for answer in record_unheld([adas])] == [IdempotencyConflictError]


def test_a_held_counter_leaves_a_lone_call_undone(product: str, pro: Shop) -> None:
    with held(product, pro, "ada"):
        assert record_unheld([call(pro, "ada")]) == [None]


def test_calls_that_belong_together_wait_together_and_nothing_is_done_for_any(product: str, pro: Shop) -> None:
    with held(product, pro, "ada"), pytest.raises(OverloadedError) as raised:
        record_many([call(pro, "bob"), call(pro, "ada")])

    assert (raised.value.held_up, raised.value.nothing_done) == (True, True)
    assert (used(pro, "ada"), used(pro, "bob")) == (1, 1)
