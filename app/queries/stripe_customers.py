"""Which tenant a customer of Stripe's is of. All tenants of a mode share an account, and any of them can name any customer."""

from collections.abc import Collection
from datetime import datetime

from sqlmodel import Session

# In key order, as all locks. Nothing is written if it says no more than what is known.
_NOTE = """
INSERT INTO stripe_customers (tenant_id, customer_id, claimed_at, proven_at)
SELECT %(tenant_id)s, w.id, %(now)s, %(proven_at)s FROM unnest(%(customer_ids)s::text[]) AS w(id) ORDER BY w.id
ON CONFLICT (tenant_id, customer_id) DO UPDATE SET proven_at = excluded.proven_at
WHERE stripe_customers.proven_at IS NULL AND excluded.proven_at IS NOT NULL
"""

# A claim counts as long as a user has the customer. One from before we kept them has no time, and comes last.
_OWNERS = """
SELECT DISTINCT ON (customer_id) customer_id, tenant_id, proven_at IS NOT NULL FROM (
  SELECT customer_id, tenant_id, claimed_at, proven_at FROM stripe_customers
  WHERE tenant_id = ANY(%(tenant_ids)s::int[]) AND customer_id = ANY(%(customer_ids)s::text[]) AND proven_at IS NOT NULL
  UNION ALL
  SELECT u.billing_id, u.tenant_id, c.claimed_at, NULL
  FROM users u LEFT JOIN stripe_customers c ON c.tenant_id = u.tenant_id AND c.customer_id = u.billing_id
  WHERE u.tenant_id = ANY(%(tenant_ids)s::int[]) AND u.billing_id = ANY(%(customer_ids)s::text[])
) known
ORDER BY customer_id, proven_at NULLS LAST, claimed_at NULLS LAST, tenant_id
"""


def note_claim(session: Session, tenant_id: int, customer_id: str, now: datetime) -> None:
    """A user of the tenant has it as billing id. Who said so before others stays before them."""
    _note(session, tenant_id, [customer_id], now, None)


def note_proof(session: Session, tenant_id: int, customer_ids: Collection[str], now: datetime) -> None:
    """It was shown that they are the tenant's: by a tag, which only a holder of our key can write, or by an operator's word."""
    _note(session, tenant_id, customer_ids, now, now)


def owners_of(
    session: Session, tenant_ids: Collection[int], customer_ids: Collection[str]
) -> dict[str, tuple[int, bool]]:
    """Which of these tenants a customer is of, and whether that was shown: the first to show it, else the first to say it."""
    values = {"tenant_ids": list(tenant_ids), "customer_ids": list(customer_ids)}
    found = session.connection().exec_driver_sql(_OWNERS, values)
    return {customer_id: (tenant_id, is_proven) for customer_id, tenant_id, is_proven in found}


def forget(session: Session, customer_id: str, tenant_ids: Collection[int]) -> None:
    """It is nobody's any more."""
    statement = "DELETE FROM stripe_customers WHERE tenant_id = ANY(%s::int[]) AND customer_id = %s"
    session.connection().exec_driver_sql(statement, (list(tenant_ids), customer_id))


def _note(
    session: Session, tenant_id: int, customer_ids: Collection[str], now: datetime, proven_at: datetime | None
) -> None:
    values = {"tenant_id": tenant_id, "customer_ids": list(customer_ids), "now": now, "proven_at": proven_at}
    session.connection().exec_driver_sql(_NOTE, values)
