"""Copies of Stripe's objects: the lock for making one, whose it is, and what it is a copy of."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from app.domain.billing import BillingTemplateStatus
from app.models import BillingTemplate, Package, Subscription, Tenant, User

# Written even if it is there, so that the row is locked in either case.
_LOCKED_VERSION = """
INSERT INTO stripe_objects (id, version) VALUES (%s, 0)
ON CONFLICT (id) DO UPDATE SET version = stripe_objects.version
RETURNING version
"""
_LOCK_OBJECTS = """
INSERT INTO stripe_objects (id, version)
SELECT w.id, 0 FROM unnest(%s::text[]) AS w(id) ORDER BY w.id
ON CONFLICT (id) DO UPDATE SET version = stripe_objects.version
"""
_VERSION = "SELECT version FROM stripe_objects WHERE id = %s"
_COPIED = "UPDATE stripe_objects SET version = version + 1 WHERE id = %s"

_ADD_BUYER = """
INSERT INTO users (tenant_id, id, billing_id, name, email, created_at, updated_at)
VALUES (%(tenant_id)s, %(id)s, %(billing_id)s, %(name)s, %(email)s, %(now)s, %(now)s)
ON CONFLICT (tenant_id, id) DO NOTHING
"""

# Whoever has another id than the customer's was not made for it.
_NAME_BUYER = """
UPDATE users SET name = %(name)s, email = %(email)s, updated_at = %(now)s
WHERE (tenant_id, key) IN (
  SELECT tenant_id, key FROM users
  WHERE tenant_id = ANY(%(tenant_ids)s::int[]) AND billing_id = %(customer_id)s AND id = billing_id
    AND (name, email) IS DISTINCT FROM (%(name)s::text, %(email)s::text)
  ORDER BY tenant_id, key FOR NO KEY UPDATE
)
"""

# In key order, as all locks.
_FORGET_CUSTOMER = """
UPDATE users SET billing_id = NULL, updated_at = %s
WHERE (tenant_id, key) IN (
  SELECT tenant_id, key FROM users WHERE tenant_id = ANY(%s::int[]) AND billing_id = %s
  ORDER BY tenant_id, key FOR NO KEY UPDATE
)
"""

# Anybody can name a price in a template that then fails. One that is off sells no more, and what it sold goes on.
_IS_A_PRICE = col(BillingTemplate.status) != BillingTemplateStatus.FAILED
# In key order, as all locks.
_NOTE_LISTED = """
UPDATE stripe_objects SET listed_at = %s
WHERE id IN (SELECT id FROM stripe_objects WHERE id = ANY(%s::text[]) ORDER BY id FOR NO KEY UPDATE)
"""
# One-off purchases are no subscriptions of Stripe's: they are copies of a session, whose id is the item's too.
_UNLISTED = """
SELECT DISTINCT s.provider_subscription_id
FROM subscriptions s LEFT JOIN stripe_objects o ON o.id = s.provider_subscription_id
WHERE s.tenant_id = ANY(%(tenant_ids)s::int[]) AND s.provider = 'STRIPE'
  AND s.provider_item_id <> s.provider_subscription_id
  AND s.status NOT IN ('CANCELLED', 'INCOMPLETE_EXPIRED') AND (s.ends_at IS NULL OR s.ends_at > %(began_at)s)
  AND s.created_at < %(began_at)s AND (o.listed_at IS NULL OR o.listed_at < %(began_at)s)
  AND s.provider_subscription_id > %(after)s
ORDER BY 1 LIMIT %(limit)s
"""


def version(session: Session, object_id: str) -> int:
    """How often the object was copied."""
    found: int | None = session.connection().exec_driver_sql(_VERSION, (object_id,)).scalar_one_or_none()
    return found or 0


def locked_version(session: Session, object_id: str) -> int:
    """The same, under the lock for copying it. It is taken before any lock of a tenant's."""
    found: int = session.connection().exec_driver_sql(_LOCKED_VERSION, (object_id,)).scalar_one()
    return found


def lock_objects(session: Session, object_ids: Collection[str]) -> None:
    """The locks of several, in key order; taken after that of a subscription, and before any of a tenant's."""
    session.connection().exec_driver_sql(_LOCK_OBJECTS, (list(object_ids),))


def note_copied(session: Session, object_id: str) -> None:
    """Whoever looked at the object before now has an old look of it."""
    session.connection().exec_driver_sql(_COPIED, (object_id,))


def tenant_ids_of_mode(session: Session, *, live: bool) -> Sequence[int]:
    """The `live` or the `test` tenants: only they can own an object of that mode."""
    mode = "live" if live else "test"
    return session.exec(select(Tenant.id).where(col(Tenant.public_id).startswith(f"{mode}_", autoescape=True))).all()


def tenants_with_copy(session: Session, tenant_ids: Collection[int], subscription_id: str) -> set[int]:
    found = select(Subscription.tenant_id).where(
        col(Subscription.tenant_id).in_(tenant_ids), Subscription.provider_subscription_id == subscription_id
    )
    return set(session.exec(found))


