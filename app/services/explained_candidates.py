"""The subscriptions behind an answer: which one decides, by what, and why the others do not."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session

from app.clock import to_wire
from app.contract.explanations import LISTED_MAX, CandidateSubscription, DecidingSubscription
from app.domain.entitlements import Candidate, DecidingRule, FeatureType, deciding_rule, ranked, rule_between
from app.domain.explanations import SubscriptionStanding, why_idle
from app.domain.subscribing import SubscriptionStatus
from app.domain.subscription_dates import status_at
from app.queries.explanations import Holder, holders
from app.services.entitlements import Position
from app.services.explanation_words import BECAUSE


def deciding_view(candidates: Sequence[Candidate]) -> DecidingSubscription | None:
    """The one that decides among those that count; None if there is none."""
    rule = deciding_rule(candidates)
    if rule is None:
        return None
    best = ranked(candidates)
    return DecidingSubscription(
        subscription_id=str(best[0].subscription_id),
        package_id=best[0].package_id,
        rule=rule,
        instead_of=str(best[1].subscription_id) if len(best) > 1 else None,
        because=BECAUSE[rule],
    )


def candidate_views(session: Session, position: Position, now: datetime) -> list[CandidateSubscription]:
    """Every subscription of the user whose package holds the feature, at most 100.

    First those that count, in the order in which they would decide; then the others, the newest first. One statement.
    """
    best = ranked(position.candidates)
    lost_by: dict[int, DecidingRule | None] = {best[0].subscription_id: None} if best else {}
    lost_by |= {other.subscription_id: rule_between(best[0], other) for other in best[1:]}
    found = holders(session, position.pair, now, list(lost_by), LISTED_MAX)
    return [_view(holder, position, lost_by, now) for holder in found]


def _view(
    holder: Holder, position: Position, lost_by: dict[int, DecidingRule | None], now: datetime
) -> CandidateSubscription:
    standing = why_idle(holder.status, holder.ends_at, now)
    outranked_by = lost_by.get(holder.subscription_id)
    if holder.subscription_id in lost_by:
        standing = SubscriptionStanding.OUTRANKED if outranked_by else SubscriptionStanding.DECIDES
    is_counted = position.feature_type is FeatureType.CONSUMABLE
    return CandidateSubscription(
        subscription_id=str(holder.subscription_id),
        package_id=holder.package_id,
        status=status_at(holder, now),
        started_at=to_wire(holder.started_at),
        ends_at=to_wire(holder.ends_at) if holder.ends_at else None,
        limit=holder.limit,
        reset_period=holder.reset_period,
        overage_enabled=holder.overage_enabled if is_counted else None,
        standing=standing,
        outranked_by=outranked_by,
        because=_because(holder, standing, outranked_by, position) + _grace(holder, standing),
    )


def _grace(holder: Holder, standing: SubscriptionStanding) -> str:
    """For one that is late: until when it gives access, or gave."""
    if holder.status is not SubscriptionStatus.PAST_DUE or holder.grace_ends_at is None:
        return ""
    ends_at = to_wire(holder.grace_ends_at)
    if standing is SubscriptionStanding.INACTIVE:
        return f" Its grace ended at {ends_at}."
    is_counted = standing in (SubscriptionStanding.DECIDES, SubscriptionStanding.OUTRANKED)
    return f" It is PAST_DUE, and its grace ends at {ends_at}." if is_counted else ""


def _because(
    holder: Holder, standing: SubscriptionStanding, outranked_by: DecidingRule | None, position: Position
) -> str:
    if standing is SubscriptionStanding.ENDED:
        return f"It ended at {to_wire(holder.ends_at)}." if holder.ends_at else "It was cancelled."
    if standing is SubscriptionStanding.INACTIVE:
        return f"It is {holder.status}, and only ACTIVE and TRIALING give access."
    if standing is SubscriptionStanding.NOT_BEGUN:
        return f"It begins at {to_wire(holder.started_at)}."
    if outranked_by is None:
        rule = deciding_rule(position.candidates) or DecidingRule.ONLY_ONE
        return f"It decides: {BECAUSE[rule]}."
    winner_id = position.decider.subscription_id if position.decider else None
    return f"Subscription {winner_id} goes before it: {BECAUSE[outranked_by]}."
