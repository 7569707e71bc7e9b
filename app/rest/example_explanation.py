"""The example of an explanation: Ada has used up this month's 1,000 API calls, and asks for one more."""

from typing import Final

from msgspec.structs import replace

from app.contract.explanations import (
    AccessLater,
    CandidateSubscription,
    DecidingSubscription,
    Explanation,
    OpenReservation,
    PackageOffer,
    PendingUsage,
    PeriodArithmetic,
    PeriodSums,
    WaysToAccess,
)
from app.contract.usage import Consumption, Entitlement
from app.domain.entitlements import ALLOWANCE_EXHAUSTED, DecidingRule, FeatureType
from app.domain.explanations import SubscribingStep, SubscriptionStanding
from app.domain.periods import ResetPeriod
from app.domain.subscribing import SubscriptionStatus
from app.services.explanation_words import BECAUSE, in_short

_STARTED = "2026-03-05T10:00:00.000Z"
_PERIOD_START = "2026-04-05T10:00:00.000Z"
_PERIOD_END = "2026-05-05T10:00:00.000Z"

_TOLD: Final = Explanation(
    user_id="ada",
    feature_id="api-calls",
    feature_type=FeatureType.CONSUMABLE,
    delta=1,
    at="2026-04-07T14:02:11.480Z",
    answer=Entitlement(
        access=False,
        reason=ALLOWANCE_EXHAUSTED,
        consumption=Consumption(used=950, budget=1000, overage_enabled=False, reserved=50),
        package_id="pro",
        period_start=_PERIOD_START,
        period_end=_PERIOD_END,
    ),
    allowance=0,
    decision=DecidingSubscription(
        subscription_id="1042",
        package_id="pro",
        rule=DecidingRule.ONLY_ONE,
        instead_of=None,
        because=BECAUSE[DecidingRule.ONLY_ONE],
    ),
    candidates=[
        CandidateSubscription(
            subscription_id="1042",
            package_id="pro",
            status=SubscriptionStatus.ACTIVE,
            started_at=_STARTED,
            ends_at=None,
            limit=1000,
            reset_period=ResetPeriod.MONTH,
            overage_enabled=False,
            standing=SubscriptionStanding.DECIDES,
            outranked_by=None,
            because="It decides: it is the only one that counts.",
        ),
        CandidateSubscription(
            subscription_id="977",
            package_id="free-trial",
            status=SubscriptionStatus.CANCELLED,
            started_at="2026-02-03T08:15:00.000Z",
            ends_at=_STARTED,
            limit=100,
            reset_period=ResetPeriod.MONTH,
            overage_enabled=False,
            standing=SubscriptionStanding.ENDED,
            outranked_by=None,
            because=f"It ended at {_STARTED}.",
        ),
    ],
    period=PeriodArithmetic(
        anchor=_STARTED,
        unit=ResetPeriod.MONTH,
        n=1,
        start=_PERIOD_START,
        end=_PERIOD_END,
        in_words="from anchor + 1 × MONTH to anchor + 2 × MONTH",
    ),
    sums=PeriodSums(
        recorded=317,
        refused=4,
        last_set_id="70188",
        last_set_to=800,
        added=165,
        taken_back=15,
        cut_at_zero=0,
        total=950,
        counter=950,
        agree=True,
    ),
    pending=PendingUsage(
        reservations=[OpenReservation(id="3107", amount=50, expires_at="2026-04-07T14:04:11.480Z", counts=True)],
        events_ahead=[],
    ),
    ways=WaysToAccess(
        after_holds=AccessLater(at="2026-04-07T14:04:11.480Z", access=True, allowance=50, package_id="pro"),
        after_reset=AccessLater(at=_PERIOD_END, access=True, allowance=1000, package_id="pro"),
        packages=[
            PackageOffer(
                package_id="max",
                is_addon=False,
                limit=5000,
                reset_period=ResetPeriod.MONTH,
                overage_enabled=False,
                step=SubscribingStep.CHANGE_SUBSCRIPTION,
                problem=None,
                grants=True,
            )
        ],
    ),
    in_short=[],
)
EXPLANATION: Final = replace(_TOLD, in_short=in_short(_TOLD))
