"""Periods that have ended are written down, and found by when they end.

The release before this one writes no such row; what it leaves unclosed is closed by this one's job.

Revision: 6c1d5c0b7a01, after 5b1f0c6d2a7e
"""

import sqlalchemy as sa
from alembic import op

revision = "6c1d5c0b7a01"
down_revision = "5b1f0c6d2a7e"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "usage_periods",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("user_key", sa.BigInteger(), nullable=False),
        sa.Column("feature_key", sa.BigInteger(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("usage_limit", sa.BigInteger(), nullable=True),
        sa.Column("overage_enabled", sa.Boolean(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint(
            "tenant_id", "user_key", "feature_key", "period_start", "period_end", name="pk_usage_periods"
        ),
    )
    op.create_index(
        "ix_usage_periods_tenant_id_period_end",
        "usage_periods",
        ["tenant_id", "period_end"],
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(
        "ix_consumptions_tenant_id_period_end",
        "consumptions",
        ["tenant_id", "period_end", "user_key", "feature_key"],
        postgresql_where=sa.text("period_end IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_consumptions_tenant_id_period_end", table_name="consumptions")
    op.drop_table("usage_periods")
