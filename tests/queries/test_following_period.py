"""Where SQL computes periods it computes what `domain.periods` does."""

from datetime import UTC, datetime, timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlmodel import Session

from app.db import engine
from app.domain.periods import Period, ResetPeriod, nth_period
from app.queries import arrays
from app.queries.plain_resets import FOLLOWING_END

Case = tuple[datetime, ResetPeriod, Period]

_ROWS = """unnest(%s::timestamptz[], %s::text[], %s::timestamptz[], %s::timestamptz[])
  WITH ORDINALITY AS rows(anchor, unit, period_start, period_end, n_th)"""
_ASK = f"SELECT following_end FROM ({FOLLOWING_END.format(rows=_ROWS)}) AS asked ORDER BY n_th"  # noqa: S608 — our own words

anchors = st.integers(0, 103 * 366 * 86_400_000).map(
    lambda milliseconds: datetime(1999, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
)
month_ends = st.builds(
    lambda year, month, day: datetime(year, month, 1, 23, 59, 59, 999_000, tzinfo=UTC) + timedelta(days=day),
    st.integers(2023, 2028),
    st.integers(1, 12),
    st.integers(26, 30),
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Mostly periods of the anchor's own; now and then another one's."""
    anchor, unit = draw(anchors | month_ends), draw(st.sampled_from(ResetPeriod))
    n = draw(st.integers(0, 400 if unit is ResetPeriod.DAY else 40))
    period = nth_period(anchor, unit, n)
    if draw(st.integers(0, 4)) == 0:
        period = nth_period(draw(anchors | month_ends), draw(st.sampled_from(ResetPeriod)), n)
    return anchor, unit, period


def by_rule(case: Case) -> datetime | None:
    """The end of the period after it, if the anchor has such a period at all."""
    anchor, unit, period = case
    longest_unit_days = {ResetPeriod.DAY: 1, ResetPeriod.MONTH: 28, ResetPeriod.YEAR: 365}[unit]
    n_at_most = (period.start - anchor).days // longest_unit_days + 1
    n_at_least = 0 if unit is not ResetPeriod.DAY else n_at_most - 1
    for n in range(max(n_at_least, 0), n_at_most + 1):
        if nth_period(anchor, unit, n) == period:
            return nth_period(anchor, unit, n + 1).end
    return None


def in_sql(found: list[Case]) -> list[datetime | None]:
    parameters = (
        arrays.moments(anchor for anchor, _, _ in found),
        arrays.texts(unit for _, unit, _ in found),
        arrays.moments(period.start for *_, period in found),
        arrays.moments(period.end for *_, period in found),
    )
    with Session(engine()) as session:
        return list(session.connection().exec_driver_sql(_ASK, parameters).scalars())


@settings(deadline=None, max_examples=150)
@given(found=st.lists(cases(), min_size=1, max_size=40))
@example(
    found=[
        (anchor, unit, nth_period(anchor, unit, n))
        for anchor in (
            datetime(2024, 1, 31, tzinfo=UTC),
            datetime(2024, 2, 29, 12, tzinfo=UTC),
            datetime(2023, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
            datetime(2000, 2, 29, tzinfo=UTC),
            datetime(2096, 2, 29, tzinfo=UTC),
        )
        for unit in ResetPeriod
        for n in range(26)
    ]
)
def test_the_following_period_ends_where_the_rule_says(product: str, found: list[Case]) -> None:
    # Before the anchor SQL may find a period too; nobody's counter stands there.
    asked = [case for case in found if case[2].start >= case[0]]
    assert in_sql(asked) == [by_rule(case) for case in asked]
