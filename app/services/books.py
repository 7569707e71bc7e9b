"""Are the books right? Proves that what stands for the ledger (counters, history, idempotency keys) says what the ledger says.

For operators, for the nightly job and for the metric.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from itertools import product

from app import clock
from app.db import transaction
from app.domain.periods import Period
from app.models import Tenant
from app.queries import books as queries
from app.queries import tenants as tenant_queries
from app.queries.books import BookedCounter
from app.queries.books_history import BookedPeriod, count_closed_periods
from app.queries.ledger_partitions import partitions
from app.queries.standings import Pair
from app.services.books_parts import parts_of_counters, parts_of_history, parts_of_ledger
from app.services.books_repairs import Outcome, correct_history, drop_key, key_event, make_counter, rebuild_counter
from app.services.ledger_partitions import kept_since

COUNTERS_PER_PART = 10_000
DIFFERENCES_PER_PART = 10_000
"""They are held in memory."""


class Kind(StrEnum):
    """What can be wrong, and so what `Difference.counter` and `Difference.ledger` are."""

    COUNTER = "counter"
    """The counter's `used`, and the ledger's total of its period."""
    COUNTER_WITHOUT_PERIOD = "counter without period"
    """The counter's `used`, which must be 0."""
    NO_COUNTER = "no counter"
    """Nothing, and how many events the pair has (in the part of the ledger where it was found first)."""
    HOLD = "hold"
    """Until when the counter says that something may be held, and when its last open reservation expires."""
    EVENT_WITHOUT_KEY = "event without key"
    """Nothing, and the id of the event whose key is not known, or names another event."""
    KEY_WITHOUT_EVENT = "key without event"
    """The id of the event that the key names, and nothing: it is not there, or has not this key."""
    CLOSED_PERIOD = "closed period"
    """What the history says was used in it, and what the ledger says."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is wrong. User and feature are None when nobody knows whose it is."""

    kind: Kind
    app_id: str
    user_id: str | None
    feature_id: str | None
    period: Period | None
    counter: int | datetime | None
    ledger: int | datetime | None
    outcome: Outcome


class Step(StrEnum):
    """What is gone through, and what its progress is counted in."""

    COUNTERS = "counters"
    LEDGER = "parts of the ledger"
    HISTORY = "closed periods"


@dataclass(frozen=True, slots=True)
class Checked:
    """One more part is done: so much of what the step goes through, of all; so many events were read for this part.

    `is_cut`: it has more differences than are held in memory, and these are the first.
    """

    step: Step
    done: int
    total: int
    events: int
    differences: list[Difference]
    is_cut: bool = False


def check_books(
    app_id: str | None = None,
    *,
    repair: bool = False,
    counters_per_part: int = COUNTERS_PER_PART,
    differences_per_part: int = DIFFERENCES_PER_PART,
) -> Iterator[Checked]:
    """Go through the books of a tenant, or of all, part by part; with `repair`, put right what can be.

    First the counters: each equals its ledger, or has no period and says 0; its open reservations end before it says that none
    is left. Then the ledger: every pair with events has a counter, every event with a key is named by it, every key names its
    event. Then the history: each closed period equals its ledger, whatever others overlap it. What is older than the ledger
    keeps is not looked at. Others can write all the while: each part is read in one snapshot, and repairs lock what they change
    and look again.

    Raises:
        LookupError: there is no such tenant.
        OverloadedError: the database is busy or away.
    """
    check = _Check(kept_since(clock.now()), repair, counters_per_part, differences_per_part)
    tenants = _tenants(app_id)
    yield from check.counters(tenants)
    yield from check.ledger(tenants)
    yield from check.history(tenants)


@dataclass(frozen=True, slots=True)
class _Found:
    """A difference before its names are looked up and anything is done about it."""

    kind: Kind
    pair: tuple[int, int] | None
    period: Period | None
    counter: int | datetime | None
    ledger: int | datetime | None
    repair: Callable[[], Outcome]


