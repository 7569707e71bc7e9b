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
