"""When a webhook that failed is sent again, and when an endpoint is given up."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

# Three days in all, and the longer the rarer: short outages are over before anybody notices, long ones are not made worse.
RETRY_DELAYS: Final = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=8),
    timedelta(hours=12),
    timedelta(hours=24),
    timedelta(hours=24),
)
ATTEMPTS_MAX: Final = len(RETRY_DELAYS) + 1
RETRY_AFTER_MAX: Final = timedelta(hours=1)
"""The longest wait that a receiver can ask for."""

_JITTER: Final = 0.2

FAILING_MAX: Final = timedelta(days=3)
FAILURES_MAX: Final = 10
"""An endpoint that has failed for so long, and so often in a row, is switched off."""

_OUTAGE: Final = timedelta(minutes=10)

TOO_MANY_REQUESTS: Final = 429
UNAVAILABLE: Final = 503
GONE: Final = 410


def next_attempt_at(
    attempts: int, failed_at: datetime, jitter: float, asked_for: timedelta | None = None
) -> datetime | None:
    """When to try again after so many attempts; None: never.

    `jitter`, from 0 to 1, spreads what failed together by a fifth to both sides. `asked_for`: what the receiver said; it makes
    the wait longer, never shorter.
    """
    if attempts >= ATTEMPTS_MAX:
        return None
    delay = RETRY_DELAYS[attempts - 1] * (1 - _JITTER + 2 * _JITTER * jitter)
    if asked_for is not None:
        delay = max(delay, min(asked_for, RETRY_AFTER_MAX))
    return failed_at + delay


def retry_after(status_code: int | None, header: str | None, now: datetime) -> timedelta | None:
    """What a `Retry-After` asks for: seconds, or a date (RFC 9110). None if it asks for nothing that we understand."""
    if header is None or status_code not in (TOO_MANY_REQUESTS, UNAVAILABLE):
        return None
    if header.isascii() and header.isdigit():
        return timedelta(seconds=min(int(header[:9]), RETRY_AFTER_MAX.total_seconds()))
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(timedelta(), moment.replace(tzinfo=moment.tzinfo or UTC) - now)


def is_given_up(failing_since: datetime, failures: int, now: datetime) -> bool:
    """Whether an endpoint that has failed so often since its last success is switched off."""
    return failures >= FAILURES_MAX and now - failing_since >= FAILING_MAX


def was_away(failing_since: datetime, now: datetime) -> bool:
    """Whether an endpoint that answers again had failed for so long that what waits for it should not wait longer.

    Not after every failure: one message that an endpoint does not take, among many that it takes, would use up its attempts.
    """
    return now - failing_since >= _OUTAGE
