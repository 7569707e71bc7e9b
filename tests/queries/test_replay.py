"""The ledger's totals in SQL and the metering rule in Python are the same rule."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert
from sqlmodel import Session

from app import models
from app.db import engine
from app.domain.metering import RecordUsageAction, replay
from app.domain.overage import running_totals
from app.domain.periods import Period
from app.queries.ledger import Window, current_totals, replayed_totals
from app.queries.metered_items import runs_in
from app.queries.standings import Pair, standings
from tests.services.shop import Shop
from tests.tenants import Tenant, new_tenant

ADD, SET = RecordUsageAction.ADD, RecordUsageAction.SET
START = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = 48
NAMES = ("a", "b", "c")
INT32_MAX = 2**31 - 1

Event = tuple[int, int, RecordUsageAction, int, bool]
"""(pair, hour, action, amount, recorded)"""

amounts = st.one_of(st.integers(-5, 5), st.integers(-INT32_MAX, INT32_MAX))
pair_numbers = st.integers(0, 2)
hours = st.integers(0, HOURS)
events = st.lists(
    st.one_of(
        st.tuples(pair_numbers, hours, st.just(ADD), amounts, st.booleans()),
        st.tuples(pair_numbers, hours, st.just(SET), amounts.map(abs), st.booleans()),
    ),
    max_size=25,
)
windows = st.tuples(pair_numbers, hours, hours).map(lambda window: (window[0], *sorted(window[1:])))


@pytest.fixture(scope="module")
def pairs(product: str) -> tuple[Tenant, list[Pair]]:
    """Three (tenant id, user key, feature key), and their tenant."""
    # Made here, for Hypothesis runs many examples in one test.
    tenant = new_tenant()
    shop = Shop(tenant.actor)
    for name in NAMES:
        shop.feature(name)
        shop.user(name)
    rows = shop.rows("users", "features")
    keys = zip(rows["users"], rows["features"], strict=True)
    return tenant, [(tenant.actor.tenant_id, user[1], feature[1]) for user, feature in keys]


def write(session: Session, tenant_id: int, pairs: list[Pair], ledger: list[Event]) -> None:
    """The ledger alone, in this order. An ADD's `delta` is deliberately not what it applied."""
    session.execute(delete(models.UsageEvent).where(models.UsageEvent.tenant_id == tenant_id))
    for pair, hour, action, amount, recorded in ledger:
        values = {
            "tenant_id": tenant_id,
            "user_key": pairs[pair][1],
            "feature_key": pairs[pair][2],
            "at": START + timedelta(hours=hour),
            "recorded_at": START + timedelta(hours=hour),
            "action": action,
            "delta": amount if action is SET else -1 if amount == 1 else 1,
            "applied": amount if action is ADD else -7,
            "recorded": recorded,
        }
        session.execute(insert(models.UsageEvent).values(values))


def replayed(ledger: list[Event], pair: int, first: int, last: int) -> int:
    """The rule in Python: the recorded events of the pair in [first, last)."""
    return replay(
        (action, amount)
        for of, hour, action, amount, recorded in ledger
        if of == pair and recorded and first <= hour < last
    )


def asked(pairs: list[Pair], window: tuple[int, int, int]) -> Window:
    pair, first, last = window
    return pairs[pair], Period(START + timedelta(hours=first), START + timedelta(hours=last))


def current(session: Session, pairs: list[Pair], windows: list[tuple[int, int, int]]) -> list[int]:
    """The current totals, with the counters as they are read for a request."""
    tenant_id = pairs[0][0]
    found = standings(session, [(tenant_id, name, name) for name in NAMES])
    assert [one.pair for one in found] == pairs
    counters = [found[pair].counter for pair, _, _ in windows]
    return current_totals(session, [asked(pairs, window) for window in windows], counters)


@settings(max_examples=120)
@given(ledger=events, asked_for=st.lists(windows, min_size=1, max_size=8))
def test_the_ledger_says_in_sql_what_the_rule_says(
    pairs: tuple[Tenant, list[Pair]], ledger: list[Event], asked_for: list[tuple[int, int, int]]
) -> None:
    tenant, keys = pairs
    with Session(engine()) as session:  # never committed
        write(session, tenant.actor.tenant_id, keys, ledger)
        totals = replayed_totals(session, [asked(keys, window) for window in asked_for])
    assert totals == [replayed(ledger, *window) for window in asked_for]


