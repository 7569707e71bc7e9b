"""Reservations: an amount that is held until it is known how much was really used."""

from datetime import datetime
from enum import StrEnum

TTL_SECONDS_DEFAULT = 300
TTL_SECONDS_MAX = 24 * 60 * 60


class ReservationStatus(StrEnum):
    """HELD counts against the limit. The other three do not, and are final."""

    HELD = "HELD"
    COMMITTED = "COMMITTED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"


def status_at(stored: ReservationStatus, expires_at: datetime, moment: datetime) -> ReservationStatus:
    """What a reservation is at a moment. Time alone makes it EXPIRED, at `expires_at` itself; no job has to write so."""
    if stored is ReservationStatus.HELD and expires_at <= moment:
        return ReservationStatus.EXPIRED
    return stored
