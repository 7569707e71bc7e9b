"""Overage is told to a payment provider's meters.

The release before this one goes on beside it: it takes a template of a metered price for one that can be sold, so make
such templates when it has gone.

Revision: 7d2e6f1c8b14, after 7d2e6f1c8b13
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "7d2e6f1c8b14"
down_revision = "7d2e6f1c8b13"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("billing_templates", sa.Column("metered_feature_key", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        "fk_billing_templates_tenant_id_metered_feature_key_features",
        "billing_templates",
        "features",
        ["tenant_id", "metered_feature_key"],
        ["tenant_id", "key"],
        ondelete="CASCADE",
    )
    op.create_index(
        "ix_billing_templates_tenant_id_metered_feature_key",
        "billing_templates",
        ["tenant_id", "metered_feature_key"],
        postgresql_where=sa.text("metered_feature_key IS NOT NULL"),
    )
    op.create_table(
        "billing_meters",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("package_key", sa.BigInteger(), nullable=False),
        sa.Column("feature_key", sa.BigInteger(), nullable=False),
        sa.Column("event_name", sa.Text(), nullable=False),
        sa.Column("meter_id", sa.Text(), nullable=True),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "feature_key"],
            ["features.tenant_id", "features.key"],
            name="fk_billing_meters_tenant_id_feature_key_features",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "package_key"],
            ["packages.tenant_id", "packages.key"],
            name="fk_billing_meters_tenant_id_package_key_packages",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "package_key", "feature_key", name="pk_billing_meters"),
        sa.UniqueConstraint("tenant_id", "meter_id", name="uq_billing_meters_tenant_id_meter_id"),
    )
    op.create_index("ix_billing_meters_tenant_id_feature_key", "billing_meters", ["tenant_id", "feature_key"])
    _create_items()
    _create_reports()
    op.create_table(
        "meter_cursors",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("read_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_meter_cursors_tenant_id_tenants"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_meter_cursors"),
    )


def _create_items() -> None:
    op.create_table(
        "metered_items",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("provider_subscription_id", sa.Text(), nullable=False),
        sa.Column("feature_key", sa.BigInteger(), nullable=False),
        sa.Column("user_key", sa.BigInteger(), nullable=False),
        sa.Column("provider_item_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("meter_id", sa.Text(), nullable=False),
        sa.Column("since", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.Column("boundaries", postgresql.ARRAY(_MOMENT), nullable=False),
        sa.Column("due_at", _MOMENT, nullable=True),
        sa.Column("leased_until", _MOMENT, nullable=True),
        sa.Column("compared_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "feature_key"],
            ["features.tenant_id", "features.key"],
            name="fk_metered_items_tenant_id_feature_key_features",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_key"],
            ["users.tenant_id", "users.key"],
            name="fk_metered_items_tenant_id_user_key_users",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "provider_subscription_id", "feature_key", name="pk_metered_items"),
    )
    op.create_index("ix_metered_items_pair", "metered_items", ["tenant_id", "user_key", "feature_key"])
    op.create_index("ix_metered_items_tenant_id_feature_key", "metered_items", ["tenant_id", "feature_key"])
    op.create_index(
        "ix_metered_items_tenant_id_due_at",
        "metered_items",
        ["tenant_id", "due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )


def _create_reports() -> None:
    op.create_table(
        "meter_reports",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("provider_subscription_id", sa.Text(), nullable=False),
        sa.Column("feature_key", sa.BigInteger(), nullable=False),
        sa.Column("starts_at", _MOMENT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("ends_at", _MOMENT, nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("state", _choice("WAITING", "SENT", "SUPERSEDED", "DEAD"), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", _MOMENT, nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("sent_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "provider_subscription_id", "feature_key"],
            ["metered_items.tenant_id", "metered_items.provider_subscription_id", "metered_items.feature_key"],
            name="fk_meter_reports_metered_items",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id",
            "provider_subscription_id",
            "feature_key",
            "starts_at",
            "version",
            name="pk_meter_reports",
        ),
    )
    op.create_index(
        "ix_meter_reports_tenant_id_next_attempt_at",
        "meter_reports",
        ["tenant_id", "next_attempt_at"],
        postgresql_where=sa.text("state = 'WAITING'"),
    )
    op.create_index(
        "ix_meter_reports_tenant_id_dead",
        "meter_reports",
        ["tenant_id", "created_at"],
        postgresql_where=sa.text("state = 'DEAD'"),
    )


def _choice(*values: str) -> sa.Enum:
    return sa.Enum(*values, name="state", native_enum=False, create_constraint=True, length=32)


def downgrade() -> None:
    op.drop_table("meter_cursors")
    op.drop_table("meter_reports")
    op.drop_table("metered_items")
    op.drop_table("billing_meters")
    op.drop_column("billing_templates", "metered_feature_key")
