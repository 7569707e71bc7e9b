"""Overage on its way to a payment provider: meters there, what is billed by them, and what was told of each hour."""

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, Column, ForeignKeyConstraint, Index, Integer, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.domain.overage import MeterReportState
from app.models.columns import Timestamp, choice, moment, text_column, within_tenant

_ITEM = ("provider_subscription_id", "package_key", "feature_key")


class BillingMeter(SQLModel, table=True):
    """The provider's meter of a feature of a package. `event_name` is made by us before the meter is, so that it is found again;
    until then `meter_id` is null.
    """

    __tablename__ = "billing_meters"
    __table_args__ = (
        within_tenant("package_key", "packages.key", on_delete="CASCADE"),
        within_tenant("feature_key", "features.key", on_delete="CASCADE"),
        UniqueConstraint("tenant_id", "meter_id"),
        Index(None, "tenant_id", "feature_key"),
    )

    tenant_id: int = Field(primary_key=True)
    package_key: int = Field(primary_key=True, sa_type=BigInteger)
    feature_key: int = Field(primary_key=True, sa_type=BigInteger)
    event_name: str = Field(sa_column=text_column(nullable=False))
    meter_id: str | None = Field(default=None, sa_column=text_column())
    created_at: datetime = Field(sa_column=moment())


class MeteredItem(SQLModel, table=True):
    """Of a feature's overage a provider's subscription makes a bill while its package decides: a copy of the item that does, from
    `since` to `ended_at`.

    `boundaries`: the moments of the last weeks at which a bill began, and when the next one does. `due_at`: when the hours are
    to be worked out again. `leased_until`: until then somebody is sending its reports. `compared_at`: when the provider was
    asked last what it has counted.
    """

    __tablename__ = "metered_items"
    __table_args__ = (
        within_tenant("package_key", "packages.key", on_delete="CASCADE"),
        within_tenant("feature_key", "features.key", on_delete="CASCADE"),
        within_tenant("user_key", "users.key"),
        Index(None, "tenant_id", "package_key"),
        Index("ix_metered_items_pair", "tenant_id", "user_key", "feature_key"),
        Index(None, "tenant_id", "feature_key"),
        Index("ix_metered_items_tenant_id_due_at", "tenant_id", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    tenant_id: int = Field(primary_key=True)
    provider_subscription_id: str = Field(sa_column=Column(text_column().type, primary_key=True))
    package_key: int = Field(primary_key=True, sa_type=BigInteger)
    feature_key: int = Field(primary_key=True, sa_type=BigInteger)
    user_key: int = Field(sa_type=BigInteger)
    provider_item_id: str = Field(sa_column=text_column(nullable=False))
    customer_id: str = Field(sa_column=text_column(nullable=False))
    meter_id: str = Field(sa_column=text_column(nullable=False))
    since: datetime = Field(sa_column=moment())
    ended_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    boundaries: list[datetime] = Field(sa_column=Column(ARRAY(Timestamp), nullable=False))
    due_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    leased_until: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    compared_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class MeterReport(SQLModel, table=True):
    """What the provider is told of an hour [starts_at, ends_at): all of its overage, which replaces what it was told before.

    The highest `version` of an hour counts. Sent at `next_attempt_at` or soon after; `error` is what the last try met with.
    """

    __tablename__ = "meter_reports"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", *_ITEM],
            ["metered_items.tenant_id", *(f"metered_items.{column}" for column in _ITEM)],
            name="fk_meter_reports_metered_items",
            ondelete="CASCADE",
        ),
        Index(
            "ix_meter_reports_tenant_id_next_attempt_at",
            "tenant_id",
            "next_attempt_at",
            postgresql_where=text("state = 'WAITING'"),
        ),
        Index("ix_meter_reports_tenant_id_dead", "tenant_id", "created_at", postgresql_where=text("state = 'DEAD'")),
    )

    tenant_id: int = Field(primary_key=True)
    provider_subscription_id: str = Field(sa_column=Column(text_column().type, primary_key=True))
    package_key: int = Field(primary_key=True, sa_type=BigInteger)
    feature_key: int = Field(primary_key=True, sa_type=BigInteger)
    starts_at: datetime = Field(sa_column=Column(Timestamp, primary_key=True))
    version: int = Field(sa_column=Column(Integer, primary_key=True))
    ends_at: datetime = Field(sa_column=moment())
    value: int = Field(sa_type=BigInteger)
    state: MeterReportState = Field(sa_column=choice(MeterReportState, "state"))
    attempts: int = 0
    next_attempt_at: datetime = Field(sa_column=moment())
    error: str | None = Field(default=None, sa_column=text_column())
    created_at: datetime = Field(sa_column=moment())
    sent_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class MeterCursor(SQLModel, table=True):
    """How far a tenant's ledger was read for overage, and when: events up to this id are known. Its row is the lock for reading
    on.
    """

    __tablename__ = "meter_cursors"

    tenant_id: int = Field(foreign_key="tenants.id", primary_key=True)
    event_id: int = Field(sa_type=BigInteger)
    read_at: datetime = Field(sa_column=moment())
