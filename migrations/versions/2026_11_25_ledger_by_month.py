"""The ledger is partitioned by month, its idempotency keys have a table of their own, and reservations have theirs.

A table cannot become a partitioned one in place, so the events are copied: under a lock, once, before the first release. Nothing
older than this has been released, so nothing older has to go on working beside it.

Revision: 5b1f0c6d2a7e, after f099315f2e69
"""

from datetime import date
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "5b1f0c6d2a7e"
down_revision = "f099315f2e69"
branch_labels = None
depends_on = None

# What both forms of the ledger have.
_SHARED = (
    "tenant_id, id, user_key, feature_key, at, action, delta, applied, recorded, reason, used_after, budget, "
    "overage_enabled, idempotency_key"
)
_MONTHS_AHEAD = 3


def upgrade() -> None:
    op.add_column("consumptions", sa.Column("held_until", sa.DateTime(timezone=True), nullable=True))
    _put_the_ledger_aside()
    op.create_table(
        "usage_events",
        *_shared_columns(),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("held", sa.BigInteger(), nullable=True),
        sa.Column("reverts_id", sa.BigInteger(), nullable=True),
        sa.Column("reservation_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", "at", name="pk_usage_events"),
        postgresql_partition_by="RANGE (at)",
    )
    _index_by_user_and_feature()
    op.create_index(
        "uq_usage_events_tenant_id_reverts_id_at",
        "usage_events",
        ["tenant_id", "reverts_id", "at"],
        unique=True,
        postgresql_where=sa.text("reverts_id IS NOT NULL"),
    )
    _make_partitions()
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("event_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "digest", name="pk_idempotency_keys"),
    )
    # Where the counter still stands for the event's period, that period is known.
    op.execute(f"""
        INSERT INTO usage_events ({_SHARED}, recorded_at, period_start, period_end) OVERRIDING SYSTEM VALUE
        SELECT {", ".join("e." + column for column in _SHARED.split(", "))}, e.at, c.period_start, c.period_end
        FROM usage_events_before e
        LEFT JOIN consumptions c ON c.tenant_id = e.tenant_id AND c.user_key = e.user_key
          AND c.feature_key = e.feature_key AND e.at >= c.period_start AND e.at < c.period_end AND e.used_after IS NOT NULL
    """)
    op.execute("""
        INSERT INTO idempotency_keys (tenant_id, digest, event_id, event_at)
        SELECT tenant_id, encode(substr(sha256(convert_to(idempotency_key, 'UTF8')), 1, 16), 'hex')::uuid, id, at
        FROM usage_events WHERE idempotency_key IS NOT NULL
    """)
    _drop_what_was_put_aside()
    _create_reservations()


def downgrade() -> None:
    op.drop_table("reservations")
    op.drop_table("idempotency_keys")
    _put_the_ledger_aside()
    op.create_table(
        "usage_events", *_shared_columns(), sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_usage_events")
    )
    _index_by_user_and_feature()
    op.create_index(
        "uq_usage_events_tenant_id_idempotency_key",
        "usage_events",
        ["tenant_id", "idempotency_key"],
        unique=True,
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )
    op.execute(
        f"INSERT INTO usage_events ({_SHARED}) OVERRIDING SYSTEM VALUE SELECT {_SHARED} FROM usage_events_before"
    )
    _drop_what_was_put_aside()
    op.drop_column("consumptions", "held_until")


def _shared_columns() -> list[sa.Column[Any]]:
    action = sa.Enum("ADD", "SET", name="action", native_enum=False, create_constraint=True, length=32)
    return [
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("user_key", sa.BigInteger(), nullable=False),
        sa.Column("feature_key", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", action, nullable=False),
        sa.Column("delta", sa.BigInteger(), nullable=False),
        sa.Column("applied", sa.BigInteger(), nullable=False),
        sa.Column("recorded", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("used_after", sa.BigInteger(), nullable=True),
        sa.Column("budget", sa.BigInteger(), nullable=True),
        sa.Column("overage_enabled", sa.Boolean(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
    ]


def _put_the_ledger_aside() -> None:
    """Under another name and without the names that its successor's key and indexes have."""
    op.rename_table("usage_events", "usage_events_before")
    op.execute("ALTER TABLE usage_events_before RENAME CONSTRAINT pk_usage_events TO pk_usage_events_before")
    op.execute("DROP INDEX ix_usage_events_tenant_id_user_key_feature_key_at")
    op.execute("DROP INDEX IF EXISTS uq_usage_events_tenant_id_idempotency_key")


def _drop_what_was_put_aside() -> None:
    """And let the numbers go on where they were."""
    op.execute("""
        SELECT setval(pg_get_serial_sequence('usage_events', 'id'),
          greatest((SELECT max(id) FROM usage_events), nextval(pg_get_serial_sequence('usage_events_before', 'id'))))
    """)
    op.drop_table("usage_events_before")


def _index_by_user_and_feature() -> None:
    op.create_index(
        "ix_usage_events_tenant_id_user_key_feature_key_at",
        "usage_events",
        ["tenant_id", "user_key", "feature_key", "at"],
    )


def _make_partitions() -> None:
    """The months of the events that there are, those ahead, and one partition for whatever has none of its own."""
    op.execute("CREATE TABLE usage_events_default PARTITION OF usage_events DEFAULT")
    first, today = op.get_bind().exec_driver_sql("SELECT min(at), now() FROM usage_events_before").one()
    month = (first or today).date().replace(day=1)
    last = _months_later(today.date(), _MONTHS_AHEAD)
    while month <= last:
        following = _months_later(month, 1)
        op.execute(
            f"CREATE TABLE usage_events_p{month:%Y_%m} PARTITION OF usage_events "
            f"FOR VALUES FROM ('{month} 00:00+00') TO ('{following} 00:00+00')"
        )
        month = following


def _months_later(day: date, months: int) -> date:
    years, month_index = divmod(day.month - 1 + months, 12)
    return date(day.year + years, month_index + 1, 1)


def _create_reservations() -> None:
    statuses = sa.Enum(
        "HELD",
        "COMMITTED",
        "RELEASED",
        "EXPIRED",
        name="status",
        native_enum=False,
        create_constraint=True,
        length=32,
    )
    op.create_table(
        "reservations",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("user_key", sa.BigInteger(), nullable=False),
        sa.Column("feature_key", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("ttl_seconds", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_before", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("budget", sa.BigInteger(), nullable=True),
        sa.Column("overage_enabled", sa.Boolean(), nullable=False),
        sa.Column("status", statuses, nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("event_id", sa.BigInteger(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.CheckConstraint("amount > 0", name="ck_reservations_amount_positive"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_key", "feature_key"],
            ["consumptions.tenant_id", "consumptions.user_key", "consumptions.feature_key"],
            name="fk_reservations_tenant_id_user_key_feature_key_consumptions",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_reservations"),
    )
    op.create_index(
        "ix_reservations_tenant_id_user_key_feature_key_expires_at",
        "reservations",
        ["tenant_id", "user_key", "feature_key", "expires_at"],
    )
    op.create_index(
        "uq_reservations_tenant_id_idempotency_key",
        "reservations",
        ["tenant_id", "idempotency_key"],
        unique=True,
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )
