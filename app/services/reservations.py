"""Reservations: an amount is held at once and settled later. What is held counts against the limit, and frees itself in time.

A reservation belongs to the period it was made in; what it settles counts there, at the moment of the reservation. All of it
happens under the lock of the counter, like everything that counts usage.
"""

from datetime import datetime, timedelta

from psycopg.errors import UniqueViolation
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from app import clock, models
from app.contract.actors import Actor
from app.contract.reservations import CommitReservation, Reservation, ReservedUsage, ReserveUsage
from app.contract.usage import Consumption, RecordedUsage
from app.db import transaction
from app.domain.entitlements import Terms
from app.domain.metering import Decision, Enforcement, RecordUsageAction, decide
from app.domain.periods import Period
from app.domain.reservations import ReservationStatus, status_at
from app.errors import (
    FeatureNotFoundError,
    IdempotencyConflictError,
    ReservationError,
    ReservationNotFoundError,
    UserNotFoundError,
)
from app.queries import reservations as queries
from app.queries.ledger import Entry, entry_by_id
from app.queries.standings import Pair, locked_standing, locked_standings, move_counters, names_of
from app.services.consumption_views import consumption_view
from app.services.meters import Decider, KeyTakenError, Meter, fill, meter_of, open_meters, run_metering, write
from app.services.row_ids import number_of
from app.services.usage import recorded_view


def reserve_usage(actor: Actor, command: ReserveUsage) -> ReservedUsage:
    """Hold an amount of the current period's allowance, if there is room for it. A refusal is an answer and holds nothing.

    A repeated idempotency key of a reservation that was made returns it again with `duplicate` true; a refused one is not
    remembered, so a repeat asks anew.

    Raises:
        UserNotFoundError, FeatureNotFoundError: an id that this tenant does not have.
        IdempotencyConflictError: the key was used before, for another user, feature, delta or time.
        OverloadedError: nothing was done, or (`nothing_done` false) nobody knows.
    """
    return run_metering(lambda session: _reserve(session, actor, command))


def commit_reservation(actor: Actor, reservation_id: str, command: CommitReservation) -> RecordedUsage:
    """Settle a reservation with what was really used: that is recorded, and the rest of the hold is free again.

    Up to the amount held nothing can refuse it. Beyond, the limit decides about the whole: if it refuses, the answer says why and
    the reservation is still held. A repeat with the same amount returns the first answer with `duplicate` true.

    Raises:
        ReservationNotFoundError: the tenant has no reservation with this id.
        ReservationError: it was released, has expired, or was settled with another amount.
        OverloadedError: nothing was done, or (`nothing_done` false) nobody knows.
    """
    number = _number(reservation_id)
    return recorded_view(*run_metering(lambda session: _commit(session, actor, number, command)))


def release_reservation(actor: Actor, reservation_id: str) -> Reservation:
    """Free what is held. One that has expired or was released before stays as it is.

    Raises:
        ReservationNotFoundError: the tenant has no reservation with this id.
        ReservationError: it was settled.
        OverloadedError: nothing was done, or (`nothing_done` false) nobody knows.
    """
    number = _number(reservation_id)
    return run_metering(lambda session: _release(session, actor, number))


def get_reservation(actor: Actor, reservation_id: str) -> Reservation:
    """Raises ReservationNotFoundError."""
    number = _number(reservation_id)
    with transaction() as session:
        return _view(session, _found(session, actor, number))


