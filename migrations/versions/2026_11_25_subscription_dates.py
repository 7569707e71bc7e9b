"""Subscriptions have dates at which something happens to them: a trial's end, a change of package.

The release before this one goes on beside it: it makes no trials and no changes that wait.

Revision: 6c1d5c0b7a03, after 6c1d5c0b7a02
"""

import sqlalchemy as sa
from alembic import op

revision = "6c1d5c0b7a03"
down_revision = "6c1d5c0b7a02"
branch_labels = None
depends_on = None


_DUE_AT = """CASE WHEN status NOT IN ('CANCELLED', 'INCOMPLETE_EXPIRED')
THEN least(ends_at, changes_at, CASE WHEN status = 'TRIALING' THEN trial_ends_at END) END"""


def upgrade() -> None:
    op.add_column("subscriptions", sa.Column("trial_ends_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("subscriptions", sa.Column("next_package_key", sa.BigInteger(), nullable=True))
    op.add_column("subscriptions", sa.Column("changes_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("subscriptions", sa.Column("previous_package_key", sa.BigInteger(), nullable=True))
    op.add_column("subscriptions", sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "subscriptions",
        sa.Column("due_at", sa.DateTime(timezone=True), sa.Computed(_DUE_AT, persisted=True), nullable=True),
    )
    op.create_index(
        "ix_subscriptions_tenant_id_due_at",
        "subscriptions",
        ["tenant_id", "due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("ix_subscriptions_tenant_id_next_package_key", "subscriptions", ["tenant_id", "next_package_key"])
    op.create_foreign_key(
        "fk_subscriptions_tenant_id_next_package_key_packages",
        "subscriptions",
        "packages",
        ["tenant_id", "next_package_key"],
        ["tenant_id", "key"],
    )
    op.create_index(
        "ix_reservations_tenant_id_expires_at",
        "reservations",
        ["tenant_id", "expires_at"],
        postgresql_where=sa.text("status = 'HELD'"),
    )


def downgrade() -> None:
    op.drop_index("ix_reservations_tenant_id_expires_at", table_name="reservations")
    op.drop_index("ix_subscriptions_tenant_id_due_at", table_name="subscriptions")
    op.drop_column("subscriptions", "due_at")
    op.drop_column("subscriptions", "changed_at")
    op.drop_column("subscriptions", "previous_package_key")
    op.drop_column("subscriptions", "changes_at")
    op.drop_column("subscriptions", "next_package_key")
    op.drop_column("subscriptions", "trial_ends_at")
