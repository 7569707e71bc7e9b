"""Keyset pages: everything after one row's key, in the order of creation. No OFFSET, so page 1,000 costs what page 1 does."""

from typing import TypeVar

from sqlalchemy.orm import Mapped
from sqlmodel import Session
from sqlmodel.sql.expression import SelectOfScalar

Row = TypeVar("Row")


def page_after(
    session: Session, statement: SelectOfScalar[Row], key: Mapped[int], after: int | None, limit: int
) -> tuple[list[Row], bool]:
    """At most `limit` rows of the statement with a key above `after`, and whether more follow."""
    if after is not None:
        statement = statement.where(key > after)
    rows = list(session.exec(statement.order_by(key).limit(limit + 1)).all())
    return rows[:limit], len(rows) > limit
