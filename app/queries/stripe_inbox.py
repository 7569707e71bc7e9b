"""The inbox: Stripe's events, each once. They have no tenant before their objects were looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from app.queries import arrays


@dataclass(frozen=True, slots=True)
class Hint:
    """An event as the inbox keeps it: which object it is about."""

    event_id: str
    type: str
    is_live: bool
    object_id: str | None
    subscription_id: str | None
    created_at: datetime


_PUT = """
INSERT INTO stripe_inbox
  (event_id, type, is_live, object_id, subscription_id, created_at, received_at, attempts, next_attempt_at)
SELECT w.event_id, w.type, w.is_live, w.object_id, w.subscription_id, w.created_at, %s, 0, %s
FROM unnest(%s::text[], %s::text[], %s::boolean[], %s::text[], %s::text[], %s::timestamptz[])
  AS w(event_id, type, is_live, object_id, subscription_id, created_at)
ORDER BY w.event_id
ON CONFLICT (event_id) DO NOTHING
RETURNING event_id
"""

# Each attempt doubles the wait for the next, up to a quarter of an hour: who paid must not wait for much longer than an outage
# of Stripe's lasts. It is arranged before the attempt, in case that never ends.
_BEGIN = """
UPDATE stripe_inbox
SET attempts = attempts + 1, next_attempt_at = %s + interval '2 minutes' * 2 ^ least(attempts, 3)
WHERE event_id = %s AND next_attempt_at IS NOT NULL
RETURNING event_id, type, is_live, object_id, subscription_id, created_at
"""
_WAITING_ABOUT = """
SELECT event_id FROM stripe_inbox WHERE subscription_id = %s AND type = ANY(%s::text[]) AND next_attempt_at IS NOT NULL
"""
_WAITING_AFTER = """
SELECT event_id, type FROM stripe_inbox WHERE next_attempt_at IS NOT NULL AND event_id > %s ORDER BY event_id LIMIT %s
"""
_IS_HANDLED = "SELECT handled_at IS NOT NULL AND error IS NULL FROM stripe_inbox WHERE event_id = %s"
_KNOWN = "SELECT event_id FROM stripe_inbox WHERE event_id = ANY(%s::text[])"
_SETTLE = """
UPDATE stripe_inbox SET handled_at = %s, next_attempt_at = NULL, error = %s
WHERE event_id IN (SELECT event_id FROM stripe_inbox WHERE event_id = ANY(%s::text[]) ORDER BY event_id FOR UPDATE)
"""
_NOTE_ERROR = "UPDATE stripe_inbox SET error = %s WHERE event_id = %s"

# Moved on past the time that a job may wait in its queue, so that a queue that is slow is not filled with repeats.
_TAKE_DUE = """
WITH due AS MATERIALIZED (
  SELECT event_id FROM stripe_inbox WHERE next_attempt_at <= %s
  ORDER BY next_attempt_at LIMIT %s FOR UPDATE SKIP LOCKED
)
UPDATE stripe_inbox SET next_attempt_at = %s WHERE event_id IN (SELECT event_id FROM due)
RETURNING event_id
"""
_DELETE_HANDLED = """
WITH old AS MATERIALIZED (
  SELECT event_id FROM stripe_inbox WHERE handled_at < %s ORDER BY handled_at LIMIT %s FOR UPDATE SKIP LOCKED
)
DELETE FROM stripe_inbox WHERE event_id IN (SELECT event_id FROM old)
"""
_SEEN_UNTIL = "SELECT seen_until FROM stripe_cursors WHERE name = %s"
_NOTE_SEEN = """
INSERT INTO stripe_cursors (name, seen_until) VALUES (%s, %s)
ON CONFLICT (name) DO UPDATE SET seen_until = greatest(stripe_cursors.seen_until, excluded.seen_until)
"""


def put(session: Session, hints: Sequence[Hint], now: datetime, next_attempt_at: datetime) -> list[str]:
    """Keep those that are new, and return their ids. One statement."""
    parameters = (
        now,
        next_attempt_at,
        arrays.texts(each.event_id for each in hints),
        arrays.texts(each.type for each in hints),
        arrays.flags(each.is_live for each in hints),
        arrays.texts(each.object_id for each in hints),
        arrays.texts(each.subscription_id for each in hints),
        arrays.moments(each.created_at for each in hints),
    )
    return list(session.connection().exec_driver_sql(_PUT, parameters).scalars())


def begin(session: Session, event_id: str, now: datetime) -> Hint | None:
    """Count an attempt; None if there is nothing to do."""
    found = session.connection().exec_driver_sql(_BEGIN, (now, event_id)).one_or_none()
    return None if found is None else Hint(*found)


def waiting_about(session: Session, subscription_id: str, types: Sequence[str]) -> list[str]:
    """The events of these types about a subscription that one look at it will answer."""
    found = session.connection().exec_driver_sql(_WAITING_ABOUT, (subscription_id, list(types)))
    return list(found.scalars())


def waiting_after(session: Session, after: str, limit: int) -> Sequence[tuple[str, str]]:
    """(event, type) of what waits, due or not, by id."""
    found = session.connection().exec_driver_sql(_WAITING_AFTER, (after, limit))
    return [(event_id, type_) for event_id, type_ in found]


def is_handled(session: Session, event_id: str) -> bool:
    """Whether it was handled; not one that was given up."""
    return bool(session.connection().exec_driver_sql(_IS_HANDLED, (event_id,)).scalar_one_or_none())


def known(session: Session, event_ids: Sequence[str]) -> set[str]:
    """Those that ever came."""
    return set(session.connection().exec_driver_sql(_KNOWN, (list(event_ids),)).scalars())


def settle(session: Session, event_ids: Sequence[str], now: datetime, error: str | None = None) -> None:
    """They are done, or given up."""
    session.connection().exec_driver_sql(_SETTLE, (now, error, list(event_ids)))


def note_error(session: Session, event_id: str, error: str) -> None:
    """It will be tried again."""
    session.connection().exec_driver_sql(_NOTE_ERROR, (error, event_id))


def take_due(session: Session, now: datetime, again_at: datetime, limit: int) -> list[str]:
    """The events that wait for an attempt, the longest overdue first; they are due again at `again_at`."""
    return list(session.connection().exec_driver_sql(_TAKE_DUE, (now, limit, again_at)).scalars())


def seen_until(session: Session, name: str) -> datetime | None:
    """How far a list of Stripe's was read."""
    found: datetime | None = session.connection().exec_driver_sql(_SEEN_UNTIL, (name,)).scalar_one_or_none()
    return found


def note_seen(session: Session, name: str, moment: datetime) -> None:
    """It was read so far, or further."""
    session.connection().exec_driver_sql(_NOTE_SEEN, (name, moment))


def delete_handled(session: Session, before: datetime, limit: int) -> int:
    """Delete the oldest that were handled or given up before then; returns how many."""
    return session.connection().exec_driver_sql(_DELETE_HANDLED, (before, limit)).rowcount
