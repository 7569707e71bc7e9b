"""Recording usage: decisions, counters, ledger entries and idempotency records are one commit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from app import clock
from app.contract.actors import Actor
from app.contract.usage import Consumption, RecordedUsage, RecordUsage
from app.db import transaction
from app.domain.entitlements import Candidate, FeatureType, counted_period, winner
from app.domain.metering import decide
from app.domain.periods import Period
from app.domain.values import INT32_MAX
from app.errors import (
    FeatureNotFoundError,
    IdempotencyConflictError,
    MeterlineError,
    OverloadedError,
    UserNotFoundError,
)
from app.queries import ledger
from app.queries import standings as queries
from app.queries.ledger import Entry, Key
from app.queries.standings import Counter, Pair, Standing
from app.queries.subscriptions import candidates

Call = tuple[Actor, RecordUsage]

_TRIES = 4


class _CountersMissingError(Exception):
    """Pairs that have no counter yet, so nothing to lock."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.pairs = pairs


class _KeyTakenError(Exception):
    """Another transaction recorded one of the idempotency keys while we were at work."""


def record_usage(actor: Actor, command: RecordUsage) -> RecordedUsage:
    """Count usage exactly once. A refusal is an answer (`recorded` false with a reason), and is kept in the ledger too.

    A repeated idempotency key changes nothing and returns the first answer with `duplicate` true.

    Raises:
        UserNotFoundError, FeatureNotFoundError: an id that this tenant does not have.
        IdempotencyConflictError: the key was used before, for another user, feature, delta or action.
        OverloadedError: the key went on being taken by others; nothing was recorded.
    """
    (answer,) = record_many([(actor, command)])
    if isinstance(answer, MeterlineError):
        raise answer
    return answer


def record_many(calls: Sequence[Call]) -> list[RecordedUsage | MeterlineError]:
    """`record_usage` for many calls of any tenants in one transaction, decided one after the other in this order.

    What is wrong with one call (the errors that `record_usage` raises) is its answer and leaves the others alone. A fixed
    number of statements, however many calls. The counters are locked in key order, so that batches of several processes wait
    for each other and never in a circle.

    Raises:
        OverloadedError: for all of them; nothing was recorded.
    """
    for _ in range(_TRIES):
        try:
            with transaction() as session:
                return _record(session, calls)
        except _CountersMissingError as missing:
            _make_counters(missing.pairs)
        except _KeyTakenError:
            # The other transaction has committed by now, so the next try finds its entry.
            continue
    raise OverloadedError("An idempotency key is being used by other calls at this moment. Try again.")


def _make_counters(pairs: Sequence[Pair]) -> None:
    try:
        with transaction() as session:
            queries.make_counters(session, pairs)
    except IntegrityError:
        # A feature was deleted after it had been looked up; the next look finds it unknown.
        return


@dataclass(slots=True)
class _Meter:
    """One user and feature within a batch: who decides, and the running total that each call finds and leaves."""

    pair: Pair
    feature_type: FeatureType
    counter: Counter
    decider: Candidate | None
    period: Period | None
    used: int = 0

    def decided(self, actor: Actor, command: RecordUsage, now: datetime) -> Entry:
        """What the call does, as the entry that the ledger will hold."""
        decision = decide(
            self.feature_type,
            self.decider,
            used=self.used,
            action=command.action,
            delta=command.delta,
            enforcement=actor.enforcement,
        )
        if decision.recorded and self.period is not None:
            self.used = decision.used
            self.counter.move_to(self.period, decision.used)
        # When nothing is counted there is no consumption to tell.
        terms = self.decider if self.period else None
        tenant_id, user_key, feature_key = self.pair
        return Entry(
            tenant_id=tenant_id,
            user_key=user_key,
            feature_key=feature_key,
            at=now,
            action=command.action,
            delta=command.delta,
            applied=decision.applied,
            recorded=decision.recorded,
            reason=decision.reason,
            used_after=decision.used if terms else None,
            budget=terms.limit if terms else None,
            overage_enabled=terms.overage_enabled if terms else None,
            idempotency_key=command.idempotency_key,
        )


