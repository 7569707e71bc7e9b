"""Reservations. Whoever makes or settles one holds the lock of the counter that it belongs to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from app.domain.explanations import Hold
from app.domain.reservations import ReservationStatus
from app.models import Reservation
from app.queries import arrays
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

# The status is written out, or the partial index could not be used.
_LOCKED_EXPIRED = f"""
SELECT r.tenant_id, r.id
FROM reservations r
JOIN consumptions c ON c.tenant_id = r.tenant_id AND c.user_key = r.user_key AND c.feature_key = r.feature_key
WHERE r.tenant_id = %s AND r.status = '{ReservationStatus.HELD}' AND r.expires_at <= %s AND r.id <> ALL(%s::bigint[])
ORDER BY r.expires_at
LIMIT %s
FOR NO KEY UPDATE OF c, r SKIP LOCKED
"""
_EXPIRE = """
UPDATE reservations SET status = %s, settled_at = expires_at WHERE tenant_id = %s AND id = ANY(%s::bigint[])
"""


@dataclass(frozen=True, slots=True)
class Expired:
    """A reservation that is past its `expires_at` and still called HELD."""

    tenant_id: int
    id: int


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


def locked_expired(
    session: Session, tenant_id: int, now: datetime, limit: int, but_not: Sequence[str]
) -> list[Expired]:
    """Those that expired first, locked, with their counters. Those that somebody holds are skipped: nobody is waited for."""
    parameters = (tenant_id, now, arrays.numbers(map(int, but_not)), limit)
    found = session.connection().exec_driver_sql(_LOCKED_EXPIRED, parameters)
    return [Expired(*row) for row in found]


def expire(session: Session, tenant_id: int, reservation_ids: Sequence[int]) -> None:
    """Let locked reservations be EXPIRED, since the moment at which they expired."""
    parameters = (ReservationStatus.EXPIRED, tenant_id, arrays.numbers(reservation_ids))
    session.connection().exec_driver_sql(_EXPIRE, parameters)
