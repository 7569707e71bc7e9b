"""Why an answer is what it is, and what would change it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.entitlements import Candidate, FeatureType, counted_period, decide_access, winner
from app.domain.periods import Period, ResetPeriod, boundary
from app.domain.subscribing import LIVE_STATUSES, SubscriptionStatus


class SubscriptionStanding(StrEnum):
    """Where a subscription stands in the decision about a feature. Only the first two count."""

    DECIDES = "DECIDES"
    OUTRANKED = "OUTRANKED"
    NOT_BEGUN = "NOT_BEGUN"
    ENDED = "ENDED"
    INACTIVE = "INACTIVE"


class SubscribingStep(StrEnum):
    """What has to be called to get a package."""

    SUBSCRIBE = "SUBSCRIBE"
    CHANGE_SUBSCRIPTION = "CHANGE_SUBSCRIPTION"


@dataclass(frozen=True, slots=True)
class Hold:
    """What one open reservation holds, in the period that holds `at`, until `expires_at` at the latest."""

    id: int
    amount: int
    at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Situation:
    """Who decides at a moment, now or supposed, and in which period. None: nobody, or nothing is counted."""

    moment: datetime
    decider: Candidate | None
    period: Period | None

    @property
    def bound(self) -> tuple[int, Period] | None:
        """The limit, and the period whose total must not pass it; None when no total is too much."""
        if self.decider is None or self.period is None or self.decider.limit is None or self.decider.overage_enabled:
            return None
        return self.decider.limit, self.period


def why_idle(status: SubscriptionStatus, ends_at: datetime | None, moment: datetime) -> SubscriptionStanding:
    """Why a subscription that does not count at `moment` does not."""
    if status is SubscriptionStatus.CANCELLED or (ends_at is not None and ends_at <= moment):
        return SubscriptionStanding.ENDED
    return SubscriptionStanding.NOT_BEGUN if status in LIVE_STATUSES else SubscriptionStanding.INACTIVE


def situation(feature_type: FeatureType, candidates: Iterable[Candidate], moment: datetime) -> Situation:
    """Who of the candidates decides at a moment, at which all of them are supposed to count."""
    decider = winner(candidates)
    return Situation(moment, decider, counted_period(feature_type, decider, moment))


def held_in(period: Period, holds: Iterable[Hold], moment: datetime) -> int:
    """What is held in a period at a moment, if nobody settles or releases anything before."""
    return sum(hold.amount for hold in holds if hold.at in period and hold.expires_at > moment)


def freed_at(period: Period, holds: Iterable[Hold], amount: int) -> datetime | None:
    """When so much of what is held in the period has expired; None: it never is so much. A positive amount."""
    for hold in sorted(holds, key=lambda hold: hold.expires_at):
        if hold.at in period:
            amount -= hold.amount
            if amount <= 0:
                return hold.expires_at
    return None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is known of one user and feature, to answer for any situation: the ledger's totals, and what is held.

    `totals` has the period of every `bound` that is asked about.
    """

    feature_type: FeatureType
    totals: Mapping[Period, int]
    holds: Sequence[Hold]

    def grants(self, supposed: Situation, delta: int) -> bool:
        """Whether `delta` more might be used."""
        used, held = 0, 0
        if supposed.bound is not None:
            _, period = supposed.bound
            used, held = self.totals[period], held_in(period, self.holds, supposed.moment)
        return decide_access(self.feature_type, supposed.decider, used=used, held=held, delta=delta).access

    def allowance(self, supposed: Situation) -> int | None:
        """How much might be used; None when that is no matter of an amount."""
        if supposed.bound is None:
            return None
        limit, period = supposed.bound
        return max(0, limit - self.totals[period] - held_in(period, self.holds, supposed.moment))


def period_in_words(anchor: datetime, unit: ResetPeriod, n: int) -> str:
    """The arithmetic of period n: "from anchor + 1 × MONTH (day clamped to 28) to anchor + 2 × MONTH"."""
    return f"from {_boundary_in_words(anchor, unit, n)} to {_boundary_in_words(anchor, unit, n + 1)}"


def _boundary_in_words(anchor: datetime, unit: ResetPeriod, n: int) -> str:
    day = boundary(anchor, unit, n).day
    clamped = f" (day clamped to {day})" if unit is not ResetPeriod.DAY and day != anchor.day else ""
    return f"anchor + {n} × {unit}{clamped}"
