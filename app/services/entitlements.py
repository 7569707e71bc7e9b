"""What users may do now, and what they have used. Reads only: nothing here takes a lock or writes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlmodel import Session

from app import clock, models
from app.contract.actors import Actor
from app.contract.usage import CheckAccess, Consumption, ConsumptionInPeriod, Entitlement, ShowUsage
from app.db import transaction
from app.domain.entitlements import Candidate, counted_period, decide_access, winner
from app.domain.periods import Period, past_periods
from app.domain.values import INT32_MAX, check_id
from app.errors import FeatureNotFoundError, MeterlineError, UserNotFoundError
from app.queries import features as feature_queries
from app.queries import usage as usage_queries
from app.queries import users as user_queries
from app.queries.subscriptions import candidates

PAST_PERIODS_MAX = 366
"""How far `show_usage` looks back: a year of days."""


@dataclass(frozen=True, slots=True)
class _Standing:
    """Where one user stands with one feature: who decides, in which period."""

    user_key: int
    feature: models.Feature
    decider: Candidate | None
    period: Period | None


def check_access(actor: Actor, command: CheckAccess) -> Entitlement:
    """May the user use `delta` more of the feature now?

    Raises:
        UserNotFoundError, FeatureNotFoundError: an id that this tenant does not have.
    """
    answer = check_many(actor, [command])[0]
    if isinstance(answer, MeterlineError):
        raise answer
    return answer


def check_many(actor: Actor, commands: Sequence[CheckAccess]) -> list[Entitlement | MeterlineError]:
    """The answers in the order of the questions, in a fixed number of statements; an unknown id spoils only its own."""
    with transaction() as session:
        standings = _standings(session, actor, [(command.user_id, command.feature_id) for command in commands])
        totals = iter(usage_queries.current_totals(session, actor.tenant_id, list(_windows(standings))))
    return [
        standing
        if isinstance(standing, MeterlineError)
        else _entitlement(standing, used=next(totals) if standing.period else 0, delta=command.delta)
        for standing, command in zip(standings, commands, strict=True)
    ]


def show_usage(actor: Actor, user_id: str, feature_id: str) -> ShowUsage:
    """The current period and those before it, newest first, back to the subscription's start or 366 of them.

    Raises:
        UserNotFoundError, FeatureNotFoundError: an id that this tenant does not have.
        InvalidInputError: what is no id; it names the field.
    """
    check_id("userId", user_id)
    check_id("featureId", feature_id)
    with transaction() as session:
        standing = _standings(session, actor, [(user_id, feature_id)])[0]
        if isinstance(standing, MeterlineError):
            raise standing
        if standing.decider is None or standing.period is None:
            return ShowUsage(current=None, past=[])
        decider, current = standing.decider, standing.period
        past = list(islice(past_periods(decider.anchor, decider.reset_period, current.start), PAST_PERIODS_MAX))
        windows = [(standing.user_key, standing.feature.key, period) for period in past]
        (used_now,) = usage_queries.current_totals(session, actor.tenant_id, list(_windows([standing])))
        used_then = usage_queries.replayed_totals(session, actor.tenant_id, windows)
    return ShowUsage(
        current=_in_period(decider, current, used_now),
        past=[_in_period(decider, period, used) for period, used in zip(past, used_then, strict=True)],
    )


def _standings(
    session: Session, actor: Actor, pairs: Sequence[tuple[str, str]]
) -> list[_Standing | UserNotFoundError | FeatureNotFoundError]:
    """Where each (user id, feature id) stands at this moment. Three statements, however many pairs."""
    users = user_queries.user_keys(session, actor.tenant_id, {user_id for user_id, _ in pairs})
    features = feature_queries.features_by_id(session, actor.tenant_id, {feature_id for _, feature_id in pairs})
    known = {
        (users[user_id], features[feature_id].key)
        for user_id, feature_id in pairs
        if user_id in users and feature_id in features
    }
    now = clock.now()
    held = candidates(session, actor.tenant_id, known, now) if known else {}
    standings: list[_Standing | UserNotFoundError | FeatureNotFoundError] = []
    for user_id, feature_id in pairs:
        if user_id not in users:
            standings.append(UserNotFoundError())
        elif feature_id not in features:
            standings.append(FeatureNotFoundError())
        else:
            feature = features[feature_id]
            standings.append(_standing(users[user_id], feature, held.get((users[user_id], feature.key), []), now))
    return standings


def _standing(user_key: int, feature: models.Feature, held: Iterable[Candidate], now: datetime) -> _Standing:
    decider = winner(held)
    return _Standing(user_key, feature, decider, counted_period(feature.type, decider, now))


def _windows(standings: Iterable[_Standing | MeterlineError]) -> Iterable[usage_queries.Window]:
    """What has to be counted, in order: nothing where there is no period."""
    for standing in standings:
        if isinstance(standing, _Standing) and standing.period is not None:
            yield standing.user_key, standing.feature.key, standing.period


def _entitlement(standing: _Standing, *, used: int, delta: int) -> Entitlement:
    answer = decide_access(standing.feature.type, standing.decider, used=used, delta=delta)
    period = standing.period
    return Entitlement(
        access=answer.access,
        reason=answer.reason,
        consumption=_consumption(standing.decider, used) if standing.decider and period else None,
        package_id=standing.decider.package_id if standing.decider else None,
        period_start=clock.to_wire(period.start) if period else None,
        period_end=clock.to_wire(period.end) if period else None,
    )


def _in_period(decider: Candidate, period: Period, used: int) -> ConsumptionInPeriod:
    return ConsumptionInPeriod(
        period_start=clock.to_wire(period.start),
        period_end=clock.to_wire(period.end),
        consumption=_consumption(decider, used),
    )


def _consumption(decider: Candidate, used: int) -> Consumption:
    # A change to a longer period can sum up more than an Int carries; the decision itself was made with the true number.
    return Consumption(used=min(used, INT32_MAX), budget=decider.limit, overage_enabled=decider.overage_enabled)
