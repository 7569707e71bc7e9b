"""Usage and access: the two questions of every request. May this user do this? Then count it."""

from typing import Final

from app.contract.shapes import Command, Moment, Timestamp, View, in_utc
from app.domain.metering import RecordUsageAction
from app.domain.values import INT32_MAX, KEY_MAX_CHARACTERS, check_id, check_range, check_text
from app.errors import InvalidInputError

BATCH_MAX: Final = 1_000


class RecordUsage(Command):
    """ADD (a negative delta takes back) or SET the period's total. A repeated idempotency key counts once.

    It counts in the period that holds `timestamp`, which is now if absent.
    """

    user_id: str
    feature_id: str
    delta: int = 1
    action: RecordUsageAction = RecordUsageAction.ADD
    idempotency_key: str | None = None
    timestamp: Moment | None = None

    def __post_init__(self) -> None:
        check_id("userId", self.user_id)
        check_id("featureId", self.feature_id)
        if self.timestamp is not None:
            self.timestamp = in_utc("timestamp", self.timestamp)
        if self.action is RecordUsageAction.SET:
            check_range("delta", self.delta, at_least=0)
        elif self.delta == 0:
            raise InvalidInputError("delta", "must not be 0: adding nothing is most likely a mistake")
        else:
            check_range("delta", self.delta, at_least=-INT32_MAX)
        if self.idempotency_key is not None:
            check_text("idempotencyKey", self.idempotency_key, at_least=1, at_most=KEY_MAX_CHARACTERS)


class RecordUsages(Command):
    """Up to 1,000 events in one transaction, decided in this order. `all_or_nothing`: none is recorded unless all are."""

    events: list[RecordUsage]
    all_or_nothing: bool = False

    def __post_init__(self) -> None:
        if not self.events:
            raise InvalidInputError("events", "must hold at least one event")
        if len(self.events) > BATCH_MAX:
            raise InvalidInputError("events", f"must hold at most {BATCH_MAX} events, holds {len(self.events)}")


class CheckAccess(Command):
    """May the user use `delta` more of the feature now?"""

    user_id: str
    feature_id: str
    delta: int = 1

    def __post_init__(self) -> None:
        check_id("userId", self.user_id)
        check_id("featureId", self.feature_id)
        check_range("delta", self.delta, at_least=1)


class Consumption(View):
    """`used` of `budget` in the period; `budget` null is unlimited. `reserved` is held by open reservations on top of it."""

    used: int
    budget: int | None
    overage_enabled: bool
    reserved: int


class RecordedUsage(View):
    """Whether the usage was counted, and if not, why; the consumption after it. `duplicate`: the first answer again."""

    recorded: bool
    reason: str | None
    event_id: str
    duplicate: bool
    consumption: Consumption | None


class UsageError(View):
    """What is wrong with one event of a batch: the same words as if it had come alone."""

    code: str
    name: str
    message: str
    field: str | None


class UsageResult(View):
    """What became of one event of a batch. With an `error` nothing was decided, and there is no event."""

    recorded: bool
    reason: str | None
    event_id: str | None
    duplicate: bool
    consumption: Consumption | None
    error: UsageError | None


class RecordedUsages(View):
    """One result for each event, in order. `recorded`: all of them were. `first_refused` is the place of the first that was not
    for a reason of its own, counted from 0.
    """

    recorded: bool
    first_refused: int | None
    results: list[UsageResult]


class Entitlement(View):
    """What a user may do with a feature now, and by which package. Period and consumption are CONSUMABLE's alone."""

    access: bool
    reason: str
    consumption: Consumption | None
    package_id: str | None
    period_start: Timestamp | None
    period_end: Timestamp | None


class ConsumptionInPeriod(View):
    """Half-open: `period_end` is the start of the next period."""

    period_start: Timestamp
    period_end: Timestamp
    consumption: Consumption


class ShowUsage(View):
    """The current period, if a subscription gives one, and those before it, newest first."""

    current: ConsumptionInPeriod | None
    past: list[ConsumptionInPeriod]