def tenants_with_prices(session: Session, tenant_ids: Collection[int], price_ids: Collection[str]) -> set[int]:
    found = select(BillingTemplate.tenant_id).where(
        col(BillingTemplate.tenant_id).in_(tenant_ids), col(BillingTemplate.price_id).in_(price_ids), _IS_A_PRICE
    )
    return set(session.exec(found))


def user_by_billing_id(session: Session, tenant_id: int, billing_id: str) -> User | None:
    """The oldest with it."""
    statement = select(User).where(User.tenant_id == tenant_id, User.billing_id == billing_id).order_by(col(User.key))
    return session.exec(statement.limit(1)).one_or_none()


def add_buyer(
    session: Session,
    tenant_id: int,
    user_id: str,
    billing_id: str,
    name: str | None,
    email: str | None,
    now: datetime,
) -> None:
    """A new user, unless the id is taken. Waits for whoever is about to take it."""
    values = {"tenant_id": tenant_id, "id": user_id, "billing_id": billing_id, "name": name, "email": email, "now": now}
    session.connection().exec_driver_sql(_ADD_BUYER, values)


def name_buyer(
    session: Session,
    tenant_ids: Collection[int],
    customer_id: str,
    name: str | None,
    email: str | None,
    now: datetime,
) -> None:
    """What the customer is called now, for the users that were made for it."""
    values = {"tenant_ids": list(tenant_ids), "customer_id": customer_id, "name": name, "email": email, "now": now}
    session.connection().exec_driver_sql(_NAME_BUYER, values)


def forget_customer(session: Session, tenant_ids: Collection[int], customer_id: str, now: datetime) -> None:
    """Nobody has this billing id any more."""
    session.connection().exec_driver_sql(_FORGET_CUSTOMER, (now, list(tenant_ids), customer_id))


def copies_of(session: Session, tenant_id: int, subscription_id: str) -> Sequence[Subscription]:
    """Oldest first: one for each item that there is or was."""
    statement = (
        select(Subscription)
        .where(Subscription.tenant_id == tenant_id, Subscription.provider_subscription_id == subscription_id)
        .order_by(col(Subscription.id))
    )
    # What is read under a lock must come from the database.
    return session.exec(statement.execution_options(populate_existing=True)).all()


def packages_by_price(
    session: Session, tenant_id: int, price_ids: Collection[str], wanted: str | None = None
) -> dict[str, Package]:
    """What a price is for; with several templates for one, the package with the id `wanted`, else that of the oldest on sale,
    else that of the oldest.
    """
    statement = (
        select(BillingTemplate.price_id, Package)
        .join(Package, col(Package.key) == col(BillingTemplate.package_key))
        .where(
            BillingTemplate.tenant_id == tenant_id,
            Package.tenant_id == tenant_id,
            col(BillingTemplate.price_id).in_(price_ids),
            _IS_A_PRICE,
            col(BillingTemplate.metered_feature_key).is_(None),
        )
        # The last one of a price stays.
        .order_by(
            col(Package.id) == (wanted or ""),
            col(BillingTemplate.status) == BillingTemplateStatus.ACTIVE,
            col(BillingTemplate.created_at).desc(),
            col(BillingTemplate.id).desc(),
        )
    )
    return {price_id: package for price_id, package in session.exec(statement) if price_id}


def copies_of_many(
    session: Session, tenant_ids: Collection[int], subscription_ids: Collection[str]
) -> dict[str, list[Subscription]]:
    """Likewise of many subscriptions, by their ids."""
    statement = (
        select(Subscription)
        .where(
            col(Subscription.tenant_id).in_(tenant_ids),
            col(Subscription.provider_subscription_id).in_(subscription_ids),
        )
        .order_by(col(Subscription.tenant_id), col(Subscription.id))
    )
    found: dict[str, list[Subscription]] = {}
    for copy in session.exec(statement):
        found.setdefault(copy.provider_subscription_id or "", []).append(copy)
    return found


def sold_prices(session: Session, tenant_id: int, price_ids: Collection[str]) -> set[str]:
    """Those of the prices that are for a package."""
    found = select(BillingTemplate.price_id).where(
        BillingTemplate.tenant_id == tenant_id, col(BillingTemplate.price_id).in_(price_ids), _IS_A_PRICE
    )
    return {price_id for price_id in session.exec(found) if price_id}


def note_listed(session: Session, subscription_ids: Collection[str], now: datetime) -> None:
    """Stripe has these."""
    session.connection().exec_driver_sql(_NOTE_LISTED, (now, list(subscription_ids)))


def unlisted(
    session: Session, tenant_ids: Collection[int], began_at: datetime, after: str, limit: int
) -> Sequence[str]:
    """Subscriptions that give access, or may again, were copied before then, and were not noted as listed since; by id."""
    values = {"tenant_ids": list(tenant_ids), "began_at": began_at, "after": after, "limit": limit}
    return session.connection().exec_driver_sql(_UNLISTED, values).scalars().all()
