"""What is asked of Stripe about subscriptions that it bills, and links to its customer portal.

A change at the period's end has its price before it begins.

The release before this one goes on beside it, but a change at the period's end that this one has asked Stripe for is a change at
once for a worker of the release before: stop the old workers before callers use it.

Revision: 7d2e6f1c8b13, after 7d2e6f1c8b12
"""

import sqlalchemy as sa
from alembic import op

revision = "7d2e6f1c8b13"
down_revision = "7d2e6f1c8b12"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _keep_requests()
    _keep_portal_links()


def _keep_requests() -> None:
    op.add_column("subscriptions", sa.Column("next_price_id", sa.Text(), nullable=True))
    op.create_table(
        "subscription_requests",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", _choice("kind", "CANCEL", "CHANGE"), nullable=False),
        sa.Column("status", _choice("status", "PENDING", "DONE", "REFUSED"), nullable=False),
        sa.Column("at_period_end", sa.Boolean(), nullable=False),
        sa.Column("package_key", sa.BigInteger(), nullable=True),
        sa.Column("price_id", sa.Text(), nullable=True),
        sa.Column("changes_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "subscription_id"],
            ["subscriptions.tenant_id", "subscriptions.id"],
            # Too long: `f` has it cut as the models have it.
            name=op.f("fk_subscription_requests_tenant_id_subscription_id_subscriptions"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "package_key"],
            ["packages.tenant_id", "packages.key"],
            name="fk_subscription_requests_tenant_id_package_key_packages",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_subscription_requests"),
    )
    op.create_index(
        "uq_subscription_requests_pending",
        "subscription_requests",
        ["tenant_id", "subscription_id", "kind"],
        unique=True,
        postgresql_where=sa.text("status = 'PENDING'"),
    )
    op.create_index(
        "ix_subscription_requests_tenant_id_sent_at",
        "subscription_requests",
        ["tenant_id", "sent_at"],
        postgresql_where=sa.text("status = 'PENDING'"),
    )
    op.create_index(
        "ix_subscription_requests_tenant_id_subscription_id_asked_at",
        "subscription_requests",
        ["tenant_id", "subscription_id", "asked_at"],
    )
    op.create_index(
        "ix_subscription_requests_tenant_id_package_key", "subscription_requests", ["tenant_id", "package_key"]
    )


def _keep_portal_links() -> None:
    op.create_table(
        "portal_links",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_key", sa.BigInteger(), nullable=False),
        sa.Column("return_url", sa.Text(), nullable=False),
        sa.Column("status", _choice("status", "PENDING", "OPEN", "TAKEN", "FAILED"), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_key"], ["users.tenant_id", "users.key"], name="fk_portal_links_tenant_id_user_key_users"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_portal_links"),
    )
    op.create_index("ix_portal_links_tenant_id_user_key", "portal_links", ["tenant_id", "user_key"])
    op.create_index("ix_portal_links_tenant_id_created_at", "portal_links", ["tenant_id", "created_at"])


def downgrade() -> None:
    op.drop_table("portal_links")
    op.drop_table("subscription_requests")
    op.drop_column("subscriptions", "next_price_id")


def _choice(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)
