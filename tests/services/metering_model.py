"""What the services should do, told naively: lists that are walked through from the beginning, and no period arithmetic.

Shares nothing with `app.domain` but the words (enums) and the texts of refusals. `batch_model` tells keys and batches.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.domain.entitlements import NO_SUBSCRIPTION
from app.domain.metering import LIMIT_WOULD_BE_EXCEEDED, RecordUsageAction
from app.domain.periods import ResetPeriod
from app.domain.reservations import ReservationStatus
from tests.domain.calendar_by_hand import boundaries

ADD, SET = RecordUsageAction.ADD, RecordUsageAction.SET
Told = tuple[int, int | None, bool, int]
"""What is said of a consumption: used, budget, whether overage is on, reserved."""


class MistakeError(Exception):
    """The call is refused as a mistake; `name` says which."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True)
class Offer:
    """A package with the one feature that this is all about."""

    id: str
    is_addon: bool
    limit: int | None
    per: ResetPeriod
    overage: bool = False

    def fits(self, total: int) -> bool:
        return self.limit is None or self.overage or total <= self.limit


@dataclass(frozen=True)
class Window:
    begin: datetime
    end: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.begin <= moment < self.end


@dataclass
class Held:
    """A subscription."""

    id: str
    offer: Offer
    start: datetime
    end: datetime | None = None

    def is_live(self, at: datetime) -> bool:
        return self.start <= at and (self.end is None or at < self.end)

    def windows_until(self, at: datetime) -> list[Window]:
        """From the start to the one that holds `at`, counted one by one."""
        steps = boundaries(self.start, self.offer.per)
        found, begin = [], next(steps)
        while begin <= at:
            end = next(steps)
            found.append(Window(begin, end))
            begin = end
        return found


@dataclass(eq=False)
class Event:
    """One line of the ledger with what was told about it. `number` is for the application's id, once it is known."""

    at: datetime
    arrived: datetime
    action: RecordUsageAction
    applied: int
    amount: int
    """What it does to any total: the one a SET named, the change that an ADD made."""
    window: Window | None
    told: Told | None
    reason: str | None = None
    reverts: "Event | None" = None
    number: str = ""

    @property
    def recorded(self) -> bool:
        return self.reason is None


@dataclass(eq=False)
class Hold:
    """A reservation, and the terms it was granted by."""

    amount: int
    at: datetime
    expires: datetime
    window: Window
    terms: Offer
    number: str = ""
    closed_as: ReservationStatus | None = None
    event: Event | None = None

    def status(self, now: datetime) -> ReservationStatus:
        if self.closed_as is not None:
            return self.closed_as
        return ReservationStatus.HELD if now < self.expires else ReservationStatus.EXPIRED


