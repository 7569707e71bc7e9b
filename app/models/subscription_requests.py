"""What is asked of a payment provider about subscriptions that it bills."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, Uuid, text
from sqlmodel import Field, SQLModel

from app.domain.subscription_requests import RequestKind, RequestStatus
from app.models.columns import choice, moment, text_column, within_tenant


class SubscriptionRequest(SQLModel, table=True):
    """A subscription is to be cancelled or changed where it is billed, which a worker asks for in `attempt`s that each have an
    idempotency key.

    `ends_at` is for an add-on that is to end later, with its base and not with its own period. `package_key` is what a CHANGE
    is to. `price_id` and `changes_at` are written before a change at the period's end is asked for: whoever copies the
    subscription knows by them that its new price gives the new package then, and not now. `asked_at`: when it was asked for
    last, `sent_at`: when a worker was told last.
    """

    __tablename__ = "subscription_requests"
    __table_args__ = (
        within_tenant("subscription_id", "subscriptions.id"),
        within_tenant("package_key", "packages.key"),
        Index(
            "uq_subscription_requests_pending",
            "tenant_id",
            "subscription_id",
            "kind",
            unique=True,
            postgresql_where=text("status = 'PENDING'"),
        ),
        Index(
            "ix_subscription_requests_tenant_id_sent_at",
            "tenant_id",
            "sent_at",
            postgresql_where=text("status = 'PENDING'"),
        ),
        Index(None, "tenant_id", "subscription_id", "asked_at"),
        Index(None, "tenant_id", "package_key"),
    )

    tenant_id: int = Field(primary_key=True)
    id: UUID = Field(primary_key=True, sa_type=Uuid)
    subscription_id: int = Field(sa_type=BigInteger)
    kind: RequestKind = Field(sa_column=choice(RequestKind, "kind"))
    status: RequestStatus = Field(sa_column=choice(RequestStatus, "status"))
    at_period_end: bool
    package_key: int | None = Field(default=None, sa_type=BigInteger)
    price_id: str | None = Field(default=None, sa_column=text_column())
    changes_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    ends_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    error: str | None = Field(default=None, sa_column=text_column())
    attempt: int = 1
    created_at: datetime = Field(sa_column=moment())
    asked_at: datetime = Field(sa_column=moment())
    sent_at: datetime = Field(sa_column=moment())
    updated_at: datetime = Field(sa_column=moment())
