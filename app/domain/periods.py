"""Reset periods: half-open UTC intervals, counted from the day a subscription began.

Period n is [anchor + n × unit, anchor + (n + 1) × unit). Both ends are always computed from the *original* anchor, with the
day clamped to the month's last one, so the day never drifts: 31 Jan gives 28 or 29 Feb, then 31 Mar.

Anchors and moments are UTC: their calendar fields are read, so an aware time in another zone would be counted by that zone's
calendar.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

_DAY = timedelta(days=1)
_MONTHS_PER_YEAR = 12
_DAYS_OF_EVERY_MONTH = 28


class ResetPeriod(StrEnum):
    DAY = "DAY"
    MONTH = "MONTH"
    YEAR = "YEAR"


@dataclass(frozen=True, slots=True)
class Period:
    """Half-open: `start` belongs to it, `end` is the start of the next one."""

    start: datetime
    end: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


def boundary(anchor: datetime, unit: ResetPeriod, n: int) -> datetime:
    """`anchor + n × unit`, the start of period n; n may be negative."""
    if unit is ResetPeriod.DAY:
        return anchor + n * _DAY
    months = n * (_MONTHS_PER_YEAR if unit is ResetPeriod.YEAR else 1)
    years_on, month_index = divmod(anchor.month - 1 + months, _MONTHS_PER_YEAR)
    year, month = anchor.year + years_on, month_index + 1
    if anchor.day <= _DAYS_OF_EVERY_MONTH:
        return anchor.replace(year=year, month=month)
    return anchor.replace(year=year, month=month, day=min(anchor.day, monthrange(year, month)[1]))


def index_at(anchor: datetime, unit: ResetPeriod, moment: datetime) -> int:
    """The n whose period holds `moment`; negative before the anchor."""
    if unit is ResetPeriod.DAY:
        return (moment - anchor) // _DAY
    years = moment.year - anchor.year
    guess = years if unit is ResetPeriod.YEAR else years * _MONTHS_PER_YEAR + moment.month - anchor.month
    # The guess's boundary falls into the moment's own year or month, hence at most one period too late.
    return guess if boundary(anchor, unit, guess) <= moment else guess - 1


def nth_period(anchor: datetime, unit: ResetPeriod, n: int) -> Period:
    """Period n, counted from the anchor's own, which is period 0."""
    return Period(boundary(anchor, unit, n), boundary(anchor, unit, n + 1))


def period_at(anchor: datetime, unit: ResetPeriod, moment: datetime) -> Period:
    """The period that holds `moment`."""
    return nth_period(anchor, unit, index_at(anchor, unit, moment))


def past_periods(anchor: datetime, unit: ResetPeriod, moment: datetime) -> Iterator[Period]:
    """The periods that ended by `moment`, newest first, back to the one that began at the anchor."""
    for n in range(index_at(anchor, unit, moment) - 1, -1, -1):
        yield nth_period(anchor, unit, n)
