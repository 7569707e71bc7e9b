"""Webhooks that we send: endpoints, messages, deliveries; and the thresholds that are told by them.

The release before this one goes on beside it: it sends none, and its features get the default thresholds.

Revision: 6c1d5c0b7a02, after 6c1d5c0b7a01
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "6c1d5c0b7a02"
down_revision = "6c1d5c0b7a01"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "features",
        sa.Column("usage_thresholds", sa.ARRAY(sa.SmallInteger()), server_default="{80,100}", nullable=False),
    )
    op.create_table(
        "webhook_endpoints",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("event_types", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("status", _choice("status", "ENABLED", "DISABLED"), nullable=False),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("previous_salt", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_webhook_endpoints_tenant_id_tenants"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_webhook_endpoints"),
    )
    op.create_table(
        "webhook_messages",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("type", _choice("type", *_EVENT_TYPES), nullable=False),
        sa.Column("user_key", sa.BigInteger(), nullable=True),
        sa.Column("once_key", sa.Text(), nullable=True),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_webhook_messages"),
    )
    op.create_index("ix_webhook_messages_tenant_id_created_at", "webhook_messages", ["tenant_id", "created_at"])
    op.create_index(
        "uq_webhook_messages_tenant_id_once_key",
        "webhook_messages",
        ["tenant_id", "once_key"],
        unique=True,
        postgresql_where=sa.text("once_key IS NOT NULL"),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("endpoint_id", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("user_key", sa.BigInteger(), nullable=True),
        sa.Column("status", _choice("status", "PENDING", "DELIVERED", "DEAD"), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_status_code", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "endpoint_id"],
            ["webhook_endpoints.tenant_id", "webhook_endpoints.id"],
            name="fk_webhook_deliveries_tenant_id_endpoint_id_webhook_endpoints",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "message_id"],
            ["webhook_messages.tenant_id", "webhook_messages.id"],
            name="fk_webhook_deliveries_tenant_id_message_id_webhook_messages",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_webhook_deliveries"),
    )
    op.create_index("ix_webhook_deliveries_tenant_id_message_id", "webhook_deliveries", ["tenant_id", "message_id"])
    op.create_index(
        "ix_webhook_deliveries_tenant_id_endpoint_id", "webhook_deliveries", ["tenant_id", "endpoint_id", "id"]
    )
    op.create_index(
        "ix_webhook_deliveries_dead",
        "webhook_deliveries",
        ["tenant_id", "endpoint_id", "id"],
        postgresql_where=sa.text("status = 'DEAD'"),
    )
    op.create_index(
        "ix_webhook_deliveries_tenant_id_endpoint_id_next_attempt_at_id",
        "webhook_deliveries",
        ["tenant_id", "endpoint_id", "next_attempt_at", "id"],
        postgresql_where=sa.text("status = 'PENDING'"),
    )
    op.create_index(
        "ix_webhook_deliveries_tenant_id_user_key",
        "webhook_deliveries",
        ["tenant_id", "endpoint_id", "user_key", "id"],
        postgresql_where=sa.text("status = 'PENDING'"),
    )
    op.create_index(
        "ix_webhook_deliveries_tenant_id_settled_at",
        "webhook_deliveries",
        ["tenant_id", "settled_at"],
        postgresql_where=sa.text("status = 'DEAD'"),
    )


def downgrade() -> None:
    op.drop_table("webhook_deliveries")
    op.drop_table("webhook_messages")
    op.drop_table("webhook_endpoints")
    op.drop_column("features", "usage_thresholds")


_EVENT_TYPES = (
    "usage.threshold",
    "usage.limit_reached",
    "usage.reset",
    "subscription.created",
    "subscription.updated",
    "subscription.cancelled",
    "checkout.completed",
    "checkout.failed",
    "webhook.test",
)


def _choice(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)
