"""Who pays for a second base package is found without reading all subscriptions.

The release before this one goes on beside it.

Revision: 7d2e6f1c8b19, after 7d2e6f1c8b18
"""

import sqlalchemy as sa
from alembic import op

revision = "7d2e6f1c8b19"
down_revision = "7d2e6f1c8b18"
branch_labels = None
depends_on = None

_INDEX = "ix_subscriptions_tenant_id_second_base"


def upgrade() -> None:
    op.create_index(_INDEX, "subscriptions", ["tenant_id", "updated_at"], postgresql_where=sa.text("is_second_base"))


def downgrade() -> None:
    op.drop_index(_INDEX, "subscriptions")
