"""What a subscription's packages were before each change is kept, and not the last one alone.

Between releases only: a process of the commit before this one cannot change a package any more (it writes a column that is
gone), and everything else goes on.

Revision: 6c1d5c0b7a05, after 6c1d5c0b7a04
"""

import sqlalchemy as sa
from alembic import op

revision = "6c1d5c0b7a05"
down_revision = "6c1d5c0b7a04"
branch_labels = None
depends_on = None

# Of those changed twice nobody knows any more since when they had the one between.
_BRING = """
INSERT INTO past_packages (tenant_id, subscription_id, until, package_key, since)
SELECT tenant_id, id, changed_at, previous_package_key, started_at FROM subscriptions
WHERE previous_package_key IS NOT NULL AND changed_at > started_at
"""
_TAKE_BACK = """
UPDATE subscriptions s SET previous_package_key = p.package_key
FROM past_packages p WHERE p.tenant_id = s.tenant_id AND p.subscription_id = s.id AND p.until = s.changed_at
"""


def upgrade() -> None:
    op.create_table(
        "past_packages",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("subscription_id", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("package_key", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "subscription_id"],
            ["subscriptions.tenant_id", "subscriptions.id"],
            name="fk_past_packages_tenant_id_subscription_id_subscriptions",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "subscription_id", "until", name="pk_past_packages"),
    )
    op.execute(_BRING)
    op.drop_column("subscriptions", "previous_package_key")


def downgrade() -> None:
    op.add_column("subscriptions", sa.Column("previous_package_key", sa.BigInteger(), nullable=True))
    op.execute(_TAKE_BACK)
    op.drop_table("past_packages")