@settings(max_examples=120)
@given(
    ledger=events,
    cuts=st.sets(hours, min_size=1, max_size=6).map(sorted),
    asked_for=st.lists(st.tuples(hours, hours).map(sorted), min_size=1, max_size=3, unique_by=tuple),
)
def test_the_ledger_in_runs_leaves_at_every_cut_the_total_of_what_counts_until_then(
    pairs: tuple[Tenant, list[Pair]], ledger: list[Event], cuts: list[int], asked_for: list[list[int]]
) -> None:
    tenant, keys = pairs
    periods = [asked(keys, (0, first, last))[1] for first, last in asked_for]
    with Session(engine()) as session:
        write(session, tenant.actor.tenant_id, keys, ledger)
        runs = runs_in(session, keys[0], periods, [START + timedelta(hours=cut) for cut in cuts])
    totals = [running_totals(runs[period], len(cuts)) for period in periods]
    assert totals == [[replayed(ledger, 0, first, min(last, cut)) for cut in cuts] for first, last in asked_for]


@settings(max_examples=80)
@given(
    ledger=events,
    counters=st.dictionaries(pair_numbers, st.tuples(hours, hours).map(sorted)),
    asked_for=st.lists(windows, min_size=1, max_size=6),
)
def test_the_current_total_is_the_ledgers_whatever_period_the_counter_stands_for(
    pairs: tuple[Tenant, list[Pair]],
    ledger: list[Event],
    counters: dict[int, list[int]],
    asked_for: list[tuple[int, int, int]],
) -> None:
    tenant, keys = pairs
    # Some windows are those of the counters, so that both ways are taken; every pair with events has a counter's row.
    asked_for = [*asked_for, *((pair, *bounds) for pair, bounds in counters.items())]
    with Session(engine()) as session:
        write(session, tenant.actor.tenant_id, keys, ledger)
        for pair in range(len(keys)):
            stand(session, tenant.actor.tenant_id, keys[pair], pair, ledger, counters.get(pair))
        totals = current(session, keys, asked_for)
    assert totals == [replayed(ledger, *window) for window in asked_for]


def stand(
    session: Session, tenant_id: int, keys: Pair, pair: int, ledger: list[Event], bounds: list[int] | None
) -> None:
    """The pair's counter as recording leaves it: for some period, with that period's total; or never moved."""
    values = {"tenant_id": tenant_id, "user_key": keys[1], "feature_key": keys[2], "used": 0}
    if bounds is not None:
        _, period = asked([keys], (0, *bounds))
        total = replayed(ledger, pair, *bounds)
        values |= {"period_start": period.start, "period_end": period.end, "used": total}
    session.execute(insert(models.Consumption).values(values))


def test_a_counter_that_stands_for_the_period_is_believed_without_the_ledger(
    pairs: tuple[Tenant, list[Pair]],
) -> None:
    tenant, keys = pairs
    with Session(engine()) as session:
        write(session, tenant.actor.tenant_id, keys, [(0, 1, ADD, 5, True)])
        stand(session, tenant.actor.tenant_id, keys[0], 0, [(0, 1, ADD, 4, True)], [0, 24])
        totals = current(session, keys, [(0, 0, 24), (0, 0, 25), (1, 0, 24)])
    assert totals == [4, 5, 0]


def test_no_windows_ask_nothing(pairs: tuple[Tenant, list[Pair]]) -> None:
    with Session(engine()) as session:
        assert replayed_totals(session, []) == []
        assert current_totals(session, [], []) == []


def test_another_tenants_events_with_the_same_keys_are_not_counted(
    pairs: tuple[Tenant, list[Pair]], other_tenant: Tenant
) -> None:
    tenant, keys = pairs
    with Session(engine()) as session:
        write(session, tenant.actor.tenant_id, keys, [(0, 1, ADD, 5, True)])
        pair, period = asked(keys, (0, 0, 24))
        assert replayed_totals(session, [(pair, period)]) == [5]
        assert replayed_totals(session, [((other_tenant.actor.tenant_id, *pair[1:]), period)]) == [0]
