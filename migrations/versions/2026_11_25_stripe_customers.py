"""Which tenant a customer of Stripe's is of, for all tenants of a mode share an account.

The release before this one goes on beside it. Whose customers it knows, this one learns when it next copies what they bought.

Revision: 7d2e6f1c8b17, after 7d2e6f1c8b15
"""

import sqlalchemy as sa
from alembic import op

revision = "7d2e6f1c8b17"
down_revision = "7d2e6f1c8b15"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stripe_customers",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("proven_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_stripe_customers_tenant_id_tenants"),
        sa.PrimaryKeyConstraint("tenant_id", "customer_id", name="pk_stripe_customers"),
    )


def downgrade() -> None:
    op.drop_table("stripe_customers")
