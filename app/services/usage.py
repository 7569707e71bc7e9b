"""Recording usage: decisions, counters, ledger entries and idempotency records are one commit."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlmodel import Session

from app import clock
from app.contract.actors import Actor
from app.contract.usage import RecordedUsage, RecordUsage
from app.db import Pool
from app.domain.metering import decide
from app.errors import (
    FeatureNotFoundError,
    IdempotencyConflictError,
    InvalidInputError,
    MeterlineError,
    OverloadedError,
    UserNotFoundError,
)
from app.queries import ledger
from app.queries.ledger import Entry, Key
from app.queries.standings import Asked, Pair, Standing, locked_standings, unheld_standings
from app.services.consumption_views import consumption_after
from app.services.meters import Meters, open_meters, run_metering, write
from app.settings import settings

Call = tuple[Actor, RecordUsage]

Decided = tuple[Entry, bool] | MeterlineError
"""The entry and whether it was there before; or what is wrong with the call."""

AHEAD_MAX = timedelta(minutes=5)
"""How far a timestamp may be ahead of our clock: as far as clocks go wrong."""


def record_usage(actor: Actor, command: RecordUsage) -> RecordedUsage:
    """Count usage exactly once. A refusal is an answer (`recorded` false with a reason), and is kept in the ledger too.

    It counts in the period that holds `command.timestamp` (now, if absent), by the subscriptions of that moment, and the limit
    of that period applies. A repeated idempotency key changes nothing and returns the first answer with `duplicate` true.

    Raises:
        UserNotFoundError, FeatureNotFoundError: an id that this tenant does not have.
        InvalidInputError: the timestamp is more than 5 minutes ahead, or older than what the ledger keeps.
        IdempotencyConflictError: the key was used before, for another user, feature, delta, action or timestamp.
        OverloadedError: nothing was recorded, or (`nothing_done` false) nobody knows.
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
        OverloadedError: for all of them.
    """
    return [_answer(decided) for decided in run_metering(lambda session: _record(session, calls))]


def record_unheld(calls: Sequence[Call]) -> list[RecordedUsage | MeterlineError | None]:
    """`record_many` for calls that have nothing to do with each other: none waits long because of another one's counter.

    When a counter is held by another transaction (`db.transaction`), the calls to counters that are not are decided, and the
    answer of the others is None: nothing was done for them, and they can be asked again.

    Raises:
        OverloadedError: for all of them.
    """
    try:
        decided = run_metering(lambda session: _record(session, calls), Pool.LANES)
    except OverloadedError as busy:
        if not busy.held_up:
            raise
        some_decided = run_metering(lambda session: _record_unheld(session, calls), Pool.LANES)
        return [one and _answer(one) for one in some_decided]
    return [_answer(one) for one in decided]


def _record(session: Session, calls: Sequence[Call]) -> list[Decided]:
    batch = decide_in_order(session, calls)
    write(session, batch.meters.by_pair.values(), batch.new)
    return batch.decided


def _record_unheld(session: Session, calls: Sequence[Call]) -> list[Decided | None]:
    standings = _standings_of(calls, lambda asked: unheld_standings(session, asked))
    free = [n for n, standing in enumerate(standings) if standing.pair is None or standing.counter is not None]
    batch = _decide_all(session, [calls[n] for n in free], [standings[n] for n in free])
    write(session, batch.meters.by_pair.values(), batch.new)
    decided = dict(zip(free, batch.decided, strict=True))
    return [decided.get(n) for n in range(len(calls))]


def _answer(decided: Decided) -> RecordedUsage | MeterlineError:
    return decided if isinstance(decided, MeterlineError) else recorded_view(*decided)


@dataclass(slots=True)
class Batch:
    """The decisions of one transaction, one for each call. Nothing is written yet; `new` is what would be appended."""

    meters: Meters
    now: datetime
    by_key: dict[Key, Entry]
    decided: list[Decided] = field(default_factory=list)
    new: list[Entry] = field(default_factory=list)


def decide_in_order(session: Session, calls: Sequence[Call]) -> Batch:
    """Lock what the calls are about, read what decides, and decide each call after those before it.

    Raises:
        CountersMissingError: for `run_metering`.
    """
    # The locks first: all that decides is read after them, so two batches at once decide one after the other.
    standings = _standings_of(calls, lambda asked: locked_standings(session, asked))
    return _decide_all(session, calls, standings)


def _standings_of(calls: Sequence[Call], read: Callable[[Sequence[Asked]], Sequence[Standing]]) -> list[Standing]:
    asked = [(actor.tenant_id, command.user_id, command.feature_id) for actor, command in calls]
    distinct = list(dict.fromkeys(asked))
    found = dict(zip(distinct, read(distinct), strict=True))
    return [found[one] for one in asked]


def _decide_all(session: Session, calls: Sequence[Call], standings: Sequence[Standing]) -> Batch:
    by_key = ledger.entries_with_keys(session, [key for call in calls if (key := _key(call)) is not None])
    now = clock.now()
    problems = [_problem(standing, command, now) for (_, command), standing in zip(calls, standings, strict=True)]
    batch = Batch(open_meters(session, _to_be_decided(calls, standings, problems, by_key, now), now), now, by_key)
    for call, standing, problem in zip(calls, standings, problems, strict=True):
        batch.decided.append(problem or _decide(batch, call, standing))
    return batch


def _problem(standing: Standing, command: RecordUsage, now: datetime) -> MeterlineError | None:
    """What is wrong with a call before anything is decided."""
    if standing.user_key is None:
        return UserNotFoundError()
    if standing.feature_key is None:
        return FeatureNotFoundError()
    return None if command.timestamp is None else _bad_timestamp(command.timestamp, now)


def _bad_timestamp(timestamp: datetime, now: datetime) -> InvalidInputError | None:
    if timestamp > now + AHEAD_MAX:
        return InvalidInputError("timestamp", f"must be at most {AHEAD_MAX.seconds // 60} minutes ahead of now")
    kept_days = settings().usage_retention_days
    if kept_days is not None and timestamp < now - timedelta(days=kept_days):
        return InvalidInputError("timestamp", f"must not be older than the {kept_days} days that the ledger keeps")
    return None


def _key(call: Call) -> Key | None:
    actor, command = call
    return None if command.idempotency_key is None else (actor.tenant_id, command.idempotency_key)


def _to_be_decided(
    calls: Sequence[Call],
    standings: Sequence[Standing],
    problems: Sequence[MeterlineError | None],
    by_key: Mapping[Key, Entry],
    now: datetime,
) -> Iterable[tuple[Standing, datetime]]:
    """Where and when the calls stand that no key answers. What a key answers needs no counter, and must not leave one behind."""
    answered = set(by_key)
    for call, standing, problem in zip(calls, standings, problems, strict=True):
        key = _key(call)
        if problem is not None or key in answered:
            continue
        if key is not None:
            answered.add(key)
        yield standing, call[1].timestamp or now


def _decide(batch: Batch, call: Call, standing: Standing) -> Decided:
    pair, key = standing.pair, _key(call)
    if pair is None:
        raise ValueError("only what is known can be decided")
    first = batch.by_key.get(key) if key else None
    if first is not None:
        return (first, True) if _asks_the_same(first, pair, call[1]) else _key_used_before()
    entry = _counted(batch, call, pair)
    batch.new.append(entry)
    if key is not None:
        batch.by_key[key] = entry  # a repeat later in this very batch finds it too
    return entry, False


def _counted(batch: Batch, call: Call, pair: Pair) -> Entry:
    """What the call does, as the entry that the ledger will hold. If it is recorded it counts for the calls after it."""
    actor, command = call
    at = command.timestamp or batch.now
    meter, decider = batch.meters.by_pair[pair], batch.meters.deciders[pair, at]
    terms, period = decider.candidate, decider.period
    held = meter.held.get(period, 0) if period else 0
    decision = decide(
        meter.feature_type,
        terms,
        used=meter.totals[period] if period else 0,
        held=held,
        action=command.action,
        delta=command.delta,
        enforcement=actor.enforcement,
    )
    tenant_id, user_key, feature_key = pair
    entry = Entry(
        tenant_id=tenant_id,
        user_key=user_key,
        feature_key=feature_key,
        at=at,
        recorded_at=batch.now,
        action=command.action,
        delta=command.delta,
        applied=decision.applied,
        recorded=decision.recorded,
        reason=decision.reason,
        idempotency_key=command.idempotency_key,
    )
    # When nothing is counted there is no consumption to tell.
    if terms and period:
        entry.period_start, entry.period_end = period.start, period.end
        entry.used_after, entry.held = decision.used, held or None
        entry.budget, entry.overage_enabled = terms.limit, terms.overage_enabled
    if entry.recorded:
        meter.count(entry)
    return entry


def _asks_the_same(first: Entry, pair: Pair, command: RecordUsage) -> bool:
    # Without a timestamp an event counts at the very moment it is recorded.
    same_moment = first.at == (command.timestamp or first.recorded_at)
    return same_moment and (first.pair, first.delta, first.action) == (pair, command.delta, command.action)


def _key_used_before() -> IdempotencyConflictError:
    return IdempotencyConflictError(
        "idempotencyKey: this key was used before, for another user, feature, delta, action or timestamp"
    )


def recorded_view(entry: Entry, duplicate: bool) -> RecordedUsage:
    """The answer that an entry stands for."""
    return RecordedUsage(
        recorded=entry.recorded,
        reason=entry.reason,
        event_id=str(entry.id),
        duplicate=duplicate,
        consumption=consumption_after(entry),
    )
