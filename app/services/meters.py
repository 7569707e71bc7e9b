"""Meters: what one transaction knows of the counters it has locked, and how everything that counts usage is run.

`run_metering` opens the transaction. Inside, lock the counters (`queries.standings`), open meters on them, let each decision
count, and write once at the end. Whatever decides is read after the locks, so two transactions at once decide one after the
other.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from sqlmodel import Session

from app.db import Pool, transaction
from app.domain.entitlements import Candidate, FeatureType, counted_period, winner
from app.domain.metering import RecordUsageAction, total_after
from app.domain.periods import Period
from app.errors import OverloadedError
from app.queries import ledger, reservations, standings, usage_periods
from app.queries.ledger import Entry
from app.queries.standings import Counter, Pair, Standing
from app.queries.subscriptions import Moment, candidates
from app.services.thresholds import announce_passings

Answer = TypeVar("Answer")

_TRIES = 4
# What has taken so long is not repeated: a database that does not even refuse a connection takes 5 s each time to say so.
_TRYING_SECONDS = 4.0


class CountersMissingError(Exception):
    """Pairs that have no counter yet, so nothing to lock."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.pairs = pairs


class KeyTakenError(Exception):
    """Another transaction used one of the idempotency keys while we were at work."""


@dataclass(slots=True)
class Meter:
    """One user and feature under its lock: the running total of every window that is asked about, and what is held there."""

    pair: Pair
    feature_type: FeatureType
    counter: Counter
    totals: dict[Period, int]
    thresholds: tuple[int, ...] = ()
    held: dict[Period, int] = field(default_factory=dict)
    _opening: dict[Period, int] | None = None
    _stands_for: Period | None = None

    def count(self, entry: Entry) -> None:
        """Let a recorded entry count in every window that holds its moment: the one that decided, and any other.

        An entry of now moves the counter to its period, one of the past moves it on. Neither moves it back to what it has left,
        which may be closed already: a clock that is behind the one before makes a late entry. One of the future leaves it where
        it is, for the next entry of now would only fetch it back. A counter that stands for nothing goes with whatever comes.
        """
        if self._opening is None:
            self._opening = self.totals.copy()
        amount = entry.delta if entry.action is RecordUsageAction.SET else entry.applied
        for period, total in self.totals.items():
            if entry.at in period:
                self.totals[period] = total_after(total, entry.action, amount)
        if self._moves(entry):
            self._stands_for = entry.period

    def _moves(self, entry: Entry) -> bool:
        """Whether the counter is to stand for the entry's period."""
        standing = self.standing
        if standing is None:
            return True
        if entry.at == entry.recorded_at:
            return entry.at >= standing.start
        return entry.at < entry.recorded_at and entry.period is not None and entry.period.end > standing.end

    @property
    def standing(self) -> Period | None:
        """The period that the counter stands for by now."""
        return self._stands_for or self.counter.period

    def opening_total(self, period: Period) -> int:
        """The window's total before anything was counted in this transaction."""
        return (self.totals if self._opening is None else self._opening)[period]

    def changed_counter(self) -> Counter | None:
        """The counter as it must be written, or None."""
        if self._opening is None:
            return None
        period = self.standing
        used = self.totals[period] if period else 0
        return Counter(period, used, self.counter.held_until)


@dataclass(frozen=True, slots=True)
class Decider:
    """Who decides about a pair at a moment, and in which period. None: nobody, or nothing is counted."""

    candidate: Candidate | None
    period: Period | None


@dataclass(frozen=True, slots=True)
class Meters:
    """The meters of one transaction, and who decides at each moment that it asks about."""

    by_pair: dict[Pair, Meter]
    deciders: dict[Moment, Decider]


def run_metering(work: Callable[[Session], Answer], pool: Pool = Pool.METERING) -> Answer:
    """What `work` returns, from one transaction. Tried again, from the beginning, when it was rolled back for certain: a counter
    was missing, a key was taken, a connection turned out to be gone, or two transactions waited for each other.

    Raises:
        OverloadedError: another transaction holds a counter (`held_up`; whoever has time asks again), it was tried often or long
            enough, or nobody knows whether it happened.
    """
    began = time.monotonic()
    failure = OverloadedError(
        "Other calls are at the same counters or keys at this moment. Nothing was done; try again.", held_up=True
    )
    for _ in range(_TRIES):
        try:
            with transaction(pool) as session:
                return work(session)
        except CountersMissingError as missing:
            with transaction(pool) as session:
                standings.make_counters(session, missing.pairs)
        except KeyTakenError:
            # The other transaction has committed by now, so the next try finds its entry.
            continue
        except OverloadedError as busy:
            if busy.held_up or not busy.nothing_done or time.monotonic() - began > _TRYING_SECONDS:
                raise
            failure = busy
    raise failure


