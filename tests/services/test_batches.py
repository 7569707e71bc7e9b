"""Batches of usage events: results in order, on request all or nothing, and what a repeat gets."""

from typing import Any

import pytest
from msgspec.structs import replace

from app.contract.packages import PackageFeatureTerms
from app.contract.usage import (
    BATCH_MAX,
    Consumption,
    RecordedUsages,
    RecordUsage,
    RecordUsages,
    UsageError,
    UsageResult,
)
from app.domain.entitlements import NO_SUBSCRIPTION, FeatureType
from app.domain.metering import BINARY_HAS_NO_USAGE, LIMIT_WOULD_BE_EXCEEDED
from app.errors import InvalidInputError
from app.services.batches import record_batch
from tests.services.shop import NOWHERE, SET, Shop, counted

EVERYTHING_KEPT = ("usage_events", "idempotency_keys", "consumptions")


@pytest.fixture
def pro(shop: Shop) -> Shop:
    """Ada and Bob have 10 calls and 5 mails a month each, and single sign-on; Cleo is there without a subscription."""
    shop.feature()
    shop.feature("mails")
    shop.feature("sso", FeatureType.BINARY)
    terms = (counted(10), counted(5, feature_id="mails"), PackageFeatureTerms(id="sso"))
    shop.package("pro", *terms)
    for user_id in ("ada", "bob", "cleo"):
        shop.user(user_id)
    for user_id in ("ada", "bob"):
        shop.subscribe("pro", user_id=user_id)
    return shop


def event(delta: int = 1, user_id: str = "ada", feature_id: str = "calls", **more: Any) -> RecordUsage:
    return RecordUsage(user_id=user_id, feature_id=feature_id, delta=delta, **more)


def record(shop: Shop, *events: RecordUsage, all_or_nothing: bool = False) -> RecordedUsages:
    return record_batch(shop.actor, RecordUsages(events=list(events), all_or_nothing=all_or_nothing))


def used(shop: Shop) -> dict[str, int]:
    """What ada and bob have used of either feature."""
    found = {}
    for user_id in ("ada", "bob"):
        for feature_id in ("calls", "mails"):
            consumption = shop.access(user_id=user_id, feature_id=feature_id).consumption
            assert consumption is not None
            found[f"{user_id} {feature_id}"] = consumption.used
    return found


def of(budget: int, used: int) -> Consumption:
    return Consumption(used=used, budget=budget, overage_enabled=False, reserved=0)


def because(n: int) -> str:
    return f"Not recorded: event {n} of this all-or-nothing batch was not (counted from 0)."


def reasons(answer: RecordedUsages) -> list[str | None]:
    return [result.reason for result in answer.results]


NOTHING_USED = {"ada calls": 0, "ada mails": 0, "bob calls": 0, "bob mails": 0}
MIXED = (event(9), event(4, "bob", "mails"), event(5, feature_id="mails"), event(2), event(3, "bob"))
"""Over several users and features; the one but last is refused, for it would pass ada's limit."""


def test_the_results_come_in_the_order_of_the_events_each_decided_after_those_before_it(pro: Shop) -> None:
    answer = record(pro, *MIXED)

    assert (answer.recorded, answer.first_refused) == (False, 3)
    assert [(result.recorded, result.consumption) for result in answer.results] == [
        (True, of(10, 9)),
        (True, of(5, 4)),
        (True, of(5, 5)),
        (False, of(10, 9)),
        (True, of(10, 3)),
    ]
    assert used(pro) == {"ada calls": 9, "ada mails": 5, "bob calls": 3, "bob mails": 4}


@pytest.mark.parametrize("all_or_nothing", [False, True])
def test_a_batch_that_fits_is_recorded_whole(pro: Shop, all_or_nothing: bool) -> None:
    answer = record(
        pro, event(9), event(-4), event(5, "bob", "mails"), event(10, action=SET), all_or_nothing=all_or_nothing
    )

    assert (answer.recorded, answer.first_refused) == (True, None)
    assert [result.consumption for result in answer.results] == [of(10, 9), of(10, 5), of(5, 5), of(10, 10)]
    assert used(pro) == {"ada calls": 10, "ada mails": 0, "bob calls": 0, "bob mails": 5}


