"""The one clock. Everything that decides by time asks here, so a test moves one function and the database has no say."""

from datetime import UTC, datetime

from app.settings import settings


def now() -> datetime:
    """The present as aware UTC, cut to the millisecond: what we store is what the wire can show."""
    moment = datetime.now(UTC)
    moved = settings().moved_clock
    if moved:
        moment = moved.at(moment)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def to_wire(moment: datetime) -> str:
    """`2022-08-10T15:07:01.803Z`: always UTC, always three decimals."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
