"""The books, read by hand: every line of a ledger is fetched and added up one by one. Nothing of `app.queries` does it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from app.db import engine


class Line(NamedTuple):
    """A recorded event: when it counts, ADD or SET, and what a SET said or an ADD changed."""

    at: datetime
    action: str
    amount: int


class Counter(NamedTuple):
    """What a counter stands for, and at; without a period it has counted nothing yet."""

    begin: datetime | None
    end: datetime | None
    used: int


@dataclass
class Book:
    """One user and feature: what was recorded, in order of arrival, and the counter, if there is one."""

    lines: list[Line] = field(default_factory=list)
    counter: Counter | None = None

    def total(self, begin: datetime, end: datetime) -> int:
        """What the lines leave behind in [begin, end)."""
        pile = 0
        for line in self.lines:
            if begin <= line.at < end:
                pile = line.amount if line.action == "SET" else max(0, pile + line.amount)
        return pile

    def counter_is_right(self) -> bool:
        if self.counter is None:
            return not self.lines
        begin, end, used = self.counter
        return used == 0 if begin is None or end is None else used == self.total(begin, end)


_NAMES = """
JOIN users u ON u.tenant_id = x.tenant_id AND u.key = x.user_key
JOIN features f ON f.tenant_id = x.tenant_id AND f.key = x.feature_key
WHERE x.tenant_id = :tenant_id AND u.id = ANY(:user_ids) AND f.id = :feature_id
"""
_LINES = f"""
SELECT u.id, x.at, x.action, x.delta, x.applied FROM usage_events x {_NAMES} AND x.recorded ORDER BY x.id
"""  # noqa: S608 — our own names
_COUNTERS = f"SELECT u.id, x.period_start, x.period_end, x.used FROM consumptions x {_NAMES}"  # noqa: S608 — likewise


def read_books(tenant_id: int, user_ids: Sequence[str], feature_id: str = "calls") -> list[Book]:
    """The books of these users, in their order."""
    asked = {"tenant_id": tenant_id, "user_ids": list(user_ids), "feature_id": feature_id}
    books = {user_id: Book() for user_id in user_ids}
    with engine().connect() as connection:
        for user_id, at, action, delta, applied in connection.execute(text(_LINES), asked):
            books[user_id].lines.append(Line(at, action, delta if action == "SET" else applied))
        for user_id, *counter in connection.execute(text(_COUNTERS), asked):
            books[user_id].counter = Counter(*counter)
    return list(books.values())