def test_all_or_nothing_records_nothing_of_anybody_and_names_the_culprit(pro: Shop) -> None:
    pro.record(3, user_id="bob")

    answer = record(pro, *MIXED, all_or_nothing=True)

    assert (answer.recorded, answer.first_refused) == (False, 3)
    assert reasons(answer) == [because(3), because(3), because(3), LIMIT_WOULD_BE_EXCEEDED, because(3)]
    # Consumption as it stands without any of them.
    assert [result.consumption for result in answer.results] == [of(10, 0), of(5, 0), of(5, 0), of(10, 0), of(10, 3)]
    assert used(pro) == NOTHING_USED | {"bob calls": 3}
    assert pro.ledger("applied", "recorded")[1:] == [(0, False)] * 5


def test_each_culprit_keeps_its_own_reason_and_the_first_is_named(pro: Shop) -> None:
    answer = record(
        pro, event(1), event(1, "cleo"), event(1, feature_id="sso"), event(11), event(2), all_or_nothing=True
    )

    assert answer.first_refused == 1
    assert reasons(answer) == [because(1), NO_SUBSCRIPTION, BINARY_HAS_NO_USAGE, LIMIT_WOULD_BE_EXCEEDED, because(1)]
    assert [result.consumption for result in answer.results] == [of(10, 0), None, None, of(10, 0), of(10, 0)]


def test_the_keys_of_a_refused_batch_answer_its_repeat_even_when_there_is_room_by_then(pro: Shop) -> None:
    keyed = [replace(asked, idempotency_key=f"k-{n}") for n, asked in enumerate(MIXED)]
    first = record(pro, *keyed, all_or_nothing=True)
    before = pro.rows()

    again = record(pro, *keyed, all_or_nothing=True)

    assert (again.recorded, again.first_refused) == (first.recorded, first.first_refused) == (False, 3)
    assert again.results == [replace(result, duplicate=True) for result in first.results]
    assert pro.rows() == before
    one_by_one = record(pro, *keyed)
    assert (one_by_one.recorded, one_by_one.first_refused) == (False, 3)
    assert one_by_one.results == again.results
    assert used(pro) == NOTHING_USED


def test_a_key_that_went_down_with_its_batch_takes_the_next_batch_along(pro: Shop) -> None:
    record(pro, event(2, idempotency_key="k"), event(11), all_or_nothing=True)

    answer = record(pro, event(1), event(2, idempotency_key="k"), all_or_nothing=True)

    assert (answer.recorded, answer.first_refused) == (False, 1)
    assert reasons(answer) == [because(1), because(1)]
    assert used(pro) == NOTHING_USED


def test_what_was_recorded_before_under_its_key_counts_as_recorded_and_is_not_counted_again(pro: Shop) -> None:
    first = pro.record(8, idempotency_key="k")

    answer = record(pro, event(8, idempotency_key="k"), event(2), event(2, idempotency_key="l"), all_or_nothing=True)

    assert (answer.recorded, answer.first_refused, used(pro)["ada calls"]) == (False, 2, 8)
    assert answer.results[0] == UsageResult(
        recorded=True, reason=None, event_id=first.event_id, duplicate=True, consumption=of(10, 8), error=None
    )
    answer = record(pro, event(8, idempotency_key="k"), event(2), all_or_nothing=True)
    assert (answer.recorded, answer.first_refused, used(pro)["ada calls"]) == (True, None, 10)


def test_a_key_repeated_within_an_all_or_nothing_batch_counts_once(pro: Shop) -> None:
    answer = record(pro, *[event(6, idempotency_key="k")] * 3, all_or_nothing=True)

    assert answer.recorded is True
    assert [result.duplicate for result in answer.results] == [False, True, True]
    assert len({result.event_id for result in answer.results}) == 1
    assert used(pro)["ada calls"] == 6