@dataclass(frozen=True, slots=True)
class _Check:
    """`since` is the first moment that the ledger keeps. A pair without a counter is told of once."""

    since: datetime | None
    repair: bool
    counters_per_part: int
    differences_per_part: int
    without_counter: set[Pair] = field(default_factory=set)

    def counters(self, tenants: Sequence[Tenant]) -> Iterator[Checked]:
        with transaction() as session:
            total = sum(queries.count_counters(session, tenant.id) for tenant in tenants)
        done = 0
        for tenant in tenants:
            for counters in parts_of_counters(tenant.id, self.counters_per_part):
                done += len(counters)
                found = [one for row in counters for one in self._judge(tenant.id, row)]
                events = sum(row.events for row in counters)
                # Counters that were made in the meantime are checked too.
                yield Checked(Step.COUNTERS, done, max(done, total), events, self._dealt_with(tenant, found))

    def ledger(self, tenants: Sequence[Tenant]) -> Iterator[Checked]:
        with transaction() as session:
            spans = parts_of_ledger(partitions(session), self.since)
        for n, (tenant, span) in enumerate(product(tenants, spans), start=1):
            events, found, is_cut = self._look_into(tenant.id, *span)
            differences = self._dealt_with(tenant, found)
            yield Checked(Step.LEDGER, n, len(tenants) * len(spans), events, differences, is_cut)
            # What was repaired has made room for the rest to be told.
            while is_cut and differences and not any(one.outcome.is_left for one in differences):
                _, found, is_cut = self._look_into(tenant.id, *span)
                differences = self._dealt_with(tenant, found)
                yield Checked(Step.LEDGER, n, len(tenants) * len(spans), 0, differences, is_cut)

    def history(self, tenants: Sequence[Tenant]) -> Iterator[Checked]:
        with transaction() as session:
            total = sum(count_closed_periods(session, tenant.id, self.since) for tenant in tenants)
        done = 0
        for tenant in tenants:
            for periods in parts_of_history(tenant.id, self.since, self.counters_per_part):
                done += len(periods)
                found = [_of_history(tenant.id, row) for row in periods if row.used != row.ledger]
                events = sum(row.events for row in periods)
                # Periods that were closed in the meantime are checked too.
                yield Checked(Step.HISTORY, done, max(done, total), events, self._dealt_with(tenant, found))

    def _judge(self, tenant_id: int, row: BookedCounter) -> Iterator[_Found]:
        pair = (row.user_key, row.feature_key)
        rebuild = partial(rebuild_counter, (tenant_id, *pair), self.since)
        if row.period is None:
            if row.used != 0:
                yield _Found(Kind.COUNTER_WITHOUT_PERIOD, pair, None, row.used, 0, rebuild)
        elif row.used != row.ledger and (self.since is None or row.period.start >= self.since):
            yield _Found(Kind.COUNTER, pair, row.period, row.used, row.ledger, rebuild)
        if row.hold_until is not None and (row.held_until is None or row.held_until < row.hold_until):
            yield _Found(Kind.HOLD, pair, row.period, row.held_until, row.hold_until, rebuild)

    def _look_into(self, tenant_id: int, start: datetime, end: datetime) -> tuple[int, list[_Found], bool]:
        """How many events a part has, what is amiss there, and whether there may be more of it."""
        limit = self.differences_per_part
        with transaction() as session:
            events, pairs = queries.pairs_without_counter(session, tenant_id, start, end, limit)
        with transaction() as session:
            keyed, loose = queries.keys_beside_ledger(session, tenant_id, start, end, limit)
        found = [*self._without_counter(tenant_id, pairs)]
        for event in keyed:
            pair, repair = (event.user_key, event.feature_key), partial(key_event, tenant_id, event)
            found.append(_Found(Kind.EVENT_WITHOUT_KEY, pair, None, None, event.id, repair))
        for key in loose:
            repair = partial(drop_key, tenant_id, key)
            found.append(_Found(Kind.KEY_WITHOUT_EVENT, None, None, key.event_id, None, repair))
        return events, found, limit in (len(pairs), len(keyed) + len(loose))

    def _without_counter(self, tenant_id: int, pairs: Iterable[tuple[int, int, int]]) -> Iterator[_Found]:
        for user_key, feature_key, events in pairs:
            pair = (tenant_id, user_key, feature_key)
            if pair not in self.without_counter:
                self.without_counter.add(pair)
                yield _Found(Kind.NO_COUNTER, (user_key, feature_key), None, None, events, partial(make_counter, pair))

    def _dealt_with(self, tenant: Tenant, found: Sequence[_Found]) -> list[Difference]:
        """With the names of whom they are about, and with what came of the repair."""
        if not found:
            return []
        with transaction() as session:
            names = queries.names_of_pairs(session, tenant.id, {one.pair for one in found if one.pair})
        return [
            Difference(
                one.kind,
                tenant.public_id,
                *(names[one.pair] if one.pair else (None, None)),
                one.period,
                one.counter,
                one.ledger,
                one.repair() if self.repair else Outcome.FOUND,
            )
            for one in found
        ]


def _of_history(tenant_id: int, row: BookedPeriod) -> _Found:
    pair = (row.user_key, row.feature_key)
    repair = partial(correct_history, ((tenant_id, *pair), row.period))
    return _Found(Kind.CLOSED_PERIOD, pair, row.period, row.used, row.ledger, repair)


def _tenants(app_id: str | None) -> list[Tenant]:
    with transaction() as session:
        found = [one for one in tenant_queries.all_tenants(session) if app_id in (None, one.public_id)]
    if app_id is not None and not found:
        raise LookupError(f"There is no tenant {app_id}")
    return found
