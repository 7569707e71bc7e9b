"""How moments are written."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.clock import to_wire


@pytest.mark.parametrize(
    ("moment", "wire"),
    [
        (datetime(2022, 8, 10, 15, 7, 1, 803_999, tzinfo=UTC), "2022-08-10T15:07:01.803Z"),
        (datetime(2022, 8, 10, tzinfo=UTC), "2022-08-10T00:00:00.000Z"),
        (datetime(2022, 8, 10, 1, tzinfo=timezone(timedelta(hours=2))), "2022-08-09T23:00:00.000Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "9999-12-31T23:59:59.999Z"),
    ],
)
def test_a_moment_is_utc_with_milliseconds_and_four_digits_of_the_year(moment: datetime, wire: str) -> None:
    assert to_wire(moment) == wire
