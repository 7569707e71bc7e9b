"""A calendar that counts one unit at a time. Slow, and sharing nothing with `app.domain.periods` or Python's own calendar.

The rule of the Gregorian calendar and the lengths of the months are written out here, dates are plain numbers, and a period is
found by walking to it from the anchor. What makes the naive form right is that each step keeps the day the anchor had.
"""

from collections.abc import Iterator
from datetime import datetime

from app.domain.periods import ResetPeriod

_LENGTHS = {1: 31, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}


def is_leap(year: int) -> bool:
    if year % 400 == 0:
        return True
    if year % 100 == 0:
        return False
    return year % 4 == 0


def days_in(year: int, month: int) -> int:
    if month == 2:
        return 29 if is_leap(year) else 28
    return _LENGTHS[month]


def boundaries(anchor: datetime, unit: ResetPeriod) -> Iterator[datetime]:
    """The anchor, then every later start of a period, one unit after the other."""
    year, month, day = anchor.year, anchor.month, anchor.day
    while True:
        yield _on_or_before(anchor, year, month, day)
        if unit is ResetPeriod.YEAR:
            year += 1
        elif unit is ResetPeriod.MONTH:
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        elif day < days_in(year, month):
            day += 1
        else:
            year, month, day = (year + 1, 1, 1) if month == 12 else (year, month + 1, 1)


def boundaries_back(anchor: datetime, unit: ResetPeriod) -> Iterator[datetime]:
    """The anchor, then every earlier start of a period, one unit before the other."""
    year, month, day = anchor.year, anchor.month, anchor.day
    while True:
        yield _on_or_before(anchor, year, month, day)
        if unit is ResetPeriod.YEAR:
            year -= 1
        elif unit is ResetPeriod.MONTH:
            year, month = (year - 1, 12) if month == 1 else (year, month - 1)
        elif day > 1:
            day -= 1
        else:
            year, month = (year - 1, 12) if month == 1 else (year, month - 1)
            day = days_in(year, month)


def find(anchor: datetime, unit: ResetPeriod, moment: datetime) -> tuple[int, datetime, datetime]:
    """Number, start and end of the period that holds `moment`, by walking from the anchor."""
    n = 0
    if moment >= anchor:
        steps = boundaries(anchor, unit)
        start, end = next(steps), next(steps)
        while end <= moment:
            start, end, n = end, next(steps), n + 1
        return n, start, end
    steps = boundaries_back(anchor, unit)
    end, start, n = next(steps), next(steps), -1
    while start > moment:
        end, start, n = start, next(steps), n - 1
    return n, start, end


def _on_or_before(anchor: datetime, year: int, month: int, day: int) -> datetime:
    while day > days_in(year, month):
        day -= 1
    return datetime(
        year, month, day, anchor.hour, anchor.minute, anchor.second, anchor.microsecond, tzinfo=anchor.tzinfo
    )
