"""What the check of the books takes from the ledger for each closed period is what the metering rule says of its window."""

from datetime import datetime, timedelta
from itertools import chain

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert
from sqlmodel import Session

from app import models
from app.db import engine
from app.domain.periods import Period
from app.queries.books_history import BEFORE_ALL, BookedPeriod, closed_periods_beside_ledger, count_closed_periods
from app.queries.standings import Pair
from tests.queries import test_replay
from tests.queries.test_replay import START, Event, asked, events, replayed, windows, write
from tests.tenants import Tenant

pairs = test_replay.pairs

Window = tuple[int, int, int]
"""(pair, first hour, last hour); others may overlap it."""

histories = st.lists(windows, unique=True, max_size=8)


def close(session: Session, keys: list[Pair], history: list[Window], closed_at: datetime | None = START) -> None:
    """Each period says 7."""
    for window in history:
        (tenant_id, user_key, feature_key), period = asked(keys, window)
        values = {"tenant_id": tenant_id, "user_key": user_key, "feature_key": feature_key, "closed_at": closed_at}
        bounds = {"period_start": period.start, "period_end": period.end}
        session.execute(insert(models.UsagePeriod).values(values | bounds | {"used": 7, "overage_enabled": False}))


def emptied(session: Session, tenant_id: int) -> None:
    session.execute(delete(models.UsagePeriod).where(models.UsagePeriod.tenant_id == tenant_id))


@settings(max_examples=150)
@given(ledger=events, history=histories, limit=st.integers(1, 9))
def test_each_closed_period_is_told_the_replay_of_its_window_once(
    pairs: tuple[Tenant, list[Pair]], ledger: list[Event], history: list[Window], limit: int
) -> None:
    tenant, keys = pairs
    with Session(engine()) as session:  # never committed
        emptied(session, tenant.actor.tenant_id)
        write(session, tenant.actor.tenant_id, keys, ledger)
        close(session, keys, history)
        rows = list(chain.from_iterable(pages(session, tenant.actor.tenant_id, limit)))
    assert rows == [expected(keys, ledger, window) for window in sorted(history)]


def pages(session: Session, tenant_id: int, limit: int) -> list[list[BookedPeriod]]:
    found, after = [], BEFORE_ALL
    while page := closed_periods_beside_ledger(session, tenant_id, None, after, limit):
        assert len(page) <= limit
        found.append(page)
        after = page[-1].place
    return found


def expected(keys: list[Pair], ledger: list[Event], window: Window) -> BookedPeriod:
    number, first, last = window
    (_, user_key, feature_key), period = asked(keys, window)
    count = sum(1 for of, hour, _, _, recorded in ledger if of == number and recorded and first <= hour < last)
    return BookedPeriod(user_key, feature_key, period, 7, replayed(ledger, *window), count)


def test_what_is_not_closed_began_too_early_or_is_another_tenants_is_left_out(
    pairs: tuple[Tenant, list[Pair]], other_tenant: Tenant
) -> None:
    tenant, keys = pairs
    since = START + timedelta(hours=5)
    with Session(engine()) as session:
        emptied(session, tenant.actor.tenant_id)
        close(session, keys, [(0, 4, 9), (0, 5, 9)])
        close(session, keys, [(0, 6, 9)], closed_at=None)
        close(session, [(other_tenant.actor.tenant_id, *keys[0][1:])], [(0, 6, 9)])
        rows = closed_periods_beside_ledger(session, tenant.actor.tenant_id, since, BEFORE_ALL, 10)
        assert count_closed_periods(session, tenant.actor.tenant_id, since) == 1
        assert count_closed_periods(session, tenant.actor.tenant_id, None) == 2
    assert [row.period for row in rows] == [Period(since, START + timedelta(hours=9))]
