"""Whose is what was bought at Stripe: which tenant's, and which user's."""

from collections.abc import Collection
from dataclasses import dataclass

import structlog
from sqlmodel import Session

from app import clock, models
from app.domain import billing_tags
from app.domain.billing import link_id_of
from app.gateways.billing_shapes import Customer, Metadata
from app.queries import stripe_copies as queries
from app.queries import stripe_customers as customers
from app.queries import tenants
from app.queries import users as user_queries
from app.queries.checkout_links import link_by_id

log = structlog.get_logger(__name__)

_ID_MAX = 255


@dataclass(frozen=True, slots=True)
class Bought:
    """A subscription, or a session in which something was paid once. `tags` are its metadata, and what else is known of it."""

    id: str
    is_live: bool
    customer_id: str
    price_ids: frozenset[str]
    tags: Metadata


def tenant_of(session: Session, found: Bought) -> int | None:
    """The tenant, which must be of the same mode; None: it is not ours, or could be several tenants'.

    By what we have of it, then by our tag; what was made in Stripe's dashboard by its customer and its prices.
    """
    ours = queries.tenant_ids_of_mode(session, live=found.is_live)
    known = _the_one(queries.tenants_with_copy(session, ours, found.id))
    if known is not None:
        return known
    if billing_tags.TENANT in found.tags:
        tagged = _tagged(session, found)
        return tagged if tagged in ours else None
    return _by_what_it_is(session, ours, found)


def _tagged(session: Session, found: Bought) -> int | None:
    tenant = tenants.tenant_by_public_id(session, found.tags.get(billing_tags.TENANT, ""))
    return tenant.id if tenant is not None else None


def _by_what_it_is(session: Session, ours: Collection[int], found: Bought) -> int | None:
    """The tenant whose customer it is, if that was shown, else the one that sells it. If they are two, an operator has to say:
    somebody can buy of several tenants, and any tenant can name any price of the account.
    """
    possible = queries.tenants_with_prices(session, ours, found.price_ids)
    owners = customers.owners_of(session, ours, [found.customer_id])
    proven = {tenant_id for tenant_id, is_proven in owners.values() if is_proven}
    possible = possible & proven or possible | proven
    if len(possible) > 1:
        log.error("stripe.tenant_unclear", subscription_id=found.id, tenant_ids=sorted(possible))
    return _the_one(possible)


def locked_owner(session: Session, tenant_id: int, found: Bought, customer: Customer | None) -> models.User | None:
    """The user, under whose lock it is written. None: we do not know the buyer, and cannot make a user without the `customer`.

    From then on it is known that the customer is the tenant's, if a tag says so, or else that the tenant says so.
    """
    owner = _locked_owner(session, tenant_id, found, customer)
    if owner is not None and found.customer_id:
        if _tagged(session, found) == tenant_id:
            customers.note_proof(session, tenant_id, [found.customer_id], clock.now())
        else:
            customers.note_claim(session, tenant_id, found.customer_id, clock.now())
    return owner


def _locked_owner(session: Session, tenant_id: int, found: Bought, customer: Customer | None) -> models.User | None:
    copies = queries.copies_of(session, tenant_id, found.id)
    if copies:
        # First, for users can be renamed, and a tag has the name of its day.
        return user_queries.locked_user_by_key(session, tenant_id, copies[0].user_key)
    owner = _who_asked(session, tenant_id, found) or _known_buyer(session, tenant_id, found)
    if owner is None and customer is not None:
        owner = _new_owner(session, tenant_id, customer, found.tags)
    # Once, when it is first seen: later the customer may have been deleted.
    if owner is not None and owner.billing_id is None:
        owner.billing_id, owner.updated_at = found.customer_id or None, clock.now()
    return owner


def _who_asked(session: Session, tenant_id: int, found: Bought) -> models.User | None:
    """Whom the link was made for. It knows the user by a key, whatever they and others are called since."""
    link_id = link_id_of(found.tags.get(billing_tags.LINK))
    link = link_by_id(session, tenant_id, link_id) if link_id else None
    if link is None or link.user_key is None:
        return None
    return user_queries.locked_user_by_key(session, tenant_id, link.user_key)


def _known_buyer(session: Session, tenant_id: int, found: Bought) -> models.User | None:
    """By our tag, and by the customer. Never by email: anybody can type one."""
    tag = found.tags.get(billing_tags.USER)
    tagged = user_queries.locked_user(session, tenant_id, tag) if tag else None
    if tagged is not None:
        return tagged
    # Without a customer nobody is known by it, not even who has an empty billing id.
    by_customer = queries.user_by_billing_id(session, tenant_id, found.customer_id) if found.customer_id else None
    return by_customer and user_queries.locked_user_by_key(session, tenant_id, by_customer.key)


def _new_owner(session: Session, tenant_id: int, customer: Customer, tags: Metadata) -> models.User:
    """A user for a buyer whom we do not know, with the id of our tag, or else the customer's id.

    Never with the email as an id: anybody can type one, and whoever is to have it as their id would be that user.
    """
    # One makes a user of a customer, here or in an import.
    queries.lock_objects(session, [customer.id])
    if queries.user_by_billing_id(session, tenant_id, customer.id) is not None:
        return _locked_buyer(session, tenant_id, customer.id)
    for user_id in (tags.get(billing_tags.USER), customer.id):
        if user_id and len(user_id) <= _ID_MAX and _make(session, tenant_id, user_id, customer):
            break
    return _locked_buyer(session, tenant_id, customer.id)


def _locked_buyer(session: Session, tenant_id: int, customer_id: str) -> models.User:
    # If all ids are taken, the customer's own too, who has that one is the customer.
    owner = queries.user_by_billing_id(session, tenant_id, customer_id)
    owner = owner or user_queries.user_by_id(session, tenant_id, customer_id)
    if owner is None:
        raise LookupError(f"no user could be made for customer {customer_id}")
    return user_queries.locked_user_by_key(session, tenant_id, owner.key)


def _make(session: Session, tenant_id: int, user_id: str, customer: Customer) -> bool:
    """True: there is a user with this billing id now, ours or that of another who made one at the same time."""
    queries.add_buyer(session, tenant_id, user_id, customer.id, customer.name, customer.email, clock.now())
    return queries.user_by_billing_id(session, tenant_id, customer.id) is not None


def _the_one(tenant_ids: Collection[int]) -> int | None:
    return next(iter(tenant_ids)) if len(tenant_ids) == 1 else None
