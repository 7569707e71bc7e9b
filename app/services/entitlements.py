"""What users may do now, and what they have used. Reads only: nothing here takes a lock or writes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlmodel import Session

from app import clock
from app.contract.actors import Actor
from app.contract.usage import CheckAccess, Consumption, ConsumptionInPeriod, Entitlement, ShowUsage
from app.db import Pool, transaction
from app.domain import entitlements
from app.domain.entitlements import Candidate, FeatureType, Limited, counted_period, decide_access, winner
from app.domain.periods import Period, past_periods
from app.domain.values import check_id
from app.errors import FeatureNotFoundError, MeterlineError, UserNotFoundError
from app.queries.ledger import current_totals, replayed_totals
from app.queries.reservations import held_amounts
from app.queries.standings import Asked, Counter, Pair, Standing, standings
from app.queries.subscriptions import Moment, candidates
from app.queries.usage_periods import closed_periods
from app.services.consumption_views import consumption_view
from app.services.ledger_partitions import kept_since
from app.services.meters import run_metering

PAST_PERIODS_MAX = 366
"""How far `show_usage` looks back: a year of days."""


Question = tuple[Actor, CheckAccess]


@dataclass(frozen=True, slots=True)
class Position:
    """Where one user stands with one feature at this moment: who decides among whom, in which period."""

    pair: Pair
    feature_type: FeatureType
    counter: Counter | None
    candidates: Sequence[Candidate]
    decider: Candidate | None
    period: Period | None


_Found = Position | UserNotFoundError | FeatureNotFoundError


def check_access(actor: Actor, command: CheckAccess) -> Entitlement:
    """May the user use `delta` more of the feature now?

    Raises:
        UserNotFoundError, FeatureNotFoundError: an id that this tenant does not have.
    """
    answer = check_many([(actor, command)])[0]
    if isinstance(answer, MeterlineError):
        raise answer
    return answer


def check_many(questions: Sequence[Question]) -> list[Entitlement | MeterlineError]:
    """The answers in the order of the questions, of any tenants; an unknown id spoils only its own.

    A fixed number of statements. They see everything that was acknowledged before, by whichever process.
    """
    positions, amounts_in_order = run_metering(lambda session: _read(session, questions), Pool.LANES)
    amounts = iter(amounts_in_order)
    return [
        position
        if isinstance(position, MeterlineError)
        else entitlement_of(position, *(next(amounts) if position.period else (0, 0)), delta=command.delta)
        for position, (_, command) in zip(positions, questions, strict=True)
    ]


def _read(session: Session, questions: Sequence[Question]) -> tuple[Sequence[_Found], list[tuple[int, int]]]:
    asked = [(actor.tenant_id, command.user_id, command.feature_id) for actor, command in questions]
    now = clock.now()
    positions = positions_of(session, asked, now)
    return positions, amounts_of(session, positions, now)


def show_usage(actor: Actor, user_id: str, feature_id: str) -> ShowUsage:
    """The current period and those before it, newest first, back to the subscription's start or 366 of them.

    What has been closed is told as it was at its end. The rest is told from the ledger, by the present terms.
    A period of which the ledger no longer keeps every event is not told: its total would be too low.

    Raises:
        UserNotFoundError, FeatureNotFoundError: an id that this tenant does not have.
        InvalidInputError: what is no id; it names the field.
    """
    check_id("userId", user_id)
    check_id("featureId", feature_id)
    with transaction() as session:
        now = clock.now()
        position = positions_of(session, [(actor.tenant_id, user_id, feature_id)], now)[0]
        if isinstance(position, MeterlineError):
            raise position
        if position.decider is None or position.period is None:
            return ShowUsage(current=None, past=[])
        decider, current = position.decider, position.period
        kept = kept_since(now)
        ended = islice(past_periods(decider.anchor, decider.reset_period, current.start), PAST_PERIODS_MAX)
        past = [period for period in ended if kept is None or period.start >= kept]
        ((used_now, held_now),) = amounts_of(session, [position], now)
        windows = [(position.pair, period) for period in past]
        history = closed_periods(session, windows)
        told_by_ledger = [window for window in windows if window not in history]
        used_then = dict(zip(told_by_ledger, replayed_totals(session, told_by_ledger), strict=True))
        # A reservation made just before a period ended is held there until it is settled.
        may_hold = position.counter is not None and position.counter.may_hold(now)
        held_then = held_amounts(session, windows, now) if may_hold else [0] * len(windows)
    return ShowUsage(
        current=_in_period(decider, current, used_now, held_now),
        past=[
            _in_period(history[window], window[1], history[window].used, held)
            if window in history
            else _in_period(decider, window[1], used_then[window], held)
            for window, held in zip(windows, held_then, strict=True)
        ],
    )


def positions_of(session: Session, asked: Sequence[Asked], now: datetime) -> list[_Found]:
    """Everybody's position at this moment, in the order asked. Two statements, however many."""
    found = standings(session, asked)
    held = candidates(session, {(standing.pair, now) for standing in found if standing.pair}, now)
    return [_position(standing, held, now) for standing in found]


def _position(standing: Standing, held: Mapping[Moment, Sequence[Candidate]], now: datetime) -> _Found:
    if standing.user_key is None:
        return UserNotFoundError()
    if standing.pair is None or standing.feature_type is None:
        return FeatureNotFoundError()
    found = held.get((standing.pair, now), ())
    decider = winner(found)
    period = counted_period(standing.feature_type, decider, now)
    return Position(standing.pair, standing.feature_type, standing.counter, found, decider, period)


def amounts_of(
    session: Session, positions: Iterable[Position | MeterlineError], now: datetime
) -> list[tuple[int, int]]:
    """What is used and what is held, for those positions where something is counted, in order. Two statements at most."""
    counted = [
        (position.pair, position.period, position.counter)
        for position in positions
        if isinstance(position, Position) and position.period is not None
    ]
    windows = [(pair, period) for pair, period, _ in counted]
    used = current_totals(session, windows, [counter for *_, counter in counted])
    watched = [n for n, (*_, counter) in enumerate(counted) if counter and counter.may_hold(now)]
    held = dict(zip(watched, held_amounts(session, [windows[n] for n in watched], now), strict=True))
    return [(total, held.get(n, 0)) for n, total in enumerate(used)]


def entitlement_of(position: Position, used: int, held: int, *, delta: int) -> Entitlement:
    """The answer at a position, when so much is used and held in its period."""
    answer = decide_access(position.feature_type, position.decider, used=used, held=held, delta=delta)
    period = position.period
    return Entitlement(
        access=answer.access,
        reason=answer.reason,
        consumption=_shown(answer.consumption) if answer.consumption else None,
        package_id=position.decider.package_id if position.decider else None,
        period_start=clock.to_wire(period.start) if period else None,
        period_end=clock.to_wire(period.end) if period else None,
    )


def _in_period(terms: Limited, period: Period, used: int, held: int) -> ConsumptionInPeriod:
    return ConsumptionInPeriod(
        period_start=clock.to_wire(period.start),
        period_end=clock.to_wire(period.end),
        consumption=_shown(terms.consumption(used, held)),
    )


def _shown(consumption: entitlements.Consumption) -> Consumption:
    return consumption_view(
        consumption.used,
        budget=consumption.budget,
        overage_enabled=consumption.overage_enabled,
        reserved=consumption.reserved,
    )
