"""How the books are cut into parts that take seconds, whatever lies in them."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import pairwise

from app import clock
from app.db import transaction
from app.queries import books as queries
from app.queries.books import BookedCounter
from app.queries.books_history import BEFORE_ALL, BookedPeriod, closed_periods_beside_ledger
from app.queries.ledger_partitions import Partition

_EVENTS_PER_PART = 1_000_000
_EVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def parts_of_counters(tenant_id: int, counters_per_part: int) -> Iterator[list[BookedCounter]]:
    """Counters in key order; fewer at a time where they stand for very many events."""
    after, size = 0, counters_per_part
    while True:
        with transaction() as session:
            last = queries.last_user_of_part(session, tenant_id, after, size)
            counters = queries.counters_beside_ledger(session, tenant_id, after, last, clock.now())
        yield counters
        if last is None:
            return
        size = _next_size(size, sum(row.events for row in counters), counters_per_part)
        after = last


def parts_of_history(tenant_id: int, since: datetime | None, periods_per_part: int) -> Iterator[list[BookedPeriod]]:
    """Closed periods in key order; fewer at a time where very many events were counted in them. None is empty."""
    after, size = BEFORE_ALL, periods_per_part
    while True:
        with transaction() as session:
            periods = closed_periods_beside_ledger(session, tenant_id, since, after, size)
        if not periods:
            return
        yield periods
        size = _next_size(size, sum(row.events for row in periods), periods_per_part)
        after = periods[-1].place


def parts_of_ledger(found: Iterable[Partition], since: datetime | None) -> list[tuple[datetime, datetime]]:
    """All time that the ledger keeps, cut where partitions end: each part reads all keys once, so it has to be worth it."""
    first, last = _EVER if since is None else (since, _EVER[1])
    cuts, events = [first], 0
    for one in found:
        events += one.rows
        if events >= _EVENTS_PER_PART and one.end is not None and one.end > first:
            cuts.append(one.end)
            events = 0
    return list(pairwise([*cuts, last]))


def _next_size(size: int, events: int, largest: int) -> int:
    """Of a part that follows one of this size, in which there were so many events."""
    return max(1, min(largest, 2 * size, size * _EVENTS_PER_PART // max(events, 1)))
