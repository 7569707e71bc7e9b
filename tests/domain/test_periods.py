"""Periods against worked examples and against a calendar that counts one unit at a time."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.periods import Period, ResetPeriod, boundary, index_at, nth_period, past_periods, period_at

from .calendar_by_hand import boundaries, boundaries_back, days_in, find

DAY, MONTH, YEAR = ResetPeriod.DAY, ResetPeriod.MONTH, ResetPeriod.YEAR
MILLISECOND = timedelta(milliseconds=1)
ANCHOR_TIME = "T15:07:01.803Z"

# The 28th to the 31st of every month, in a leap year and in an ordinary one.
MONTH_END_ANCHORS = [
    datetime(year, month, day, 23, 59, 59, 999_000, tzinfo=UTC)
    for year in (2023, 2024)
    for month in range(1, 13)
    for day in range(28, days_in(year, month) + 1)
]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text)


def starts(anchor: str, unit: ResetPeriod, count: int) -> list[str]:
    """The dates on which the first `count` periods start, with the anchor's time of day checked and cut off."""
    found = [nth_period(utc(anchor + ANCHOR_TIME), unit, n).start for n in range(count)]
    assert all(start == utc(f"{start:%Y-%m-%d}" + ANCHOR_TIME) for start in found)
    return [f"{start:%Y-%m-%d}" for start in found]


