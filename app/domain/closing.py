"""Closing periods: which have ended since a counter last moved, what each allowed, and where the counter belongs now."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain.entitlements import Candidate, ranked, winner
from app.domain.periods import Period


@dataclass(frozen=True, slots=True)
class Tenure:
    """For how long a subscription gave a user the feature by these terms: half-open, `until` None is for good."""

    candidate: Candidate
    since: datetime
    until: datetime | None

    def holds(self, moment: datetime) -> bool:
        return self.since <= moment and (self.until is None or moment < self.until)

    def overlaps(self, period: Period) -> bool:
        return self.since < period.end and (self.until is None or self.until > period.start)


@dataclass(frozen=True, slots=True)
class Walk:
    """The periods that `ended`, oldest first, and the one that follows them: None, nobody gave the feature when they were over.
    It holds the present, unless the walk was too long to be gone in one go; then it has ended as well, and the next walk begins
    there.
    """

    ended: Sequence[Period]
    following: Period | None


def walk(first: Period, tenures: Sequence[Tenure], now: datetime, at_most: int) -> Walk:
    """From a period that has ended to the present, through every period that somebody would have been counted in.

    Each next one is the period of whoever decides when the one before ends. When nobody does, that is the end: whoever gets the
    feature later begins anew with the first use, no matter when the job ran.
    """
    ended = [first]
    while True:
        decider = decider_at(ended[-1].end, tenures)
        following = decider.period_at(ended[-1].end) if decider else None
        if following is None or following.end > now or len(ended) == at_most:
            return Walk(ended, following)
        ended.append(following)


def decider_at(moment: datetime, tenures: Iterable[Tenure]) -> Candidate | None:
    """Who decides then; the rule is `entitlements.winner`."""
    return winner(tenure.candidate for tenure in tenures if tenure.holds(moment))


def giver_of(period: Period, tenures: Iterable[Tenure]) -> Candidate | None:
    """Who gave this very period, by the terms at its end: of several, who lasted the longest, then who decided.

    None: nobody's periods are like this one, as when a package has been given another reset period.
    """
    givers = [
        tenure
        for tenure in tenures
        if tenure.overlaps(period) and tenure.candidate.period_at(max(tenure.since, period.start)) == period
    ]
    last = max((min(tenure.until or period.end, period.end) for tenure in givers), default=None)
    lasting = [tenure.candidate for tenure in givers if min(tenure.until or period.end, period.end) == last]
    return next(iter(ranked(lasting)), None)
