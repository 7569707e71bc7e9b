"""What the services should do, told naively: lists that are walked through from the beginning, and no period arithmetic.

Shares nothing with `app.domain` but the words (enums) and the texts of refusals.
"""

from dataclasses import dataclass, field
from datetime import datetime

from app.domain.entitlements import NO_SUBSCRIPTION
from app.domain.metering import LIMIT_WOULD_BE_EXCEEDED, RecordUsageAction
from app.domain.periods import ResetPeriod
from tests.domain.calendar_by_hand import boundaries


@dataclass(frozen=True)
class Offer:
    """A package with the one feature that this is all about."""

    id: str
    is_addon: bool
    limit: int | None
    per: ResetPeriod
    overage: bool = False


@dataclass
class Held:
    """A subscription."""

    id: str
    offer: Offer
    start: datetime
    end: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        return self.end is None or now < self.end

    def periods_until(self, now: datetime) -> list[tuple[datetime, datetime]]:
        """From the start to the period that holds `now`, counted one by one."""
        steps = boundaries(self.start, self.offer.per)
        found, begin = [], next(steps)
        while begin <= now:
            end = next(steps)
            found.append((begin, end))
            begin = end
        return found


@dataclass
class Answer:
    recorded: bool
    reason: str | None
    used: int | None


@dataclass
class Customer:
    """One user: what they hold, and all that was ever recorded for them."""

    id: str
    held: list[Held] = field(default_factory=list)
    ledger: list[tuple[datetime, RecordUsageAction, int]] = field(default_factory=list)

    def live(self, now: datetime) -> list[Held]:
        return [held for held in self.held if held.is_live(now)]

    def base(self, now: datetime) -> Held | None:
        return next((held for held in self.live(now) if not held.offer.is_addon), None)

    def decider(self, now: datetime) -> Held | None:
        """The best of what is live, by asking of each whether it beats the best so far."""
        best: Held | None = None
        for held in self.live(now):
            if best is None or _beats(held, best):
                best = held
        return best

    def used_in(self, begin: datetime, end: datetime) -> int:
        used = 0
        for at, action, amount in self.ledger:
            if begin <= at < end:
                used = amount if action is RecordUsageAction.SET else max(0, used + amount)
        return used

    def used(self, now: datetime) -> int | None:
        decider = self.decider(now)
        return None if decider is None else self.used_in(*decider.periods_until(now)[-1])

    def may_use(self, delta: int, now: datetime) -> bool:
        decider, used = self.decider(now), self.used(now)
        return decider is not None and used is not None and _fits(decider.offer, used + delta)

    def record(self, now: datetime, action: RecordUsageAction, delta: int, *, over_limit_too: bool) -> Answer:
        decider, used = self.decider(now), self.used(now)
        if decider is None or used is None:
            return Answer(False, NO_SUBSCRIPTION, None)
        after = delta if action is RecordUsageAction.SET else max(0, used + delta)
        takes_back = action is RecordUsageAction.ADD and delta < 0
        if not (takes_back or over_limit_too or _fits(decider.offer, after)):
            return Answer(False, LIMIT_WOULD_BE_EXCEEDED, used)
        self.ledger.append((now, action, delta if action is RecordUsageAction.SET else after - used))
        return Answer(True, None, after)

    def cancel(self, held: Held, now: datetime, *, at_period_end: bool) -> None:
        if not held.is_live(now):
            return
        end = held.periods_until(now)[-1][1] if at_period_end else now
        ending = [held] if held.offer.is_addon else [held, *(other for other in self.live(now) if other.offer.is_addon)]
        for one in ending:
            one.end = end if one.end is None else min(one.end, end)


def _fits(offer: Offer, total: int) -> bool:
    return offer.limit is None or offer.overage or total <= offer.limit


def _beats(held: Held, other: Held) -> bool:
    """Unlimited, then the higher limit, then overage, then the newer (later in the list)."""
    if (held.offer.limit is None) != (other.offer.limit is None):
        return held.offer.limit is None
    if held.offer.limit != other.offer.limit:
        return (held.offer.limit or 0) > (other.offer.limit or 0)
    if held.offer.overage != other.offer.overage:
        return held.offer.overage
    return True
