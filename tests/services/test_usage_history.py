"""The ledger as callers read it: every attempt, newest first, in pages; and what was used over time."""

from datetime import UTC, datetime

import pytest
from freezegun import freeze_time

from app.contract.reservations import CommitReservation, ReserveUsage
from app.contract.shapes import Page, PageRequest
from app.contract.usage import Consumption
from app.contract.usage_history import ReadUsageSeries, UsageEvent
from app.contract.users import UpdateUser
from app.domain.entitlements import NO_SUBSCRIPTION
from app.domain.metering import LIMIT_WOULD_BE_EXCEEDED
from app.domain.usage_history import SeriesInterval
from app.errors import FeatureNotFoundError, InvalidInputError, UsageEventNotFoundError, UserNotFoundError
from app.services import users
from app.services.reservations import commit_reservation, reserve_usage
from app.services.reverts import revert_usage
from app.services.usage_history import get_usage_event, list_usage_events, usage_series
from tests.services.shop import ADD, DAY, NOWHERE, SET, Shop, counted

HOUR, MONTH = SeriesInterval.HOUR, SeriesInterval.MONTH


@pytest.fixture
def pro(shop: Shop) -> Shop:
    """Ada has 10 calls a month, since 31 January 2026."""
    shop.feature()
    shop.package("pro", counted(10))
    shop.user()
    with freeze_time("2026-01-31T10:00:00Z"):
        shop.subscribe("pro")
    return shop


def events(shop: Shop, limit: int = 100, after: str | None = None, user_id: str = "ada") -> Page[UsageEvent]:
    return list_usage_events(shop.actor, PageRequest(limit=limit, starting_after=after), user_id, "calls")


def ids(page: Page[UsageEvent]) -> list[str]:
    return [event.id for event in page.data]


def series(shop: Shop, start: str, end: str, interval: SeriesInterval) -> list[tuple[str, str, int]]:
    command = ReadUsageSeries(
        user_id="ada",
        feature_id="calls",
        start=datetime.fromisoformat(start).replace(tzinfo=UTC),
        end=datetime.fromisoformat(end).replace(tzinfo=UTC),
        interval=interval,
    )
    found = usage_series(shop.actor, command)
    assert found.interval is interval
    return [(point.start, point.end, point.used) for point in found.points]


def test_an_event_tells_what_was_asked_and_what_became_of_it(pro: Shop) -> None:
    with freeze_time("2026-02-10T12:00:00.250Z"):
        made = pro.record(4, idempotency_key="k-1", timestamp=datetime(2026, 2, 9, 8, tzinfo=UTC))

    expected = UsageEvent(
        id=made.event_id,
        user_id="ada",
        feature_id="calls",
        timestamp="2026-02-09T08:00:00.000Z",
        recorded_at="2026-02-10T12:00:00.250Z",
        action=ADD,
        delta=4,
        applied=4,
        recorded=True,
        reason=None,
        period_start="2026-01-31T10:00:00.000Z",
        period_end="2026-02-28T10:00:00.000Z",
        consumption=Consumption(used=4, budget=10, overage_enabled=False, reserved=0),
        idempotency_key="k-1",
        reverts_id=None,
        reverted_by_id=None,
        reservation_id=None,
    )
    assert events(pro).data == [expected]
    assert get_usage_event(pro.actor, made.event_id) == expected


def test_refused_attempts_are_listed_with_their_reason(pro: Shop) -> None:
    pro.user("bob")
    pro.record(1, user_id="bob")
    pro.record(8)
    pro.record(3)
    pro.record(-20)

    (bobs,) = events(pro, user_id="bob").data
    assert (bobs.recorded, bobs.reason, bobs.applied) == (False, NO_SUBSCRIPTION, 0)
    assert (bobs.period_start, bobs.period_end, bobs.consumption) == (None, None, None)
    assert [(event.delta, event.applied, event.recorded, event.reason) for event in events(pro).data] == [
        (-20, -8, True, None),
        (3, 0, False, LIMIT_WOULD_BE_EXCEEDED),
        (8, 8, True, None),
    ]


