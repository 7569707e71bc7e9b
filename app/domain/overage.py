"""Overage as a payment provider is told it: what was used past the limit, hour by hour.

The overage of a period is `max(0, used − limit)`, by the ledger. What is told of an hour is how much it grew in it, so the
hours of a period add up to its overage, whatever came late, was taken back or set: then some hours are told anew, and some of
them may be negative.

An hour is a UTC hour, or the part of one on either side of the moment at which the provider begins a new bill.
"""

import hashlib
import re
from bisect import bisect
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from app.domain.closing import Tenure, decider_at
from app.domain.entitlements import Candidate, Limited
from app.domain.periods import Period


class MeterReportState(StrEnum):
    """WAITING is to be sent. SUPERSEDED is not any more, because a newer version is. DEAD was given up: somebody must look."""

    WAITING = "WAITING"
    SENT = "SENT"
    SUPERSEDED = "SUPERSEDED"
    DEAD = "DEAD"


HOUR = timedelta(hours=1)
_IDENTIFIER_MAX = 100
# No number of a length that the database does not take, nor anything else: whoever uses the account can choose any name.
_IDENTIFIER = re.compile(r"meterline:(\w+):(\d{1,18}):(\d{1,18}):(\d{1,10}):(\d{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of an hour in which the same subscription decides, in the same period. `hour` is where the hour begins."""

    hour: datetime
    start: datetime
    end: datetime
    period: Period
    limit: int


@dataclass(frozen=True, slots=True)
class Run:
    """Events that follow one another in the ledger and count in the same `slot`, a stretch of time: a SET at most, then ADDs.

    They add `added` in all, and on the way never less than `lowest`.
    """

    slot: int
    set_to: int | None
    added: int
    lowest: int

    def total_after(self, used: int) -> int:
        """What is left of a total, which never goes below zero on the way."""
        base = used if self.set_to is None else self.set_to
        return base + self.added - min(0, base + self.lowest)


def overage(used: int, limit: int) -> int:
    """What is beyond the limit."""
    return max(0, used - limit)


def hour_of(moment: datetime) -> datetime:
    """Where the UTC hour of a moment begins."""
    return moment.replace(minute=0, second=0, microsecond=0)


def ended_hours(since: datetime, now: datetime, boundaries: Iterable[datetime]) -> list[Period]:
    """The hours since then that are over, in order, each cut at the boundaries within it. `since` is where the first begins."""
    cuts = {since, *(boundary for boundary in boundaries if since < boundary <= now)}
    hour = hour_of(since) + HOUR
    while hour <= now:
        cuts.add(hour)
        hour += HOUR
    return [Period(start, end) for start, end in pairwise(sorted(cuts))]


def end_of_hour(now: datetime, boundaries: Iterable[datetime]) -> datetime:
    """When the hour that runs is over."""
    return min([hour_of(now) + HOUR, *(boundary for boundary in boundaries if boundary > now)])


def stretches(
    hours: Iterable[Period], tenures: Sequence[Tenure], ours: Collection[int], package_id: str
) -> list[Stretch]:
    """The parts of the hours in which one of our subscriptions (ids) decides by this package, and overage is to be paid for.

    What is used while another subscription or package decides, or while there is no limit, is nobody's overage here.
    """
    changes = sorted({moment for tenure in tenures for moment in (tenure.since, tenure.until) if moment is not None})
    return [
        Stretch(hour.start, part.start, part.end, period, limit)
        for hour in hours
        for unchanged in _cut(hour, changes)
        if (decider := decider_at(unchanged.start, tenures)) is not None
        and decider.subscription_id in ours
        and decider.package_id == package_id
        and (limit := _limit_to_pay_beyond(decider)) is not None
        for part, period in _by_period(unchanged, decider)
    ]


def _limit_to_pay_beyond(terms: Limited) -> int | None:
    return terms.limit if terms.overage_enabled else None


def _cut(hour: Period, changes: Sequence[datetime]) -> Iterator[Period]:
    within = [moment for moment in changes if hour.start < moment < hour.end]
    for start, end in pairwise([hour.start, *within, hour.end]):
        yield Period(start, end)


def _by_period(part: Period, decider: Candidate) -> Iterator[tuple[Period, Period]]:
    start = part.start
    while start < part.end:
        period = decider.period_at(start)
        end = min(part.end, period.end)
        yield Period(start, end), period
        start = end


def running_totals(runs: Sequence[Run], slots: int) -> list[int]:
    """The total at the end of each slot, by the events that count until then, in the order of the ledger (that of `runs`)."""
    runs_in: dict[int, list[int]] = defaultdict(list)
    for n, run in enumerate(runs):
        runs_in[run.slot].append(n)
    totals, taken, after = [], list[int](), list[int]()
    for slot in range(slots):
        for n in runs_in[slot]:
            # Who came late stands behind others in the ledger, but most come in order, at the end.
            place = bisect(taken, n)
            taken.insert(place, n)
            del after[place:]
        for n in taken[len(after) :]:
            after.append(runs[n].total_after(after[-1] if after else 0))
        totals.append(after[-1] if after else 0)
    return totals


def overage_by_hour(
    hours: Iterable[Period], found: Iterable[Stretch], totals: Mapping[Period, Mapping[datetime, int]]
) -> dict[Period, int]:
    """How much the overage grew in each hour. `totals`: what was used of each period at the moments at which stretches meet."""
    grown: dict[datetime, int] = defaultdict(int)
    for stretch in found:
        used = totals[stretch.period]
        grown[stretch.hour] += overage(used[stretch.end], stretch.limit) - overage(used[stretch.start], stretch.limit)
    return {hour: grown[hour.start] for hour in hours}


@dataclass(frozen=True, slots=True)
class Named:
    """What the name of a statement says."""

    subscription_id: str
    package_key: int
    feature_key: int
    hour: datetime
    version: int


def identifier_of(subscription_id: str, package_key: int, feature_key: int, hour: datetime, version: int) -> str:
    """The name of one statement about one hour. At most 100 characters, which is what Stripe takes."""
    name = f"meterline:{subscription_id}:{package_key}:{feature_key}:{int(hour.timestamp())}:{version}"
    if len(name) <= _IDENTIFIER_MAX:
        return name
    return f"meterline:{hashlib.sha256(name.encode()).hexdigest()}"


def named_by(identifier: str) -> Named | None:
    """What a name is of; None: not ours, or of one that was too long to be kept in it."""
    found = _IDENTIFIER.fullmatch(identifier)
    if found is None:
        return None
    subscription_id, *numbers = found.groups()
    package_key, feature_key, stamp, version = map(int, numbers)
    return Named(subscription_id, package_key, feature_key, datetime.fromtimestamp(stamp, UTC), version)
