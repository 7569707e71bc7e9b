"""Links to pay by remember when to look at their page, and what came of it.

The release before this one makes no links, so there is nobody beside it whose links would not be looked at.

Revision: 7d2e6f1c8b11, after 7d2e6f1c8b02
"""

import sqlalchemy as sa
from alembic import op

revision = "7d2e6f1c8b11"
down_revision = "7d2e6f1c8b02"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("checkout_links", sa.Column("look_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("checkout_links", sa.Column("bought_id", sa.Text(), nullable=True))
    op.execute(
        "UPDATE checkout_links SET look_at = now() WHERE session_id IS NOT NULL AND status IN ('OPEN', 'EXPIRED')"
    )
    op.create_index(
        "ix_checkout_links_tenant_id_look_at",
        "checkout_links",
        ["tenant_id", "look_at"],
        postgresql_where=sa.text("look_at IS NOT NULL"),
    )
    op.create_index(
        "ix_checkout_links_tenant_id_updated_at",
        "checkout_links",
        ["tenant_id", "updated_at"],
        postgresql_where=sa.text("look_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_checkout_links_tenant_id_updated_at", table_name="checkout_links")
    op.drop_index("ix_checkout_links_tenant_id_look_at", table_name="checkout_links")
    op.drop_column("checkout_links", "bought_id")
    op.drop_column("checkout_links", "look_at")
