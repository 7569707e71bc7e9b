"""An import's customers: each becomes a user, or is one. By our metadata or the customer's id, never by an email."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlmodel import Session

from app import clock, models
from app.db import transaction
from app.domain import billing_tags
from app.domain.values import check_id
from app.errors import InvalidInputError
from app.gateways.billing import Customer
from app.queries import stripe_copies as copy_queries
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
    elsewhere: Mapping[str, str]
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
        return [_one(session, customers, known, each) for each in page]


def _known(session: Session, customers: Customers, page: Sequence[Customer]) -> _Known:
    ids = [each.id for each in page]
    wanted = {_wanted(customers, each) for each in page}
    emails = {each.email for each in page if each.email}
    by_email = {}
    for user in queries.users_known_by_email(session, customers.tenant_id, emails):
        by_email.update(dict.fromkeys({user.id, user.email} & emails, user.id))
    return _Known(
        queries.users_with_customers(session, customers.tenant_id, ids),
        queries.others_with_customers(session, customers.ours, customers.tenant_id, ids),
        queries.locked_users(session, customers.tenant_id, wanted),
        {email: user_id for email, user_id in by_email.items() if email},
    )


def _one(session: Session, customers: Customers, known: _Known, customer: Customer) -> Imported:
    app_id = customer.metadata.get(billing_tags.TENANT, customers.app_id)
    if app_id != customers.app_id:
        customers.others.add(customer.id)
        return Imported(customer.id, Became.OTHERS, f"its metadata says that it is of {app_id}")
    user = known.by_customer.get(customer.id)
    if user is not None:
        customers.owners[customer.id] = user.id
        return Imported(customer.id, Became.KNOWN)
    if customer.id in known.elsewhere:
        customers.others.add(customer.id)
        return Imported(customer.id, Became.OTHERS, f"a user of {known.elsewhere[customer.id]} has it")
    return _new_to_us(session, customers, known, customer)


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
