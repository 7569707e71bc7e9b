"""The counters and the ledger. Whoever writes an event holds the lock of its counter's row."""

from collections.abc import Collection, Sequence

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select, tuple_

from app.domain.periods import Period
from app.models import Consumption, UsageEvent

Window = tuple[int, int, Period]
"""(user key, feature key, period): what a total is asked for."""


def locked_consumption(session: Session, tenant_id: int, user_key: int, feature_key: int) -> Consumption:
    """The counter's row, made if there is none, and locked until the transaction ends.

    Everything that a decision depends on is read after this, in new statements: each then sees what the previous holder of
    the lock has committed.
    """
    statement = select(Consumption).where(
        Consumption.tenant_id == tenant_id, Consumption.user_key == user_key, Consumption.feature_key == feature_key
    )
    locking = statement.with_for_update(key_share=True)
    row = session.exec(locking).one_or_none()
    if row is None:
        keys = {"tenant_id": tenant_id, "user_key": user_key, "feature_key": feature_key}
        session.exec(insert(Consumption).values(**keys, used=0).on_conflict_do_nothing())
        row = session.exec(locking).one()
    return row


def consumptions(
    session: Session, tenant_id: int, pairs: Collection[tuple[int, int]]
) -> dict[tuple[int, int], Consumption]:
    """The counters of these (user key, feature key), of those that have any. One statement, no lock."""
    found = session.exec(
        select(Consumption).where(
            Consumption.tenant_id == tenant_id,
            tuple_(col(Consumption.user_key), col(Consumption.feature_key)).in_(pairs),
        )
    )
    return {(row.user_key, row.feature_key): row for row in found}


def event_with_key(session: Session, tenant_id: int, idempotency_key: str) -> UsageEvent | None:
    """The event that used this idempotency key before."""
    return session.exec(
        select(UsageEvent).where(UsageEvent.tenant_id == tenant_id, UsageEvent.idempotency_key == idempotency_key)
    ).one_or_none()


def insert_event(session: Session, event: UsageEvent) -> int | None:
    """Append to the ledger and return the event's id; None when its idempotency key was taken in the meantime.

    Waits for another transaction that is writing the same key, so that the answer is final.
    """
    values = event.model_dump(exclude={"id"})
    statement = insert(UsageEvent).values(**values).on_conflict_do_nothing().returning(col(UsageEvent.id))
    return session.exec(statement).scalar_one_or_none()


# `domain.metering.replay` in SQL. The last SET is the base B; with S_k the sums of the ADDs after it, never going below
# zero on the way makes the total B + S_n − min(0, min over k of (B + S_k)). A Hypothesis test holds both against each other.
_REPLAY = text("""
SELECT w.n, coalesce(totals.used, 0)::bigint AS used
FROM unnest(
  cast(:user_keys AS bigint[]), cast(:feature_keys AS bigint[]),
  cast(:starts AS timestamptz[]), cast(:ends AS timestamptz[])
) WITH ORDINALITY AS w(user_key, feature_key, period_start, period_end, n)
LEFT JOIN LATERAL (
  WITH event AS (
    -- An ADD counts as what it changed when it was recorded (a take-back was cut at zero then), a SET as what it said.
    SELECT e.id, e.action, CASE e.action WHEN 'SET' THEN e.delta ELSE e.applied END AS amount FROM usage_events e
    WHERE e.tenant_id = :tenant_id AND e.user_key = w.user_key AND e.feature_key = w.feature_key
      AND e.at >= w.period_start AND e.at < w.period_end AND e.recorded
  ), last_set AS (
    SELECT id, amount FROM event WHERE action = 'SET' ORDER BY id DESC LIMIT 1
  ), running AS (
    SELECT id, coalesce((SELECT amount FROM last_set), 0) + sum(amount) OVER (ORDER BY id) AS total FROM event
    WHERE action = 'ADD' AND id > coalesce((SELECT id FROM last_set), 0)
  )
  SELECT coalesce(
    (SELECT total FROM running ORDER BY id DESC LIMIT 1) - least(0, (SELECT min(total) FROM running)),
    (SELECT amount FROM last_set)
  ) AS used
) AS totals ON true
ORDER BY w.n
""")


def replayed_totals(session: Session, tenant_id: int, windows: Sequence[Window]) -> list[int]:
    """What the ledger says was used in each window, in the order asked. One statement."""
    if not windows:
        return []
    found = session.connection().execute(
        _REPLAY,
        {
            "tenant_id": tenant_id,
            "user_keys": [user_key for user_key, _, _ in windows],
            "feature_keys": [feature_key for _, feature_key, _ in windows],
            "starts": [period.start for _, _, period in windows],
            "ends": [period.end for _, _, period in windows],
        },
    )
    return [used for _, used in found]


def current_totals(session: Session, tenant_id: int, windows: Sequence[Window]) -> list[int]:
    """What was used in each window: from its counter when that stands for the same period, else from the ledger.

    At most two statements.
    """
    if not windows:
        return []
    counters = consumptions(session, tenant_id, {(user, feature) for user, feature, _ in windows})
    totals = [standing_total(counters.get((user, feature)), period) for user, feature, period in windows]
    stale = [n for n, total in enumerate(totals) if total is None]
    for n, used in zip(stale, replayed_totals(session, tenant_id, [windows[n] for n in stale]), strict=True):
        totals[n] = used
    return [total or 0 for total in totals]


def standing_total(counter: Consumption | None, period: Period) -> int | None:
    """The counter's total if it stands for this very period; 0 if there is no counter, hence no event; else None."""
    if counter is None:
        return 0
    return counter.used if (counter.period_start, counter.period_end) == (period.start, period.end) else None
