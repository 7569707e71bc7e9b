"""The ledger as it is read: pages in order, each for little work, and series whose calendar is Python's."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, insert, text
from sqlmodel import Session

from app import models
from app.clock import now
from app.db import engine
from app.domain.metering import RecordUsageAction
from app.domain.periods import Period
from app.domain.usage_history import SeriesInterval, bucket_start
from app.queries.ledger import Entry
from app.queries.standings import Pair
from app.queries.usage_history import applied_by_bucket, entries_ahead, newest_entries
from tests.tenants import new_tenant

START = datetime(2026, 1, 31, 23, tzinfo=UTC)

# Around the ends of hours, days, months and a leap day, and anywhere.
edges = st.sampled_from([START, datetime(2028, 2, 28, tzinfo=UTC), datetime(2025, 12, 31, 23, tzinfo=UTC)])
near_edges = st.builds(
    lambda edge, hours, milliseconds: edge + timedelta(hours=hours, milliseconds=milliseconds),
    edges,
    st.integers(0, 49),
    st.integers(-1, 1),
)
moments = near_edges | st.datetimes(timezones=st.just(UTC)).filter(lambda moment: 1 < moment.year < 9999)


@pytest.fixture(scope="module")
def pair(product: str) -> Pair:
    """Of a tenant that nobody else uses. There need be no such user: the ledger has no foreign keys."""
    return new_tenant().actor.tenant_id, 1, 1


@pytest.fixture
def session(product: str) -> Iterator[Session]:
    with Session(engine()) as session:  # never committed
        yield session


def write(session: Session, pair: Pair, at: datetime, **values: Any) -> None:
    tenant_id, user_key, feature_key = pair
    row = {
        "tenant_id": tenant_id,
        "user_key": user_key,
        "feature_key": feature_key,
        "at": at,
        "recorded_at": at,
        "action": RecordUsageAction.ADD,
        "delta": 1,
        "applied": 1,
        "recorded": True,
    }
    session.execute(insert(models.UsageEvent).values(row | values))


@settings(max_examples=100)
@given(
    ledger=st.lists(st.tuples(moments, st.integers(-5, 5), st.booleans()), max_size=15),
    interval=st.sampled_from(SeriesInterval),
    bounds=st.tuples(moments, moments).map(sorted),
)
def test_the_calendar_of_the_database_is_the_one_of_the_rules(
    pair: Pair, ledger: list[tuple[datetime, int, bool]], interval: SeriesInterval, bounds: list[datetime]
) -> None:
    start, end = bounds
    expected: Counter[datetime] = Counter()
    with Session(engine()) as session:
        for at, applied, recorded in ledger:
            write(session, pair, at, applied=applied, recorded=recorded)
            if recorded and start <= at < end:
                expected[bucket_start(interval, at)] += applied
        found = applied_by_bucket(session, pair, interval, Period(start, end))

    assert found == dict(expected)


@settings(max_examples=50)
@given(ledger=st.lists(moments, max_size=12), limit=st.integers(1, 5))
def test_the_pages_are_the_ledger_newest_first(pair: Pair, ledger: list[datetime], limit: int) -> None:
    with Session(engine()) as session:
        for at in ledger:
            write(session, pair, at)
        found: list[Entry] = []
        has_more = True
        while has_more:
            page, has_more = newest_entries(session, pair, found[-1] if found else None, limit)
            assert len(page) == limit or not has_more
            found += [entry for entry, _ in page]

    assert [entry.at for entry in found] == sorted(ledger, reverse=True)
    assert found == sorted(found, key=lambda entry: (entry.at, entry.id), reverse=True)


def test_only_what_is_still_to_come_is_ahead_the_next_one_first(session: Session, pair: Pair) -> None:
    for minutes in (3, -1, 0, 1, 2):
        write(session, pair, START + timedelta(minutes=minutes))

    ahead = entries_ahead(session, pair, START, 2)

    assert [entry.at for entry, _ in ahead] == [START + timedelta(minutes=minutes) for minutes in (1, 2)]


def test_another_pairs_events_are_neither_listed_nor_summed_up(session: Session, pair: Pair) -> None:
    tenant_id, user_key, feature_key = pair
    write(session, pair, START)
    others = [(tenant_id + 1, user_key, feature_key), (tenant_id, 2, feature_key), (tenant_id, user_key, 2)]
    for other in others:
        write(session, other, START)

    assert len(newest_entries(session, pair, None, 10)[0]) == 1
    assert applied_by_bucket(session, pair, SeriesInterval.DAY, Period(START, START + timedelta(days=1))) == {
        bucket_start(SeriesInterval.DAY, START): 1
    }


def rows_read(plan: dict[str, Any]) -> int:
    """All rows that the scans of a plan have read."""
    own = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) if "Scan" in plan["Node Type"] else 0
    return int(own * plan["Actual Loops"]) + sum(rows_read(part) for part in plan.get("Plans", ()))


@pytest.mark.parametrize("place", ["the first page", "a page in the middle"])
def test_a_page_reads_little_however_long_the_ledger_is(session: Session, pair: Pair, place: str) -> None:
    """30,000 events in three months: merged by index, not sorted."""
    session.execute(
        text("""
          INSERT INTO usage_events (tenant_id, user_key, feature_key, at, recorded_at, action, delta, applied, recorded)
          SELECT :tenant_id, :user_key, :feature_key, t, t, 'ADD', 1, 1, true
          FROM (SELECT CAST(:now AS timestamptz) + n * interval '260 seconds' AS t FROM generate_series(1, 30000) n) made
        """),
        dict(zip(("tenant_id", "user_key", "feature_key"), pair, strict=True)) | {"now": now()},
    )
    session.execute(text("ANALYZE usage_events"))
    after = newest_entries(session, pair, None, 15_000)[0][-1][0] if place != "the first page" else None
    sent: list[tuple[str, Any]] = []

    def see(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append((statement, parameters))

    event.listen(engine(), "before_cursor_execute", see)
    page, has_more = newest_entries(session, pair, after, 100)
    event.remove(engine(), "before_cursor_execute", see)

    _, (statement, parameters) = sent
    explained = (
        session.connection().exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar_one()
    )
    assert (len(page), has_more) == (100, True)
    assert 100 < rows_read(explained[0]["Plan"]) < 500
