"""What a payment provider is told of overage, against a model that knows every event."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.closing import Tenure
from app.domain.entitlements import Candidate
from app.domain.metering import RecordUsageAction, replay, total_after
from app.domain.overage import (
    HOUR,
    Named,
    Run,
    end_of_hour,
    ended_hours,
    hour_of,
    identifier_of,
    named_by,
    overage,
    overage_by_hour,
    running_totals,
    stretches,
)
from app.domain.periods import Period, ResetPeriod

ADD, SET = RecordUsageAction.ADD, RecordUsageAction.SET
BEGAN = datetime(2026, 3, 1, 10, 20, 30, tzinfo=UTC)
OURS, OTHERS = 1, 2


@dataclass(frozen=True)
class Event:
    """In a list of them, the order is that of the ledger."""

    at: datetime
    action: RecordUsageAction
    amount: int


def candidate(limit: int | None, *, overage_enabled: bool = True, id_: int = OURS, per: str = "DAY") -> Candidate:
    return Candidate(id_, "pro", BEGAN, limit, ResetPeriod(per), overage_enabled)


def total(events: list[Event], period: Period, moment: datetime) -> int:
    """The naive way: what counts in the period until that moment, in the order of the ledger."""
    return replay((it.action, it.amount) for it in events if it.at in period and it.at < moment)


def runs_of(events: list[Event], period: Period, cuts: list[datetime]) -> list[Run]:
    """As the database answers."""
    runs: list[Run] = []
    for it in events:
        if it.at not in period:
            continue
        slot = sum(cut <= it.at for cut in cuts)
        if it.action is SET:
            runs.append(Run(slot, it.amount, 0, 0))
        elif runs and runs[-1].slot == slot:
            last = runs.pop()
            runs.append(Run(slot, last.set_to, last.added + it.amount, min(last.lowest, last.added + it.amount)))
        else:
            runs.append(Run(slot, None, it.amount, it.amount))
    return runs


def told(events: list[Event], tenures: list[Tenure], hours: list[Period]) -> dict[Period, int]:
    found = stretches(hours, tenures, {OURS}, "pro")
    cuts = sorted({moment for each in found for moment in (each.start, each.end)})
    totals = {
        period: dict(zip(cuts, running_totals(runs_of(events, period, cuts), len(cuts)), strict=True))
        for period in {each.period for each in found}
    }
    return overage_by_hour(hours, found, totals)


moments = st.integers(0, 3 * 24 * 60).map(lambda minutes: BEGAN + timedelta(minutes=minutes))
ledgers = st.lists(
    st.builds(Event, moments, st.just(ADD), st.integers(-40, 40))
    | st.builds(Event, moments, st.just(SET), st.integers(0, 80)),
    max_size=30,
)


@given(ledgers, st.integers(0, 60), st.lists(moments, max_size=3))
def test_the_hours_of_a_period_add_up_to_its_overage(
    events: list[Event], limit: int, boundaries: list[datetime]
) -> None:
    days = [Period(BEGAN + timedelta(days=n), BEGAN + timedelta(days=n + 1)) for n in range(4)]
    hours = ended_hours(BEGAN, days[-1].end, [*boundaries, *(day.end for day in days)])
    values = told(events, [Tenure(candidate(limit), BEGAN, None)], hours)
    for day in days:
        in_day = sum(value for hour, value in values.items() if hour.start in day)
        assert in_day == overage(total(events, day, day.end), limit)


@given(ledgers, st.integers(0, 60), st.integers(0, 60), moments, st.sampled_from(["DAY", "MONTH"]))
def test_each_moment_is_told_by_the_terms_that_held_then(
    events: list[Event], first: int, second: int, change: datetime, per: str
) -> None:
    tenures = [Tenure(candidate(first, per=per), BEGAN, change), Tenure(candidate(second, per=per), change, None)]
    hours = ended_hours(BEGAN, BEGAN + timedelta(days=4), [])
    moments_told = sorted(
        {BEGAN, change, *(hour.end for hour in hours)} | {BEGAN + timedelta(days=n) for n in range(5)}
    )
    expected = dict.fromkeys(hours, 0)
    for start, end in pairwise(moment for moment in moments_told if moment <= hours[-1].end):
        period = candidate(0, per=per).period_at(start)
        limit = first if start < change else second
        hour = next(hour for hour in hours if start in hour)
        expected[hour] += overage(total(events, period, end), limit) - overage(total(events, period, start), limit)
    assert told(events, tenures, hours) == expected


@given(ledgers)
def test_without_a_limit_or_without_overage_or_while_another_decides_nothing_is_told(events: list[Event]) -> None:
    hours = ended_hours(BEGAN, BEGAN + timedelta(days=4), [])
    nothing = dict.fromkeys(hours, 0)
    assert told(events, [Tenure(candidate(None), BEGAN, None)], hours) == nothing
    assert told(events, [Tenure(candidate(5, overage_enabled=False), BEGAN, None)], hours) == nothing
    higher = Tenure(candidate(6, id_=OTHERS), BEGAN, None)
    assert told(events, [Tenure(candidate(5), BEGAN, None), higher], hours) == nothing
    assert told(events, [], hours) == nothing


@given(st.integers(0, 50), st.none() | st.integers(0, 50), st.lists(st.integers(-30, 30), max_size=8))
def test_a_run_leaves_the_total_that_its_events_leave(used: int, set_to: int | None, amounts: list[int]) -> None:
    sums = [sum(amounts[: n + 1]) for n in range(len(amounts))]
    run = Run(0, set_to, sum(amounts), min(sums, default=0))
    expected = used if set_to is None else set_to
    for amount in amounts:
        expected = total_after(expected, ADD, amount)
    assert run.total_after(used) == expected


def test_an_hour_is_cut_where_a_bill_begins() -> None:
    boundary = datetime(2026, 3, 1, 12, 37, tzinfo=UTC)
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert ended_hours(BEGAN, noon + 2 * HOUR + timedelta(minutes=59), [boundary, BEGAN, noon - timedelta(days=1)]) == [
        Period(BEGAN, noon - HOUR),
        Period(noon - HOUR, noon),
        Period(noon, boundary),
        Period(boundary, noon + HOUR),
        Period(noon + HOUR, noon + 2 * HOUR),
    ]
    assert ended_hours(BEGAN, BEGAN + timedelta(minutes=39), []) == []
    assert end_of_hour(noon, [boundary]) == boundary
    assert end_of_hour(boundary, [boundary]) == noon + HOUR
    assert hour_of(boundary) == noon


@pytest.mark.parametrize(("length", "is_hashed"), [(28, False), (90, True)])
def test_an_identifier_has_at_most_a_hundred_characters_and_is_one_versions_own(length: int, is_hashed: bool) -> None:
    subscription_id = "s" * length
    first, second = (identifier_of(subscription_id, 3, 7, BEGAN, version) for version in (1, 2))
    assert first != second
    assert max(len(first), len(second)) <= 100
    assert (first == f"meterline:{subscription_id}:3:7:{int(BEGAN.timestamp())}:1") is not is_hashed
    said = [Named(subscription_id, 3, 7, BEGAN, version) for version in (1, 2)]
    assert [named_by(first), named_by(second)] == ([None, None] if is_hashed else said)