def _record(session: Session, calls: Sequence[Call]) -> list[RecordedUsage | MeterlineError]:
    asked = [(actor.tenant_id, command.user_id, command.feature_id) for actor, command in calls]
    distinct = list(dict.fromkeys(asked))
    # The locks first: all that decides is read after them, so two batches at once decide one after the other.
    found = dict(zip(distinct, queries.locked_standings(session, distinct), strict=True))
    standings = [found[one] for one in asked]
    by_key = ledger.entries_with_keys(session, [key for call in calls if (key := _key(call)) is not None])
    now = clock.now()
    meters = _meters(session, _to_be_decided(calls, standings, by_key), now)
    new: list[Entry] = []
    decided: list[tuple[Entry, bool] | MeterlineError] = []
    for call, standing in zip(calls, standings, strict=True):
        key, pair = _key(call), standing.pair
        first = by_key.get(key) if key else None
        if pair is None:
            decided.append(UserNotFoundError() if standing.user_key is None else FeatureNotFoundError())
        elif first is not None:
            decided.append((first, True) if _asks_the_same(first, pair, call[1]) else _key_used_before())
        else:
            entry = meters[pair].decided(*call, now)
            new.append(entry)
            decided.append((entry, False))
            if key is not None:
                by_key[key] = entry  # a repeat later in this very batch finds it too
    _write(session, meters.values(), new)
    return [one if isinstance(one, MeterlineError) else _view(*one) for one in decided]


def _key(call: Call) -> Key | None:
    actor, command = call
    return None if command.idempotency_key is None else (actor.tenant_id, command.idempotency_key)


def _to_be_decided(
    calls: Sequence[Call], standings: Sequence[Standing], by_key: Mapping[Key, Entry]
) -> Iterable[Standing]:
    """Where the calls stand that no key answers. What a key answers needs no counter, and must not leave one behind."""
    answered = set(by_key)
    for call, standing in zip(calls, standings, strict=True):
        key = _key(call)
        if standing.pair is None or key in answered:
            continue
        if key is not None:
            answered.add(key)
        yield standing


def _meters(session: Session, standings: Iterable[Standing], now: datetime) -> dict[Pair, _Meter]:
    """The meters of the known pairs, each at its present total. Raises _CountersMissingError."""
    known = {standing.pair: standing for standing in standings if standing.pair}
    missing = [pair for pair, standing in known.items() if standing.counter is None]
    if missing:
        raise _CountersMissingError(missing)
    held = candidates(session, known, now)
    meters = {}
    for pair, standing in known.items():
        if standing.counter and standing.feature_type:
            decider = winner(held.get(pair, ()))
            period = counted_period(standing.feature_type, decider, now)
            meters[pair] = _Meter(pair, standing.feature_type, standing.counter, decider, period)
    counted = [(meter, meter.period) for meter in meters.values() if meter.period is not None]
    totals = ledger.current_totals(
        session, [(meter.pair, period) for meter, period in counted], [meter.counter for meter, _ in counted]
    )
    for (meter, _), used in zip(counted, totals, strict=True):
        meter.used = used
    return meters


def _write(session: Session, meters: Iterable[_Meter], new: Sequence[Entry]) -> None:
    """Raises _KeyTakenError; then everything must be rolled back."""
    recorded = {(entry.tenant_id, entry.user_key, entry.feature_key) for entry in new if entry.recorded}
    moved = {meter.pair: meter.counter for meter in meters if meter.pair in recorded}
    if moved:
        queries.move_counters(session, moved)
    if new and not ledger.append(session, new):
        raise _KeyTakenError


def _asks_the_same(first: Entry, pair: Pair, command: RecordUsage) -> bool:
    before = (first.tenant_id, first.user_key, first.feature_key), first.delta, first.action
    return before == (pair, command.delta, command.action)


def _key_used_before() -> IdempotencyConflictError:
    return IdempotencyConflictError(
        "idempotencyKey: this key was used before, for another user, feature, delta or action"
    )


def _view(entry: Entry, duplicate: bool) -> RecordedUsage:
    consumption = None
    if entry.used_after is not None and entry.overage_enabled is not None:
        # The true total can be more than an Int carries (see `services.entitlements`), here as there.
        used = min(entry.used_after, INT32_MAX)
        consumption = Consumption(used=used, budget=entry.budget, overage_enabled=entry.overage_enabled)
    return RecordedUsage(
        recorded=entry.recorded,
        reason=entry.reason,
        event_id=str(entry.id),
        duplicate=duplicate,
        consumption=consumption,
    )
