"""Webhooks that are due, and who has one in hand.

Who takes a delivery moves `next_attempt_at` on: that is its lease. Only while it is as it was taken is the delivery still theirs.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from app.domain.webhooks import DeliveryStatus
from app.models import WebhookEndpoint

LEASE = timedelta(seconds=60)
"""Longer than sending one can take, looking up its host included."""


@dataclass(frozen=True, slots=True)
class DueEndpoint:
    tenant_id: int
    endpoint_id: int
    is_failing: bool


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery in hand, this attempt counted. `data` is JSON as text."""

    tenant_id: int
    id: int
    endpoint_id: int
    message_id: int
    attempts: int
    leased_until: datetime
    url: str
    salt: bytes
    previous_salt: bytes | None
    previous_until: datetime | None
    type: str
    created_at: datetime
    data: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt. PENDING has a `next_attempt_at`."""

    status: DeliveryStatus
    next_attempt_at: datetime | None
    status_code: int | None
    error: str | None


# Those that have waited longest first.
_DUE_ENDPOINTS = """
SELECT e.tenant_id, e.id, e.failing_since IS NOT NULL
FROM webhook_endpoints e
CROSS JOIN LATERAL (
  SELECT d.next_attempt_at FROM webhook_deliveries d
  WHERE d.tenant_id = e.tenant_id AND d.endpoint_id = e.id AND d.status = 'PENDING' AND d.next_attempt_at <= %s
  ORDER BY d.next_attempt_at LIMIT 1
) AS oldest
WHERE e.status = 'ENABLED'
ORDER BY oldest.next_attempt_at
"""

# A user's later ones wait until the earlier are settled, those in others' hands among them: they are PENDING. The first is looked
# up for one row after the other, until there are enough: as NOT EXISTS the planner would compare all with all.
_CLAIM = """
WITH due AS (
  SELECT d.id FROM webhook_deliveries d
  WHERE d.tenant_id = %(tenant_id)s AND d.endpoint_id = %(endpoint_id)s AND d.status = 'PENDING'
    AND d.next_attempt_at <= %(now)s
    AND (d.user_key IS NULL OR d.id = (
      SELECT first.id FROM webhook_deliveries first
      WHERE first.tenant_id = d.tenant_id AND first.endpoint_id = d.endpoint_id AND first.user_key = d.user_key
        AND first.status = 'PENDING'
      ORDER BY first.id LIMIT 1
    ))
  ORDER BY d.next_attempt_at, d.id
  LIMIT %(limit)s
  FOR NO KEY UPDATE OF d SKIP LOCKED
)
UPDATE webhook_deliveries d
SET attempts = d.attempts + 1, last_attempt_at = %(now)s, next_attempt_at = %(leased_until)s
FROM due, webhook_messages m, webhook_endpoints e
WHERE d.tenant_id = %(tenant_id)s AND d.id = due.id
  AND m.tenant_id = d.tenant_id AND m.id = d.message_id
  AND e.tenant_id = d.tenant_id AND e.id = d.endpoint_id AND e.status = 'ENABLED'
RETURNING d.tenant_id, d.id, d.endpoint_id, d.message_id, d.attempts, d.next_attempt_at,
  e.url, e.salt, e.previous_salt, e.previous_until, m.type, m.created_at, m.data::text
"""

_SETTLE = """
UPDATE webhook_deliveries
SET status = %s, next_attempt_at = %s, last_status_code = %s, last_error = %s, settled_at = %s
WHERE tenant_id = %s AND id = %s AND status = 'PENDING' AND attempts = %s AND next_attempt_at = %s
"""

# What is in somebody's hands is never due later than a lease from now.
_HURRY = """
UPDATE webhook_deliveries SET next_attempt_at = %s
WHERE tenant_id = %s AND endpoint_id = %s AND status = 'PENDING' AND next_attempt_at > %s
"""


def due_endpoints(session: Session, now: datetime) -> list[DueEndpoint]:
    """Every tenant's endpoints that something waits for, the longest wait first. One statement."""
    return [DueEndpoint(*row) for row in session.connection().exec_driver_sql(_DUE_ENDPOINTS, (now,))]


def claim(session: Session, due: DueEndpoint, limit: int, now: datetime) -> list[Claimed]:
    """Take up to `limit` that are due in hand until now + LEASE: of each user the oldest, and none that somebody else has."""
    values = {
        "tenant_id": due.tenant_id,
        "endpoint_id": due.endpoint_id,
        "now": now,
        "leased_until": now + LEASE,
        "limit": limit,
    }
    return [Claimed(*row) for row in session.connection().exec_driver_sql(_CLAIM, values)]


def settle(session: Session, claimed: Claimed, outcome: Outcome, now: datetime) -> bool:
    """Write what became of it, if it is still ours; whether it was. Lock its endpoint first, if that is to change."""
    parameters = (
        outcome.status.value,
        outcome.next_attempt_at,
        outcome.status_code,
        outcome.error,
        None if outcome.status is DeliveryStatus.PENDING else now,
        claimed.tenant_id,
        claimed.id,
        claimed.attempts,
        claimed.leased_until,
    )
    return session.connection().exec_driver_sql(_SETTLE, parameters).rowcount == 1


def locked_failing(session: Session, tenant_id: int, endpoint_id: int) -> WebhookEndpoint | None:
    """The endpoint, locked for a change, if it has failed since its last success."""
    return session.exec(
        select(WebhookEndpoint)
        .where(
            WebhookEndpoint.tenant_id == tenant_id,
            WebhookEndpoint.id == endpoint_id,
            col(WebhookEndpoint.failing_since).is_not(None),
        )
        .with_for_update(key_share=True)
    ).one_or_none()


def hurry(session: Session, endpoint: WebhookEndpoint, now: datetime) -> None:
    """What waits for its next try is due now."""
    session.connection().exec_driver_sql(_HURRY, (now, endpoint.tenant_id, endpoint.id, now + LEASE))
