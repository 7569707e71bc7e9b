"""Recording usage: the decision, the counter, the ledger entry and the idempotency record are one commit."""

from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from app import clock, models
from app.contract.actors import Actor
from app.contract.usage import Consumption, RecordedUsage, RecordUsage
from app.db import transaction
from app.domain.entitlements import Candidate, counted_period, winner
from app.domain.metering import Decision, decide
from app.domain.periods import Period
from app.domain.values import INT32_MAX
from app.errors import FeatureNotFoundError, IdempotencyConflictError, OverloadedError, UserNotFoundError
from app.queries import features as feature_queries
from app.queries import usage as queries
from app.queries import users as user_queries
from app.queries.subscriptions import candidates

_TRIES = 3


class _KeyTakenError(Exception):
    """Another transaction recorded the same idempotency key for another user or feature while we were at work."""


def record_usage(actor: Actor, command: RecordUsage) -> RecordedUsage:
    """Count usage exactly once. A refusal is an answer (`recorded` false with a reason), and is kept in the ledger too.

    A repeated idempotency key changes nothing and returns the first answer with `duplicate` true.

    Raises:
        UserNotFoundError, FeatureNotFoundError: an id that this tenant does not have.
        IdempotencyConflictError: the key was used before, for another user, feature, delta or action.
        OverloadedError: the key went on being taken by others; nothing was recorded.
    """
    for _ in range(_TRIES):
        try:
            with transaction() as session:
                return _record(session, actor, command)
        except _KeyTakenError:
            # The other transaction has committed by now, so the next try finds its event.
            continue
        except IntegrityError as vanished:
            # The only constraint that other calls can break: the feature was deleted after we had looked it up.
            raise FeatureNotFoundError from vanished
    raise OverloadedError("The idempotency key is being used by other calls at this moment. Try again.")


def _record(session: Session, actor: Actor, command: RecordUsage) -> RecordedUsage:
    user_key, feature = _keys(session, actor, command)
    # The lock first: all that decides is read after it, so two calls at once decide one after the other.
    counter = queries.locked_consumption(session, actor.tenant_id, user_key, feature.key)
    if command.idempotency_key is not None:
        first = queries.event_with_key(session, actor.tenant_id, command.idempotency_key)
        if first is not None:
            return _repeated(first, command, user_key, feature.key)
    now = clock.now()
    pair = (user_key, feature.key)
    decider = winner(candidates(session, actor.tenant_id, [pair], now).get(pair, []))
    period = counted_period(feature.type, decider, now)
    decision = decide(
        feature.type,
        decider,
        used=_total(session, counter, period),
        action=command.action,
        delta=command.delta,
        enforcement=actor.enforcement,
    )
    if decision.recorded and period is not None:
        counter.period_start, counter.period_end, counter.used = period.start, period.end, decision.used
        session.flush()
    event = _event(counter, command, decision, decider if period else None, now)
    event_id = queries.insert_event(session, event)
    if event_id is None:
        raise _KeyTakenError
    return _view(event, event_id, duplicate=False)


def _keys(session: Session, actor: Actor, command: RecordUsage) -> tuple[int, models.Feature]:
    user_key = user_queries.user_keys(session, actor.tenant_id, [command.user_id]).get(command.user_id)
    if user_key is None:
        raise UserNotFoundError
    feature = feature_queries.feature_by_id(session, actor.tenant_id, command.feature_id)
    if feature is None:
        raise FeatureNotFoundError
    return user_key, feature


def _total(session: Session, counter: models.Consumption, period: Period | None) -> int:
    """What the period stands at: the counter if it stands for this period, else what the ledger says."""
    if period is None:
        return 0
    standing = queries.standing_total(counter, period)
    if standing is not None:
        return standing
    (used,) = queries.replayed_totals(session, counter.tenant_id, [(counter.user_key, counter.feature_key, period)])
    return used


def _event(
    counter: models.Consumption, command: RecordUsage, decision: Decision, terms: Candidate | None, at: datetime
) -> models.UsageEvent:
    """The ledger's entry; `terms` is None when nothing is counted, and then there is no consumption to tell."""
    return models.UsageEvent(
        tenant_id=counter.tenant_id,
        user_key=counter.user_key,
        feature_key=counter.feature_key,
        at=at,
        action=command.action,
        delta=command.delta,
        applied=decision.applied,
        recorded=decision.recorded,
        reason=decision.reason,
        idempotency_key=command.idempotency_key,
        used_after=decision.used if terms else None,
        budget=terms.limit if terms else None,
        overage_enabled=terms.overage_enabled if terms else None,
    )


def _repeated(first: models.UsageEvent, command: RecordUsage, user_key: int, feature_key: int) -> RecordedUsage:
    asked = (user_key, feature_key, command.delta, command.action)
    if (first.user_key, first.feature_key, first.delta, first.action) != asked:
        raise IdempotencyConflictError(
            "idempotencyKey: this key was used before, for another user, feature, delta or action"
        )
    return _view(first, first.id, duplicate=True)


def _view(event: models.UsageEvent, event_id: int, *, duplicate: bool) -> RecordedUsage:
    consumption = None
    if event.used_after is not None and event.overage_enabled is not None:
        # The true total can be more than an Int carries (see `services.entitlements`), here as there.
        used = min(event.used_after, INT32_MAX)
        consumption = Consumption(used=used, budget=event.budget, overage_enabled=event.overage_enabled)
    return RecordedUsage(
        recorded=event.recorded,
        reason=event.reason,
        event_id=str(event_id),
        duplicate=duplicate,
        consumption=consumption,
    )
