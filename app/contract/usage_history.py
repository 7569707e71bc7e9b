"""The ledger of usage, as it can be read: event by event, and summed up over time."""

import msgspec

from app.contract.shapes import Command, Moment, Timestamp, View, in_utc
from app.contract.usage import Consumption
from app.domain.metering import RecordUsageAction
from app.domain.usage_history import SeriesInterval, check_series
from app.domain.values import check_id


class ReadUsageSeries(Command):
    """What was used in each UTC hour, day or month of the half-open range [start, end): `from` and `to` outside."""

    user_id: str
    feature_id: str
    start: Moment = msgspec.field(name="from")
    end: Moment = msgspec.field(name="to")
    interval: SeriesInterval

    def __post_init__(self) -> None:
        check_id("userId", self.user_id)
        check_id("featureId", self.feature_id)
        self.start, self.end = in_utc("from", self.start), in_utc("to", self.end)
        check_series(self.interval, self.start, self.end)


class UsageEvent(View):
    """One entry of the ledger. It counts at `timestamp` and was told to us at `recorded_at`."""

    id: str
    user_id: str
    feature_id: str
    timestamp: Timestamp
    recorded_at: Timestamp
    action: RecordUsageAction
    delta: int
    applied: int
    recorded: bool
    reason: str | None
    period_start: Timestamp | None
    period_end: Timestamp | None
    consumption: Consumption | None
    idempotency_key: str | None
    reverts_id: str | None
    reverted_by_id: str | None
    reservation_id: str | None


class UsagePoint(View):
    """What recorded events changed in [start, end), net; below zero where more was taken back than used."""

    start: Timestamp
    end: Timestamp
    used: int


class UsageSeries(View):
    """In order and without gaps: together the points are the range that was asked for."""

    interval: SeriesInterval
    points: list[UsagePoint]
