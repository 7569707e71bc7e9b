"""Periods that counters have left: what was used in them, and what was allowed at their end."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, DateTime, Index, text
from sqlmodel import Field, SQLModel

from app.models.columns import moment


class UsagePeriod(SQLModel, table=True):
    """One user and feature in [period_start, period_end): the ledger's total, which a late event still changes.

    Until `closed_at` is set it is only known that a counter stood for this period and moved on before its end was written
    down; then `usage_limit` and `overage_enabled` say nothing yet. No foreign keys, for the reasons of `UsageEvent`.
    """

    __tablename__ = "usage_periods"
    __table_args__ = (
        Index(
            "ix_usage_periods_tenant_id_period_end",
            "tenant_id",
            "period_end",
            postgresql_where=text("closed_at IS NULL"),
        ),
    )

    tenant_id: int = Field(primary_key=True)
    user_key: int = Field(primary_key=True, sa_type=BigInteger)
    feature_key: int = Field(primary_key=True, sa_type=BigInteger)
    period_start: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    # In the key because packages with other reset periods may begin on the same day.
    period_end: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    used: int = Field(sa_type=BigInteger)
    usage_limit: int | None = Field(default=None, sa_type=BigInteger)
    overage_enabled: bool = False
    closed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
