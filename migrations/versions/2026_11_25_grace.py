"""A subscription whose renewal failed gives access for a while.

The release before this one goes on beside it: it gives such a subscription no access, and writes no date.

Revision: 7d2e6f1c8b15, after 7d2e6f1c8b14
"""

import sqlalchemy as sa
from alembic import op

revision = "7d2e6f1c8b15"
down_revision = "7d2e6f1c8b14"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("subscriptions", sa.Column("grace_ends_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("subscriptions", "grace_ends_at")
