"""Usage over time: hours, days and months of UTC, as points of a plot."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice

from app.domain.periods import Period, ResetPeriod, boundary
from app.errors import InvalidInputError

POINTS_MAX = 1_000


class SeriesInterval(StrEnum):
    """These are the calendar's, in UTC; they have nothing to do with reset periods. `date_trunc` in SQL knows the same words."""

    HOUR = "HOUR"
    DAY = "DAY"
    MONTH = "MONTH"


def bucket_start(interval: SeriesInterval, moment: datetime) -> datetime:
    """The start of the hour, day or month that holds `moment`, which is UTC."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    if interval is SeriesInterval.HOUR:
        return hour
    day = hour.replace(hour=0)
    return day if interval is SeriesInterval.DAY else day.replace(day=1)


def buckets(interval: SeriesInterval, start: datetime, end: datetime) -> Iterator[Period]:
    """The buckets of the half-open range [start, end), in order; the first and the last are cut at the range."""
    bucket = start
    while bucket < end:
        following = _following(interval, bucket, end)
        yield Period(bucket, following)
        bucket = following


def check_series(interval: SeriesInterval, start: datetime, end: datetime) -> None:
    """Raises InvalidInputError unless the range [start, end) has 1 to 1,000 buckets; it names `to`."""
    if end <= start:
        raise InvalidInputError("to", "must be after from")
    if next(islice(buckets(interval, start, end), POINTS_MAX, None), None) is not None:
        raise InvalidInputError(
            "to",
            f"makes more than {POINTS_MAX} points of one {interval} each: ask for a shorter range or a longer interval",
        )


def _following(interval: SeriesInterval, moment: datetime, end: datetime) -> datetime:
    """The start of the next bucket, or the end of the range if that comes before."""
    bucket = bucket_start(interval, moment)
    try:
        return min(_one_later(interval, bucket), end)
    except (OverflowError, ValueError):
        return end  # nothing follows the last bucket of the year 9999


def _one_later(interval: SeriesInterval, bucket: datetime) -> datetime:
    if interval is SeriesInterval.HOUR:
        return bucket + timedelta(hours=1)
    return boundary(bucket, ResetPeriod(interval), 1)