def test_where_an_event_is_wrong_nothing_is_kept_and_the_keys_are_free(pro: Shop) -> None:
    earlier = pro.record(1, idempotency_key="earlier")
    pro.record(1, user_id="bob")
    before = pro.rows(*EVERYTHING_KEPT)
    batch = [
        event(1, idempotency_key="earlier"),
        event(9, idempotency_key="k"),
        event(1, NOWHERE),
        event(11, idempotency_key="l"),
        event(1, feature_id=NOWHERE),
        event(2, idempotency_key="earlier"),
    ]

    answer = record(pro, *batch, all_or_nothing=True)

    assert (answer.recorded, answer.first_refused) == (False, 2)
    assert [result.event_id for result in answer.results] == [earlier.event_id, None, None, None, None, None]
    assert [result.error.name if result.error else None for result in answer.results] == [
        None,
        None,
        "UserNotFoundError",
        None,
        "FeatureNotFoundError",
        "IdempotencyConflictError",
    ]
    assert answer.results[0].recorded is True
    assert (reasons(answer)[1], reasons(answer)[3]) == (because(2), LIMIT_WOULD_BE_EXCEEDED)
    assert pro.rows(*EVERYTHING_KEPT) == before
    assert record(pro, event(9, idempotency_key="k"), all_or_nothing=True).results[0].duplicate is False


def test_a_mistake_spoils_its_own_result_alone_and_says_what_is_wrong(pro: Shop) -> None:
    from_the_future = RecordUsage(
        user_id="ada", feature_id="calls", timestamp=pro.now_and(minutes=6), idempotency_key="k"
    )

    answer = record(pro, event(2), event(1, NOWHERE), from_the_future, event(3))

    assert (answer.recorded, answer.first_refused) == (False, 1)
    assert [result.recorded for result in answer.results] == [True, False, False, True]
    assert answer.results[1].error == UsageError(
        code="BAD_USER_INPUT", name="UserNotFoundError", message="User Id not found for app", field=None
    )
    assert answer.results[2].error == UsageError(
        code="BAD_USER_INPUT",
        name="InvalidInputError",
        message="timestamp: must be at most 5 minutes ahead of now",
        field="timestamp",
    )
    assert [result.event_id is None for result in answer.results] == [False, True, True, False]
    assert used(pro) == NOTHING_USED | {"ada calls": 5}


@pytest.mark.parametrize("all_or_nothing", [False, True])
def test_a_thousand_events_are_one_batch(shop: Shop, all_or_nothing: bool) -> None:
    shop.feature()
    shop.package("free", counted(None))
    for n in range(10):
        shop.user(f"user-{n}")
        shop.subscribe("free", user_id=f"user-{n}")

    events = [event(n + 1, f"user-{n % 10}", idempotency_key=f"k-{n}") for n in range(BATCH_MAX)]
    answer = record(shop, *events, all_or_nothing=all_or_nothing)

    assert (answer.recorded, len(answer.results)) == (True, 1_000)
    ids = [int(result.event_id or 0) for result in answer.results]
    assert ids == sorted(set(ids))
    last = [result.consumption.used for result in answer.results[-10:] if result.consumption]
    # 1 + 11 + 21 + … + 991 for the first user, one more each time for those after.
    assert last == [49_600 + 100 * n for n in range(10)]
    assert shop.access(user_id="user-9").consumption.used == 50_500
    assert [result.duplicate for result in record(shop, *events).results] == [True] * 1_000


@pytest.mark.parametrize(
    ("count", "problem"),
    [(0, "must hold at least one event"), (1_001, "must hold at most 1000 events, holds 1001")],
)
def test_a_batch_of_none_or_of_more_than_a_thousand_never_becomes_a_command(count: int, problem: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        RecordUsages(events=[event()] * count)
    assert (refused.value.field, refused.value.problem) == ("events", problem)
