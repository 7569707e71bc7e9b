"""Billing dates: as with our own periods, each is counted from the anchor, with the day clamped to the month's last."""

from datetime import UTC, datetime

from app.domain.periods import ResetPeriod, boundary
from app.gateways.stripe_double.state import Json

_UNITS = {
    "day": (ResetPeriod.DAY, 1),
    "week": (ResetPeriod.DAY, 7),
    "month": (ResetPeriod.MONTH, 1),
    "year": (ResetPeriod.YEAR, 1),
}


def next_date(anchor: int, recurring: Json, after: int) -> int:
    """The first billing date behind `after` of a price that is billed by the interval and count of `recurring`."""
    unit, size = _UNITS[recurring["interval"]]
    start, step, n = datetime.fromtimestamp(anchor, UTC), size * recurring["interval_count"], 0
    while (date := int(boundary(start, unit, n * step).timestamp())) <= after:
        n += 1
    return date
