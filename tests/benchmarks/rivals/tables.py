"""The rivals' tables, in a database of their own."""

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Identity, Index, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class ApiKey(Base):
    __tablename__ = "api_keys"

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    tenant_id: Mapped[int]


class Counter(Base):
    __tablename__ = "counters"

    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(primary_key=True)
    feature_id: Mapped[str] = mapped_column(primary_key=True)
    used: Mapped[int] = mapped_column(BigInteger, default=0)
    budget: Mapped[int | None] = mapped_column(BigInteger)
    overage_enabled: Mapped[bool] = mapped_column(default=False)


class Event(Base):
    __tablename__ = "events"
    __table_args__ = (
        Index(None, "tenant_id", "user_id", "feature_id", "at"),
        UniqueConstraint("tenant_id", "idempotency_key"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    tenant_id: Mapped[int]
    user_id: Mapped[str]
    feature_id: Mapped[str]
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    delta: Mapped[int] = mapped_column(BigInteger)
    recorded: Mapped[bool]
    reason: Mapped[str | None]
    used_after: Mapped[int] = mapped_column(BigInteger)
    idempotency_key: Mapped[str | None]
