"""Users."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.models.columns import generated_key, json_value, moment, text_column


class User(SQLModel, table=True):
    """`id` is the caller's and can be renamed; everything else points to `key`, which never changes."""

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        Index(None, "tenant_id", "billing_id", postgresql_where=text("billing_id IS NOT NULL")),
    )

    tenant_id: int = Field(foreign_key="tenants.id", primary_key=True)
    key: int = Field(default=None, sa_column=generated_key())
    id: str = Field(sa_column=text_column(nullable=False))
    billing_id: str | None = Field(default=None, sa_column=text_column())
    name: str | None = Field(default=None, sa_column=text_column())
    email: str | None = Field(default=None, sa_column=text_column())
    metadata_: Any = Field(sa_column=json_value())
    created_at: datetime = Field(sa_column=moment())
    updated_at: datetime = Field(sa_column=moment())
