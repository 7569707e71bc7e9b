"""Stories of use: recorded at once and late, repeated, in batches, and taken back."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from app.contract.usage import RecordedUsage, RecordUsage, RecordUsages, UsageResult
from app.services.batches import record_batch
from app.services.reverts import revert_usage
from app.services.usage import record_usage
from tests.services.batch_model import AHEAD_MAX, Asked, Result
from tests.services.metering_model import Customer, Event
from tests.services.shop import ADD, NOWHERE, SET
from tests.services.stories import MILLISECOND, Story, any_of_the_last, last, new_name, outcome, told, who

deltas = st.one_of(st.integers(1, 12), st.integers(-12, -1))
usages = st.one_of(st.tuples(st.just(ADD), deltas), st.tuples(st.just(SET), st.integers(0, 26)))
a_little = st.sampled_from([-MILLISECOND, timedelta(0), MILLISECOND])
spans = st.sampled_from(
    [
        MILLISECOND,
        timedelta(hours=3),
        timedelta(days=1),
        timedelta(days=20),
        timedelta(days=40),
        timedelta(days=400),
        -MILLISECOND,
        -AHEAD_MAX,
        -AHEAD_MAX - MILLISECOND,
    ]
)
moments = st.one_of(
    st.tuples(st.just("before now"), spans, st.just(-1)),
    st.tuples(st.sampled_from(["start", "end", "boundary"]), a_little, any_of_the_last),
)
"""When something was used: so long ago (or ahead), or about where a subscription or one of its periods begins or ends."""

calls = st.tuples(
    st.sampled_from([0, 0, 0, 0, 1, 1, 1, 1, None]),
    usages,
    st.sampled_from([True] * 9 + [False]),
    st.one_of(st.none(), st.none(), moments),
    st.sampled_from(
        ["no key", "no key", "new key", "new key", "neighbour's", "the same", "other delta", "other moment"]
    ),
    any_of_the_last,
)
good_calls = st.tuples(who, usages, st.just(True), st.none(), st.sampled_from(["no key", "new key"]), st.just(-1))


class StoryOfUsage(Story):
    @rule(n=who, several=st.lists(usages, min_size=1, max_size=4), keyed=st.booleans())
    def record(self, n: int, several: list[Any], keyed: bool) -> None:
        for action, delta in several:
            self._record(Asked(self.customers[n], action, delta, key=new_name() if keyed else None))

    @rule(n=who, usage=usages)
    def record_whatever_the_limit(self, n: int, usage: Any) -> None:
        self._record(Asked(self.customers[n], *usage), over_limit_too=True)

    @rule(n=who, several=st.lists(usages, min_size=1, max_size=3), when=moments, keyed=st.booleans())
    def record_late(self, n: int, several: list[Any], when: Any, keyed: bool) -> None:
        customer = self.customers[n]
        for action, delta in several:
            key = new_name() if keyed else None
            self._record(Asked(customer, action, delta, timestamp=self._moment(customer, when), key=key))

    @precondition(lambda self: self.desk.first_by_key)
    @rule(which=any_of_the_last, how=st.sampled_from(["the same", "the same", "other delta", "other moment"]))
    def repeat(self, which: int, how: str) -> None:
        self._record(self._again(how, which))

    @rule(batch=st.lists(calls, min_size=1, max_size=7), all_or_nothing=st.booleans())
    def record_a_batch(self, batch: list[Any], all_or_nothing: bool) -> None:
        self._record_batch(batch, all_or_nothing)

    @rule(batch=st.lists(good_calls, min_size=1, max_size=5))
    def record_all_or_nothing(self, batch: list[Any]) -> None:
        """Without mistakes, which would be the end of most batches."""
        self._record_batch(batch, True)

    @precondition(lambda self: any(event.recorded for event in self._events()))
    @rule(which=any_of_the_last)
    def take_back(self, which: int) -> None:
        self._take_back(last([event for event in self._events() if event.recorded], which))

    @precondition(lambda self: self._events())
    @rule(which=any_of_the_last)
    def take_back_whatever_it_is(self, which: int) -> None:
        self._take_back(last(self._events(), which))

    def _events(self) -> list[Event]:
        return [event for customer in self.customers for event in customer.events]

    def _take_back(self, event: Event) -> None:
        customer = next(customer for customer in self.customers if event in customer.events)
        made = outcome(lambda: revert_usage(self.shop.actor, event.number))
        self._same(made, outcome(lambda: customer.take_back(event, self.now)))

    def _record(self, asked: Asked, *, over_limit_too: bool = False) -> None:
        actor = self.actor(over_limit_too=over_limit_too)
        made = outcome(lambda: record_usage(actor, command(asked)))
        self._same(made, outcome(lambda: self.desk.record(asked, self.now, over_limit_too=over_limit_too)))

    def _record_batch(self, batch: list[Any], all_or_nothing: bool) -> None:
        asked: list[Asked] = []
        for call in batch:
            asked.append(self._asked(call, asked))
        made = record_batch(self.shop.actor, RecordUsages(events=[*map(command, asked)], all_or_nothing=all_or_nothing))
        record = self.desk.record_all_or_nothing if all_or_nothing else self.desk.record_all
        expected, culprit = record(asked, self.now)
        assert len(made.results) == len(expected)
        for answer, result in zip(made.results, expected, strict=True):
            self._same_result(answer, result)
        assert (made.recorded, made.first_refused) == (culprit is None, culprit)

    def _asked(self, call: Any, before: list[Asked]) -> Asked:
        n, (action, delta), feature_is_known, when, key, which = call
        if key == "neighbour's" and before:
            return before[-1]
        if key in {"the same", "other delta", "other moment"} and self.desk.first_by_key:
            return self._again(key, which)
        customer = None if n is None else self.customers[n]
        timestamp = self._moment(customer or self.customers[0], when) if when else None
        return Asked(customer, action, delta, feature_is_known, timestamp, new_name() if key == "new key" else None)

    def _again(self, how: str, which: int) -> Asked:
        """A call with an earlier one's key, which may ask for something else."""
        asked, _ = last(list(self.desk.first_by_key.values()), which)
        if how == "other delta":
            return replace(asked, delta=asked.delta + 50)
        if how == "other moment":
            return replace(asked, timestamp=(asked.timestamp or self.now) - MILLISECOND)
        return asked

    def _moment(self, customer: Customer, when: Any) -> datetime:
        where, span, which = when
        held = last(customer.held, which)
        if where == "start" or (where == "boundary" and held.start > self.now):
            return held.start + span
        if where == "end" and held.end is not None:
            return held.end + span
        if where == "boundary":
            return last(held.windows_until(self.now), which).begin + span
        return self.now - span

    def _same(self, made: RecordedUsage | str, expected: tuple[Event, bool] | str) -> None:
        """Both the same mistake, or both the same event."""
        if isinstance(made, str) or isinstance(expected, str):
            assert made == expected
            return
        event, is_duplicate = expected
        event.number = event.number or made.event_id
        assert (made.event_id, made.duplicate) == (event.number, is_duplicate)
        assert (made.recorded, made.reason, told(made.consumption)) == (event.recorded, event.reason, event.told)

    def _same_result(self, made: UsageResult, expected: Result) -> None:
        if expected.event is not None:
            assert made.error is None
            self._same(made, (expected.event, expected.is_duplicate))
            return
        assert (made.recorded, made.event_id, made.duplicate, made.consumption) == (False, None, False, None)
        assert (made.error.name if made.error else None) == expected.mistake
        assert made.reason == (made.error.message if made.error else expected.reason)


def command(asked: Asked) -> RecordUsage:
    return RecordUsage(
        user_id=asked.customer.id if asked.customer else NOWHERE,
        feature_id="calls" if asked.feature_is_known else NOWHERE,
        delta=asked.delta,
        action=asked.action,
        idempotency_key=asked.key,
        timestamp=asked.timestamp,
    )
