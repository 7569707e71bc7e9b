"""Who decides about a feature, and what the decision says, against the rules compared pair by pair."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.entitlements import (
    ALLOWANCE_EXHAUSTED,
    ALLOWED_BINARY,
    ALLOWED_CONSUMABLE,
    NO_SUBSCRIPTION,
    Access,
    Candidate,
    Consumption,
    DecidingRule,
    FeatureType,
    counted_period,
    decide_access,
    deciding_rule,
    ranked,
    rule_between,
    winner,
)
from app.domain.periods import Period, ResetPeriod

EARLIER = datetime(2024, 1, 31, 12, tzinfo=UTC)
LATER = EARLIER + timedelta(milliseconds=1)


def candidate(
    subscription_id: int = 1, *, limit: int | None = 1000, overage_enabled: bool = False, anchor: datetime = EARLIER
) -> Candidate:
    return Candidate(subscription_id, "pro", anchor, limit, ResetPeriod.MONTH, overage_enabled)


# Few values each, so that ties on one, two and three of the rules come up all the time.
candidates = st.builds(
    candidate,
    subscription_id=st.integers(1, 6),
    limit=st.sampled_from([None, 0, 1, 500, 1000, 2**31 - 1]),
    overage_enabled=st.booleans(),
    anchor=st.sampled_from([EARLIER, LATER, LATER + timedelta(days=365)]),
)
candidate_lists = st.lists(candidates, max_size=6, unique_by=lambda one: one.subscription_id)


def beats(one: Candidate, other: Candidate) -> bool:
    """The stated rules, one after the other."""
    if one.limit != other.limit:
        if one.limit is None:
            return True
        if other.limit is None:
            return False
        return one.limit > other.limit
    if one.overage_enabled != other.overage_enabled:
        return one.overage_enabled
    if one.anchor != other.anchor:
        return one.anchor > other.anchor
    return one.subscription_id > other.subscription_id


@given(found=candidate_lists)
def test_the_winner_beats_every_other_candidate(found: list[Candidate]) -> None:
    unbeaten = [one for one in found if all(beats(one, other) for other in found if other is not one)]

    assert len(unbeaten) == min(1, len(found))
    assert winner(found) == (unbeaten[0] if unbeaten else None)


@given(found=candidate_lists.filter(lambda found: len(found) <= 4))
def test_the_winner_does_not_depend_on_the_order_of_the_candidates(found: list[Candidate]) -> None:
    assert {winner(order) for order in permutations(found)} == {winner(found)}


@given(found=candidate_lists, one=candidates)
def test_another_candidate_wins_itself_or_changes_nothing(found: list[Candidate], one: Candidate) -> None:
    assert winner([*found, one]) in (winner(found), one)


@pytest.mark.parametrize(
    ("winning", "losing"),
    [
        (candidate(1, limit=1000), candidate(2, limit=500, overage_enabled=True, anchor=LATER)),
        (candidate(1, limit=None), candidate(2, limit=2**31 - 1, overage_enabled=True, anchor=LATER)),
        (candidate(1, limit=None), candidate(2, limit=0, overage_enabled=True, anchor=LATER)),
        (candidate(1, limit=1), candidate(2, limit=0, overage_enabled=True, anchor=LATER)),
        (candidate(1, overage_enabled=True), candidate(2, overage_enabled=False, anchor=LATER)),
        (candidate(1, limit=None, overage_enabled=True), candidate(2, limit=None, anchor=LATER)),
        (candidate(1, anchor=LATER), candidate(2, anchor=EARLIER)),
        (candidate(2), candidate(1)),
        (candidate(10), candidate(9)),
    ],
    ids=[
        "a higher limit beats overage and age",
        "unlimited beats the highest number",
        "unlimited is not taken for 0",
        "1 beats 0",
        "of equal limits, overage wins over age",
        "of two unlimited ones, overage wins over age",
        "of equal terms, the newest wins, by a millisecond",
        "of the same millisecond, the one made last wins",
        "the one made last is found by number, not by text",
    ],
)
def test_each_rule_decides_when_those_before_it_tie(winning: Candidate, losing: Candidate) -> None:
    assert winner([winning, losing]) == winner([losing, winning]) == winning


def best_by(rule: DecidingRule, found: list[Candidate]) -> list[Candidate]:
    """Whom one rule alone would leave of them."""
    if rule is DecidingRule.UNLIMITED:
        return [one for one in found if one.limit is None] or found
    if rule is DecidingRule.HIGHER_LIMIT:
        return [one for one in found if one.limit == max((other.limit or 0 for other in found), default=0)] or found
    if rule is DecidingRule.OVERAGE:
        return [one for one in found if one.overage_enabled] or found
    if rule is DecidingRule.NEWEST:
        return [one for one in found if one.anchor == max(other.anchor for other in found)]
    return [one for one in found if one.subscription_id == max(other.subscription_id for other in found)]


@given(found=candidate_lists)
def test_the_named_rule_is_the_one_that_leaves_the_winner_alone(found: list[Candidate]) -> None:
    """The rules one after the other, each narrowing down whom the last one left."""
    left, rule = found, DecidingRule.ONLY_ONE if found else None
    for next_rule in list(DecidingRule)[1:]:
        if len(left) > 1:
            left, rule = best_by(next_rule, left), next_rule

    assert deciding_rule(found) is rule
    assert left == [one for one in [winner(found)] if one]


@given(found=candidate_lists.filter(lambda found: len(found) >= 2))
def test_the_named_rule_is_true_of_the_winner_and_the_next(found: list[Candidate]) -> None:
    first, second = ranked(found)[:2]
    rule = deciding_rule(found)

    assert (first, second) == (winner(found), winner(one for one in found if one is not first))
    assert rule is rule_between(first, second) is rule_between(second, first)
    same = ("limit", "overage_enabled", "anchor")
    ties = [getattr(first, name) == getattr(second, name) for name in same]
    expected = {
        DecidingRule.UNLIMITED: first.limit is None and second.limit is not None,
        DecidingRule.HIGHER_LIMIT: None not in (first.limit, second.limit) and (first.limit or 0) > (second.limit or 0),
        DecidingRule.OVERAGE: ties[:1] == [True] and first.overage_enabled and not second.overage_enabled,
        DecidingRule.NEWEST: ties[:2] == [True, True] and first.anchor > second.anchor,
        DecidingRule.MADE_LAST: all(ties) and first.subscription_id > second.subscription_id,
    }
    assert [name for name, is_true in expected.items() if is_true] == [rule]


@given(found=candidate_lists)
def test_a_ranking_is_who_wins_when_those_before_are_gone(found: list[Candidate]) -> None:
    left = list(found)
    for one in ranked(found):
        assert one == winner(left)
        left.remove(one)
    assert left == []


def test_limits_are_not_added_up() -> None:
    base, addon = candidate(1, limit=1000), candidate(2, limit=500)

    decider = winner([base, addon])

    assert decide_access(FeatureType.CONSUMABLE, decider, used=1000, delta=1) == Access(
        access=False, reason=ALLOWANCE_EXHAUSTED, consumption=Consumption(used=1000, budget=1000, overage_enabled=False)
    )


def test_nobody_wins_without_candidates() -> None:
    assert winner([]) is None


def test_a_candidates_period_is_counted_from_its_own_anchor() -> None:
    start, end = datetime(2024, 2, 29, 12, tzinfo=UTC), datetime(2024, 3, 31, 12, tzinfo=UTC)

    assert candidate().period_at(datetime(2024, 3, 1, tzinfo=UTC)) == Period(start, end)


def test_only_a_consumable_of_somebody_who_has_it_is_counted_in_a_period() -> None:
    moment = datetime(2024, 3, 1, tzinfo=UTC)

    assert counted_period(FeatureType.CONSUMABLE, candidate(), moment) == candidate().period_at(moment)
    assert counted_period(FeatureType.BINARY, candidate(), moment) is None
    assert counted_period(FeatureType.CONSUMABLE, None, moment) is None


@pytest.mark.parametrize(
    ("decider", "used", "delta", "access"),
    [
        (candidate(limit=1000), 0, 1, True),
        (candidate(limit=1000), 999, 1, True),
        (candidate(limit=1000), 1000, 1, False),
        (candidate(limit=1000), 0, 1000, True),
        (candidate(limit=1000), 0, 1001, False),
        (candidate(limit=1000), 1500, 1, False),
        (candidate(limit=0), 0, 1, False),
        (candidate(limit=0, overage_enabled=True), 0, 1, True),
        (candidate(limit=1000, overage_enabled=True), 5000, 2**31 - 1, True),
        (candidate(limit=None), 0, 1, True),
        (candidate(limit=None), 2**31 - 2, 1, True),
        (candidate(limit=None, overage_enabled=True), 7, 1, True),
    ],
)
def test_a_consumable_is_accessible_while_delta_fits_or_overage_is_on(
    decider: Candidate, used: int, delta: int, access: bool
) -> None:
    assert decide_access(FeatureType.CONSUMABLE, decider, used=used, delta=delta) == Access(
        access=access,
        reason=ALLOWED_CONSUMABLE if access else ALLOWANCE_EXHAUSTED,
        consumption=Consumption(used=used, budget=decider.limit, overage_enabled=decider.overage_enabled),
    )


@pytest.mark.parametrize(
    ("decider", "held", "delta", "access"),
    [
        (candidate(limit=1000), 600, 100, True),
        (candidate(limit=1000), 600, 101, False),
        (candidate(limit=1000), 700, 1, False),
        (candidate(limit=1000), 9999, 1, False),
        (candidate(limit=1000, overage_enabled=True), 9999, 1, True),
        (candidate(limit=None), 9999, 1, True),
    ],
)
def test_what_is_held_is_spoken_for_and_shown_apart_from_what_is_used(
    decider: Candidate, held: int, delta: int, access: bool
) -> None:
    assert decide_access(FeatureType.CONSUMABLE, decider, used=300, held=held, delta=delta) == Access(
        access=access,
        reason=ALLOWED_CONSUMABLE if access else ALLOWANCE_EXHAUSTED,
        consumption=Consumption(used=300, budget=decider.limit, overage_enabled=decider.overage_enabled, reserved=held),
    )


@pytest.mark.parametrize("decider", [candidate(limit=None), candidate(limit=0)])
def test_a_binary_feature_is_accessible_to_who_is_subscribed(decider: Candidate) -> None:
    assert decide_access(FeatureType.BINARY, decider, used=0, delta=1) == Access(
        access=True, reason=ALLOWED_BINARY, consumption=None
    )


@pytest.mark.parametrize("feature_type", FeatureType)
def test_without_a_subscription_there_is_no_access_and_no_consumption(feature_type: FeatureType) -> None:
    assert decide_access(feature_type, None, used=0, delta=1) == Access(
        access=False, reason=NO_SUBSCRIPTION, consumption=None
    )


@given(
    feature_type=st.sampled_from(FeatureType),
    decider=st.none() | candidates,
    used=st.integers(0, 2**31 - 1),
    held=st.integers(0, 2**31 - 1),
    delta=st.integers(1, 2**31 - 1),
)
def test_every_answer_has_one_of_four_reasons_and_only_a_consumable_has_consumption(
    feature_type: FeatureType, decider: Candidate | None, used: int, held: int, delta: int
) -> None:
    answer = decide_access(feature_type, decider, used=used, held=held, delta=delta)

    assert answer.reason in (
        {ALLOWED_CONSUMABLE, ALLOWED_BINARY} if answer.access else {NO_SUBSCRIPTION, ALLOWANCE_EXHAUSTED}
    )
    assert (answer.consumption is not None) == (feature_type is FeatureType.CONSUMABLE and decider is not None)
    if answer.consumption is not None and not answer.access:
        assert answer.consumption.budget is not None
        assert not answer.consumption.overage_enabled
        assert answer.consumption.used + answer.consumption.reserved + delta > answer.consumption.budget


def test_the_allowed_consumable_text_is_the_documented_one_byte_for_byte() -> None:
    assert ALLOWED_CONSUMABLE.encode() == (
        b"The user has a subcription to a package with this consumable feature and either has an allowance remaining "
        b"or overage is enabled."
    )


def test_the_four_reasons_are_different_texts() -> None:
    assert len({ALLOWED_CONSUMABLE, ALLOWED_BINARY, NO_SUBSCRIPTION, ALLOWANCE_EXHAUSTED}) == 4
