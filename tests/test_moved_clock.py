"""A clock that says another date, for tests and development."""

from datetime import UTC, datetime

import pytest
from freezegun import freeze_time

from app import clock
from app.moved_clock import MovedClock
from app.settings import SettingsError, settings
from tests.environment import environment

MOVED = "2026-01-31T23:59:00Z@2026-11-25T10:00:00Z*3600"


@pytest.mark.parametrize(
    ("text", "really", "shown"),
    [
        (MOVED, "2026-11-25T10:00:00Z", "2026-01-31T23:59:00Z"),
        (MOVED, "2026-11-25T10:00:02Z", "2026-02-01T01:59:00Z"),
        (MOVED, "2026-11-25T09:59:59Z", "2026-01-31T22:59:00Z"),
        ("2030-01-01T00:00:00Z@2026-11-25T10:00:00+01:00", "2026-11-25T10:00:00Z", "2030-01-01T01:00:00Z"),
        ("2030-01-01T00:00:00Z@2026-11-25T10:00:00Z*0.5", "2026-11-25T10:00:10Z", "2030-01-01T00:00:05Z"),
    ],
)
def test_it_goes_on_from_its_date_at_its_rate(text: str, really: str, shown: str) -> None:
    assert MovedClock.parse(text).at(datetime.fromisoformat(really)) == datetime.fromisoformat(shown)


@pytest.mark.parametrize(
    "text", ["", "2026-01-31", "a@b", "2026-01-31T00:00:00Z@2026-11-25T10:00:00Z*", f"{MOVED}.1.2"]
)
def test_what_is_no_clock_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be like|Invalid isoformat|could not convert"):
        MovedClock.parse(text)


def test_everything_goes_by_it() -> None:
    with environment(METERLINE_ENV="development", METERLINE_CLOCK=MOVED), freeze_time("2026-11-25T10:00:01Z"):
        assert clock.now() == datetime(2026, 2, 1, 0, 59, tzinfo=UTC)


def test_production_goes_by_the_real_clock() -> None:
    secret = "s" * 32
    with (
        environment(METERLINE_ENV="production", SECRET_KEY=secret, METERLINE_CLOCK=MOVED),
        pytest.raises(SettingsError, match="METERLINE_CLOCK is for development and tests"),
    ):
        settings()
