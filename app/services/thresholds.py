"""Telling endpoints that a total has passed a threshold, or that nothing is left of a limit: each once in its period."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlmodel import Session

from app import clock
from app.contract.webhook_events import UsageLimitReached, UsageThreshold
from app.domain.metering import LIMIT_WOULD_BE_EXCEEDED
from app.domain.thresholds import WHOLE, passed, uses_up
from app.domain.webhooks import WebhookEventType
from app.queries.ledger import Entry
from app.queries.outbox import Announcement
from app.queries.standings import Pair, names_of_pairs
from app.services import outbox
from app.services.consumption_views import as_int


class _Metered(Protocol):
    """What is known of a counter."""

    thresholds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Passing:
    """`percent` of the limit, or (None) all that there was of a hard one."""

    entry: Entry
    percent: int | None

    @property
    def type(self) -> WebhookEventType:
        return WebhookEventType.USAGE_LIMIT_REACHED if self.percent is None else WebhookEventType.USAGE_THRESHOLD

    def once_key(self, start: datetime) -> str:
        """Messages of one statement are written, and so told, in the order of these: percents first, and as they rise."""
        what = "reached" if self.percent is None else f"percent:{self.percent:04}"
        return f"usage:{self.entry.user_key}:{self.entry.feature_key}:{clock.to_wire(start)}:{what}"


def announce_passings(session: Session, entries: Sequence[Entry], meters: Mapping[Pair, _Metered]) -> None:
    """Announce what these entries have passed, if there is anything. Holds are not looked at: only what is recorded is used.

    No statement when nothing was passed, one when nobody wants to know of it.
    """
    passings = list(_passings(entries, meters))
    if not passings:
        return
    wanted = outbox.wanted(session, ((passing.entry.tenant_id, passing.type) for passing in passings))
    told = [passing for passing in passings if (passing.entry.tenant_id, passing.type) in wanted]
    if told:
        names = names_of_pairs(session, {passing.entry.pair for passing in told})
        outbox.announce(session, [_announcement(passing, *names[passing.entry.pair]) for passing in told])


def _passings(entries: Sequence[Entry], meters: Mapping[Pair, _Metered]) -> Iterator[_Passing]:
    lowest = min([meter.thresholds[0] for meter in meters.values() if meter.thresholds], default=WHOLE)
    lowest = min(lowest, WHOLE)
    for entry in entries:
        limit, after = entry.budget, entry.used_after
        # On every request's path: for most entries these comparisons are all.
        if limit is None or after is None or (entry.recorded and after * WHOLE < limit * lowest):
            continue
        if not entry.recorded:
            if entry.reason == LIMIT_WOULD_BE_EXCEEDED:
                yield _Passing(entry, None)
            continue
        before = after - entry.applied
        for percent in passed(before, after, limit, meters[entry.pair].thresholds):
            yield _Passing(entry, percent)
        if uses_up(before, after, limit) and not entry.overage_enabled:
            yield _Passing(entry, None)


def _announcement(passing: _Passing, user_id: str, feature_id: str) -> Announcement:
    entry, period = passing.entry, passing.entry.period
    if period is None or entry.budget is None or entry.used_after is None:
        raise ValueError("only what counts against a limit passes something")
    told: dict[str, Any] = {
        "user_id": user_id,
        "feature_id": feature_id,
        "used": as_int(entry.used_after),
        "limit": entry.budget,
        "period_start": clock.to_wire(period.start),
        "period_end": clock.to_wire(period.end),
    }
    data = UsageLimitReached(**told) if passing.percent is None else UsageThreshold(**told, threshold=passing.percent)
    return Announcement(entry.tenant_id, passing.type, entry.user_key, data, passing.once_key(period.start))
