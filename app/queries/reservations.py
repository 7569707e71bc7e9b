"""Reservations. Whoever makes or settles one holds the lock of the counter that it belongs to."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from app.domain.explanations import Hold
from app.domain.reservations import ReservationStatus
from app.models import Reservation
from app.queries.ledger import Window, window_columns
from app.queries.standings import Pair

_HELD = """
SELECT coalesce(sum(r.amount), 0)::bigint
FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[])
  WITH ORDINALITY AS w(tenant_id, user_key, feature_key, period_start, period_end, n)
LEFT JOIN reservations r
  ON r.tenant_id = w.tenant_id AND r.user_key = w.user_key AND r.feature_key = w.feature_key
  AND r.expires_at > %s AND r.status = %s AND r.at >= w.period_start AND r.at < w.period_end
GROUP BY w.n
ORDER BY w.n
"""


def held_amounts(session: Session, windows: Sequence[Window], now: datetime) -> list[int]:
    """What open reservations hold in each window, in the order asked. At most one statement."""
    if not windows:
        return []
    parameters = (*window_columns(windows), now, ReservationStatus.HELD)
    return list(session.connection().exec_driver_sql(_HELD, parameters).scalars())


def reservation_by_id(session: Session, tenant_id: int, reservation_id: int) -> Reservation | None:
    statement = select(Reservation).where(Reservation.tenant_id == tenant_id, Reservation.id == reservation_id)
    # What is read under the counter's lock must come from the database, not from an earlier look.
    return session.exec(statement.execution_options(populate_existing=True)).one_or_none()


def reservation_by_key(session: Session, tenant_id: int, idempotency_key: str) -> Reservation | None:
    return session.exec(
        select(Reservation).where(Reservation.tenant_id == tenant_id, Reservation.idempotency_key == idempotency_key)
    ).one_or_none()


def open_holds(session: Session, pair: Pair, now: datetime) -> list[Hold]:
    """All that is held of the pair's now, in whichever period, the next to expire first."""
    tenant_id, user_key, feature_key = pair
    found = session.exec(
        select(Reservation.id, Reservation.amount, Reservation.at, Reservation.expires_at)
        .where(
            Reservation.tenant_id == tenant_id,
            Reservation.user_key == user_key,
            Reservation.feature_key == feature_key,
            Reservation.status == ReservationStatus.HELD,
            col(Reservation.expires_at) > now,
        )
        .order_by(col(Reservation.expires_at), col(Reservation.id))
    )
    return [Hold(*row) for row in found]