@dataclass(eq=False)
class Customer:
    """One user: what they hold, all that was ever told about their use in order of arrival, and what is spoken for."""

    id: str
    held: list[Held] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)

    def live(self, at: datetime) -> list[Held]:
        return [held for held in self.held if held.is_live(at)]

    def base(self, at: datetime) -> Held | None:
        return next((held for held in self.live(at) if not held.offer.is_addon), None)

    def decider(self, at: datetime) -> Held | None:
        """The best of what was live, by asking of each whether it beats the best so far."""
        best: Held | None = None
        for held in self.live(at):
            if best is None or _beats(held.offer, best.offer):
                best = held
        return best

    def used_in(self, window: Window) -> int:
        used = 0
        for event in self.events:
            if event.recorded and event.at in window:
                used = event.amount if event.action is SET else max(0, used + event.amount)
        return used

    def held_in(self, window: Window, now: datetime) -> int:
        """What is spoken for in the window, by reservations that are open now."""
        return sum(
            hold.amount for hold in self.holds if hold.at in window and hold.status(now) is ReservationStatus.HELD
        )

    def told(self, terms: Offer, window: Window, now: datetime) -> Told:
        return self.used_in(window), terms.limit, terms.overage, self.held_in(window, now)

    def standing(self, at: datetime, now: datetime) -> tuple[Offer, Window, Told] | None:
        """Who decided at `at`, in which window, and how things stand there now."""
        decider = self.decider(at)
        if decider is None:
            return None
        window = decider.windows_until(at)[-1]
        return decider.offer, window, self.told(decider.offer, window, now)

    def may_use(self, delta: int, now: datetime) -> bool:
        standing = self.standing(now, now)
        if standing is None:
            return False
        terms, _, (used, _, _, reserved) = standing
        return terms.fits(used + reserved + delta)

    def record(
        self, now: datetime, at: datetime, action: RecordUsageAction, delta: int, *, over_limit_too: bool = False
    ) -> Event:
        standing = self.standing(at, now)
        if standing is None:
            return self._keep(Event(at, now, action, 0, 0, None, None, NO_SUBSCRIPTION))
        terms, window, (used, limit, overage, reserved) = standing
        after = delta if action is SET else max(0, used + delta)
        takes_back = action is ADD and delta < 0
        if not (takes_back or over_limit_too or terms.fits(after + reserved)):
            told = (used, limit, overage, reserved)
            return self._keep(Event(at, now, action, 0, 0, window, told, LIMIT_WOULD_BE_EXCEEDED))
        amount = delta if action is SET else after - used
        return self._keep(Event(at, now, action, after - used, amount, window, (after, limit, overage, reserved)))

    def take_back(self, event: Event, now: datetime) -> tuple[Event, bool]:
        """The event that takes another one back, and whether it was there before."""
        if event.reverts is not None or not event.recorded or event.window is None or event.told is None:
            raise MistakeError("RevertError")
        for earlier in self.events:
            if earlier.reverts is event:
                return earlier, True
        used, reserved = self.used_in(event.window), self.held_in(event.window, now)
        after = max(0, used - event.applied)
        told = (after, event.told[1], event.told[2], reserved)
        applied = after - used
        return self._keep(Event(event.at, now, ADD, applied, applied, event.window, told, reverts=event)), False

    def reserve(
        self, now: datetime, amount: int, ttl: timedelta, *, over_limit_too: bool = False
    ) -> tuple[Hold | None, str | None, Told | None]:
        """The reservation or why there is none, and how things stand then."""
        standing = self.standing(now, now)
        if standing is None:
            return None, NO_SUBSCRIPTION, None
        terms, window, told = standing
        if not (over_limit_too or terms.fits(told[0] + told[3] + amount)):
            return None, LIMIT_WOULD_BE_EXCEEDED, told
        hold = Hold(amount, now, now + ttl, window, terms)
        self.holds.append(hold)
        return hold, None, self.told(terms, window, now)

    def commit(
        self, hold: Hold, delta: int | None, now: datetime, *, over_limit_too: bool = False
    ) -> tuple[Event, bool]:
        """The event that settles a reservation, and whether it was there before."""
        delta = hold.amount if delta is None else delta
        if hold.event is not None and hold.event.applied == delta:
            return hold.event, True
        if hold.status(now) is not ReservationStatus.HELD:
            raise MistakeError("ReservationError")
        used, limit, overage, reserved = told = self.told(hold.terms, hold.window, now)
        by_others = reserved - hold.amount
        if delta > hold.amount and not (over_limit_too or hold.terms.fits(used + by_others + delta)):
            return self._keep(Event(hold.at, now, ADD, 0, 0, hold.window, told, LIMIT_WOULD_BE_EXCEEDED)), False
        told = (used + delta, limit, overage, by_others)
        hold.event = self._keep(Event(hold.at, now, ADD, delta, delta, hold.window, told))
        hold.closed_as = ReservationStatus.COMMITTED
        return hold.event, False

    def release(self, hold: Hold, now: datetime) -> None:
        if hold.status(now) is ReservationStatus.COMMITTED:
            raise MistakeError("ReservationError")
        hold.closed_as = ReservationStatus.RELEASED if hold.status(now) is ReservationStatus.HELD else hold.status(now)

    def cancel(self, held: Held, now: datetime, *, at_period_end: bool) -> None:
        if not held.is_live(now):
            return
        end = held.windows_until(now)[-1].end if at_period_end else now
        ending = [held] if held.offer.is_addon else [held, *(other for other in self.live(now) if other.offer.is_addon)]
        for one in ending:
            one.end = end if one.end is None else min(one.end, end)

    def _keep(self, event: Event) -> Event:
        self.events.append(event)
        return event


def _beats(offer: Offer, other: Offer) -> bool:
    """Unlimited, then the higher limit, then overage, then the newer (later in the list)."""
    if (offer.limit is None) != (other.limit is None):
        return offer.limit is None
    if offer.limit != other.limit:
        return (offer.limit or 0) > (other.limit or 0)
    if offer.overage != other.overage:
        return offer.overage
    return True
