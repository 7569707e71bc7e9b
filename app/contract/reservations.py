"""Reservations: hold an amount now, settle what was really used later."""

from app.contract.shapes import Command, Timestamp, View
from app.contract.usage import Consumption
from app.domain.reservations import TTL_SECONDS_DEFAULT, TTL_SECONDS_MAX, ReservationStatus
from app.domain.values import KEY_MAX_CHARACTERS, check_id, check_range, check_text


class ReserveUsage(Command):
    """Hold `delta` of a feature for `ttl_seconds`. A repeated idempotency key holds it once."""

    user_id: str
    feature_id: str
    delta: int = 1
    ttl_seconds: int = TTL_SECONDS_DEFAULT
    idempotency_key: str | None = None

    def __post_init__(self) -> None:
        check_id("userId", self.user_id)
        check_id("featureId", self.feature_id)
        check_range("delta", self.delta, at_least=1)
        check_range("ttlSeconds", self.ttl_seconds, at_least=1, at_most=TTL_SECONDS_MAX)
        if self.idempotency_key is not None:
            check_text("idempotencyKey", self.idempotency_key, at_least=1, at_most=KEY_MAX_CHARACTERS)


class CommitReservation(Command):
    """Settle with `delta`, the amount that was really used; absent, with the whole amount held."""

    delta: int | None = None

    def __post_init__(self) -> None:
        if self.delta is not None:
            check_range("delta", self.delta, at_least=0)


class Reservation(View):
    """`amount` counts against the limit while the status is HELD, and until `expires_at` at the latest."""

    id: str
    user_id: str
    feature_id: str
    amount: int
    status: ReservationStatus
    created_at: Timestamp
    expires_at: Timestamp
    event_id: str | None


class ReservedUsage(View):
    """Whether the amount is held, and if not, why; the consumption after it. `duplicate`: it was held before, by the same key."""

    reserved: bool
    reason: str | None
    duplicate: bool
    reservation: Reservation | None
    consumption: Consumption | None
