"""Stripe's events are kept until they are handled, and subscriptions can be copies of Stripe's.

The release before this one goes on beside it: what it makes is no copy of anything.

Revision: 7d2e6f1c8b02, after 7d2e6f1c8b01
"""

import sqlalchemy as sa
from alembic import op

revision = "7d2e6f1c8b02"
down_revision = "7d2e6f1c8b01"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stripe_inbox",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("is_live", sa.Boolean(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=True),
        sa.Column("subscription_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("event_id", name="pk_stripe_inbox"),
    )
    op.create_index(
        "ix_stripe_inbox_next_attempt_at",
        "stripe_inbox",
        ["next_attempt_at"],
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.create_index(
        "ix_stripe_inbox_subscription_id",
        "stripe_inbox",
        ["subscription_id"],
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.create_index(
        "ix_stripe_inbox_handled_at",
        "stripe_inbox",
        ["handled_at"],
        postgresql_where=sa.text("handled_at IS NOT NULL"),
    )
    op.create_table(
        "stripe_objects",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_stripe_objects"),
    )
    op.create_table(
        "stripe_cursors",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("seen_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_stripe_cursors"),
    )
    op.add_column("subscriptions", sa.Column("provider", sa.Text(), nullable=True))
    op.add_column("subscriptions", sa.Column("provider_subscription_id", sa.Text(), nullable=True))
    op.add_column("subscriptions", sa.Column("provider_item_id", sa.Text(), nullable=True))
    op.add_column("subscriptions", sa.Column("provider_price_id", sa.Text(), nullable=True))
    op.add_column("subscriptions", sa.Column("quantity", sa.BigInteger(), nullable=True))
    op.add_column("subscriptions", sa.Column("synced_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "subscriptions", sa.Column("is_second_base", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.create_index(
        "uq_subscriptions_provider_item",
        "subscriptions",
        ["tenant_id", "provider_subscription_id", "provider_item_id"],
        unique=True,
        postgresql_where=sa.text("provider_subscription_id IS NOT NULL"),
    )
    op.create_index(
        "ix_users_tenant_id_billing_id",
        "users",
        ["tenant_id", "billing_id"],
        postgresql_where=sa.text("billing_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_users_tenant_id_billing_id", table_name="users")
    op.drop_index("uq_subscriptions_provider_item", table_name="subscriptions")
    op.drop_column("subscriptions", "is_second_base")
    op.drop_column("subscriptions", "synced_at")
    op.drop_column("subscriptions", "quantity")
    op.drop_column("subscriptions", "provider_price_id")
    op.drop_column("subscriptions", "provider_item_id")
    op.drop_column("subscriptions", "provider_subscription_id")
    op.drop_column("subscriptions", "provider")
    op.drop_table("stripe_cursors")
    op.drop_table("stripe_objects")
    op.drop_table("stripe_inbox")
