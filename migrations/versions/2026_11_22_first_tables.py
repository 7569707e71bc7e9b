"""First tables: tenants, catalogue, users, subscriptions, and the ledger with its counters.

Revision: f099315f2e69, after nothing
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "f099315f2e69"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "enforcement",
            sa.Enum("REFUSE", "RECORD", name="enforcement", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tenants"),
        sa.UniqueConstraint("public_id", name="uq_tenants_public_id"),
    )
    op.create_table(
        "usage_events",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("user_key", sa.BigInteger(), nullable=False),
        sa.Column("feature_key", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "action",
            sa.Enum("ADD", "SET", name="action", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("delta", sa.BigInteger(), nullable=False),
        sa.Column("applied", sa.BigInteger(), nullable=False),
        sa.Column("recorded", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("used_after", sa.BigInteger(), nullable=True),
        sa.Column("budget", sa.BigInteger(), nullable=True),
        sa.Column("overage_enabled", sa.Boolean(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_usage_events"),
    )
    op.create_index(
        "ix_usage_events_tenant_id_user_key_feature_key_at",
        "usage_events",
        ["tenant_id", "user_key", "feature_key", "at"],
        unique=False,
    )
    op.create_index(
        "uq_usage_events_tenant_id_idempotency_key",
        "usage_events",
        ["tenant_id", "idempotency_key"],
        unique=True,
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )
    op.create_table(
        "api_keys",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("SECRET", "PUBLIC", name="kind", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_api_keys_tenant_id_tenants"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_api_keys"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
    )
    op.create_table(
        "features",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column(
            "type",
            sa.Enum("BINARY", "CONSUMABLE", name="type", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("unit_label", sa.Text(), nullable=True),
        sa.Column("unit_label_plural", sa.Text(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_features_tenant_id_tenants"),
        sa.PrimaryKeyConstraint("tenant_id", "key", name="pk_features"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_features_tenant_id_id"),
    )
    op.create_table(
        "packages",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("is_addon", sa.Boolean(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "DRAFT", "PUBLISHED", "ARCHIVED", name="status", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_packages_tenant_id_tenants"),
        sa.PrimaryKeyConstraint("tenant_id", "key", name="pk_packages"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_packages_tenant_id_id"),
    )
    op.create_table(
        "user_token_secrets",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_user_token_secrets_tenant_id_tenants"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_user_token_secrets"),
    )
    op.create_table(
        "users",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("billing_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_users_tenant_id_tenants"),
        sa.PrimaryKeyConstraint("tenant_id", "key", name="pk_users"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_users_tenant_id_id"),
    )
    op.create_table(
        "billing_templates",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("package_key", sa.BigInteger(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("price_id", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("interval", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "package_key"],
            ["packages.tenant_id", "packages.key"],
            name="fk_billing_templates_tenant_id_package_key_packages",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_billing_templates"),
    )
    op.create_index(
        "ix_billing_templates_tenant_id_package_key", "billing_templates", ["tenant_id", "package_key"], unique=False
    )
    op.create_table(
        "consumptions",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("user_key", sa.BigInteger(), nullable=False),
        sa.Column("feature_key", sa.BigInteger(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("used >= 0", name="ck_consumptions_used_not_negative"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "feature_key"],
            ["features.tenant_id", "features.key"],
            name="fk_consumptions_tenant_id_feature_key_features",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_key"], ["users.tenant_id", "users.key"], name="fk_consumptions_tenant_id_user_key_users"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "user_key", "feature_key", name="pk_consumptions"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "package_bases",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("addon_key", sa.BigInteger(), nullable=False),
        sa.Column("base_key", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "addon_key"],
            ["packages.tenant_id", "packages.key"],
            name="fk_package_bases_tenant_id_addon_key_packages",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "base_key"],
            ["packages.tenant_id", "packages.key"],
            name="fk_package_bases_tenant_id_base_key_packages",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "addon_key", "base_key", name="pk_package_bases"),
    )
    op.create_index("ix_package_bases_tenant_id_base_key", "package_bases", ["tenant_id", "base_key"], unique=False)
    op.create_table(
        "package_features",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("package_key", sa.BigInteger(), nullable=False),
        sa.Column("feature_key", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("usage_limit", sa.BigInteger(), nullable=True),
        sa.Column(
            "reset_period",
            sa.Enum("DAY", "MONTH", "YEAR", name="reset_period", native_enum=False, create_constraint=True, length=32),
            nullable=True,
        ),
        sa.Column("overage_enabled", sa.Boolean(), nullable=False),
        sa.CheckConstraint("usage_limit >= 0", name="ck_package_features_usage_limit_not_negative"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "feature_key"],
            ["features.tenant_id", "features.key"],
            name="fk_package_features_tenant_id_feature_key_features",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "package_key"],
            ["packages.tenant_id", "packages.key"],
            name="fk_package_features_tenant_id_package_key_packages",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "package_key", "feature_key", name="pk_package_features"),
    )
    op.create_index(
        "ix_package_features_tenant_id_feature_key", "package_features", ["tenant_id", "feature_key"], unique=False
    )
    op.create_table(
        "subscriptions",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("user_key", sa.BigInteger(), nullable=False),
        sa.Column("package_key", sa.BigInteger(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "ACTIVE",
                "TRIALING",
                "CANCELLED",
                "PAST_DUE",
                "UNPAID",
                "INCOMPLETE",
                "INCOMPLETE_EXPIRED",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "package_key"],
            ["packages.tenant_id", "packages.key"],
            name="fk_subscriptions_tenant_id_package_key_packages",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_key"],
            ["users.tenant_id", "users.key"],
            name="fk_subscriptions_tenant_id_user_key_users",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_subscriptions"),
    )
    op.create_index(
        "ix_subscriptions_tenant_id_package_key", "subscriptions", ["tenant_id", "package_key"], unique=False
    )
    op.create_index("ix_subscriptions_tenant_id_user_key", "subscriptions", ["tenant_id", "user_key"], unique=False)


def downgrade() -> None:
    # A table takes its indexes along.
    op.drop_table("subscriptions")
    op.drop_table("package_features")
    op.drop_table("package_bases")
    op.drop_table("consumptions")
    op.drop_table("billing_templates")
    op.drop_table("users")
    op.drop_table("user_token_secrets")
    op.drop_table("packages")
    op.drop_table("features")
    op.drop_table("api_keys")
    op.drop_table("usage_events")
    op.drop_table("tenants")
