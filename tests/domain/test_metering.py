"""The metering rule against a pile of tokens, one token for each unit used, and against the sum that SQL computes."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.entitlements import NO_SUBSCRIPTION, Candidate, FeatureType
from app.domain.metering import (
    BINARY_HAS_NO_USAGE,
    LIMIT_WOULD_BE_EXCEEDED,
    TOTAL_OUT_OF_RANGE,
    Decision,
    Enforcement,
    RecordUsageAction,
    decide,
    replay,
    total_after,
)
from app.domain.periods import ResetPeriod
from app.domain.values import INT32_MAX

ADD, SET = RecordUsageAction.ADD, RecordUsageAction.SET
REFUSE, RECORD = Enforcement.REFUSE, Enforcement.RECORD
Event = tuple[RecordUsageAction, int]


def candidate(limit: int | None, *, overage_enabled: bool = False) -> Candidate:
    return Candidate(1, "pro", datetime(2024, 1, 31, tzinfo=UTC), limit, ResetPeriod.MONTH, overage_enabled)


def decide_consumable(
    decider: Candidate | None, used: int, event: Event, enforcement: Enforcement = REFUSE, held: int = 0
) -> Decision:
    action, delta = event
    return decide(
        FeatureType.CONSUMABLE, decider, used=used, action=action, delta=delta, enforcement=enforcement, held=held
    )


def recorded(applied: int, used: int) -> Decision:
    return Decision(recorded=True, applied=applied, used=used, reason=None)


def refused(used: int, reason: str) -> Decision:
    return Decision(recorded=False, applied=0, used=used, reason=reason)


def events(size: int) -> st.SearchStrategy[Event]:
    """What a valid command may ask for: an ADD is never 0, a SET never negative."""
    return st.tuples(st.just(ADD), st.integers(1, size) | st.integers(-size, -1)) | st.tuples(
        st.just(SET), st.integers(0, size)
    )


deciders = st.builds(candidate, st.none() | st.integers(0, 40), overage_enabled=st.booleans())


@dataclass
class PileOfTokens:
    """The ledger as a list. The total is counted anew from all events each time, by putting tokens down and taking them away."""

    events: list[Event] = field(default_factory=list)

    def total(self, *more: Event) -> int:
        pile: list[str] = []
        for action, delta in [*self.events, *more]:
            if action is SET:
                pile.clear()
            pile.extend("token" for _ in range(delta))
            for _ in range(-delta):
                if pile:
                    pile.pop()
        return len(pile)


@pytest.mark.parametrize(
    ("used", "event", "expected"),
    [
        (0, (ADD, 1), recorded(1, 1)),
        (999, (ADD, 1), recorded(1, 1000)),
        (1000, (ADD, 1), refused(1000, LIMIT_WOULD_BE_EXCEEDED)),
        (0, (ADD, 1000), recorded(1000, 1000)),
        (0, (ADD, 1001), refused(0, LIMIT_WOULD_BE_EXCEEDED)),
        (999, (ADD, 2), refused(999, LIMIT_WOULD_BE_EXCEEDED)),
        (400, (ADD, -100), recorded(-100, 300)),
        (400, (ADD, -400), recorded(-400, 0)),
        (400, (ADD, -401), recorded(-400, 0)),
        (0, (ADD, -1), recorded(0, 0)),
        (1500, (ADD, -1), recorded(-1, 1499)),
        (1500, (ADD, 1), refused(1500, LIMIT_WOULD_BE_EXCEEDED)),
        (400, (SET, 100), recorded(-300, 100)),
        (400, (SET, 400), recorded(0, 400)),
        (400, (SET, 0), recorded(-400, 0)),
        (400, (SET, 1000), recorded(600, 1000)),
        (400, (SET, 1001), refused(400, LIMIT_WOULD_BE_EXCEEDED)),
        (1500, (SET, 1200), refused(1500, LIMIT_WOULD_BE_EXCEEDED)),
        (1500, (SET, 1000), recorded(-500, 1000)),
    ],
)
def test_a_hard_limit_of_1000_refuses_what_would_pass_it_and_never_a_taking_back(
    used: int, event: Event, expected: Decision
) -> None:
    assert decide_consumable(candidate(1000), used, event) == expected


@pytest.mark.parametrize(
    ("decider", "enforcement"),
    [
        (candidate(1000), RECORD),
        (candidate(1000, overage_enabled=True), REFUSE),
        (candidate(1000, overage_enabled=True), RECORD),
        (candidate(None), REFUSE),
    ],
)
def test_without_a_hard_limit_to_enforce_usage_over_the_limit_is_recorded(
    decider: Candidate, enforcement: Enforcement
) -> None:
    assert decide_consumable(decider, 1000, (ADD, 1), enforcement) == recorded(1, 1001)
    assert decide_consumable(decider, 400, (SET, 5000), enforcement) == recorded(4600, 5000)


@pytest.mark.parametrize("enforcement", Enforcement)
@pytest.mark.parametrize("decider", [candidate(None), candidate(INT32_MAX), candidate(10, overage_enabled=True)])
def test_a_total_that_the_wire_cannot_carry_is_refused_by_everyone(
    decider: Candidate, enforcement: Enforcement
) -> None:
    assert decide_consumable(decider, INT32_MAX - 1, (ADD, 1), enforcement) == recorded(1, INT32_MAX)
    assert decide_consumable(decider, 0, (SET, INT32_MAX), enforcement) == recorded(INT32_MAX, INT32_MAX)
    assert decide_consumable(decider, INT32_MAX, (ADD, 1), enforcement) == refused(INT32_MAX, TOTAL_OUT_OF_RANGE)
    assert decide_consumable(decider, 1, (ADD, INT32_MAX), enforcement) == refused(1, TOTAL_OUT_OF_RANGE)


def test_a_total_beyond_the_wire_can_still_be_taken_back_or_set() -> None:
    """Such a total comes with a decider of a longer period, which sums more of the ledger."""
    beyond = 2 * INT32_MAX

    assert decide_consumable(candidate(None), beyond, (ADD, -5)) == recorded(-5, beyond - 5)
    assert decide_consumable(candidate(None), beyond, (SET, 0)) == recorded(-beyond, 0)
    assert decide_consumable(candidate(None), beyond, (ADD, 5)) == refused(beyond, TOTAL_OUT_OF_RANGE)


@pytest.mark.parametrize("enforcement", Enforcement)
@pytest.mark.parametrize("event", [(ADD, 1), (ADD, -1), (SET, 0), (SET, 7)])
def test_nobody_records_without_a_subscription_or_on_a_binary_feature(event: Event, enforcement: Enforcement) -> None:
    action, delta = event
    for decider in (None, candidate(None)):
        on_binary = decide(FeatureType.BINARY, decider, used=3, action=action, delta=delta, enforcement=enforcement)
        assert on_binary == refused(3, BINARY_HAS_NO_USAGE)
    assert decide_consumable(None, 3, event, enforcement) == refused(3, NO_SUBSCRIPTION)


@pytest.mark.parametrize(
    ("used", "held", "event", "expected"),
    [
        (300, 600, (ADD, 100), recorded(100, 400)),
        (300, 600, (ADD, 101), refused(300, LIMIT_WOULD_BE_EXCEEDED)),
        (300, 600, (SET, 400), recorded(100, 400)),
        (300, 600, (SET, 401), refused(300, LIMIT_WOULD_BE_EXCEEDED)),
        (900, 600, (ADD, -1), recorded(-1, 899)),
        (900, 600, (SET, 400), recorded(-500, 400)),
        (0, 1000, (ADD, 1), refused(0, LIMIT_WOULD_BE_EXCEEDED)),
        (0, 1000, (SET, 0), recorded(0, 0)),
        (0, 1001, (SET, 0), refused(0, LIMIT_WOULD_BE_EXCEEDED)),
    ],
)
def test_what_is_held_leaves_less_room_within_a_hard_limit_of_1000_and_is_not_used(
    used: int, held: int, event: Event, expected: Decision
) -> None:
    assert decide_consumable(candidate(1000), used, event, held=held) == expected


@pytest.mark.parametrize("enforcement", Enforcement)
def test_what_is_held_must_fit_into_an_int_with_what_is_used_whoever_decides(enforcement: Enforcement) -> None:
    for decider in (candidate(None), candidate(10, overage_enabled=True)):
        fits = decide_consumable(decider, 4, (ADD, INT32_MAX - 10), enforcement, held=6)
        assert fits == recorded(INT32_MAX - 10, INT32_MAX - 6)
        for event in ((ADD, INT32_MAX - 9), (SET, INT32_MAX - 5)):
            assert decide_consumable(decider, 4, event, enforcement, held=6) == refused(4, TOTAL_OUT_OF_RANGE)


@given(decider=deciders, used=st.integers(0, 60), held=st.integers(0, 60), event=events(60))
def test_holding_an_amount_refuses_what_using_it_would_have_refused(
    decider: Candidate, used: int, held: int, event: Event
) -> None:
    """For an ADD: with what is held already used, there would be the same room."""
    action, _ = event
    decision = decide_consumable(decider, used, event, held=held)

    if action is ADD:
        assert decision.recorded == decide_consumable(decider, used + held, event).recorded
    else:
        assert decision.recorded == decider.allows(event[1] + held)
    if decision.recorded:
        assert decision == decide_consumable(candidate(None), used, event)


@given(
    feature_type=st.sampled_from(FeatureType),
    decider=st.none() | deciders,
    used=st.integers(0, 60),
    event=events(60),
    enforcement=st.sampled_from(Enforcement),
)
def test_one_decision_is_the_one_the_pile_of_tokens_gives(
    feature_type: FeatureType, decider: Candidate | None, used: int, event: Event, enforcement: Enforcement
) -> None:
    action, delta = event
    total = PileOfTokens([(SET, used)]).total(event)
    may_be_limited = enforcement is REFUSE and (action is SET or delta > 0)

    decision = decide(feature_type, decider, used=used, action=action, delta=delta, enforcement=enforcement)

    if feature_type is FeatureType.BINARY:
        assert decision == refused(used, BINARY_HAS_NO_USAGE)
    elif decider is None:
        assert decision == refused(used, NO_SUBSCRIPTION)
    elif may_be_limited and not decider.overage_enabled and decider.limit is not None and total > decider.limit:
        assert decision == refused(used, LIMIT_WOULD_BE_EXCEEDED)
    else:
        assert decision == recorded(total - used, total)


commands = st.lists(
    st.tuples(st.none() | deciders, events(25), st.sampled_from(Enforcement)),
    max_size=30,
)


@given(commands=commands)
def test_the_running_total_is_always_the_ledger_counted_anew(
    commands: list[tuple[Candidate | None, Event, Enforcement]],
) -> None:
    """Whoever decides and however strictly, from one command to the next."""
    ledger, used, applied = PileOfTokens(), 0, 0
    for decider, event, enforcement in commands:
        decision = decide_consumable(decider, used, event, enforcement)
        if decision.recorded:
            ledger.events.append(event)
            assert decision.reason is None
        else:
            assert (decision.applied, decision.used) == (0, used)
            assert decision.reason in {NO_SUBSCRIPTION, LIMIT_WOULD_BE_EXCEEDED}
        used, applied = decision.used, applied + decision.applied
        assert used == ledger.total() == replay(ledger.events) == applied
        assert used >= 0


@given(limit=st.integers(0, 60), data=st.data(), asked=st.lists(events(40), max_size=40))
def test_a_total_within_a_hard_limit_never_leaves_it(limit: int, data: st.DataObject, asked: list[Event]) -> None:
    used = data.draw(st.integers(0, limit))
    for event in asked:
        before, decision = used, decide_consumable(candidate(limit), used, event)
        used = decision.used
        assert 0 <= used <= limit
        if not decision.recorded:
            assert PileOfTokens([(SET, before)]).total(event) > limit


@given(limit=st.integers(0, 30), waiting=st.integers(0, 60))
def test_of_many_single_units_exactly_as_many_are_recorded_as_the_limit_allows(limit: int, waiting: int) -> None:
    used, count = 0, 0
    for _ in range(waiting):
        decision = decide_consumable(candidate(limit), used, (ADD, 1))
        used, count = decision.used, count + decision.recorded

    assert used == count == min(limit, waiting)


@given(used=st.integers(0, INT32_MAX), event=events(INT32_MAX))
def test_a_positive_add_and_a_set_are_applied_whole(used: int, event: Event) -> None:
    action, delta = event
    decision = decide_consumable(candidate(None), used, event)

    if decision.recorded and action is SET:
        assert decision.used == delta
    elif decision.recorded and delta > 0:
        assert decision.applied == delta
    else:
        assert decision.applied == (-min(used, -delta) if decision.recorded else 0)


def used_in_closed_form(ledger: list[Event]) -> int:
    """What `queries.usage` computes, because a database sums faster than it walks.

    B is the value of the last SET, 0 if there is none; S_k are the sums of the first k ADDs after it. The walk that never goes
    below zero ends at B + S_n, raised by as much as the free walk went below zero: −min(0, min over k of B + S_k). It is the
    same with and without k = 0, because B is never negative.
    """
    last_set = max((position for position, (action, _) in enumerate(ledger) if action is SET), default=None)
    base = 0 if last_set is None else ledger[last_set][1]
    adds = [delta for _, delta in ledger[0 if last_set is None else last_set + 1 :]]
    free_walk = [base + total for total in accumulate(adds, initial=0)]
    return free_walk[-1] - min(0, *free_walk)


@given(ledger=st.lists(events(5) | events(INT32_MAX), max_size=40))
def test_replaying_the_ledger_equals_the_closed_form(ledger: list[Event]) -> None:
    assert replay(ledger) == used_in_closed_form(ledger)


@given(adds=st.lists(st.integers(-3, 3), min_size=5, max_size=60))
def test_replaying_adds_alone_equals_the_closed_form(adds: list[int]) -> None:
    ledger = [(ADD, delta) for delta in adds]

    assert replay(ledger) == used_in_closed_form(ledger)


@given(
    before=st.lists(events(40), max_size=20), value=st.integers(0, INT32_MAX), after=st.lists(events(40), max_size=20)
)
def test_nothing_before_a_set_matters(before: list[Event], value: int, after: list[Event]) -> None:
    assert replay([*before, (SET, value), *after]) == replay([(ADD, value), *after])


@given(first=st.lists(events(40), max_size=20), second=st.lists(events(40), max_size=20))
def test_a_replay_can_be_taken_up_from_a_total(first: list[Event], second: list[Event]) -> None:
    assert replay([*first, *second]) == replay([(SET, replay(first)), *second])


@pytest.mark.parametrize(
    ("ledger", "total"),
    [
        ([], 0),
        ([(ADD, -5), (ADD, 3)], 3),
        ([(ADD, 3), (ADD, -5), (ADD, 4)], 4),
        ([(ADD, 900), (SET, 100), (ADD, 1)], 101),
        ([(SET, 5), (ADD, -7), (ADD, -1), (ADD, 2), (ADD, -1)], 1),
    ],
)
def test_worked_ledgers(ledger: list[Event], total: int) -> None:
    assert replay(ledger) == used_in_closed_form(ledger) == PileOfTokens(ledger).total() == total


@given(used=st.integers(0, INT32_MAX), action=st.sampled_from(RecordUsageAction), delta=st.integers())
def test_no_event_whatever_it_says_leaves_less_than_nothing(used: int, action: RecordUsageAction, delta: int) -> None:
    assert total_after(used, action, delta) >= 0
