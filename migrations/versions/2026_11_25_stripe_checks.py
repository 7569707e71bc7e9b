"""Comparisons with Stripe go on where they ended, and what they found is remembered.

The release before this one goes on beside it: it compares nothing.

Revision: 7d2e6f1c8b12, after 7d2e6f1c8b11
"""

import sqlalchemy as sa
from alembic import op

revision = "7d2e6f1c8b12"
down_revision = "7d2e6f1c8b11"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("stripe_objects", sa.Column("listed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "stripe_checks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("part", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("found", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("remaining", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("differences", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("left_over", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_stripe_checks"),
    )


def downgrade() -> None:
    op.drop_table("stripe_checks")
    op.drop_column("stripe_objects", "listed_at")
