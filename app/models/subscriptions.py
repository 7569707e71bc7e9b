"""Subscriptions."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index
from sqlmodel import Field, SQLModel

from app.domain.subscribing import SubscriptionStatus
from app.models.columns import choice, generated_key, json_value, moment, within_tenant


class Subscription(SQLModel, table=True):
    """A user has a package from `started_at`, the anchor of its reset periods, until `ends_at`.

    A subscription past its `ends_at` is over whatever `status` says: reads look at both, so nothing waits for a job.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (
        within_tenant("user_key", "users.key"),
        within_tenant("package_key", "packages.key"),
        Index(None, "tenant_id", "user_key"),
        Index(None, "tenant_id", "package_key"),
    )

    tenant_id: int = Field(primary_key=True)
    id: int = Field(default=None, sa_column=generated_key())
    user_key: int = Field(sa_type=BigInteger)
    package_key: int = Field(sa_type=BigInteger)
    status: SubscriptionStatus = Field(sa_column=choice(SubscriptionStatus, "status"))
    started_at: datetime = Field(sa_column=moment())
    ends_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    metadata_: Any = Field(sa_column=json_value())
    created_at: datetime = Field(sa_column=moment())
    updated_at: datetime = Field(sa_column=moment())