def _reserve(session: Session, actor: Actor, command: ReserveUsage) -> ReservedUsage:
    asked = (actor.tenant_id, command.user_id, command.feature_id)
    (standing,) = locked_standings(session, [asked])
    if standing.user_key is None:
        raise UserNotFoundError
    if standing.pair is None:
        raise FeatureNotFoundError
    if command.idempotency_key is not None:
        first = queries.reservation_by_key(session, actor.tenant_id, command.idempotency_key)
        if first is not None:
            return _repeated(session, first, standing.pair, command)
    now = clock.now()
    meters = open_meters(session, [(standing, now)], now)
    meter, decider = meters.by_pair[standing.pair], meters.deciders[standing.pair, now]
    decision = _decide(actor, meter, decider, command.delta)
    if not decision.recorded:
        return ReservedUsage(
            reserved=False,
            reason=decision.reason,
            duplicate=False,
            reservation=None,
            consumption=_consumption(meter, decider),
        )
    row = _hold(session, meter, decider, command, now)
    return ReservedUsage(
        reserved=True, reason=None, duplicate=False, reservation=_view(session, row), consumption=_as_granted(row)
    )


def _decide(actor: Actor, meter: Meter, decider: Decider, delta: int) -> Decision:
    period = decider.period
    return decide(
        meter.feature_type,
        decider.candidate,
        used=meter.totals[period] if period else 0,
        held=meter.held.get(period, 0) if period else 0,
        action=RecordUsageAction.ADD,
        delta=delta,
        enforcement=actor.enforcement,
    )


def _hold(session: Session, meter: Meter, decider: Decider, command: ReserveUsage, now: datetime) -> models.Reservation:
    """Raises KeyTakenError: another transaction used the key, for another user or feature."""
    terms, period = decider.candidate, decider.period
    if terms is None or period is None:
        raise ValueError("only what somebody decided can be held")
    tenant_id, user_key, feature_key = meter.pair
    row = models.Reservation(
        tenant_id=tenant_id,
        user_key=user_key,
        feature_key=feature_key,
        amount=command.delta,
        ttl_seconds=command.ttl_seconds,
        at=now,
        expires_at=now + timedelta(seconds=command.ttl_seconds),
        period_start=period.start,
        period_end=period.end,
        used_before=meter.totals[period],
        held=meter.held.get(period, 0) + command.delta,
        budget=terms.limit,
        overage_enabled=terms.overage_enabled,
        status=ReservationStatus.HELD,
        idempotency_key=command.idempotency_key,
    )
    session.add(row)
    try:
        session.flush()
    except IntegrityError as broken:
        if not isinstance(broken.orig, UniqueViolation):
            raise  # a fault, which no further try would mend
        raise KeyTakenError from broken
    counter = meter.counter
    counter.held_until = max(counter.held_until or row.expires_at, row.expires_at)
    move_counters(session, {meter.pair: counter})
    return row


def _repeated(session: Session, first: models.Reservation, pair: Pair, command: ReserveUsage) -> ReservedUsage:
    asked_then = ((first.tenant_id, first.user_key, first.feature_key), first.amount, first.ttl_seconds)
    if asked_then != (pair, command.delta, command.ttl_seconds):
        raise IdempotencyConflictError(
            "idempotencyKey: this key was used before, for another user, feature, delta or ttlSeconds"
        )
    return ReservedUsage(
        reserved=True, reason=None, duplicate=True, reservation=_view(session, first), consumption=_as_granted(first)
    )


def _commit(session: Session, actor: Actor, reservation_id: int, command: CommitReservation) -> tuple[Entry, bool]:
    """The entry that settles the reservation, and whether it was there before."""
    row, meter = _locked(session, actor, reservation_id)
    now = clock.now()
    delta = row.amount if command.delta is None else command.delta
    status = status_at(row.status, row.expires_at, now)
    if status is ReservationStatus.COMMITTED and row.event_id is not None:
        settled = entry_by_id(session, actor.tenant_id, row.event_id)
        if settled is None or settled.delta != delta:
            raise ReservationError(f"Reservation {reservation_id} was committed before, with another amount.")
        return settled, True
    if status is not ReservationStatus.HELD:
        raise ReservationError(f"Reservation {reservation_id} cannot be committed: it is {status}.")
    entry = _settlement(session, actor, meter, row, delta, now)
    if entry.recorded:
        meter.count(entry)
    write(session, [meter], [entry])
    if entry.recorded:
        _settle(session, row, ReservationStatus.COMMITTED, now, entry.id)
    return entry, False