def test_a_taking_back_and_what_it_took_back_name_each_other(pro: Shop) -> None:
    with freeze_time("2026-02-10T12:00:00Z") as clock:
        first = pro.record(4)
        clock.tick(60)
        pro.record(1)
        back = revert_usage(pro.actor, first.event_id)

    listed = {event.id: event for event in events(pro).data}
    assert (listed[first.event_id].reverted_by_id, listed[first.event_id].reverts_id) == (back.event_id, None)
    assert (listed[back.event_id].reverted_by_id, listed[back.event_id].reverts_id) == (None, first.event_id)
    assert get_usage_event(pro.actor, first.event_id) == listed[first.event_id]
    assert get_usage_event(pro.actor, back.event_id) == listed[back.event_id]
    # It counts at the moment of the other, so it stands beside it: made later, hence before it.
    assert [event.delta for event in events(pro).data] == [1, -4, 4]


def test_an_event_names_the_reservation_that_it_settles(pro: Shop) -> None:
    made = reserve_usage(pro.actor, ReserveUsage(user_id="ada", feature_id="calls", delta=5))
    assert made.reservation is not None
    commit_reservation(pro.actor, made.reservation.id, CommitReservation(delta=2))

    (settled,) = events(pro).data
    assert (settled.reservation_id, settled.delta) == (made.reservation.id, 2)


def test_events_come_by_the_moment_they_count_at_and_of_one_moment_the_last_first(pro: Shop) -> None:
    with freeze_time("2026-02-10T12:00:00Z"):
        made = [pro.record(timestamp=datetime(2026, 2, day, tzinfo=UTC)).event_id for day in (3, 5, 4, 5)]
        ahead = pro.record(timestamp=datetime(2026, 2, 10, 12, 5, tzinfo=UTC)).event_id
        present = pro.record().event_id

    assert ids(events(pro)) == [ahead, present, made[3], made[1], made[2], made[0]]


def test_the_pages_are_the_ledger_even_where_many_events_have_one_moment(pro: Shop) -> None:
    with freeze_time("2026-02-10T12:00:00Z"):
        for _ in range(7):
            pro.record()
    whole = ids(events(pro))

    pages: list[list[str]] = []
    after = None
    while True:
        page = events(pro, limit=3, after=after)
        pages.append(ids(page))
        if not page.has_more:
            break
        after = pages[-1][-1]

    assert pages == [whole[:3], whole[3:6], whole[6:]]
    assert (ids(events(pro, limit=7)), events(pro, limit=7).has_more) == (whole, False)
    assert events(pro, after=whole[-1]) == Page(data=[], has_more=False)


def test_a_page_starts_after_an_event_of_this_user_and_feature_or_is_refused(pro: Shop, other_shop: Shop) -> None:
    pro.user("bob")
    bobs = pro.record(user_id="bob").event_id
    other_shop.feature()
    other_shop.user()
    theirs = other_shop.record().event_id

    for unknown in (bobs, theirs, "0", "007", "-1", "abc", "9" * 30):
        with pytest.raises(InvalidInputError) as refused:
            events(pro, after=unknown)
        assert refused.value.message == f"startingAfter: there is nothing with the id {unknown!r}"


def test_the_events_follow_a_user_who_is_renamed(pro: Shop) -> None:
    made = pro.record()
    users.update_user(pro.actor, "ada", UpdateUser(id="lovelace"))

    assert get_usage_event(pro.actor, made.event_id).user_id == "lovelace"
    assert [event.user_id for event in events(pro, user_id="lovelace").data] == ["lovelace"]


def test_unknown_ids_are_errors_the_user_first(pro: Shop) -> None:
    page = PageRequest()
    with pytest.raises(UserNotFoundError):
        list_usage_events(pro.actor, page, NOWHERE, NOWHERE)
    with pytest.raises(FeatureNotFoundError):
        list_usage_events(pro.actor, page, "ada", NOWHERE)
    with pytest.raises(InvalidInputError, match="featureId"):
        list_usage_events(pro.actor, page, "ada", "")
    for unknown in ("1", "abc", "", "9" * 30):
        with pytest.raises(UsageEventNotFoundError):
            get_usage_event(pro.actor, unknown)


def test_another_tenants_event_is_as_unknown_as_nobodys(pro: Shop, other_shop: Shop) -> None:
    made = pro.record()

    with pytest.raises(UsageEventNotFoundError):
        get_usage_event(other_shop.actor, made.event_id)


