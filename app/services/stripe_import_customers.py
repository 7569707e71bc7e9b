"""An import's customers: each becomes a user, or is one. By our metadata or the customer's id, never by an email."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlmodel import Session

from app import clock, models
from app.db import transaction
from app.domain import billing_tags
from app.domain.values import check_id
from app.errors import InvalidInputError
from app.gateways.billing_shapes import Customer
from app.queries import stripe_copies as copy_queries
from app.queries import stripe_customers, tenants
from app.queries import stripe_import as queries
from app.services.stripe_imported import Became, Imported


@dataclass(slots=True)
class Customers:
    """Of one import. `owners`: user ids by customer, of those that are the tenant's; `others`: customers that are not."""

    app_id: str
    tenant_id: int
    ours: Sequence[int]
    user_tag: str
    dry_run: bool = field(kw_only=True)
    owners: dict[str, str] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    # Billing ids by user, of users that are made or linked now: a dry run does not find them in the database.
    taken: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database has about the customers of a page."""

    by_customer: Mapping[str, models.User]
    # The tenant that a customer is of if it is another, and whether that was shown.
    elsewhere: Mapping[str, tuple[str, bool]]
    by_id: Mapping[str, models.User]
    by_email: Mapping[str, str]


def take_in(customers: Customers, page: Sequence[Customer]) -> list[Imported]:
    """Make users of a page of customers, find them or link them; what became of each.

    Raises OverloadedError: the database is busy or away; nothing of the page was done.
    """
    with transaction() as session:
        if not customers.dry_run:
            # Before it is looked whether they have a user: webhooks make users too.
            copy_queries.lock_objects(session, [each.id for each in page])
        known = _known(session, customers, page)
        imported = [_one(session, customers, known, each) for each in page]
        if not customers.dry_run:
            theirs = [each.id for each in page if each.id in customers.owners]
            stripe_customers.note_proof(session, customers.tenant_id, theirs, clock.now())
        return imported


def _known(session: Session, customers: Customers, page: Sequence[Customer]) -> _Known:
    ids = [each.id for each in page]
    wanted = {_wanted(customers, each) for each in page}
    emails = {each.email for each in page if each.email}
    by_email = {}
    for user in queries.users_known_by_email(session, customers.tenant_id, emails):
        by_email.update(dict.fromkeys({user.id, user.email} & emails, user.id))
    return _Known(
        queries.users_with_customers(session, customers.tenant_id, ids),
        _elsewhere(session, customers, ids),
        queries.locked_users(session, customers.tenant_id, wanted),
        {email: user_id for email, user_id in by_email.items() if email},
    )


def _elsewhere(session: Session, customers: Customers, customer_ids: Sequence[str]) -> dict[str, tuple[str, bool]]:
    app_ids = {tenant.id: tenant.public_id for tenant in tenants.all_tenants(session)}
    owners = stripe_customers.owners_of(session, customers.ours, customer_ids)
    return {
        customer_id: (app_ids[tenant_id], is_proven)
        for customer_id, (tenant_id, is_proven) in owners.items()
        if tenant_id != customers.tenant_id
    }


def _one(session: Session, customers: Customers, known: _Known, customer: Customer) -> Imported:
    user = known.by_customer.get(customer.id)
    why_not = _why_not(customers, known, customer, is_known=user is not None)
    if why_not:
        customers.others.add(customer.id)
        return Imported(customer.id, Became.OTHERS, why_not)
    if user is None:
        return _new_to_us(session, customers, known, customer)
    customers.owners[customer.id] = user.id
    return Imported(customer.id, Became.KNOWN)


def _why_not(customers: Customers, known: _Known, customer: Customer, *, is_known: bool) -> str | None:
    """Why it is another tenant's; None: it is not. What another one merely says does not count if a user of ours has it too."""
    tag = customer.metadata.get(billing_tags.TENANT)
    if tag is not None:
        return None if tag == customers.app_id else f"its metadata says that it is of {tag}"
    app_id, is_proven = known.elsewhere.get(customer.id, (None, False))
    if app_id is None or (is_known and not is_proven):
        return None
    return f"it is a customer of {app_id}" if is_proven else f"a user of {app_id} has it"


def _new_to_us(session: Session, customers: Customers, known: _Known, customer: Customer) -> Imported:
    user_id = _wanted(customers, customer)
    customers.owners[customer.id] = user_id
    user = known.by_id.get(user_id)
    billing_id = customers.taken.get(user_id) or (user and user.billing_id)
    if billing_id:
        return Imported(customer.id, Became.KEPT, f"the user {user_id} keeps the billing id {billing_id}")
    customers.taken[user_id] = customer.id
    if user is not None:
        if not customers.dry_run:
            user.billing_id, user.updated_at = customer.id, clock.now()
        return Imported(customer.id, Became.LINKED, f"user {user_id}")
    if not customers.dry_run:
        name, email = customer.name, customer.email
        copy_queries.add_buyer(session, customers.tenant_id, user_id, customer.id, name, email, clock.now())
    return Imported(customer.id, Became.NEW, _remark(customers, known, customer))


def _wanted(customers: Customers, customer: Customer) -> str:
    """The id of the user that the customer is, or is to be."""
    tag = customer.metadata.get(customers.user_tag)
    return tag if tag and _is_id(tag) else customer.id


def _remark(customers: Customers, known: _Known, customer: Customer) -> str | None:
    tag = customer.metadata.get(customers.user_tag)
    if tag and not _is_id(tag):
        return f"its metadata {customers.user_tag} is no user id"
    namesake = known.by_email.get(customer.email or "")
    return f"the user {namesake} has the same email, and was not taken for it" if namesake else None


def _is_id(text: str) -> bool:
    try:
        check_id("id", text)
    except InvalidInputError:
        return False
    return True
