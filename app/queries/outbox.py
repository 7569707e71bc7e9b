"""The outbox: what happened, and to whom it must be told."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlmodel import Session

from app.contract.shapes import View
from app.domain.webhooks import WebhookEventType
from app.queries import arrays


@dataclass(frozen=True, slots=True)
class Announcement:
    """Something that happened. `data` is what is told (`app/contract/webhook_events.py`); a user's are told in the order of
    writing.

    With a `once_key` it is told once, however often it is announced.
    """

    tenant_id: int
    type: WebhookEventType
    user_key: int | None
    data: View
    once_key: str | None = None


# An endpoint without types wants all.
_WANTED = """
SELECT w.n
FROM unnest(%s::int[], %s::text[]) WITH ORDINALITY AS w(tenant_id, type, n)
WHERE EXISTS (
  SELECT FROM webhook_endpoints e WHERE e.tenant_id = w.tenant_id AND e.status = 'ENABLED'
    AND (e.event_types = '{}' OR w.type = ANY(e.event_types))
)
"""

# Once-keys are taken in the order of their index, or two transactions could wait in a circle. An endpoint that is being deleted
# is told nothing any more: to wait for it would hold up whoever announces, and to write for it would break its foreign key.
_APPEND = """
WITH said AS (
  INSERT INTO webhook_messages (tenant_id, type, user_key, once_key, data, created_at)
  SELECT w.tenant_id, w.type, w.user_key, w.once_key, w.data::jsonb, %s
  FROM unnest(%s::int[], %s::text[], %s::bigint[], %s::text[], %s::text[])
    WITH ORDINALITY AS w(tenant_id, type, user_key, once_key, data, n)
  ORDER BY w.once_key, w.n
  ON CONFLICT DO NOTHING
  RETURNING tenant_id, id, type, user_key, created_at
), sent AS (
  INSERT INTO webhook_deliveries (tenant_id, endpoint_id, message_id, user_key, status, attempts, next_attempt_at)
  SELECT s.tenant_id, e.id, s.id, s.user_key, 'PENDING', 0, s.created_at
  FROM said s
  JOIN webhook_endpoints e ON e.tenant_id = s.tenant_id AND e.status = 'ENABLED'
    AND (e.event_types = '{}' OR s.type = ANY(e.event_types))
  ORDER BY s.id, e.id
  FOR KEY SHARE OF e SKIP LOCKED
  RETURNING 1
)
SELECT count(*) FROM sent
"""

_APPEND_TO = """
WITH said AS (
  INSERT INTO webhook_messages (tenant_id, type, user_key, once_key, data, created_at)
  VALUES (%(tenant_id)s, %(type)s, %(user_key)s, %(once_key)s, %(data)s::jsonb, %(now)s) RETURNING id
)
INSERT INTO webhook_deliveries (tenant_id, endpoint_id, message_id, user_key, status, attempts, next_attempt_at)
SELECT %(tenant_id)s, %(endpoint_id)s, id, %(user_key)s, 'PENDING', 0, %(now)s FROM said
RETURNING id
"""


def wanted(session: Session, asked: Collection[tuple[int, WebhookEventType]]) -> set[tuple[int, WebhookEventType]]:
    """Those (tenant, type) of which some endpoint wants to be told. One statement."""
    in_order = list(asked)
    parameters = (
        arrays.numbers(tenant_id for tenant_id, _ in in_order),
        arrays.texts(type_ for _, type_ in in_order),
    )
    found = session.connection().exec_driver_sql(_WANTED, parameters)
    return {in_order[n - 1] for (n,) in found}


def append(session: Session, announcements: Sequence[Announcement], texts: Sequence[str], now: datetime) -> int:
    """Write messages and a delivery for each endpoint that wants one; returns how many deliveries. One statement.

    `texts` are their data, as JSON.
    """
    parameters = (
        now,
        arrays.numbers(each.tenant_id for each in announcements),
        arrays.texts(each.type for each in announcements),
        arrays.numbers(each.user_key for each in announcements),
        arrays.texts(each.once_key for each in announcements),
        arrays.texts(texts),
    )
    count: int = session.connection().exec_driver_sql(_APPEND, parameters).scalar_one()
    return count


def append_to(session: Session, endpoint_id: int, announcement: Announcement, now: datetime) -> int:
    """Write a message to one endpoint, whatever it wants, and return the delivery's id. One statement."""
    parameters = {
        "tenant_id": announcement.tenant_id,
        "type": announcement.type.value,
        "user_key": announcement.user_key,
        "once_key": announcement.once_key,
        "data": msgspec.json.encode(announcement.data).decode(),
        "now": now,
        "endpoint_id": endpoint_id,
    }
    delivery_id: int = session.connection().exec_driver_sql(_APPEND_TO, parameters).scalar_one()
    return delivery_id
