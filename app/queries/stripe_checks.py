"""Comparisons with Stripe: how far each is, and what the last whole one found. They have no tenant: an account may serve many."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from app.models import StripeCheck


@dataclass(frozen=True, slots=True)
class Place:
    """Where a comparison is: in this part of it, after this object."""

    began_at: datetime
    part: int
    after: str | None


_BEGIN = """
INSERT INTO stripe_checks (name, began_at, moved_at) VALUES (%(name)s, %(now)s, %(now)s)
ON CONFLICT (name) DO UPDATE SET
  began_at = coalesce(stripe_checks.began_at, excluded.began_at), moved_at = excluded.moved_at
RETURNING began_at, part, after
"""
_HERE = "name = %(name)s AND began_at = %(began_at)s AND part = %(part)s AND after IS NOT DISTINCT FROM %(after)s"
_MOVE = f"""
UPDATE stripe_checks SET
  part = %(next_part)s, after = %(next_after)s, moved_at = %(now)s,
  found = found + %(found)s, remaining = remaining + %(remaining)s
WHERE {_HERE}
"""
_END = f"""
UPDATE stripe_checks SET
  began_at = NULL, moved_at = NULL, part = 0, after = NULL, found = 0, remaining = 0,
  checked_at = %(now)s, differences = found + %(found)s, left_over = remaining + %(remaining)s
WHERE {_HERE}
"""
_NOTE = """
INSERT INTO stripe_checks (name, checked_at, differences, left_over) VALUES (%s, %s, %s, %s)
ON CONFLICT (name) DO UPDATE SET
  checked_at = excluded.checked_at, differences = excluded.differences, left_over = excluded.left_over
"""


def begin(session: Session, name: str, now: datetime) -> Place:
    """Begin a comparison, or go on with the one that is under way."""
    return Place(*session.connection().exec_driver_sql(_BEGIN, {"name": name, "now": now}).one())


def move(session: Session, name: str, place: Place, to: Place, now: datetime, found: int, remaining: int) -> bool:
    """Whether it is now at `to`, with so many more differences. False: somebody else has gone on from `place`."""
    values = _values(name, place, now, found, remaining) | {"next_part": to.part, "next_after": to.after}
    return session.connection().exec_driver_sql(_MOVE, values).rowcount == 1


def end(session: Session, name: str, place: Place, now: datetime, found: int, remaining: int) -> bool:
    """Likewise, and it is over."""
    return session.connection().exec_driver_sql(_END, _values(name, place, now, found, remaining)).rowcount == 1


def note(session: Session, name: str, now: datetime, found: int, remaining: int) -> None:
    """What a whole comparison found that was made in one go. One that is under way goes on."""
    session.connection().exec_driver_sql(_NOTE, (name, now, found, remaining))


def standing_since(session: Session, moment: datetime) -> Sequence[str]:
    """Names of comparisons that are under way, and have not moved since then."""
    statement = select(StripeCheck.name).where(
        col(StripeCheck.began_at).is_not(None), col(StripeCheck.moved_at) < moment
    )
    return session.exec(statement.order_by(col(StripeCheck.name))).all()


def last_checks(session: Session) -> Sequence[StripeCheck]:
    """By name; without those that never came to their end."""
    return session.exec(
        select(StripeCheck).where(col(StripeCheck.checked_at).is_not(None)).order_by(col(StripeCheck.name))
    ).all()


def _values(name: str, place: Place, now: datetime, found: int, remaining: int) -> dict[str, object]:
    return {
        "name": name,
        "began_at": place.began_at,
        "part": place.part,
        "after": place.after,
        "now": now,
        "found": found,
        "remaining": remaining,
    }
