"""Taking a usage event back: exactly what it applied, in the period it was counted in, once, and on record."""

from sqlmodel import Session

from app import clock
from app.contract.actors import Actor
from app.contract.usage import RecordedUsage
from app.domain.metering import RecordUsageAction, total_after
from app.domain.values import INT32_MAX
from app.errors import RevertError, UsageEventNotFoundError
from app.queries.ledger import Entry, entry_by_id, revert_of
from app.queries.standings import locked_standing
from app.services.meters import fill, meter_of, run_metering, write
from app.services.row_ids import number_of
from app.services.usage import recorded_view


def revert_usage(actor: Actor, event_id: str) -> RecordedUsage:
    """Take back what a recorded event applied, however old it is. No limit refuses it, and no total goes below zero.

    The taking back is an event of its own, which counts at the moment of the one it reverts; its id is in the answer. A repeat
    changes nothing and returns the first answer with `duplicate` true.

    Raises:
        UsageEventNotFoundError: the tenant has no event with this id.
        RevertError: nothing can be taken back: the event was refused, or is itself a taking back.
        OverloadedError: nothing was done, or (`nothing_done` false) nobody knows.
    """
    number = number_of(event_id)
    if number is None:
        raise UsageEventNotFoundError
    return recorded_view(*run_metering(lambda session: _revert(session, actor, number)))


def _revert(session: Session, actor: Actor, event_id: int) -> tuple[Entry, bool]:
    """The entry that takes the event back, and whether it was there before."""
    event = entry_by_id(session, actor.tenant_id, event_id)
    if event is None:
        raise UsageEventNotFoundError
    if event.reverts_id is not None:
        raise RevertError(f"Event {event_id} takes another one back and cannot be reverted. Record the usage again.")
    period = event.period
    if not event.recorded or period is None:
        raise RevertError(f"Event {event_id} was not counted, so there is nothing to take back.")
    meter = meter_of(locked_standing(session, event.pair))
    # Under the lock: of two reverts at once the second finds the first.
    before = revert_of(session, event)
    if before is not None:
        return before, True
    now = clock.now()
    fill(session, [(meter, period)], now)
    used = meter.totals[period]
    after = total_after(used, RecordUsageAction.ADD, -event.applied)
    if after > INT32_MAX and after > used:
        raise RevertError(f"Event {event_id} cannot be reverted: the period's total would exceed {INT32_MAX}.")
    entry = Entry(
        tenant_id=event.tenant_id,
        user_key=event.user_key,
        feature_key=event.feature_key,
        at=event.at,
        recorded_at=now,
        action=RecordUsageAction.ADD,
        delta=-event.applied,
        applied=after - used,
        recorded=True,
        period_start=period.start,
        period_end=period.end,
        used_after=after,
        held=meter.held.get(period) or None,
        budget=event.budget,
        overage_enabled=event.overage_enabled,
        reverts_id=event_id,
    )
    meter.count(entry)
    write(session, [meter], [entry])
    return entry, False
