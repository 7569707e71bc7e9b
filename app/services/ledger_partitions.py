"""The ledger's months: a partition for each, made ahead, dropped when everything in it is older than the ledger keeps.

For the release, for operators and for the nightly job. A month without a partition is no error: its events go to the default
partition, and move when the month is made. See docs/decisions/0007-ledger-partitions.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlmodel import Session

from app import clock
from app.db import transaction
from app.domain.periods import ResetPeriod, boundary
from app.queries import ledger_partitions as queries
from app.queries import retention
from app.queries.ledger_partitions import Partition
from app.queries.retention import Old
from app.settings import settings

log = structlog.get_logger(__name__)

MONTHS_AHEAD = 3
_COUNTERS_PER_PIECE = 1000


@dataclass(frozen=True, slots=True)
class Expired:
    """What is, or was, older than `before`, the first moment that the ledger keeps."""

    before: datetime
    partitions: list[Partition]
    keys: int
    reservations: int
    periods: int
    events_without_month: int
    counters: int


def list_partitions() -> list[Partition]:
    """Oldest first, the default last."""
    with transaction() as session:
        return queries.partitions(session)


def make_ahead(now: datetime, months: int = MONTHS_AHEAD) -> list[str]:
    """Make the partitions that are missing for the month of `now`, for so many after it, and for any before it that nobody made
    when it was time. Returns their names.

    Nothing is locked when nothing is missing. For each that is, a transaction locks the ledger while it moves the month's events
    out of the default partition; there are none if the month was made ahead. Two processes at once take turns.

    Raises:
        OverloadedError: somebody used the ledger for longer than we wait. Months made before stay; call again.
    """
    with transaction() as session:
        missing = _missing(queries.partitions(session), now, months)
    return [name for start, end in missing if (name := _make(start, end))]


def make_months() -> int:
    """`make_ahead` as the job does it; returns how many were missing."""
    return len(make_ahead(clock.now()))


def _missing(found: list[Partition], now: datetime, months: int) -> list[tuple[datetime, datetime]]:
    """Never those before the newest one. Events with old timestamps stay in the default: a caller could otherwise have us make
    a partition for any month since the year 1."""
    this_month = month_of(now)
    newest_end = max((one.end for one in found if one.end), default=this_month)
    first = min(this_month, month_of(newest_end))
    last = boundary(this_month, ResetPeriod.MONTH, months)
    return [month for month in _months(first, last) if not any(one.overlaps(*month) for one in found)]


def _months(first: datetime, last: datetime) -> Iterator[tuple[datetime, datetime]]:
    """(start, end) of each month from `first` to `last`, both included."""
    start, n = first, 0
    while start <= last:
        n += 1
        end = boundary(first, ResetPeriod.MONTH, n)
        yield start, end
        start = end


def _make(start: datetime, end: datetime) -> str | None:
    """The partition's name, or None if another process has made it in the meantime."""
    name = f"usage_events_p{start:%Y_%m}"
    with transaction() as session:
        queries.take_turns(session)
        if any(one.overlaps(start, end) for one in queries.partitions(session)):
            return None
        moved = queries.make_partition(session, name, start, end)
    log.info("ledger.partition_made", partition=name, moved_events=moved)
    return name


def month_of(moment: datetime) -> datetime:
    """Where the month of a UTC moment starts."""
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def kept_since(now: datetime) -> datetime | None:
    """The first moment that the ledger keeps, which is a month's first; None when it keeps everything.

    At least USAGE_RETENTION_DAYS ago, so more than a year: no period that is still running began before.
    """
    days = settings().usage_retention_days
    return None if days is None else month_of(now - timedelta(days=days))


def expired(now: datetime) -> Expired | None:
    """What `drop_expired` would drop, for the moment unchanged. None: the ledger keeps everything."""
    before = kept_since(now)
    if before is None:
        return None
    with transaction() as session:
        counts = {old: retention.how_many(session, old, before) for old in Old}
        return _expired(before, _wholly_before(session, before), counts)


def drop_expired(now: datetime) -> Expired | None:
    """Drop the months that are wholly older than USAGE_RETENTION_DAYS, and what belongs to them: their idempotency keys, their
    reservations, the closed periods that ended by then, and what counters of those times stand for. Returns what went, or None:
    the ledger keeps everything.

    In many small transactions, in an order in which each may be the last one that happened; the next call goes on. A key goes
    before its event, or a repeat would find the key taken and no answer; a counter after it, for until then it is right.

    Raises:
        OverloadedError: somebody used the ledger for longer than we wait. Call again.
    """
    before = kept_since(now)
    if before is None:
        return None
    counts = {old: _delete(old, before) for old in (Old.KEYS, Old.RESERVATIONS, Old.PERIODS)}
    with transaction() as session:
        due = _wholly_before(session, before)
    dropped = [one for one in due if _drop(one)]
    counts[Old.EVENTS_WITHOUT_MONTH] = _delete(Old.EVENTS_WITHOUT_MONTH, before)
    counts[Old.COUNTERS] = _reset_counters(before)
    return _expired(before, dropped, counts)


def _expired(before: datetime, gone: list[Partition], counts: dict[Old, int]) -> Expired:
    return Expired(
        before=before,
        partitions=gone,
        keys=counts[Old.KEYS],
        reservations=counts[Old.RESERVATIONS],
        periods=counts[Old.PERIODS],
        events_without_month=counts[Old.EVENTS_WITHOUT_MONTH],
        counters=counts[Old.COUNTERS],
    )


def _wholly_before(session: Session, before: datetime) -> list[Partition]:
    return [one for one in queries.partitions(session) if one.end is not None and one.end <= before]


def _drop(partition: Partition) -> bool:
    """False if another process has dropped it in the meantime."""
    with transaction() as session:
        queries.take_turns(session)
        if partition.name not in {one.name for one in queries.partitions(session)}:
            return False
        queries.drop_partition(session, partition)
    log.info("ledger.partition_dropped", partition=partition.name)
    return True


def _delete(old: Old, before: datetime) -> int:
    with transaction() as session:
        blocks = retention.blocks_of(session, old)
    deleted = 0
    for first_block in range(0, blocks, retention.BLOCKS_PER_PIECE):
        with transaction() as session:
            deleted += retention.delete_piece(session, old, first_block, before)
    return deleted


def _reset_counters(before: datetime) -> int:
    reset, last = 0, (0, 0, 0)
    while True:
        with transaction() as session:
            keys = retention.reset_counters(session, last, before, _COUNTERS_PER_PIECE)
        if not keys:
            return reset
        reset, last = reset + len(keys), keys[-1]
