"""When a webhook that failed is sent again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.webhook_retries import (
    ATTEMPTS_MAX,
    RETRY_AFTER_MAX,
    RETRY_DELAYS,
    is_given_up,
    next_attempt_at,
    retry_after,
    was_away,
)

NOW = datetime(2026, 3, 5, 10, tzinfo=UTC)
JITTERS = st.floats(0, 1)


@given(jitters=st.lists(JITTERS, min_size=ATTEMPTS_MAX, max_size=ATTEMPTS_MAX))
def test_it_is_tried_eleven_times_over_about_three_days(jitters: list[float]) -> None:
    attempts, at, delays = 1, NOW, []
    while (again := next_attempt_at(attempts, at, jitters[attempts - 1])) is not None:
        delays.append(again - at)
        attempts, at = attempts + 1, again

    assert attempts == ATTEMPTS_MAX == 11
    assert timedelta(days=3) * 0.8 <= at - NOW <= timedelta(days=3, minutes=13) * 1.2
    assert all(0.8 <= delay / usual <= 1.2 for delay, usual in zip(delays, RETRY_DELAYS, strict=True))


@given(attempts=st.integers(1, ATTEMPTS_MAX - 1), jitter=JITTERS, asked=st.timedeltas(timedelta(), timedelta(days=9)))
def test_a_receiver_can_ask_for_a_longer_wait_up_to_an_hour_and_never_for_a_shorter_one(
    attempts: int, jitter: float, asked: timedelta
) -> None:
    usual, waited = next_attempt_at(attempts, NOW, jitter), next_attempt_at(attempts, NOW, jitter, asked)
    assert usual is not None
    assert waited == max(usual, NOW + min(asked, RETRY_AFTER_MAX))


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        (429, "120", 120),
        (503, "0", 0),
        (503, "99999999999999999999", 3600),
        (429, "Thu, 05 Mar 2026 10:02:00 GMT", 120),
        (429, "Thu, 05 Mar 2026 09:00:00 GMT", 0),
        (429, "soon", None),
        (429, "-1", None),
        (429, "²", None),
        (429, "", None),
        (429, None, None),
        (500, "120", None),
        (None, "120", None),
    ],
)
def test_what_a_retry_after_asks_for(status: int | None, header: str | None, seconds: int | None) -> None:
    asked = retry_after(status, header, NOW)
    assert asked == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("days", "failures", "given_up"), [(3, 10, True), (3, 9, False), (2.99, 1_000, False), (30, 10, True)]
)
def test_an_endpoint_is_given_up_after_three_days_and_ten_failures(days: float, failures: int, given_up: bool) -> None:
    assert is_given_up(NOW - timedelta(days=days), failures, NOW) is given_up


def test_only_an_outage_of_minutes_makes_what_waits_hurry() -> None:
    assert was_away(NOW - timedelta(minutes=10), NOW) is True
    assert was_away(NOW - timedelta(minutes=9), NOW) is False
