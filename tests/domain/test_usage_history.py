"""The points of a series, against a calendar that is walked hour by hour."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.periods import Period
from app.domain.usage_history import SeriesInterval, bucket_start, buckets, check_series
from app.errors import InvalidInputError

HOUR, DAY, MONTH = SeriesInterval.HOUR, SeriesInterval.DAY, SeriesInterval.MONTH
MILLISECOND = timedelta(milliseconds=1)

moments = st.datetimes(timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def is_boundary(interval: SeriesInterval, moment: datetime) -> bool:
    """By the look of it, as a person would say."""
    text = moment.strftime("%d %H:%M:%S.%f")
    return text.endswith({HOUR: ":00:00.000000", DAY: "00:00:00.000000", MONTH: "01 00:00:00.000000"}[interval])


@pytest.mark.parametrize(
    ("interval", "start", "end", "expected"),
    [
        (HOUR, "2026-03-29T00:30", "2026-03-29T02:00", ["2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T02:00"]),
        (DAY, "2028-02-28T23:59", "2028-03-01T00:01", ["2028-02-28T23:59", "2028-02-29", "2028-03-01", "2028-03-01T00:01"]),
        (MONTH, "2026-01-31", "2026-04-30", ["2026-01-31", "2026-02-01", "2026-03-01", "2026-04-01", "2026-04-30"]),
        (MONTH, "2026-02-10", "2026-02-11", ["2026-02-10", "2026-02-11"]),
        (DAY, "2026-02-10", "2026-02-10", []),
        (HOUR, "9999-12-31T22:30", "9999-12-31T23:59", ["9999-12-31T22:30", "9999-12-31T23:00", "9999-12-31T23:59"]),
        (MONTH, "9999-12-02", "9999-12-31", ["9999-12-02", "9999-12-31"]),
        (DAY, "0001-01-01", "0001-01-02", ["0001-01-01", "0001-01-02"]),
    ],
)  # fmt: skip
def test_worked_ranges(interval: SeriesInterval, start: str, end: str, expected: list[str]) -> None:
    bounds = [utc(text) for text in expected]

    assert list(buckets(interval, utc(start), utc(end))) == [Period(*pair) for pair in pairwise(bounds)]


@given(interval=st.sampled_from(SeriesInterval), start=moments, hours=st.integers(0, 2000), milliseconds=st.integers(1))
def test_buckets_fill_the_range_without_gaps_and_meet_only_at_boundaries(
    interval: SeriesInterval, start: datetime, hours: int, milliseconds: int
) -> None:
    farthest = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    length = timedelta(hours=hours, milliseconds=milliseconds % 3_600_000 + 1)
    end = start + min(length, farthest - start) if start < farthest else start

    found = list(buckets(interval, start, end))

    assert [bucket.start for bucket in found] == [start, *(bucket.end for bucket in found[:-1])][: len(found)]
    assert [bucket.end for bucket in found][-1:] == ([end] if start < end else [])
    assert all(is_boundary(interval, bucket.end) for bucket in found[:-1])
    # And no boundary lies within one: its last millisecond is of the same hour, day or month as its start.
    for bucket in found:
        assert bucket.start < bucket.end
        assert bucket_start(interval, bucket.end - MILLISECOND) == bucket_start(interval, bucket.start)


@given(interval=st.sampled_from(SeriesInterval), moment=moments)
def test_the_start_of_a_bucket_is_the_last_boundary_before_or_at_a_moment(
    interval: SeriesInterval, moment: datetime
) -> None:
    start = bucket_start(interval, moment)

    assert is_boundary(interval, start)
    assert start <= moment
    walked, last = start, start
    while walked < moment:
        walked += timedelta(hours=1)
        if walked <= moment and is_boundary(interval, walked):
            last = walked
    assert last == start


def test_a_thousand_points_are_allowed_and_one_more_is_refused() -> None:
    start = utc("2026-01-01T00:30")
    check_series(HOUR, start, utc("2026-01-01T00:00") + timedelta(hours=1000))

    with pytest.raises(InvalidInputError) as refused:
        check_series(HOUR, start, utc("2026-01-01T00:00") + timedelta(hours=1000) + MILLISECOND)

    assert refused.value.message == (
        "to: makes more than 1000 points of one HOUR each: ask for a shorter range or a longer interval"
    )


@pytest.mark.parametrize("end", ["2026-01-01", "2025-12-31"])
def test_a_range_that_holds_nothing_is_refused(end: str) -> None:
    with pytest.raises(InvalidInputError, match=r"^to: must be after from$"):
        check_series(DAY, utc("2026-01-01"), utc(end))


def test_the_longest_range_of_all_is_refused_without_being_walked() -> None:
    with pytest.raises(InvalidInputError, match="more than 1000 points"):
        check_series(HOUR, utc("0001-01-01"), utc("9999-12-31"))