def _settlement(
    session: Session, actor: Actor, meter: Meter, row: models.Reservation, delta: int, now: datetime
) -> Entry:
    """The event of a commit: by the terms that the reservation was granted by, in its period, at its moment."""
    period = Period(row.period_start, row.period_end)
    fill(session, [(meter, period)], now)
    held_by_others = meter.held.get(period, 0) - row.amount
    decision = decide(
        meter.feature_type,
        Terms(row.budget, row.overage_enabled),
        used=meter.totals[period],
        held=held_by_others,
        action=RecordUsageAction.ADD,
        delta=delta,
        # Room for the amount held was promised; what has happened since cannot take it back.
        enforcement=Enforcement.RECORD if delta <= row.amount else actor.enforcement,
    )
    return Entry(
        tenant_id=row.tenant_id,
        user_key=row.user_key,
        feature_key=row.feature_key,
        at=row.at,
        recorded_at=now,
        action=RecordUsageAction.ADD,
        delta=delta,
        applied=decision.applied,
        recorded=decision.recorded,
        reason=decision.reason,
        period_start=period.start,
        period_end=period.end,
        used_after=decision.used,
        held=(held_by_others if decision.recorded else meter.held.get(period, 0)) or None,
        budget=row.budget,
        overage_enabled=row.overage_enabled,
        reservation_id=row.id,
    )


def _release(session: Session, actor: Actor, reservation_id: int) -> Reservation:
    row, _ = _locked(session, actor, reservation_id)
    now = clock.now()
    status = status_at(row.status, row.expires_at, now)
    if status is ReservationStatus.COMMITTED:
        raise ReservationError(f"Reservation {reservation_id} cannot be released: it is {status}.")
    if status is ReservationStatus.HELD:
        _settle(session, row, ReservationStatus.RELEASED, now)
    return _view(session, row)


def _settle(
    session: Session, row: models.Reservation, status: ReservationStatus, now: datetime, event_id: int | None = None
) -> None:
    row.status, row.settled_at, row.event_id = status, now, event_id
    session.flush()


def _locked(session: Session, actor: Actor, reservation_id: int) -> tuple[models.Reservation, Meter]:
    """The reservation as it is once its counter's lock is ours: what was read before may have changed while we waited."""
    found = _found(session, actor, reservation_id)
    meter = meter_of(locked_standing(session, (found.tenant_id, found.user_key, found.feature_key)))
    return _found(session, actor, reservation_id), meter


def _found(session: Session, actor: Actor, reservation_id: int) -> models.Reservation:
    row = queries.reservation_by_id(session, actor.tenant_id, reservation_id)
    if row is None:
        raise ReservationNotFoundError
    return row


def _number(reservation_id: str) -> int:
    number = number_of(reservation_id)
    if number is None:
        raise ReservationNotFoundError
    return number


def _view(session: Session, row: models.Reservation) -> Reservation:
    user_id, feature_id = names_of(session, (row.tenant_id, row.user_key, row.feature_key))
    return Reservation(
        id=str(row.id),
        user_id=user_id,
        feature_id=feature_id,
        amount=row.amount,
        status=status_at(row.status, row.expires_at, clock.now()),
        created_at=clock.to_wire(row.at),
        expires_at=clock.to_wire(row.expires_at),
        event_id=None if row.event_id is None else str(row.event_id),
    )


def _as_granted(row: models.Reservation) -> Consumption:
    """The consumption right after the reservation was made."""
    return consumption_view(row.used_before, budget=row.budget, overage_enabled=row.overage_enabled, reserved=row.held)


def _consumption(meter: Meter, decider: Decider) -> Consumption | None:
    terms, period = decider.candidate, decider.period
    if terms is None or period is None:
        return None
    return consumption_view(
        meter.totals[period],
        budget=terms.limit,
        overage_enabled=terms.overage_enabled,
        reserved=meter.held.get(period, 0),
    )
