"""How long to wait before something that failed is tried again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.backoff import ASKED_FOR_MAX_SECONDS, LONGEST_SECONDS, delay_seconds

CHANCES = st.floats(0, 1)
FAILURES = st.integers(1, 10_000)


@pytest.mark.parametrize(("failures", "seconds"), [(1, 0.5), (2, 1), (3, 2), (7, 32), (8, 60), (9, 60), (10_000, 60)])
def test_the_longest_wait_doubles_with_each_failure_up_to_a_minute(failures: int, seconds: float) -> None:
    assert delay_seconds(failures, chance=1) == seconds


@given(failures=FAILURES, chance=CHANCES)
def test_what_failed_together_is_spread_over_all_of_the_time(failures: int, chance: float) -> None:
    assert delay_seconds(failures, chance=chance) == chance * delay_seconds(failures, chance=1)


@given(failures=FAILURES, chance=CHANCES, asked_for=st.floats(0, 1e9))
def test_who_is_asked_to_wait_waits_at_least_so_long_up_to_an_hour(
    failures: int, chance: float, asked_for: float
) -> None:
    waited = delay_seconds(failures, chance=chance, asked_for=asked_for)
    assert min(asked_for, ASKED_FOR_MAX_SECONDS) <= waited <= ASKED_FOR_MAX_SECONDS + LONGEST_SECONDS


def test_first_and_longest_can_be_others() -> None:
    assert [delay_seconds(count, chance=1, first=2, longest=5) for count in (1, 2, 3)] == [2, 4, 5]
