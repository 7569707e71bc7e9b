"""Webhooks that are older than they are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from app.queries import arrays


@dataclass(frozen=True, slots=True)
class OldMessage:
    created_at: datetime
    id: int


# In the order of the index, from where the last piece ended: what is still on its way is not looked at again and again.
_OLD = """
SELECT m.created_at, m.id
FROM webhook_messages m
WHERE m.tenant_id = %s AND m.created_at < %s AND m.created_at >= %s AND (m.created_at, m.id) > (%s, %s)
  AND NOT EXISTS (
    SELECT FROM webhook_deliveries d WHERE d.tenant_id = m.tenant_id AND d.message_id = m.id AND d.status = 'PENDING'
  )
ORDER BY m.created_at, m.id
LIMIT %s
FOR UPDATE SKIP LOCKED
"""
# Somebody may ask at this moment for one to be sent again: that one, and so its message, stays.
_DELETE_DELIVERIES = """
DELETE FROM webhook_deliveries WHERE tenant_id = %s AND id IN (
  SELECT id FROM webhook_deliveries
  WHERE tenant_id = %s AND message_id = ANY(%s::bigint[]) AND status <> 'PENDING'
  FOR UPDATE SKIP LOCKED
)
"""
_DELETE_MESSAGES = """
DELETE FROM webhook_messages m WHERE m.tenant_id = %s AND m.id = ANY(%s::bigint[])
  AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.tenant_id = m.tenant_id AND d.message_id = m.id)
"""


def locked_settled_before(
    session: Session, tenant_id: int, before: datetime, after: OldMessage, limit: int
) -> list[OldMessage]:
    """Messages from before then, the oldest first, that no endpoint waits for any more; those after one that was seen."""
    parameters = (tenant_id, before, after.created_at, after.created_at, after.id, limit)
    found = session.connection().exec_driver_sql(_OLD, parameters)
    return [OldMessage(*row) for row in found]


def delete_settled(session: Session, tenant_id: int, messages: Sequence[OldMessage]) -> int:
    """Delete locked messages with their deliveries; returns how many messages. Two statements."""
    ids = arrays.numbers(message.id for message in messages)
    connection = session.connection()
    connection.exec_driver_sql(_DELETE_DELIVERIES, (tenant_id, tenant_id, ids))
    return connection.exec_driver_sql(_DELETE_MESSAGES, (tenant_id, ids)).rowcount
