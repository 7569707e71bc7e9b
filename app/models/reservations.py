"""Reservations: amounts that are held until they are settled."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, text
from sqlmodel import Field, SQLModel

from app.domain.reservations import ReservationStatus
from app.models.columns import choice, generated_key, moment, text_column


class Reservation(SQLModel, table=True):
    """`amount` is held in [period_start, period_end) from `at` until `expires_at`, or until it is settled before.

    A HELD one past its `expires_at` holds nothing, whatever `status` says. `event_id` is the usage event of the settlement; it
    counts at `at`. The terms (`budget`, `overage_enabled`) are those it was granted by.
    """

    __tablename__ = "reservations"
    __table_args__ = (
        # The counter is also the lock under which reservations are made and settled.
        ForeignKeyConstraint(
            ["tenant_id", "user_key", "feature_key"],
            ["consumptions.tenant_id", "consumptions.user_key", "consumptions.feature_key"],
        ),
        CheckConstraint("amount > 0", name="amount_positive"),
        Index(None, "tenant_id", "user_key", "feature_key", "expires_at"),
        Index(
            "ix_reservations_tenant_id_expires_at",
            "tenant_id",
            "expires_at",
            postgresql_where=text("status = 'HELD'"),
        ),
        Index(
            "uq_reservations_tenant_id_idempotency_key",
            "tenant_id",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
    )

    tenant_id: int = Field(primary_key=True)
    id: int = Field(default=None, sa_column=generated_key())
    user_key: int = Field(sa_type=BigInteger)
    feature_key: int = Field(sa_type=BigInteger)
    amount: int = Field(sa_type=BigInteger)
    ttl_seconds: int
    at: datetime = Field(sa_column=moment())
    expires_at: datetime = Field(sa_column=moment())
    period_start: datetime = Field(sa_column=moment())
    period_end: datetime = Field(sa_column=moment())
    used_before: int = Field(sa_type=BigInteger)
    held: int = Field(sa_type=BigInteger)
    budget: int | None = Field(default=None, sa_type=BigInteger)
    overage_enabled: bool
    status: ReservationStatus = Field(sa_column=choice(ReservationStatus, "status"))
    settled_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    event_id: int | None = Field(default=None, sa_type=BigInteger)
    idempotency_key: str | None = Field(default=None, sa_column=text_column())