def open_meters(session: Session, asked: Iterable[tuple[Standing, datetime]], now: datetime) -> Meters:
    """Meters for known pairs whose counters are locked, each ready for the moments it is asked about. Three statements at most.

    Raises:
        CountersMissingError: some pairs have no counter.
    """
    by_pair: dict[Pair, Meter] = {}
    moments: dict[Moment, Meter] = {}
    missing: list[Pair] = []
    for standing, at in asked:
        pair = standing.pair
        if pair is None:
            continue
        if standing.counter is None:
            missing.append(pair)
            continue
        meter = by_pair.get(pair)
        if meter is None:
            meter = by_pair[pair] = meter_of(standing)
        moments[pair, at] = meter
    if missing:
        raise CountersMissingError(missing)
    found = candidates(session, moments, now)
    deciders = {moment: _decider(meter, found[moment], moment[1]) for moment, meter in moments.items()}
    windows = [(moments[moment], decider.period) for moment, decider in deciders.items() if decider.period is not None]
    fill(session, windows, now)
    return Meters(by_pair, deciders)


def meter_of(standing: Standing) -> Meter:
    """The meter of a pair whose counter is locked. The total that the counter stands for runs along, whatever is counted."""
    pair, counter = standing.pair, standing.counter
    if pair is None or standing.feature_type is None or counter is None:
        raise ValueError("only a known pair with a counter has a meter")
    totals = {counter.period: counter.used} if counter.period else {}
    return Meter(pair, standing.feature_type, counter, totals, standing.thresholds)


def fill(session: Session, windows: Sequence[tuple[Meter, Period]], now: datetime) -> None:
    """Give meters the totals of windows, and what reservations hold there. Two statements at most, usually none."""
    unknown = list(dict.fromkeys((meter.pair, period) for meter, period in windows if period not in meter.totals))
    totals = dict(zip(unknown, ledger.replayed_totals(session, unknown), strict=True))
    watched = list(dict.fromkeys((meter.pair, period) for meter, period in windows if meter.counter.may_hold(now)))
    held = dict(zip(watched, reservations.held_amounts(session, watched, now), strict=True))
    for meter, period in windows:
        if (meter.pair, period) in totals:
            meter.totals[period] = totals[meter.pair, period]
        if (meter.pair, period) in held:
            meter.held[period] = held[meter.pair, period]


def write(session: Session, meters: Iterable[Meter], entries: Sequence[Entry]) -> None:
    """Append the entries, note their keys, bring counters and history along, and announce what was passed. Usually one statement.

    Raises:
        KeyTakenError: everything must be rolled back.
    """
    if not entries:
        return  # then nothing was counted either
    by_pair = {meter.pair: meter for meter in meters}
    changed = {pair: counter for pair, meter in by_pair.items() if (counter := meter.changed_counter())}
    if not ledger.write(session, entries, changed):
        raise KeyTakenError
    _bring_history_along(session, by_pair, entries)
    announce_passings(session, entries, by_pair)


def _bring_history_along(session: Session, meters: Mapping[Pair, Meter], entries: Sequence[Entry]) -> None:
    """No statement for entries of now while their period lasts; two for counters that move on, one for late entries."""
    late = [entry for entry in entries if entry.recorded and _is_late(entry, meters[entry.pair])]
    moved = [(pair, old) for pair, meter in meters.items() if (old := meter.counter.period) and old != meter.standing]
    # One that is late or ahead of time may be the first of its period, for which no counter ever stood.
    ahead = [entry for entry in entries if entry.recorded and entry.at > entry.recorded_at]
    apart = ((entry.pair, entry.period) for entry in (*late, *ahead))
    left = {*moved, *((pair, period) for pair, period in apart if period != meters[pair].standing)}
    # Whoever closes it counts again: until then the total is for whoever looks into the table.
    totals = {(pair, period): meters[pair].totals.get(period, 0) for pair, period in left if period}
    if totals:
        usage_periods.leave_periods(session, totals)
    # A counter that stood for nothing may have gone to a period that was closed before.
    moments = [*((entry.pair, entry.at) for entry in late), *((pair, old.start) for pair, old in moved)]
    if moments:
        usage_periods.recount(session, moments)


def _is_late(entry: Entry, meter: Meter) -> bool:
    """Whether it may count in a period that is closed: it tells of the past, or our clock is behind of the one that closed it."""
    standing = meter.counter.period
    return entry.at < entry.recorded_at or standing is None or entry.at < standing.start


def _decider(meter: Meter, held: Iterable[Candidate], at: datetime) -> Decider:
    candidate = winner(held)
    return Decider(candidate, counted_period(meter.feature_type, candidate, at))
