"""What a user may do with a feature: which subscription decides, and what it says."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.periods import Period, ResetPeriod, period_at

# The one text on record, spelling included: Kana's callers may compare it. Source: Kana's query reference, canUseFeature.
ALLOWED_CONSUMABLE = (
    "The user has a subcription to a package with this consumable feature and either has an allowance remaining "
    "or overage is enabled."
)
ALLOWED_BINARY = "The user has a subscription to a package with this binary feature."
NO_SUBSCRIPTION = "The user has no active subscription to a package with this feature."
ALLOWANCE_EXHAUSTED = (
    "The user has a subscription to a package with this consumable feature, but too little allowance remains "
    "and overage is not enabled."
)


class FeatureType(StrEnum):
    BINARY = "BINARY"
    CONSUMABLE = "CONSUMABLE"


@dataclass(frozen=True, slots=True)
class Consumption:
    """`used` of `budget` in the period; `budget` None is unlimited. `reserved` is held by open reservations on top of it."""

    used: int
    budget: int | None
    overage_enabled: bool
    reserved: int = 0


class Limited:
    """What a subscription gives of a feature: up to `limit` (None is unlimited), or past it with overage."""

    __slots__ = ()
    limit: int | None
    overage_enabled: bool

    def allows(self, total: int) -> bool:
        """Whether the period's total may be `total`."""
        return self.limit is None or self.overage_enabled or total <= self.limit

    def consumption(self, used: int, reserved: int = 0) -> Consumption:
        """`used` against what is given."""
        return Consumption(used, self.limit, self.overage_enabled, reserved)


@dataclass(frozen=True, slots=True)
class Terms(Limited):
    """What was given at some moment, whoever gave it."""

    limit: int | None
    overage_enabled: bool


@dataclass(frozen=True, slots=True)
class Candidate(Limited):
    """One live subscription whose package holds the feature. `limit` None is unlimited; `anchor` is its start."""

    subscription_id: int
    package_id: str
    anchor: datetime
    limit: int | None
    reset_period: ResetPeriod
    overage_enabled: bool

    def period_at(self, moment: datetime) -> Period:
        return period_at(self.anchor, self.reset_period, moment)


class DecidingRule(StrEnum):
    """What makes one subscription decide and not another, in the order of the comparisons."""

    ONLY_ONE = "ONLY_ONE"
    UNLIMITED = "UNLIMITED"
    HIGHER_LIMIT = "HIGHER_LIMIT"
    OVERAGE = "OVERAGE"
    NEWEST = "NEWEST"
    MADE_LAST = "MADE_LAST"


_COMPARED = (
    DecidingRule.UNLIMITED,
    DecidingRule.HIGHER_LIMIT,
    DecidingRule.OVERAGE,
    DecidingRule.NEWEST,
    DecidingRule.MADE_LAST,
)


@dataclass(frozen=True, slots=True)
class Access:
    """The answer to "may this user do this now?". `reason` is there whatever the answer; BINARY has no consumption."""

    access: bool
    reason: str
    consumption: Consumption | None


def winner(candidates: Iterable[Candidate]) -> Candidate | None:
    """The subscription that decides. Limits are never added up.

    The highest limit wins, unlimited above any number, then overage on, then the newest subscription (of two from the same
    millisecond, the one made last).
    """
    return max(candidates, key=_rank, default=None)


def ranked(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The winner first, then who would win without those before it."""
    return sorted(candidates, key=_rank, reverse=True)


def rule_between(one: Candidate, other: Candidate) -> DecidingRule:
    """The first comparison in which two subscriptions differ, and which therefore decides between them."""
    rules = zip(_COMPARED, _rank(one), _rank(other), strict=True)
    return next(rule for rule, ones, others in rules if ones != others)


def deciding_rule(candidates: Iterable[Candidate]) -> DecidingRule | None:
    """The comparison that makes the winner the winner: up to the one before it another does as well. None: nobody wins."""
    best = ranked(candidates)
    if not best:
        return None
    # Of all others the second ties with the winner the longest.
    return DecidingRule.ONLY_ONE if len(best) == 1 else rule_between(best[0], best[1])


def _rank(candidate: Candidate) -> tuple[bool, int, bool, datetime, int]:
    """The comparisons of `_COMPARED`, in this order."""
    unlimited = candidate.limit is None
    return (unlimited, candidate.limit or 0, candidate.overage_enabled, candidate.anchor, candidate.subscription_id)


def counted_period(feature_type: FeatureType, decider: Candidate | None, moment: datetime) -> Period | None:
    """The period whose total decides at `moment`. None when nothing is counted: the feature is BINARY, or nobody decides."""
    return decider.period_at(moment) if decider and feature_type is FeatureType.CONSUMABLE else None


def decide_access(
    feature_type: FeatureType, decider: Candidate | None, *, used: int, delta: int, held: int = 0
) -> Access:
    """Whether `delta` more may be used, when `used` is the total of the decider's current period.

    What reservations hold counts as used here: it is spoken for.
    """
    if decider is None:
        return Access(access=False, reason=NO_SUBSCRIPTION, consumption=None)
    if feature_type is FeatureType.BINARY:
        return Access(access=True, reason=ALLOWED_BINARY, consumption=None)
    allowed = decider.allows(used + held + delta)
    return Access(
        access=allowed,
        reason=ALLOWED_CONSUMABLE if allowed else ALLOWANCE_EXHAUSTED,
        consumption=decider.consumption(used, held),
    )
