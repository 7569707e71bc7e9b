"""Packages, what they hold, and which bases an add-on goes with."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.domain.periods import ResetPeriod
from app.domain.subscribing import PackageStatus
from app.models.columns import choice, generated_key, json_value, moment, text_column, within_tenant


class Package(SQLModel, table=True):
    __tablename__ = "packages"
    __table_args__ = (UniqueConstraint("tenant_id", "id"),)

    tenant_id: int = Field(foreign_key="tenants.id", primary_key=True)
    key: int = Field(default=None, sa_column=generated_key())
    id: str = Field(sa_column=text_column(nullable=False))
    name: str | None = Field(default=None, sa_column=text_column())
    is_addon: bool
    status: PackageStatus = Field(sa_column=choice(PackageStatus, "status"))
    metadata_: Any = Field(sa_column=json_value())
    created_at: datetime = Field(sa_column=moment())
    updated_at: datetime = Field(sa_column=moment())


class PackageFeature(SQLModel, table=True):
    """One feature in one package. `usage_limit` null is unlimited; `reset_period` null means the feature is BINARY."""

    __tablename__ = "package_features"
    __table_args__ = (
        within_tenant("package_key", "packages.key", on_delete="CASCADE"),
        within_tenant("feature_key", "features.key"),
        CheckConstraint("usage_limit >= 0", name="usage_limit_not_negative"),
        Index(None, "tenant_id", "feature_key"),
    )

    tenant_id: int = Field(primary_key=True)
    package_key: int = Field(primary_key=True, sa_type=BigInteger)
    feature_key: int = Field(primary_key=True, sa_type=BigInteger)
    position: int
    name: str | None = Field(default=None, sa_column=text_column())
    usage_limit: int | None = Field(default=None, sa_type=BigInteger)
    reset_period: ResetPeriod | None = Field(default=None, sa_column=choice(ResetPeriod, "reset_period", nullable=True))
    overage_enabled: bool


class PackageBase(SQLModel, table=True):
    """A base package that an add-on may go with. An add-on without any goes with every base."""

    __tablename__ = "package_bases"
    __table_args__ = (
        within_tenant("addon_key", "packages.key", on_delete="CASCADE"),
        within_tenant("base_key", "packages.key"),
        Index(None, "tenant_id", "base_key"),
    )

    tenant_id: int = Field(primary_key=True)
    addon_key: int = Field(primary_key=True, sa_type=BigInteger)
    base_key: int = Field(primary_key=True, sa_type=BigInteger)
