"""Features."""

from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from app.domain.entitlements import FeatureType
from app.models.columns import choice, generated_key, json_value, moment, text_column


class Feature(SQLModel, table=True):
    """`key` is ours and small, `id` the caller's. `name` null means "as the id"."""

    __tablename__ = "features"
    __table_args__ = (UniqueConstraint("tenant_id", "id"),)

    tenant_id: int = Field(foreign_key="tenants.id", primary_key=True)
    key: int = Field(default=None, sa_column=generated_key())
    id: str = Field(sa_column=text_column(nullable=False))
    name: str | None = Field(default=None, sa_column=text_column())
    type: FeatureType = Field(sa_column=choice(FeatureType, "type"))
    unit_label: str | None = Field(default=None, sa_column=text_column())
    unit_label_plural: str | None = Field(default=None, sa_column=text_column())
    metadata_: Any = Field(sa_column=json_value())
    created_at: datetime = Field(sa_column=moment())
    updated_at: datetime = Field(sa_column=moment())
