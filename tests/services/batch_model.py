"""Keys and batches, told naively: a batch is its calls one after the other, and what should not have been is undone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.domain.metering import RecordUsageAction
from tests.services.metering_model import Customer, Event, MistakeError

AHEAD_MAX = timedelta(minutes=5)


@dataclass(frozen=True)
class Asked:
    """One call: `customer` None and `feature_is_known` false are ids that nobody has."""

    customer: Customer | None
    action: RecordUsageAction
    delta: int
    feature_is_known: bool = True
    timestamp: datetime | None = None
    key: str | None = None


@dataclass
class Result:
    """What became of one call: an event (perhaps an earlier one), a mistake, or, in a batch with a mistake, only a reason."""

    event: Event | None = None
    is_duplicate: bool = False
    mistake: str | None = None
    reason: str | None = None

    @property
    def recorded(self) -> bool:
        return self.event is not None and self.event.recorded


@dataclass
class Desk:
    """Takes calls of all customers, and remembers their keys."""

    first_by_key: dict[str, tuple[Asked, Event]] = field(default_factory=dict)

    def record(self, asked: Asked, now: datetime, *, over_limit_too: bool = False) -> tuple[Event, bool]:
        """The event and whether it was there before."""
        if asked.customer is None:
            raise MistakeError("UserNotFoundError")
        if not asked.feature_is_known:
            raise MistakeError("FeatureNotFoundError")
        if asked.timestamp is not None and asked.timestamp > now + AHEAD_MAX:
            raise MistakeError("InvalidInputError")
        if asked.key in self.first_by_key:
            return self._repeated(asked), True
        at = asked.timestamp or now
        event = asked.customer.record(now, at, asked.action, asked.delta, over_limit_too=over_limit_too)
        self._remember(asked, event)
        return event, False

    def record_all(self, batch: Sequence[Asked], now: datetime) -> tuple[list[Result], int | None]:
        """What became of each, and which was the first that was refused for a reason of its own."""
        results = []
        for asked in batch:
            try:
                event, is_duplicate = self.record(asked, now)
                results.append(Result(event, is_duplicate))
            except MistakeError as mistake:
                results.append(Result(mistake=mistake.name))
        return results, first_refused(results)

    def record_all_or_nothing(self, batch: Sequence[Asked], now: datetime) -> tuple[list[Result], int | None]:
        customers = {id(asked.customer): asked.customer for asked in batch if asked.customer is not None}.values()
        events_before = {id(customer): len(customer.events) for customer in customers}
        keys_before = dict(self.first_by_key)
        results, culprit = self.record_all(batch, now)
        if culprit is None:
            return results, None

        for customer in customers:
            del customer.events[events_before[id(customer)] :]
        self.first_by_key = keys_before
        because = f"Not recorded: event {culprit} of this all-or-nothing batch was not (counted from 0)."
        old = {id(event) for _, event in keys_before.values()}
        if any(result.mistake for result in results):
            return [_undecided(result, because, old) for result in results], culprit
        for asked, result in zip(batch, results, strict=True):
            if result.event is not None and not result.is_duplicate:
                self._refuse(asked, result.event, because, now)
        return results, culprit

    def _refuse(self, asked: Asked, event: Event, because: str, now: datetime) -> None:
        """Keep an event that was undone as a refusal, with how things stand without any of them."""
        assert asked.customer is not None
        event.reason, event.applied, event.amount = event.reason or because, 0, 0
        standing = asked.customer.standing(event.at, now)
        event.told = standing[2] if standing else None
        asked.customer.events.append(event)
        self._remember(asked, event)

    def _repeated(self, asked: Asked) -> Event:
        assert asked.key is not None
        first, event = self.first_by_key[asked.key]
        same = (first.customer, first.action, first.delta) == (asked.customer, asked.action, asked.delta)
        if not same or event.at != (asked.timestamp or event.arrived):
            raise MistakeError("IdempotencyConflictError")
        return event

    def _remember(self, asked: Asked, event: Event) -> None:
        if asked.key is not None:
            self.first_by_key[asked.key] = (asked, event)


def first_refused(results: Sequence[Result]) -> int | None:
    """The first that was not recorded for a reason of its own; if there is none such, the first that was not recorded."""
    refused = [n for n, result in enumerate(results) if not result.recorded]
    own = [n for n in refused if not _waits_for_another(results[n])]
    return next(iter(own or refused), None)


def _waits_for_another(result: Result) -> bool:
    reason = result.event.reason if result.event is not None else result.reason
    return reason is not None and reason.startswith("Not recorded: event ")


def _undecided(result: Result, because: str, old: set[int]) -> Result:
    """Nothing is kept of a batch with a mistake: its events have no answers but those that they had before."""
    if result.mistake is not None or (result.event is not None and id(result.event) in old):
        return result
    assert result.event is not None
    return Result(reason=result.event.reason or because)
