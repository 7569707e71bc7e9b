"""What a reservation is at a moment."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.reservations import ReservationStatus, status_at

EXPIRES_AT = datetime(2026, 3, 5, 10, 0, 0, 803_000, tzinfo=UTC)
HELD, EXPIRED = ReservationStatus.HELD, ReservationStatus.EXPIRED
FINAL = tuple(status for status in ReservationStatus if status is not HELD)

around = st.timedeltas(timedelta(days=-2), timedelta(days=2)).map(lambda span: EXPIRES_AT + span)


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [(-86_400_000, HELD), (-1, HELD), (0, EXPIRED), (1, EXPIRED), (86_400_000, EXPIRED)],
)
def test_it_holds_until_its_time_is_up_and_not_a_millisecond_longer(
    milliseconds: int, expected: ReservationStatus
) -> None:
    assert status_at(HELD, EXPIRES_AT, EXPIRES_AT + timedelta(milliseconds=milliseconds)) is expected


@given(status=st.sampled_from(FINAL), moment=around)
def test_what_is_settled_stays_so_whatever_the_time(status: ReservationStatus, moment: datetime) -> None:
    assert status_at(status, EXPIRES_AT, moment) is status


@given(first=around, later=around)
def test_time_alone_never_opens_it_again(first: datetime, later: datetime) -> None:
    if first <= later and status_at(HELD, EXPIRES_AT, first) is EXPIRED:
        assert status_at(HELD, EXPIRES_AT, later) is EXPIRED
