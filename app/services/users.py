"""Users: create, change, rename, read."""

from sqlmodel import Session

from app import clock, models
from app.contract.actors import Actor
from app.contract.shapes import Page, PageRequest
from app.contract.users import CreateUser, UpdateUser, User
from app.db import transaction
from app.domain.billing import customer_id_of
from app.domain.values import check_id
from app.errors import UserNotFoundError
from app.queries import stripe_customers
from app.queries import users as queries
from app.services.changes import apply_changes, stored_metadata
from app.services.conflicts import already_exists
from app.services.paging import key_after


def create_user(actor: Actor, command: CreateUser) -> User:
    """Raises AlreadyExistsError if the id is taken. Several users may share an email."""
    now = clock.now()
    row = models.User(
        tenant_id=actor.tenant_id,
        id=command.id,
        billing_id=command.billing_id,
        name=command.name,
        email=command.email,
        metadata_=stored_metadata(command.metadata),
        created_at=now,
        updated_at=now,
    )
    with already_exists(_taken(command.id)), transaction() as session:
        session.add(row)
        _note_customer(session, row)
    return _view(row)


def update_user(actor: Actor, user_id: str, command: UpdateUser) -> User:
    """Absent fields stay; a new id renames, and subscriptions and usage follow.

    Raises:
        UserNotFoundError: there is none with `user_id`.
        AlreadyExistsError: the new id is another user's.
        InvalidInputError: `user_id` is no id.
    """
    check_id("id", user_id)
    with already_exists(_taken(command.id)), transaction() as session:
        row = queries.locked_user(session, actor.tenant_id, user_id)
        if row is None:
            raise UserNotFoundError
        if isinstance(command.id, str):
            row.id = command.id
        apply_changes(row, command, "billing_id", "name", "email")
        if isinstance(command.billing_id, str):
            _note_customer(session, row)
    return _view(row)


def get_user(actor: Actor, user_id: str) -> User:
    """Raises UserNotFoundError, InvalidInputError if `user_id` is no id."""
    check_id("id", user_id)
    with transaction() as session:
        row = queries.user_by_id(session, actor.tenant_id, user_id)
        if row is None:
            raise UserNotFoundError
        return _view(row)


def list_users(actor: Actor, page: PageRequest) -> Page[User]:
    """Oldest first. Raises InvalidInputError if the page starts after an unknown id."""
    with transaction() as session:
        after = key_after(page.starting_after, lambda id_: _key_of(session, actor, id_))
        rows, has_more = queries.users_page(session, actor.tenant_id, after, page.limit)
        return Page(data=[_view(row) for row in rows], has_more=has_more)


def _note_customer(session: Session, row: models.User) -> None:
    """Who says first that a customer of the shared account is theirs is believed before others, until it is shown whose it is."""
    customer_id = customer_id_of(row.billing_id)
    if customer_id is not None:
        # Users come before it for everybody, so that nobody waits for somebody who waits for them.
        session.flush()
        stripe_customers.note_claim(session, row.tenant_id, customer_id, clock.now())


def _view(row: models.User) -> User:
    return User(id=row.id, billing_id=row.billing_id, name=row.name, email=row.email, metadata=row.metadata_)


def _key_of(session: Session, actor: Actor, user_id: str) -> int | None:
    row = queries.user_by_id(session, actor.tenant_id, user_id)
    return row.key if row else None


def _taken(user_id: object) -> str:
    return f"id: a user with the id {user_id!r} exists already"
