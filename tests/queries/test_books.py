"""What the check of the books takes from the ledger in one pass is what the metering rule says of each window."""

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert
from sqlmodel import Session

from app import models
from app.db import engine
from app.domain.periods import Period
from app.queries.books import BookedCounter, counters_beside_ledger, last_user_of_part
from app.queries.ledger import DIGEST, digest_of
from app.queries.standings import Pair
from tests.queries import test_replay
from tests.queries.test_replay import HOURS, START, Event, events, hours, pair_numbers, replayed, write
from tests.tenants import Tenant

pairs = test_replay.pairs

bounds = st.tuples(hours, hours).map(sorted)


def stand_for(session: Session, keys: list[Pair], counters: dict[int, list[int]]) -> None:
    """A counter for each pair: for the period with these bounds in hours, or for none. They say 7."""
    session.execute(delete(models.Consumption).where(models.Consumption.tenant_id == keys[0][0]))
    for number, (tenant_id, user_key, feature_key) in enumerate(keys):
        start, end = (
            (START + timedelta(hours=hour) for hour in counters[number]) if number in counters else (None, None)
        )
        values = {"tenant_id": tenant_id, "user_key": user_key, "feature_key": feature_key, "used": 7}
        session.execute(insert(models.Consumption).values(values | {"period_start": start, "period_end": end}))


@settings(max_examples=150)
@given(ledger=events, counters=st.dictionaries(pair_numbers, bounds), now=hours)
def test_each_counter_is_told_the_replay_of_its_period_and_how_many_events_that_is(
    pairs: tuple[Tenant, list[Pair]], ledger: list[Event], counters: dict[int, list[int]], now: int
) -> None:
    """Whether periods go on or have ended, which are read in two ways."""
    tenant, keys = pairs
    with Session(engine()) as session:  # never committed
        write(session, tenant.actor.tenant_id, keys, ledger)
        stand_for(session, keys, counters)
        rows = counters_beside_ledger(session, tenant.actor.tenant_id, 0, None, START + timedelta(hours=now))
    assert rows == [expected(keys, number, ledger, counters.get(number)) for number in range(len(keys))]


def expected(keys: list[Pair], number: int, ledger: list[Event], bounds: list[int] | None) -> BookedCounter:
    _, user_key, feature_key = keys[number]
    if bounds is None:
        return BookedCounter(user_key, feature_key, None, 7, None, 0, 0, None)
    first, last = bounds
    period = Period(START + timedelta(hours=first), START + timedelta(hours=last))
    count = sum(1 for of, hour, _, _, recorded in ledger if of == number and recorded and first <= hour < last)
    return BookedCounter(user_key, feature_key, period, 7, None, replayed(ledger, number, first, last), count, None)


def test_a_part_ends_with_a_user_and_holds_all_of_that_users_counters(pairs: tuple[Tenant, list[Pair]]) -> None:
    tenant, keys = pairs
    tenant_id = tenant.actor.tenant_id
    (_, first_user, _), (_, second_user, _), (_, third_user, _) = keys
    with Session(engine()) as session:
        stand_for(session, keys, {})
        values = {"tenant_id": tenant_id, "user_key": second_user, "feature_key": keys[0][2], "used": 0}
        session.execute(insert(models.Consumption).values(values))
        lasts = [last_user_of_part(session, tenant_id, 0, counters) for counters in (1, 2, 3, 4, 5)]
        assert lasts == [first_user, second_user, second_user, third_user, None]
        rows = counters_beside_ledger(session, tenant_id, first_user, second_user, START + timedelta(hours=HOURS))
    assert [row.user_key for row in rows] == [second_user, second_user]


@pytest.mark.parametrize("key", ["a", "request-8812", "ключ 🔑", "\\'\"%s", "x" * 255])
def test_sql_digests_a_key_as_we_do(product: str, key: str) -> None:
    with engine().connect() as connection:
        digest = connection.exec_driver_sql(f"SELECT {DIGEST.format('%s::text')}", (key,)).scalar_one()
    assert digest == digest_of(key)
    assert isinstance(digest, UUID)
