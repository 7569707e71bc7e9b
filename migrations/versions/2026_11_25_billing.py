"""Billing templates are made by workers and can be switched off; links to pay by.

The release before this one goes on beside it with the templates that there are. It shows every template as a price, so make
templates with the new operations when it has gone.

Revision: 7d2e6f1c8b01, after 6c1d5c0b7a05
"""

import sqlalchemy as sa
from alembic import op

revision = "7d2e6f1c8b01"
down_revision = "6c1d5c0b7a05"
branch_labels = None
depends_on = None

_PRICE = ("price_id", "amount_minor", "currency")


def upgrade() -> None:
    _let_templates_be_made()
    _create_links()


def _let_templates_be_made() -> None:
    for column in _PRICE:
        op.alter_column("billing_templates", column, nullable=True)
    op.add_column(
        "billing_templates",
        sa.Column(
            "status", _choice("PENDING", "ACTIVE", "INACTIVE", "FAILED"), server_default="ACTIVE", nullable=False
        ),
    )
    op.add_column("billing_templates", sa.Column("key", sa.BigInteger(), sa.Identity(always=True), nullable=False))
    op.add_column("billing_templates", sa.Column("error", sa.Text(), nullable=True))
    op.add_column("billing_templates", sa.Column("product_id", sa.Text(), nullable=True))
    op.add_column("billing_templates", sa.Column("making_id", sa.Uuid(), nullable=True))
    op.add_column("billing_templates", sa.Column("attempt", sa.Integer(), server_default="1", nullable=False))
    op.add_column("billing_templates", sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True))
    op.create_unique_constraint("uq_billing_templates_tenant_id_key", "billing_templates", ["tenant_id", "key"])
    op.create_index("ix_billing_templates_tenant_id_price_id", "billing_templates", ["tenant_id", "price_id"])
    op.create_index(
        "ix_billing_templates_tenant_id_sent_at",
        "billing_templates",
        ["tenant_id", "sent_at"],
        postgresql_where=sa.text("status = 'PENDING'"),
    )


def _create_links() -> None:
    op.create_table(
        "checkout_links",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_key", sa.BigInteger(), nullable=True),
        sa.Column("template_key", sa.BigInteger(), nullable=False),
        sa.Column("price_id", sa.Text(), nullable=False),
        sa.Column("success_url", sa.Text(), nullable=False),
        sa.Column("cancel_url", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("status", _choice("PENDING", "OPEN", "UNPAID", "PAID", "EXPIRED", "FAILED"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_checkout_links_tenant_id_tenants"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_key"],
            ["users.tenant_id", "users.key"],
            name="fk_checkout_links_tenant_id_user_key_users",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "template_key"],
            ["billing_templates.tenant_id", "billing_templates.key"],
            name="fk_checkout_links_tenant_id_template_key_billing_templates",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_checkout_links"),
    )
    op.create_index(
        "uq_checkout_links_tenant_id_fingerprint",
        "checkout_links",
        ["tenant_id", "fingerprint"],
        unique=True,
        postgresql_where=sa.text("status IN ('PENDING', 'OPEN') AND user_key IS NOT NULL"),
    )
    op.create_index(
        "uq_checkout_links_tenant_id_session_id",
        "checkout_links",
        ["tenant_id", "session_id"],
        unique=True,
        postgresql_where=sa.text("session_id IS NOT NULL"),
    )
    op.create_index(
        "ix_checkout_links_tenant_id_sent_at",
        "checkout_links",
        ["tenant_id", "sent_at"],
        postgresql_where=sa.text("status = 'PENDING'"),
    )
    op.create_index("ix_checkout_links_tenant_id_user_key", "checkout_links", ["tenant_id", "user_key"])
    op.create_index("ix_checkout_links_tenant_id_template_key", "checkout_links", ["tenant_id", "template_key"])


def downgrade() -> None:
    op.drop_table("checkout_links")
    # The release before can read none without a price.
    op.execute("DELETE FROM billing_templates WHERE price_id IS NULL OR amount_minor IS NULL OR currency IS NULL")
    op.drop_index("ix_billing_templates_tenant_id_sent_at", "billing_templates")
    op.drop_index("ix_billing_templates_tenant_id_price_id", "billing_templates")
    op.drop_constraint("uq_billing_templates_tenant_id_key", "billing_templates")
    for column in ("sent_at", "attempt", "making_id", "product_id", "error", "key", "status"):
        op.drop_column("billing_templates", column)
    for column in _PRICE:
        op.alter_column("billing_templates", column, nullable=False)


def _choice(*values: str) -> sa.Enum:
    return sa.Enum(*values, name="status", native_enum=False, create_constraint=True, length=32)
