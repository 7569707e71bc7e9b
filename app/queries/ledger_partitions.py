"""The ledger's partitions: which there are, making one, dropping one.

Making and dropping lock the whole ledger, for everybody, for as long as the transaction lasts. Whoever waits for that lock has
all who come later wait behind it, so it is not waited for long.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import text
from sqlmodel import Session

# Shorter than the 5 s that the callers who queue behind us wait for a lock, so they go on when we give up. Longer than the second
# after which Postgres looks for a circle of waiters, so it can let those pass whom we wait for.
LOCK_TIMEOUT = "4s"

# `FOR VALUES FROM ('2026-01-01 00:00:00+00') TO (MAXVALUE)`, or `DEFAULT`.
_BOUNDS = re.compile(r"FOR VALUES FROM \(('(?P<start>[^']+)'|MINVALUE)\) TO \(('(?P<end>[^']+)'|MAXVALUE)\)")

_COUNTED_ROWS = 100_000

# The name as it must be written in a statement, quotes included. Never analysed is −1.
_PARTITIONS = """
SELECT c.oid::regclass::text, pg_get_expr(c.relpartbound, c.oid), pg_total_relation_size(c.oid), c.reltuples::bigint
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'usage_events'::regclass
"""

_BOUNDS_OF_ALL = """
SELECT pg_get_expr(c.relpartbound, c.oid)
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'usage_events'::regclass
"""


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition of `usage_events` for [start, end), without a bound on the side that is None. The default one, for what has no
    other, has neither.

    `size_bytes` is with its indexes. `rows` are counted if they seem to be few; else they are about what Postgres last saw.
    """

    name: str
    start: datetime | None
    end: datetime | None
    size_bytes: int
    rows: int

    @property
    def is_default(self) -> bool:
        return self.start is None and self.end is None

    def overlaps(self, start: datetime, end: datetime) -> bool:
        """Whether a moment of [start, end) belongs to it. Nothing belongs to the default by right."""
        begins_before = self.start is None or self.start < end
        return not self.is_default and begins_before and (self.end is None or start < self.end)


def partitions(session: Session) -> list[Partition]:
    """All of them, oldest first, the default last. None is made or dropped by others until the transaction ends."""
    session.connection().exec_driver_sql("LOCK TABLE ONLY usage_events IN ACCESS SHARE MODE")
    rows = session.connection().exec_driver_sql(_PARTITIONS).all()
    found = [_partition(session, *row) for row in rows]
    return sorted(found, key=lambda one: (one.is_default, one.start or datetime.min.replace(tzinfo=UTC)))


def covered_until(session: Session, now: datetime) -> datetime | None:
    """Until when there is a partition for each moment from now on; None: there is none for now. Locks and counts nothing."""
    rows = session.connection().exec_driver_sql(_BOUNDS_OF_ALL).scalars()
    bounds = sorted(_start_and_end(found) for row in rows if (found := _BOUNDS.fullmatch(row or "")))
    until = now
    for start, end in bounds:
        if start <= until < end:
            until = end
    return until if until > now else None


def _start_and_end(bounds: re.Match[str]) -> tuple[datetime, datetime]:
    first, last = _moment(bounds["start"]), _moment(bounds["end"])
    return first or datetime.min.replace(tzinfo=UTC), last or datetime.max.replace(tzinfo=UTC)


def _partition(session: Session, name: str, bounds: str, size_bytes: int, rows: int) -> Partition:
    if rows < _COUNTED_ROWS:
        rows = session.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()
    found = _BOUNDS.fullmatch(bounds)
    start, end = (_moment(found[side]) if found else None for side in ("start", "end"))
    return Partition(name, start, end, size_bytes, rows)


def _moment(written: str | None) -> datetime | None:
    """The session's time zone is UTC, so it was written so."""
    return datetime.fromisoformat(written).astimezone(UTC) if written else None


def take_turns(session: Session) -> None:
    """Wait until no other process makes or drops partitions, however long it takes, and keep others from it."""
    connection = session.connection()
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('meterline.ledger_partitions'))")
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")


def make_partition(session: Session, name: str, start: datetime, end: datetime) -> int:
    """Make the partition for [start, end), and move there what the default holds of that time. Returns how many rows.

    Everybody's use of the ledger waits until the transaction ends: a writer who had found the default to be the right place must
    not write there any more, and nobody may miss the rows on their way.
    """
    connection = session.connection()
    connection.exec_driver_sql("LOCK TABLE ONLY usage_events, ONLY usage_events_default IN ACCESS EXCLUSIVE MODE")
    # Attaching brings the identity and the indexes, and refuses a table that has an identity of its own.
    connection.exec_driver_sql(
        f"CREATE TABLE {name} (LIKE usage_events INCLUDING ALL EXCLUDING IDENTITY EXCLUDING INDEXES)"
    )
    moved = connection.exec_driver_sql(
        f"WITH moved AS (DELETE FROM usage_events_default WHERE at >= %s AND at < %s RETURNING *) "
        f"INSERT INTO {name} SELECT * FROM moved",
        (start, end),
    ).rowcount
    connection.exec_driver_sql(
        f"ALTER TABLE usage_events ATTACH PARTITION {name} "
        f"FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
    )
    return moved


def drop_partition(session: Session, partition: Partition) -> None:
    """Drop it and all that is in it."""
    connection = session.connection()
    # In the order in which everybody else comes to them; DROP alone would lock the partition first.
    connection.exec_driver_sql("LOCK TABLE ONLY usage_events IN ACCESS EXCLUSIVE MODE")
    connection.exec_driver_sql(f"DROP TABLE {partition.name}")
