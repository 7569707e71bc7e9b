"""Putting idempotency keys right, one at a time. Counters have all that is needed in `standings`, `ledger` and `reservations`."""

from datetime import datetime

from sqlmodel import Session

from app.queries.books import KeyedEvent, LooseKey
from app.queries.ledger import DIGEST

_OURS = "tenant_id = %(tenant_id)s AND id = %(id)s AND at = %(at)s AND idempotency_key IS NOT NULL"

_TAKE_KEY = f"""
INSERT INTO idempotency_keys (tenant_id, digest, event_id, event_at)
SELECT tenant_id, {DIGEST.format("idempotency_key")}, id, at FROM usage_events WHERE {_OURS}
ON CONFLICT DO NOTHING
"""

_LOCK_KEY = f"""
SELECT event_id, event_at FROM idempotency_keys
WHERE tenant_id = %(tenant_id)s AND digest = (SELECT {DIGEST.format("idempotency_key")} FROM usage_events WHERE {_OURS})
FOR NO KEY UPDATE
"""

_MOVE_KEY = f"""
UPDATE idempotency_keys k SET event_id = %(id)s, event_at = %(at)s
WHERE tenant_id = %(tenant_id)s AND digest = (SELECT {DIGEST.format("idempotency_key")} FROM usage_events WHERE {_OURS})
  AND NOT EXISTS (
    SELECT FROM usage_events e WHERE e.tenant_id = k.tenant_id AND e.id = k.event_id AND e.at = k.event_at
      AND {DIGEST.format("e.idempotency_key")} = k.digest
  )
"""

_DROP_KEY = f"""
DELETE FROM idempotency_keys k
WHERE tenant_id = %(tenant_id)s AND digest = %(digest)s AND event_id = %(event_id)s
  AND NOT EXISTS (
    SELECT FROM usage_events e WHERE e.tenant_id = k.tenant_id AND e.id = k.event_id AND e.at = k.event_at
      AND {DIGEST.format("e.idempotency_key")} = k.digest
  )
"""


def allow_long_statements(session: Session) -> None:
    """For the rest of the transaction: a counter may stand for millions of events."""
    session.connection().exec_driver_sql("SET LOCAL statement_timeout = 0")


def take_key(session: Session, tenant_id: int, event: KeyedEvent) -> bool:
    """Let the event's key name it, if no row has the key. Waits for whoever takes it at this moment."""
    return _do(session, _TAKE_KEY, tenant_id, id=event.id, at=event.at) == 1


def locked_key_of(session: Session, tenant_id: int, event: KeyedEvent) -> tuple[int, datetime] | None:
    """(id, at) of the event that the key names, whoever has the key. Locked, so that what is read after this stays so."""
    parameters = {"tenant_id": tenant_id, "id": event.id, "at": event.at}
    row = session.connection().exec_driver_sql(_LOCK_KEY, parameters).one_or_none()
    return None if row is None else (row[0], row[1])


def move_key(session: Session, tenant_id: int, event: KeyedEvent) -> bool:
    """Let the event's key, locked before, name this event, unless another event answers to it."""
    return _do(session, _MOVE_KEY, tenant_id, id=event.id, at=event.at) == 1


def drop_key(session: Session, tenant_id: int, key: LooseKey) -> bool:
    """Delete a key to which no event answers."""
    return _do(session, _DROP_KEY, tenant_id, digest=key.digest, event_id=key.event_id) == 1


def _do(session: Session, statement: str, tenant_id: int, **values: object) -> int:
    return session.connection().exec_driver_sql(statement, {"tenant_id": tenant_id, **values}).rowcount
