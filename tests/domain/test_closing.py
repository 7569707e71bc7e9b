"""Which periods have ended, who gave them, and where the counter belongs: by table, and against a naive walk."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.closing import Tenure, decider_at, giver_of, walk
from app.domain.entitlements import Candidate
from app.domain.periods import Period, ResetPeriod

DAY, MONTH, YEAR = ResetPeriod.DAY, ResetPeriod.MONTH, ResetPeriod.YEAR
PLENTY = 1_000


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def period(start: str, end: str) -> Period:
    return Period(utc(start), utc(end))


def tenure(
    since: str, until: str | None = None, *, per: ResetPeriod = MONTH, limit: int | None = 10, id_: int = 1
) -> Tenure:
    """A subscription that began at `since` and gives the feature by the same terms until `until`."""
    return Tenure(Candidate(id_, "pro", utc(since), limit, per, False), utc(since), utc(until) if until else None)


def days(periods: list[Period]) -> list[str]:
    return [f"{one.start:%m-%d}/{one.end:%m-%d}" for one in periods]


@pytest.mark.parametrize(
    ("since", "per", "first", "now", "ended", "following"),
    [
        # One period has ended, to the millisecond.
        ("2026-01-31", MONTH, ("2026-01-31", "2026-02-28"), "2026-02-28", ["01-31/02-28"], "02-28/03-31"),
        # Several were missed; the day comes back after February.
        (
            "2026-01-31",
            MONTH,
            ("2026-01-31", "2026-02-28"),
            "2026-05-01",
            ["01-31/02-28", "02-28/03-31", "03-31/04-30"],
            "04-30/05-31",
        ),
        ("2024-02-29", YEAR, ("2024-02-29", "2025-02-28"), "2026-03-01", ["02-29/02-28", "02-28/02-28"], "02-28/02-28"),
        ("2026-02-27", DAY, ("2026-02-27", "2026-02-28"), "2026-03-01", ["02-27/02-28", "02-28/03-01"], "03-01/03-02"),
    ],
)
def test_the_walk_goes_from_period_to_period_up_to_the_present(
    since: str, per: ResetPeriod, first: tuple[str, str], now: str, ended: list[str], following: str
) -> None:
    walked = walk(period(*first), [tenure(since, per=per)], utc(now), PLENTY)
    assert days(list(walked.ended)) == ended
    assert walked.following is not None
    assert days([walked.following]) == [following]


def test_when_the_subscription_is_over_nothing_follows() -> None:
    walked = walk(period("2026-01-01", "2026-02-01"), [tenure("2026-01-01", "2026-01-20")], utc("2026-06-01"), PLENTY)
    assert (days(list(walked.ended)), walked.following) == (["01-01/02-01"], None)


def test_a_gap_ends_the_walk_for_the_feature_begins_anew_with_its_next_use() -> None:
    both = [tenure("2026-01-01", "2026-02-10"), tenure("2026-04-05", id_=2)]
    walked = walk(period("2026-01-01", "2026-02-01"), both, utc("2026-05-20"), PLENTY)
    assert (days(list(walked.ended)), walked.following) == (["01-01/02-01", "02-01/03-01"], None)


def test_what_fills_the_gap_at_the_period_s_end_goes_on() -> None:
    both = [tenure("2026-01-01", "2026-02-10"), tenure("2026-02-20", id_=2)]
    walked = walk(period("2026-01-01", "2026-02-01"), both, utc("2026-04-25"), PLENTY)
    assert days(list(walked.ended)) == ["01-01/02-01", "02-01/03-01", "02-20/03-20", "03-20/04-20"]
    assert walked.following == period("2026-04-20", "2026-05-20")


def test_a_subscription_that_begins_later_than_now_is_not_looked_at() -> None:
    both = [tenure("2026-01-01", "2026-02-01"), tenure("2026-04-05", id_=2)]
    walked = walk(period("2026-01-01", "2026-02-01"), both, utc("2026-03-01"), PLENTY)
    assert walked.following is None


def test_a_long_walk_is_cut_and_goes_on_where_it_was_cut() -> None:
    of_days = [tenure("2026-01-01", per=DAY)]
    first = walk(period("2026-01-01", "2026-01-02"), of_days, utc("2026-01-11"), 4)
    assert days(list(first.ended)) == ["01-01/01-02", "01-02/01-03", "01-03/01-04", "01-04/01-05"]
    assert first.following == period("2026-01-05", "2026-01-06")
    rest = walk(first.following, of_days, utc("2026-01-11"), PLENTY)
    assert (len(rest.ended), rest.following) == (6, period("2026-01-11", "2026-01-12"))


def test_a_period_was_given_by_the_one_whose_period_it_is() -> None:
    small, large = tenure("2026-01-01", limit=5), tenure("2026-01-15", limit=50, id_=2)
    assert giver_of(period("2026-01-01", "2026-02-01"), [small, large]) == small.candidate
    assert giver_of(period("2026-01-15", "2026-02-15"), [small, large]) == large.candidate
    assert giver_of(period("2026-01-02", "2026-02-02"), [small, large]) is None


def test_of_two_givers_who_lasted_longer_and_then_who_decides() -> None:
    cancelled = tenure("2026-01-01", "2026-01-20", limit=None)
    small, large = tenure("2026-01-01", limit=5, id_=2), tenure("2026-01-01", limit=50, id_=3)
    assert giver_of(period("2026-01-01", "2026-02-01"), [cancelled, small]) == small.candidate
    assert giver_of(period("2026-01-01", "2026-02-01"), [cancelled, small, large]) == large.candidate
    # Both last to the end: that one goes on afterwards says nothing.
    until_the_end = tenure("2026-01-01", "2026-02-01", limit=500, id_=4)
    assert giver_of(period("2026-01-01", "2026-02-01"), [large, until_the_end]) == until_the_end.candidate


def test_the_terms_at_the_end_count_when_a_package_was_changed_within_the_period() -> None:
    anchor = utc("2026-01-01")
    before = Tenure(Candidate(1, "small", anchor, 5, MONTH, False), anchor, utc("2026-01-20"))
    after = Tenure(Candidate(1, "large", anchor, 50, MONTH, False), utc("2026-01-20"), None)
    assert giver_of(period("2026-01-01", "2026-02-01"), [before, after]) == after.candidate


moments = st.integers(0, 500).map(lambda day: utc("2026-01-01") + timedelta(days=day))


@st.composite
def tenures(draw: st.DrawFn) -> list[Tenure]:
    made = []
    for id_ in range(draw(st.integers(1, 4))):
        since = draw(moments)
        until = since + timedelta(days=draw(st.integers(1, 200))) if draw(st.booleans()) else None
        unit, limit = draw(st.sampled_from(ResetPeriod)), draw(st.none() | st.integers(0, 3))
        made.append(Tenure(Candidate(id_, "p", since, limit, unit, draw(st.booleans())), since, until))
    return made


@given(tenures(), moments)
def test_the_walk_agrees_with_a_naive_one(found: list[Tenure], now: datetime) -> None:
    began = min(one.since for one in found)
    decider = decider_at(began, found)
    assert decider is not None
    first = decider.period_at(began)
    if first.end > now:
        return

    expected, following = [first], None
    while decider := decider_at(expected[-1].end, found):
        # The naive way to the period that holds the moment: from the anchor on, one by one.
        moment = expected[-1].end
        following = next(one for one in _periods_of(decider) if moment in one)
        if following.end > now:
            break
        expected.append(following)
        following = None

    walked = walk(first, found, now, PLENTY)
    assert list(walked.ended) == expected
    assert walked.following == following


def _periods_of(candidate: Candidate) -> Iterator[Period]:
    one = candidate.period_at(candidate.anchor)
    while True:
        yield one
        one = candidate.period_at(one.end)
