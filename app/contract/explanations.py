"""Explanations: everything behind the answer to "may this user do this now?", and what would change it."""

from typing import Final

from app.contract.shapes import Timestamp, View
from app.contract.usage import Entitlement
from app.contract.usage_history import UsageEvent
from app.domain.entitlements import DecidingRule, FeatureType
from app.domain.explanations import SubscribingStep, SubscriptionStanding
from app.domain.periods import ResetPeriod
from app.domain.subscribing import SubscriptionStatus

LISTED_MAX: Final = 100
PACKAGES_MAX: Final = 20


class CandidateSubscription(View):
    """A subscription whose package holds the feature, and why it decides, or why it does not."""

    subscription_id: str
    package_id: str
    status: SubscriptionStatus
    started_at: Timestamp
    ends_at: Timestamp | None
    limit: int | None
    reset_period: ResetPeriod | None
    overage_enabled: bool | None
    standing: SubscriptionStanding
    outranked_by: DecidingRule | None
    because: str


class DecidingSubscription(View):
    """The subscription that decides. `instead_of` is the one that would without it, over which `rule` decided."""

    subscription_id: str
    package_id: str
    rule: DecidingRule
    instead_of: str | None
    because: str


class PeriodArithmetic(View):
    """[start, end) is period `n`, counted from `anchor`: anchor + n × unit to anchor + (n + 1) × unit."""

    anchor: Timestamp
    unit: ResetPeriod
    n: int
    start: Timestamp
    end: Timestamp
    in_words: str


class PeriodSums(View):
    """`total` = `last_set_to` (or 0) + `added` − `taken_back` + `cut_at_zero`; the last three are those after the last SET.

    `counter` null: it stands for another period, so the ledger was asked.
    """

    recorded: int
    refused: int
    last_set_id: str | None
    last_set_to: int | None
    added: int
    taken_back: int
    cut_at_zero: int
    total: int
    counter: int | None
    agree: bool


class OpenReservation(View):
    """What is held until it is settled, or until `expires_at`. `counts`: in the current period."""

    id: str
    amount: int
    expires_at: Timestamp
    counts: bool


class PendingUsage(View):
    """What is not settled, or not yet so far. At most 100 of each, the next one first."""

    reservations: list[OpenReservation]
    events_ahead: list[UsageEvent]


class AccessLater(View):
    """What the answer will be at a moment, if nothing else happens until then. `allowance` null: no matter of an amount."""

    at: Timestamp
    access: bool
    allowance: int | None
    package_id: str | None


class PackageOffer(View):
    """A package on sale that gives more. `problem`: what `step` would be refused with now. `grants`: it would do, without it."""

    package_id: str
    is_addon: bool
    limit: int | None
    reset_period: ResetPeriod | None
    overage_enabled: bool | None
    step: SubscribingStep
    problem: str | None
    grants: bool


class WaysToAccess(View):
    """What would give access, or more of it."""

    after_holds: AccessLater | None
    after_reset: AccessLater | None
    packages: list[PackageOffer]


class Explanation(View):
    """Everything behind the answer at `at`; all of it was true at one and the same moment."""

    user_id: str
    feature_id: str
    feature_type: FeatureType
    delta: int
    at: Timestamp
    answer: Entitlement
    allowance: int | None
    decision: DecidingSubscription | None
    candidates: list[CandidateSubscription]
    period: PeriodArithmetic | None
    sums: PeriodSums | None
    pending: PendingUsage
    ways: WaysToAccess
    in_short: list[str]
