"""Why a user may or may not use a feature: everything behind the answer, as it was at one moment. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from app import clock
from app.contract.actors import Actor
from app.contract.explanations import (
    LISTED_MAX,
    AccessLater,
    Explanation,
    OpenReservation,
    PendingUsage,
    PeriodArithmetic,
    PeriodSums,
    WaysToAccess,
)
from app.contract.usage import CheckAccess
from app.db import transaction
from app.domain.entitlements import Candidate
from app.domain.explanations import Hold, Outlook, Situation, freed_at, period_in_words, situation
from app.domain.periods import Period, index_at
from app.errors import MeterlineError
from app.queries import explanations as queries
from app.queries.ledger import replayed_totals
from app.queries.reservations import open_holds
from app.queries.subscriptions import candidates
from app.queries.usage_history import entries_ahead
from app.services.consumption_views import as_int
from app.services.entitlements import Position, amounts_of, entitlement_of, positions_of
from app.services.explained_candidates import candidate_views, deciding_view
from app.services.explanation_words import in_short
from app.services.package_offers import Offer, offer_view, offers
from app.services.usage_history import event_view


@dataclass(frozen=True, slots=True)
class _Answered:
    """The answer in numbers: where the user stands, and what is used and held there."""

    position: Position
    now: datetime
    delta: int
    used: int
    held: int
    holds: Sequence[Hold]


def explain(actor: Actor, command: CheckAccess) -> Explanation:
    """The answer of `check_access`, and everything behind it. Reads the period's ledger whole; a fixed number of statements.

    Raises:
        UserNotFoundError, FeatureNotFoundError: an id that this tenant does not have.
    """
    with transaction(snapshot=True) as session:
        now = clock.now()
        (position,) = positions_of(session, [(actor.tenant_id, command.user_id, command.feature_id)], now)
        if isinstance(position, MeterlineError):
            raise position
        ((used, held),) = amounts_of(session, [position], now) or [(0, 0)]
        holds = open_holds(session, position.pair, now)
        answered = _Answered(position, now, command.delta, used, held, holds)
        return _explanation(session, answered, command)


def _explanation(session: Session, answered: _Answered, command: CheckAccess) -> Explanation:
    position, now = answered.position, answered.now
    present = Situation(now, position.decider, position.period)
    after_holds, after_reset = _later(session, answered)
    on_sale = offers(session, position, now, wanted=answered.used + answered.held + command.delta)
    supposed = [present, after_holds, after_reset, *(offer.supposed for offer in on_sale)]
    outlook = _outlook(session, answered, [one for one in supposed if one])
    explanation = Explanation(
        user_id=command.user_id,
        feature_id=command.feature_id,
        feature_type=position.feature_type,
        delta=command.delta,
        at=clock.to_wire(now),
        answer=entitlement_of(position, answered.used, answered.held, delta=command.delta),
        allowance=outlook.allowance(present),
        decision=deciding_view(position.candidates),
        candidates=candidate_views(session, position, now),
        period=_arithmetic(position.decider, position.period),
        sums=_sums(session, position, outlook) if position.period else None,
        pending=_pending(session, answered, command),
        ways=_ways(outlook, answered, after_holds, after_reset, on_sale),
        in_short=[],
    )
    explanation.in_short = in_short(explanation)
    return explanation


def _later(session: Session, answered: _Answered) -> tuple[Situation | None, Situation | None]:
    """When enough of what is held has expired, if that is what stands in the way; and when the period is over."""
    position, period = answered.position, answered.position.period
    if period is None:
        return None, None
    freed = _enough_freed(answered, period)
    found = candidates(session, {(position.pair, at) for at in (freed, period.end) if at}, answered.now)
    by_moment = {at: situation(position.feature_type, held, at) for (_, at), held in found.items()}
    return by_moment.get(freed) if freed else None, by_moment[period.end]


def _enough_freed(answered: _Answered, period: Period) -> datetime | None:
    decider, wanted = answered.position.decider, answered.used + answered.delta
    if decider is None or decider.limit is None:
        return None
    if decider.allows(wanted + answered.held) or not decider.allows(wanted):
        return None
    freed = freed_at(period, answered.holds, wanted + answered.held - decider.limit)
    return freed if freed and freed < period.end else None


def _outlook(session: Session, answered: _Answered, supposed: Sequence[Situation]) -> Outlook:
    """With the ledger's totals of every period that matters. One statement."""
    position = answered.position
    periods = [one.bound[1] for one in supposed if one.bound]
    periods += [position.period] if position.period else []
    distinct = list(dict.fromkeys(periods))
    totals = replayed_totals(session, [(position.pair, period) for period in distinct])
    return Outlook(position.feature_type, dict(zip(distinct, totals, strict=True)), answered.holds)


def _arithmetic(decider: Candidate | None, period: Period | None) -> PeriodArithmetic | None:
    if decider is None or period is None:
        return None
    n = index_at(decider.anchor, decider.reset_period, period.start)
    return PeriodArithmetic(
        anchor=clock.to_wire(decider.anchor),
        unit=decider.reset_period,
        n=n,
        start=clock.to_wire(period.start),
        end=clock.to_wire(period.end),
        in_words=period_in_words(decider.anchor, decider.reset_period, n),
    )


def _sums(session: Session, position: Position, outlook: Outlook) -> PeriodSums | None:
    period = position.period
    if period is None:
        return None
    sums = queries.sums_of(session, (position.pair, period))
    total = outlook.totals[period]
    # Without a counter there is no event, which is as good as a counter at 0.
    counter = position.counter.total_in(period) if position.counter else 0
    return PeriodSums(
        recorded=as_int(sums.recorded),
        refused=as_int(sums.refused),
        last_set_id=None if sums.last_set_id is None else str(sums.last_set_id),
        last_set_to=sums.last_set_to,
        added=as_int(sums.added),
        taken_back=as_int(sums.taken_back),
        cut_at_zero=as_int(total - (sums.last_set_to or 0) - sums.added + sums.taken_back),
        total=as_int(total),
        counter=None if counter is None else as_int(counter),
        agree=counter in (None, total),
    )


def _pending(session: Session, answered: _Answered, command: CheckAccess) -> PendingUsage:
    period = answered.position.period
    ahead = entries_ahead(session, answered.position.pair, answered.now, LISTED_MAX)
    return PendingUsage(
        reservations=[
            OpenReservation(
                id=str(hold.id),
                amount=hold.amount,
                expires_at=clock.to_wire(hold.expires_at),
                counts=period is not None and hold.at in period,
            )
            for hold in answered.holds[:LISTED_MAX]
        ],
        events_ahead=[event_view(entry, revert, command.user_id, command.feature_id) for entry, revert in ahead],
    )


def _ways(
    outlook: Outlook,
    answered: _Answered,
    after_holds: Situation | None,
    after_reset: Situation | None,
    on_sale: Sequence[Offer],
) -> WaysToAccess:
    def later(supposed: Situation) -> AccessLater:
        return AccessLater(
            at=clock.to_wire(supposed.moment),
            access=outlook.grants(supposed, answered.delta),
            allowance=outlook.allowance(supposed),
            package_id=supposed.decider.package_id if supposed.decider else None,
        )

    freed = later(after_holds) if after_holds else None
    return WaysToAccess(
        # The subscription may end, or an event ahead count, before enough is free.
        after_holds=freed if freed and freed.access else None,
        after_reset=later(after_reset) if after_reset else None,
        packages=[offer_view(offer, grants=outlook.grants(offer.supposed, answered.delta)) for offer in on_sale],
    )
