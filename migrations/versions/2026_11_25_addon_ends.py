"""A wish to end an add-on carries the moment at which its base ends.

The release before this one goes on beside it: it asks for such an add-on to end with its own period.

Revision: 7d2e6f1c8b20, after 7d2e6f1c8b19
"""

import sqlalchemy as sa
from alembic import op

revision = "7d2e6f1c8b20"
down_revision = "7d2e6f1c8b19"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("subscription_requests", sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("subscription_requests", "ends_at")