def test_a_series_has_a_point_for_every_bucket_and_is_cut_at_the_range(pro: Shop) -> None:
    with freeze_time("2026-02-10T12:00:00Z") as clock:
        for moment, delta in (
            ("2026-02-08T22:59:59.999Z", 1),
            ("2026-02-08T23:00:00.000Z", 2),
            ("2026-02-08T23:59:59.999Z", 3),
            ("2026-02-09T01:29:59.999Z", 1),
            ("2026-02-09T01:30:00.000Z", 2),
        ):
            clock.move_to(moment)
            pro.record(delta)

    assert series(pro, "2026-02-08T23:00", "2026-02-09T01:30", HOUR) == [
        ("2026-02-08T23:00:00.000Z", "2026-02-09T00:00:00.000Z", 5),
        ("2026-02-09T00:00:00.000Z", "2026-02-09T01:00:00.000Z", 0),
        ("2026-02-09T01:00:00.000Z", "2026-02-09T01:30:00.000Z", 1),
    ]
    assert series(pro, "2026-02-08T12:00", "2026-02-10", SeriesInterval.DAY) == [
        ("2026-02-08T12:00:00.000Z", "2026-02-09T00:00:00.000Z", 6),
        ("2026-02-09T00:00:00.000Z", "2026-02-10T00:00:00.000Z", 3),
    ]
    assert series(pro, "2026-01-01", "2026-03-01", MONTH) == [
        ("2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z", 0),
        ("2026-02-01T00:00:00.000Z", "2026-03-01T00:00:00.000Z", 9),
    ]


def test_a_series_counts_what_was_applied_net_and_nothing_that_was_refused(pro: Shop) -> None:
    with freeze_time("2026-02-08T10:00:00Z") as clock:
        first = pro.record(6)
        pro.record(5)  # refused
        clock.move_to("2026-02-09T10:00:00Z")
        pro.record(2, SET)
        clock.move_to("2026-02-10T10:00:00Z")
        pro.record(3)
        pro.record(-1)
        revert_usage(pro.actor, first.event_id)

    points = series(pro, "2026-02-08", "2026-02-11", SeriesInterval.DAY)
    # The taking back counts where the event it takes back does: 4 were left of the 6, after the SET.
    assert [used for *_, used in points] == [2, -4, 2]
    assert sum(used for *_, used in points) == 0


def test_a_sum_past_what_an_int_carries_is_shown_as_the_nearest_one(shop: Shop) -> None:
    shop.feature()
    shop.package("daily", counted(None, DAY))
    shop.user()
    with freeze_time("2026-01-01T00:00:00Z") as clock:
        shop.subscribe("daily")
        shop.record(2**31 - 1)
        clock.move_to("2026-01-02T00:00:00Z")
        shop.record(2**31 - 1)

    assert [used for *_, used in series(shop, "2026-01-01", "2026-02-01", MONTH)] == [2**31 - 1]


def test_a_series_of_the_first_years_is_as_well_formed_as_any(pro: Shop) -> None:
    assert series(pro, "0001-01-01", "0001-01-01T01:00", HOUR) == [
        ("0001-01-01T00:00:00.000Z", "0001-01-01T01:00:00.000Z", 0)
    ]


def test_a_series_of_somebody_unknown_is_an_error(pro: Shop) -> None:
    bounds = {"start": datetime(2026, 1, 1, tzinfo=UTC), "end": datetime(2026, 1, 2, tzinfo=UTC), "interval": HOUR}
    with pytest.raises(UserNotFoundError):
        usage_series(pro.actor, ReadUsageSeries(user_id=NOWHERE, feature_id=NOWHERE, **bounds))
    with pytest.raises(FeatureNotFoundError):
        usage_series(pro.actor, ReadUsageSeries(user_id="ada", feature_id=NOWHERE, **bounds))


def test_reading_the_ledger_writes_nothing(pro: Shop) -> None:
    made = pro.record()
    before = pro.rows()
    events(pro)
    get_usage_event(pro.actor, made.event_id)
    series(pro, "2026-01-01", "2026-03-01", MONTH)
    assert pro.rows() == before
