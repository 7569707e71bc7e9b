"""Batches of usage events: many in one transaction, on request all of them or none."""

from collections.abc import Sequence

from msgspec.structs import asdict
from sqlmodel import Session

from app.contract.actors import Actor
from app.contract.usage import RecordedUsage, RecordedUsages, RecordUsages, UsageError, UsageResult
from app.errors import InvalidInputError, MeterlineError
from app.queries.ledger import Entry
from app.services.meters import run_metering, write
from app.services.usage import Batch, Call, Decided, decide_in_order, record_many, recorded_view

_BECAUSE = "Not recorded: event "


def record_batch(actor: Actor, command: RecordUsages) -> RecordedUsages:
    """Record up to 1,000 events in one transaction, each decided after those before it; the results come in their order.

    What is wrong with one event (see `services.usage.record_usage`) is its result. With `all_or_nothing` the first event that
    is refused or wrong keeps every other from being recorded, and each result says so. Refused events are kept in the ledger
    and answer repeats of their keys; where an event was wrong, nothing is kept of any.

    Raises:
        OverloadedError: for all of them.
    """
    calls = [(actor, event) for event in command.events]
    if command.all_or_nothing:
        return run_metering(lambda session: _all_or_nothing(session, calls))
    answers = record_many(calls)
    return _view([_result(answer) for answer in answers], _first_refused(answers))


def _all_or_nothing(session: Session, calls: Sequence[Call]) -> RecordedUsages:
    batch = decide_in_order(session, calls)
    culprit = _first_refused([one if isinstance(one, MeterlineError) else one[0] for one in batch.decided])
    if culprit is None:
        write(session, batch.meters.by_pair.values(), batch.new)
    elif not any(isinstance(decided, MeterlineError) for decided in batch.decided):
        _refuse(batch, culprit)
        write(session, [], batch.new)
    else:
        return _view([_undecided(decided, culprit) for decided in batch.decided], culprit)
    results = [_result(one if isinstance(one, MeterlineError) else recorded_view(*one)) for one in batch.decided]
    return _view(results, culprit)


def _first_refused(outcomes: Sequence[Entry | RecordedUsage | MeterlineError]) -> int | None:
    """The place of the first that was not recorded for a reason of its own; if all only went down with another, the first.

    When the keys of a refused batch answer its repeat, all are refused, and the culprit must still be the one that it was.
    """
    reasons = {
        n: None if isinstance(outcome, MeterlineError) else outcome.reason
        for n, outcome in enumerate(outcomes)
        if isinstance(outcome, MeterlineError) or not outcome.recorded
    }
    own = (n for n, reason in reasons.items() if reason is None or not reason.startswith(_BECAUSE))
    return next(own, next(iter(reasons), None))


def _refuse(batch: Batch, culprit: int) -> None:
    """Turn every new entry into a refusal, at the totals that were there before any of them."""
    for entry in batch.new:
        if entry.period is not None:
            entry.used_after = batch.meters.by_pair[entry.pair].opening_total(entry.period)
        if entry.recorded:
            entry.recorded, entry.applied, entry.reason = False, 0, _because_of(culprit)


def _because_of(culprit: int) -> str:
    return f"{_BECAUSE}{culprit} of this all-or-nothing batch was not (counted from 0)."


def _undecided(decided: Decided, culprit: int) -> UsageResult:
    """The result of an event in a batch that holds a mistake: its own mistake, its earlier answer, or that it must wait."""
    if isinstance(decided, MeterlineError):
        return _result(decided)
    entry, is_duplicate = decided
    if is_duplicate and entry.id:
        return _result(recorded_view(entry, duplicate=True))
    reason = entry.reason or _because_of(culprit)
    return UsageResult(recorded=False, reason=reason, event_id=None, duplicate=False, consumption=None, error=None)


def _result(answer: RecordedUsage | MeterlineError) -> UsageResult:
    if isinstance(answer, RecordedUsage):
        return UsageResult(**asdict(answer), error=None)
    field = answer.field if isinstance(answer, InvalidInputError) else None
    error = UsageError(code=answer.code, name=answer.name, message=answer.message, field=field)
    return UsageResult(
        recorded=False, reason=answer.message, event_id=None, duplicate=False, consumption=None, error=error
    )


def _view(results: list[UsageResult], first_refused: int | None) -> RecordedUsages:
    return RecordedUsages(recorded=first_refused is None, first_refused=first_refused, results=results)
