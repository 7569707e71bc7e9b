"""Thresholds: which percents of a limit a total passes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.thresholds import check_thresholds, passed, uses_up
from app.errors import InvalidInputError

TOTALS = st.integers(0, 2**31)
LIMITS = st.none() | st.integers(0, 30) | st.integers(0, 2**31 - 1)
PERCENTS = st.lists(st.integers(1, 1_000), unique=True, max_size=10).map(sorted)


def reached(total: int, limit: int, percent: int) -> bool:
    """The least total that is at least so much of the limit, counted up to in whole units."""
    return total >= math.ceil(limit * percent / 100) if limit < 1_000_000 else total * 100 >= limit * percent


@given(before=TOTALS | st.integers(0, 60), after=TOTALS | st.integers(0, 60), limit=LIMITS, percents=PERCENTS)
def test_a_percent_is_passed_by_the_step_that_reaches_it(
    before: int, after: int, limit: int | None, percents: list[int]
) -> None:
    naive = (
        [percent for percent in percents if not reached(before, limit, percent) and reached(after, limit, percent)]
        if limit
        else []
    )
    assert list(passed(before, after, limit, percents)) == naive


@given(steps=st.lists(st.integers(1, 40), max_size=30), limit=st.integers(1, 100), percents=PERCENTS)
def test_a_total_that_only_rises_passes_each_percent_once_however_it_gets_there(
    steps: list[int], limit: int, percents: list[int]
) -> None:
    total, told = 0, []
    for step in steps:
        told += passed(total, total + step, limit, percents)
        total += step
    assert told == list(passed(0, total, limit, percents))


@given(before=st.integers(0, 60), after=st.integers(0, 60), limit=st.none() | st.integers(0, 60))
def test_a_limit_is_used_up_by_the_step_that_leaves_nothing(before: int, after: int, limit: int | None) -> None:
    assert uses_up(before, after, limit) == (limit is not None and limit - before > 0 and limit - after <= 0)


@pytest.mark.parametrize(
    ("before", "after", "limit", "told"),
    [
        (0, 79, 100, []),
        (79, 80, 100, [80]),
        (80, 99, 100, []),
        (0, 100, 100, [80, 100]),
        (2, 3, 3, [80, 100]),  # 2 of 3 is not 80 %
        (100, 0, 100, []),
        (0, 5, None, []),
        (0, 5, 0, []),
    ],
)
def test_examples(before: int, after: int, limit: int | None, told: list[int]) -> None:
    assert list(passed(before, after, limit, (80, 100))) == told


@pytest.mark.parametrize("percents", [[], [1], [1_000], [80, 100], list(range(1, 11))])
def test_percents_that_are_allowed(percents: list[int]) -> None:
    check_thresholds("usageThresholds", percents)


@pytest.mark.parametrize(
    ("percents", "message"),
    [
        ([0], "usageThresholds[0]: must be between 1 and 1000, is 0"),
        ([80, 1_001], "usageThresholds[1]: must be between 1 and 1000, is 1001"),
        ([80, 80], "usageThresholds[1]: must be greater than the one before it"),
        ([100, 80], "usageThresholds[1]: must be greater than the one before it"),
        (list(range(1, 12)), "usageThresholds: must hold at most 10 percents, holds 11"),
    ],
)
def test_percents_that_are_refused(percents: list[int], message: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        check_thresholds("usageThresholds", percents)
    assert refused.value.message == message
