"""Features."""

from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Column, SmallInteger, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.domain.entitlements import FeatureType
from app.domain.thresholds import DEFAULT_THRESHOLDS
from app.models.columns import choice, generated_key, json_value, moment, text_column


class Feature(SQLModel, table=True):
    """`key` is ours and small, `id` the caller's. `name` null means "as the id".

    `usage_thresholds` are percents of a limit, ascending: passing one is told by a webhook.
    """

    __tablename__ = "features"
    __table_args__ = (UniqueConstraint("tenant_id", "id"),)

    tenant_id: int = Field(foreign_key="tenants.id", primary_key=True)
    key: int = Field(default=None, sa_column=generated_key())
    id: str = Field(sa_column=text_column(nullable=False))
    name: str | None = Field(default=None, sa_column=text_column())
    type: FeatureType = Field(sa_column=choice(FeatureType, "type"))
    unit_label: str | None = Field(default=None, sa_column=text_column())
    unit_label_plural: str | None = Field(default=None, sa_column=text_column())
    usage_thresholds: list[int] = Field(
        default_factory=lambda: list(DEFAULT_THRESHOLDS),
        sa_column=Column(ARRAY(SmallInteger), nullable=False, server_default="{80,100}"),
    )
    metadata_: Any = Field(sa_column=json_value())
    created_at: datetime = Field(sa_column=moment())
    updated_at: datetime = Field(sa_column=moment())
