"""Repairs of the books, each in a transaction of its own: lock, look again, and only then write. The ledger is never touched."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from app import clock
from app.db import transaction
from app.errors import OverloadedError
from app.queries import books_repairs as queries
from app.queries.books import KeyedEvent, LooseKey
from app.queries.books_history import correct_closed_period, lock_counter
from app.queries.ledger import Window, replayed_totals
from app.queries.reservations import open_holds
from app.queries.standings import Counter, Pair, locked_standing, make_counters, move_counters


class Outcome(StrEnum):
    """FOUND: nobody asked for a repair. RIGHT_BY_NOW: somebody else has put it right."""

    FOUND = "found"
    REPAIRED = "repaired"
    RIGHT_BY_NOW = "right by now"
    NOT_REPAIRED = "not repaired"

    @property
    def is_left(self) -> bool:
        """Whether the books are still wrong."""
        return self in {Outcome.FOUND, Outcome.NOT_REPAIRED}


def rebuild_counter(pair: Pair, since: datetime | None) -> Outcome:
    """Let a counter say what its ledger says, and look as far ahead as its reservations do.

    Under the counter's lock. A period that began before `since`, of which the ledger may have lost something, is left as it is.
    """

    def rebuild(session: Session) -> Outcome:
        queries.allow_long_statements(session)
        counter = locked_standing(session, pair).counter
        if counter is None:
            return Outcome.NOT_REPAIRED
        rebuilt = Counter(counter.period, _used(session, pair, counter, since), _held_until(session, pair, counter))
        if rebuilt == counter:
            return Outcome.RIGHT_BY_NOW
        move_counters(session, {pair: rebuilt})
        return Outcome.REPAIRED

    return _tried(rebuild)


def correct_history(window: Window) -> Outcome:
    """Let a closed period say what its ledger says. Under the counter's lock, as whoever counts late in it."""

    def correct(session: Session) -> Outcome:
        queries.allow_long_statements(session)
        pair, _ = window
        if not lock_counter(session, pair):
            return Outcome.NOT_REPAIRED
        (used,) = replayed_totals(session, [window])
        return Outcome.REPAIRED if correct_closed_period(session, window, used) else Outcome.RIGHT_BY_NOW

    return _tried(correct)


def make_counter(pair: Pair) -> Outcome:
    """A counter for a pair that has events: without a period, so that whoever reads it next asks the ledger."""

    def make(session: Session) -> Outcome:
        make_counters(session, [pair])
        return Outcome.REPAIRED

    return _tried(make)


def key_event(tenant_id: int, event: KeyedEvent) -> Outcome:
    """Let an event's key name it.

    Not if another event answers to the same key: one of the two was counted in excess, and only the operator can say which.
    """

    def key(session: Session) -> Outcome:
        if queries.take_key(session, tenant_id, event):
            return Outcome.REPAIRED
        # The key's own lock: the two events may be of different users, whose counters are two locks.
        if queries.locked_key_of(session, tenant_id, event) == (event.id, event.at):
            return Outcome.RIGHT_BY_NOW
        return Outcome.REPAIRED if queries.move_key(session, tenant_id, event) else Outcome.NOT_REPAIRED

    return _tried(key)


def drop_key(tenant_id: int, key: LooseKey) -> Outcome:
    """Free a key to which no event answers. Until then every call with it fails, for it is taken and has no answer."""

    def drop(session: Session) -> Outcome:
        return Outcome.REPAIRED if queries.drop_key(session, tenant_id, key) else Outcome.RIGHT_BY_NOW

    return _tried(drop)


def _used(session: Session, pair: Pair, counter: Counter, since: datetime | None) -> int:
    if counter.period is None:
        return 0
    if since is not None and counter.period.start < since:
        return counter.used
    return replayed_totals(session, [(pair, counter.period)])[0]


def _held_until(session: Session, pair: Pair, counter: Counter) -> datetime | None:
    ends = [hold.expires_at for hold in open_holds(session, pair, clock.now())]
    if counter.held_until is not None:
        ends.append(counter.held_until)
    return max(ends, default=None)


def _tried(work: Callable[[Session], Outcome]) -> Outcome:
    """A lock that is not had, or a user or feature that is gone, leaves one difference and lets the others be repaired."""
    try:
        with transaction() as session:
            return work(session)
    except (OverloadedError, IntegrityError):
        return Outcome.NOT_REPAIRED
