"""What the last checks of the books found, one for each tenant."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, func, select

from app.models import BooksCheck, Tenant

_NOTE = """
INSERT INTO books_checks (tenant_id, checked_at, differences, is_whole) VALUES (%s, %s, %s, %s)
ON CONFLICT (tenant_id) DO UPDATE SET
  checked_at = excluded.checked_at, differences = excluded.differences, is_whole = excluded.is_whole
"""


def note_check(session: Session, tenant_id: int, now: datetime, differences: int, *, is_whole: bool) -> None:
    session.connection().exec_driver_sql(_NOTE, (tenant_id, now, differences, is_whole))


def differences(session: Session) -> int:
    """How many the last checks of all tenants found together."""
    found = session.exec(select(func.coalesce(func.sum(col(BooksCheck.differences)), 0))).one()
    return int(found)


def last_checks(session: Session) -> Sequence[tuple[BooksCheck, Tenant]]:
    """By tenant; without those whose books were never checked."""
    return session.exec(
        select(BooksCheck, Tenant)
        .join(Tenant, col(Tenant.id) == col(BooksCheck.tenant_id))
        .order_by(col(Tenant.public_id))
    ).all()
