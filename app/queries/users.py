"""Users."""

from sqlmodel import Session, col, select

from app.models import User
from app.queries.pages import page_after


def user_by_id(session: Session, tenant_id: int, user_id: str) -> User | None:
    return session.exec(select(User).where(User.tenant_id == tenant_id, User.id == user_id)).one_or_none()


def user_by_key(session: Session, tenant_id: int, user_key: int) -> User | None:
    return session.exec(select(User).where(User.tenant_id == tenant_id, User.key == user_key)).one_or_none()


def locked_user(session: Session, tenant_id: int, user_id: str) -> User | None:
    """The user's row, locked: the lock under which a user's subscriptions change, one call after the other."""
    statement = select(User).where(User.tenant_id == tenant_id, User.id == user_id)
    return session.exec(statement.with_for_update(key_share=True)).one_or_none()


def locked_user_by_key(session: Session, tenant_id: int, user_key: int) -> User:
    """As `locked_user`, for a key that is known to exist."""
    statement = select(User).where(User.tenant_id == tenant_id, User.key == user_key)
    return session.exec(statement.with_for_update(key_share=True)).one()


def users_page(session: Session, tenant_id: int, after: int | None, limit: int) -> tuple[list[User], bool]:
    return page_after(session, select(User).where(User.tenant_id == tenant_id), col(User.key), after, limit)
