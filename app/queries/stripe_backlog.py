"""What waits for Stripe, over all tenants, and when Stripe was heard of last."""

from datetime import datetime
from enum import StrEnum

from sqlmodel import Session

from app.queries.backlog import COUNTED_MAX, Counted


class StripeKind(StrEnum):
    """Rows that Stripe, or a worker that asks it, has something to do with. With those that FAILED, and with users who pay for a
    second base package, an operator has.
    """

    EVENTS = "events"
    REQUESTS = "requests"
    LINKS = "links"
    UNPAID_LINKS = "unpaid_links"
    TEMPLATES = "templates"
    FAILED_TEMPLATES = "failed_templates"
    SECOND_BASES = "second_bases"


# Of what was paid once, and of what is not billed, no copy tells when it is over: so it is looked for who has both still.
_HAS_BOTH = """r.is_second_base AND r.status NOT IN ('CANCELLED', 'INCOMPLETE_EXPIRED') AND EXISTS (
  SELECT FROM subscriptions o JOIN packages p ON p.tenant_id = o.tenant_id AND p.key = o.package_key
  WHERE o.tenant_id = r.tenant_id AND o.user_key = r.user_key AND o.id <> r.id AND NOT p.is_addon
    AND o.status NOT IN ('CANCELLED', 'INCOMPLETE_EXPIRED')
)"""

# (table, since when, which rows). Events have no tenant yet. An unpaid link has a time to be looked at, and so an index.
_ROWS = {
    StripeKind.REQUESTS: ("subscription_requests", "created_at", "r.status = 'PENDING'"),
    StripeKind.LINKS: ("checkout_links", "created_at", "r.status = 'PENDING'"),
    StripeKind.UNPAID_LINKS: ("checkout_links", "updated_at", "r.status = 'UNPAID' AND r.look_at IS NOT NULL"),
    StripeKind.TEMPLATES: ("billing_templates", "created_at", "r.status = 'PENDING'"),
    StripeKind.FAILED_TEMPLATES: ("billing_templates", "created_at", "r.status = 'FAILED'"),
    StripeKind.SECOND_BASES: ("subscriptions", "updated_at", _HAS_BOTH),
}
_EVENTS = f"""
SELECT count(*), min(at) FROM (
  SELECT received_at AS at FROM stripe_inbox WHERE next_attempt_at IS NOT NULL LIMIT {COUNTED_MAX}
) r
"""

_WEBHOOKS = "webhooks"
_LAST_WEBHOOK = "SELECT seen_until FROM stripe_cursors WHERE name = %s"
# Not each: all webhooks would wait for one row.
_NOTE_WEBHOOK = """
INSERT INTO stripe_cursors AS c (name, seen_until) VALUES (%s, %s)
ON CONFLICT (name) DO UPDATE SET seen_until = excluded.seen_until
WHERE c.seen_until < excluded.seen_until - interval '10 seconds'
"""


def waiting(session: Session, kind: StripeKind) -> Counted:
    """How many rows wait, of one tenant's up to 10,000, and since when one of them does."""
    count, since = session.connection().exec_driver_sql(_statement(kind)).one()
    return Counted(count, since)


def last_webhook_at(session: Session) -> datetime | None:
    """When a webhook came, to ten seconds; events that we had to ask for are none."""
    found: datetime | None = session.connection().exec_driver_sql(_LAST_WEBHOOK, (_WEBHOOKS,)).scalar_one_or_none()
    return found


def note_webhook(session: Session, now: datetime) -> None:
    """One came."""
    session.connection().exec_driver_sql(_NOTE_WEBHOOK, (_WEBHOOKS, now))


def _statement(kind: StripeKind) -> str:
    if kind is StripeKind.EVENTS:
        return _EVENTS
    table, at, which = _ROWS[kind]
    return f"""
    SELECT coalesce(sum(o.many), 0)::bigint, min(o.oldest) FROM tenants t CROSS JOIN LATERAL (
      SELECT count(*) AS many, min(f.at) AS oldest FROM (
        SELECT r.{at} AS at FROM {table} r WHERE r.tenant_id = t.id AND {which} LIMIT {COUNTED_MAX}
      ) f
    ) o
    """