@pytest.mark.parametrize(
    ("anchor", "unit", "expected"),
    [
        ("2023-01-31", MONTH, ["2023-01-31", "2023-02-28", "2023-03-31", "2023-04-30", "2023-05-31", "2023-06-30"]),
        ("2024-01-31", MONTH, ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31", "2024-06-30"]),
        ("2023-01-30", MONTH, ["2023-01-30", "2023-02-28", "2023-03-30", "2023-04-30", "2023-05-30", "2023-06-30"]),
        ("2024-01-30", MONTH, ["2024-01-30", "2024-02-29", "2024-03-30", "2024-04-30", "2024-05-30", "2024-06-30"]),
        ("2023-01-29", MONTH, ["2023-01-29", "2023-02-28", "2023-03-29", "2023-04-29", "2023-05-29", "2023-06-29"]),
        ("2023-03-31", MONTH, ["2023-03-31", "2023-04-30", "2023-05-31", "2023-06-30", "2023-07-31", "2023-08-31"]),
        ("2023-10-31", MONTH, ["2023-10-31", "2023-11-30", "2023-12-31", "2024-01-31", "2024-02-29", "2024-03-31"]),
        ("2024-02-29", MONTH, ["2024-02-29", "2024-03-29", "2024-04-29", "2024-05-29", "2024-06-29", "2024-07-29"]),
        ("2023-02-28", MONTH, ["2023-02-28", "2023-03-28", "2023-04-28", "2023-05-28", "2023-06-28", "2023-07-28"]),
        ("2024-02-29", YEAR, ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29", "2029-02-28"]),
        ("2096-02-29", YEAR, ["2096-02-29", "2097-02-28", "2098-02-28", "2099-02-28", "2100-02-28", "2101-02-28"]),
        ("2023-02-28", YEAR, ["2023-02-28", "2024-02-28", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-28"]),
        ("2023-12-31", YEAR, ["2023-12-31", "2024-12-31", "2025-12-31", "2026-12-31", "2027-12-31", "2028-12-31"]),
        ("2024-02-27", DAY, ["2024-02-27", "2024-02-28", "2024-02-29", "2024-03-01", "2024-03-02", "2024-03-03"]),
        ("2023-02-27", DAY, ["2023-02-27", "2023-02-28", "2023-03-01", "2023-03-02", "2023-03-03", "2023-03-04"]),
        ("2023-12-30", DAY, ["2023-12-30", "2023-12-31", "2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"]),
    ],
)
def test_periods_start_on_the_anchors_day_or_the_months_last(
    anchor: str, unit: ResetPeriod, expected: list[str]
) -> None:
    assert starts(anchor, unit, len(expected)) == expected


def test_the_documented_show_usage_example_holds_to_the_millisecond() -> None:
    """Source: Kana's query reference, showUsage: the current period and the one before it."""
    subscribed = utc("2022-07-10T15:07:01.803Z")
    now = utc("2022-08-20T09:00:00.000Z")

    current = period_at(subscribed, MONTH, now)
    past = list(past_periods(subscribed, MONTH, now))

    assert current == Period(utc("2022-08-10T15:07:01.803Z"), utc("2022-09-10T15:07:01.803Z"))
    assert past == [Period(utc("2022-07-10T15:07:01.803Z"), utc("2022-08-10T15:07:01.803Z"))]


def test_a_period_holds_its_start_and_not_its_end() -> None:
    period = nth_period(utc("2024-01-31T00:00:00.000Z"), MONTH, 0)

    assert period.end == utc("2024-02-29T00:00:00.000Z")
    assert period.start in period
    assert period.start - MILLISECOND not in period
    assert period.end - MILLISECOND in period
    assert period.end not in period


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2024-02-29T11:59:59.999Z", 0),
        ("2024-02-29T12:00:00.000Z", 1),
        ("2024-03-31T11:59:59.999Z", 1),
        ("2024-03-31T12:00:00.000Z", 2),
        ("2024-01-31T12:00:00.000Z", 0),
        ("2024-01-31T11:59:59.999Z", -1),
        ("2023-12-31T12:00:00.000Z", -1),
        ("2023-12-31T11:59:59.999Z", -2),
    ],
)
def test_a_moment_belongs_to_the_period_that_starts_on_it(moment: str, expected: int) -> None:
    assert index_at(utc("2024-01-31T12:00:00.000Z"), MONTH, utc(moment)) == expected


@pytest.mark.parametrize("unit", ResetPeriod)
def test_no_period_is_past_until_the_first_one_ends(unit: ResetPeriod) -> None:
    anchor = utc("2024-02-29T12:00:00.000Z")
    first_end = nth_period(anchor, unit, 0).end

    assert list(past_periods(anchor, unit, anchor - MILLISECOND)) == []
    assert list(past_periods(anchor, unit, anchor)) == []
    assert list(past_periods(anchor, unit, first_end - MILLISECOND)) == []
    assert list(past_periods(anchor, unit, first_end)) == [Period(anchor, first_end)]


@pytest.mark.parametrize("unit", [MONTH, YEAR])
def test_400_years_of_periods_agree_with_counting_for_every_day_at_a_months_end(unit: ResetPeriod) -> None:
    per_year = 12 if unit is MONTH else 1
    for anchor in MONTH_END_ANCHORS:
        counted = list(islice(boundaries(anchor, unit), 400 * per_year + 1))
        counted_back = list(islice(boundaries_back(anchor, unit), 400 * per_year + 1))

        assert [boundary(anchor, unit, n) for n in range(len(counted))] == counted
        assert [boundary(anchor, unit, -n) for n in range(len(counted_back))] == counted_back


@pytest.mark.parametrize("anchor", ["2023-12-31T23:59:59.999Z", "2024-02-29T00:00:00.000Z"])
def test_400_years_of_days_agree_with_counting(anchor: str) -> None:
    counted = list(islice(boundaries(utc(anchor), DAY), 146_097 + 1))  # the days of 400 years

    assert [boundary(utc(anchor), DAY, n) for n in range(len(counted))] == counted
    assert counted[-1] == utc(anchor).replace(year=utc(anchor).year + 400)


@pytest.mark.parametrize("unit", [MONTH, YEAR])
def test_every_boundary_of_400_years_belongs_to_the_period_it_starts(unit: ResetPeriod) -> None:
    for anchor in MONTH_END_ANCHORS[::5]:
        for n, start in enumerate(islice(boundaries(anchor, unit), 400 * (12 if unit is MONTH else 1))):
            assert index_at(anchor, unit, start) == n
            assert index_at(anchor, unit, start - MILLISECOND) == n - 1


# Walking over 400 years of days takes a tenth of a second, so here days reach less far; the table above has them all.
REACH_IN_UNITS = {DAY: 10_000, MONTH: 4_800, YEAR: 400}
LONGEST_IN_DAYS = {DAY: 1, MONTH: 31, YEAR: 366}
SHORTEST_IN_DAYS = {DAY: 1, MONTH: 28, YEAR: 365}
every_unit = pytest.mark.parametrize("unit", ResetPeriod)


@st.composite
def anchors(draw: st.DrawFn) -> datetime:
    """Any millisecond of 110 years; months' ends, leap days and 2100, which has none, more often than by chance."""
    year = draw(st.integers(1995, 2105) | st.sampled_from([1996, 2000, 2024, 2096, 2100, 2104]))
    month = draw(st.integers(1, 12) | st.just(2))
    day = min(draw(st.integers(1, 31) | st.integers(28, 31)), days_in(year, month))
    return datetime(year, month, day, tzinfo=UTC) + timedelta(milliseconds=draw(st.integers(0, 86_399_999)))


def moments_around(anchor: datetime, unit: ResetPeriod) -> st.SearchStrategy[datetime]:
    """Moments up to 400 years before or after the anchor: anywhere, and within a millisecond of a boundary."""
    reach = REACH_IN_UNITS[unit]
    reach_milliseconds = timedelta(days=reach * SHORTEST_IN_DAYS[unit]) // MILLISECOND
    anywhere = st.integers(-reach_milliseconds, reach_milliseconds).map(lambda passed: anchor + passed * MILLISECOND)
    on_boundaries = st.integers(-reach, reach).map(lambda n: counted_boundary(anchor, unit, n))
    near_boundaries = st.builds(
        lambda start, off: start + off * MILLISECOND, on_boundaries, st.sampled_from([-1, 0, 1])
    )
    return anywhere | near_boundaries


def counted_boundary(anchor: datetime, unit: ResetPeriod, n: int) -> datetime:
    steps = boundaries(anchor, unit) if n >= 0 else boundaries_back(anchor, unit)
    return next(islice(steps, abs(n), None))


@every_unit
@given(data=st.data())
def test_the_period_of_any_moment_is_the_one_found_by_counting(unit: ResetPeriod, data: st.DataObject) -> None:
    anchor = data.draw(anchors(), label="anchor")
    moment = data.draw(moments_around(anchor, unit), label="moment")

    n, start, end = find(anchor, unit, moment)

    assert index_at(anchor, unit, moment) == n
    assert period_at(anchor, unit, moment) == nth_period(anchor, unit, n) == Period(start, end)
    assert moment in Period(start, end)


@every_unit
@given(data=st.data())
def test_periods_meet_without_gap_or_overlap(unit: ResetPeriod, data: st.DataObject) -> None:
    anchor = data.draw(anchors(), label="anchor")
    n = data.draw(st.integers(-REACH_IN_UNITS[unit], REACH_IN_UNITS[unit]), label="n")

    before, period, after = (nth_period(anchor, unit, n + off) for off in (-1, 0, 1))

    assert before.end == period.start
    assert period.end == after.start
    assert period_at(anchor, unit, period.start - MILLISECOND) == before
    assert period_at(anchor, unit, period.start) == period
    assert period_at(anchor, unit, period.end - MILLISECOND) == period
    assert period_at(anchor, unit, period.end) == after
    assert timedelta(SHORTEST_IN_DAYS[unit]) <= period.end - period.start <= timedelta(LONGEST_IN_DAYS[unit])


@every_unit
@given(data=st.data())
def test_past_periods_are_those_counted_up_to_now_newest_first(unit: ResetPeriod, data: st.DataObject) -> None:
    anchor = data.draw(anchors(), label="anchor")
    moment = data.draw(moments_around(anchor, unit), label="moment")

    past = list(past_periods(anchor, unit, moment))

    passed = list(takewhile(lambda start: start <= moment, boundaries(anchor, unit)))
    assert past == [Period(start, end) for start, end in pairwise(passed)][::-1]
    assert all(period.end <= moment for period in past)
