"""The ledger of usage events, the keys that were used for them, and the counters that stand for its current periods."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index, Uuid, text
from sqlmodel import Field, SQLModel

from app.domain.metering import RecordUsageAction
from app.models.columns import choice, generated_key, moment, text_column, within_tenant


class Consumption(SQLModel, table=True):
    """The counter of one user and feature: the ledger's total in [period_start, period_end).

    There is a row for every pair that has an event, refused ones included; it is the lock under which events are written.
    A row for another period than the one asked about is out of date, not wrong: the total is then taken from the ledger.
    Until `held_until` reservations may hold more; later, none does.
    """

    __tablename__ = "consumptions"
    __table_args__ = (
        within_tenant("user_key", "users.key"),
        within_tenant("feature_key", "features.key"),
        CheckConstraint("used >= 0", name="used_not_negative"),
        # No index on the feature: on a young database the planner would take it for the one to find a user's row by, and read
        # every user of the feature. Deleting a feature, the one question it would serve, is rare.
        # For the job that closes periods. Partial, or the same would happen with this one; it is written when the period
        # changes, which is once.
        Index(
            "ix_consumptions_tenant_id_period_end",
            "tenant_id",
            "period_end",
            "user_key",
            "feature_key",
            postgresql_where=text("period_end IS NOT NULL"),
        ),
        # Room in each page keeps updates on it (HOT): no index holds what they change while a period lasts.
        {"postgresql_with": {"fillfactor": 50}},
    )

    tenant_id: int = Field(primary_key=True)
    user_key: int = Field(primary_key=True, sa_type=BigInteger)
    feature_key: int = Field(primary_key=True, sa_type=BigInteger)
    period_start: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    period_end: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    used: int = Field(default=0, sa_type=BigInteger)
    held_until: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class UsageEvent(SQLModel, table=True):
    """One recordUsage, append-only, with the answer it got: the receipt from which a repeat is answered.

    It counts at `at` and was told to us at `recorded_at`; the two differ for a late event. `delta` is what was asked, `applied`
    what it changed in the period [period_start, period_end) that decided. `reverts_id` names the event that this one takes
    back, `reservation_id` the reservation that it settles. `held` is what reservations held beside it.

    Partitioned by month of `at` (`services.ledger_partitions`), so that old months can go at once and a month's indexes stay
    small. No foreign keys: each would lock the user's and the feature's row once per event; the counter's row, which every
    event has, keeps both from being deleted.
    """

    __tablename__ = "usage_events"
    __table_args__ = (
        Index(None, "tenant_id", "user_key", "feature_key", "at"),
        # An event is taken back once. Both have the same `at`, so they are in one partition.
        Index(
            "uq_usage_events_tenant_id_reverts_id_at",
            "tenant_id",
            "reverts_id",
            "at",
            unique=True,
            postgresql_where=text("reverts_id IS NOT NULL"),
        ),
        {"postgresql_partition_by": "RANGE (at)"},
    )

    tenant_id: int = Field(primary_key=True)
    id: int = Field(default=None, sa_column=generated_key())
    # In the key because a partitioned table's key must hold what it is partitioned by.
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    recorded_at: datetime = Field(sa_column=moment())
    user_key: int = Field(sa_type=BigInteger)
    feature_key: int = Field(sa_type=BigInteger)
    action: RecordUsageAction = Field(sa_column=choice(RecordUsageAction, "action"))
    delta: int = Field(sa_type=BigInteger)
    applied: int = Field(sa_type=BigInteger)
    recorded: bool
    reason: str | None = Field(default=None, sa_column=text_column())
    period_start: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    period_end: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    used_after: int | None = Field(default=None, sa_type=BigInteger)
    held: int | None = Field(default=None, sa_type=BigInteger)
    budget: int | None = Field(default=None, sa_type=BigInteger)
    overage_enabled: bool | None = None
    idempotency_key: str | None = Field(default=None, sa_column=text_column())
    reverts_id: int | None = Field(default=None, sa_type=BigInteger)
    reservation_id: int | None = Field(default=None, sa_type=BigInteger)


class IdempotencyKey(SQLModel, table=True):
    """A key that was used, by the first 16 bytes of its SHA-256, and the event that answers a repeat.

    Apart from the ledger, because a key must be unique whatever month its event counts in.
    """

    __tablename__ = "idempotency_keys"

    tenant_id: int = Field(primary_key=True)
    digest: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    event_id: int = Field(sa_type=BigInteger)
    event_at: datetime = Field(sa_column=moment())
