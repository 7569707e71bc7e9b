"""What an import must know of users before it makes any."""

from collections.abc import Collection, Sequence

from sqlmodel import Session, col, or_, select

from app.models import User


def users_with_customers(session: Session, tenant_id: int, customer_ids: Collection[str]) -> dict[str, User]:
    """By the customer; of several the oldest."""
    statement = select(User).where(User.tenant_id == tenant_id, col(User.billing_id).in_(customer_ids))
    found = session.exec(statement.order_by(col(User.key).desc()))
    return {user.billing_id: user for user in found if user.billing_id}


def locked_users(session: Session, tenant_id: int, user_ids: Collection[str]) -> dict[str, User]:
    """By id; locked in key order."""
    statement = (
        select(User)
        .where(User.tenant_id == tenant_id, col(User.id).in_(user_ids))
        .order_by(col(User.key))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return {user.id: user for user in session.exec(statement)}


def users_known_by_email(session: Session, tenant_id: int, emails: Collection[str]) -> Sequence[User]:
    """Who has one of the emails as email or as id."""
    statement = select(User).where(
        User.tenant_id == tenant_id, or_(col(User.email).in_(emails), col(User.id).in_(emails))
    )
    return session.exec(statement.order_by(col(User.key))).all()
