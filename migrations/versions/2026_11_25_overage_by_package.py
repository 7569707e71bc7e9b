"""Overage is told for each package that a subscription had: after a change the old one's item stays on the bill for a while.

What there is belongs to the package whose meter it tells. The release before this one cannot write items any more: its
jobs about overage fail until it has gone, and this one's do what they left.

Revision: 7d2e6f1c8b18, after 7d2e6f1c8b17
"""

import sqlalchemy as sa
from alembic import op

revision = "7d2e6f1c8b18"
down_revision = "7d2e6f1c8b17"
branch_labels = None
depends_on = None

_OF_ITEM = ["tenant_id", "provider_subscription_id"]
_OF_REPORT = ["starts_at", "version"]


def upgrade() -> None:
    op.drop_constraint("fk_meter_reports_metered_items", "meter_reports")
    for table in ("metered_items", "meter_reports"):
        op.add_column(table, sa.Column("package_key", sa.BigInteger(), nullable=True))
    op.execute(
        "UPDATE metered_items i SET package_key = m.package_key FROM billing_meters m "
        "WHERE m.tenant_id = i.tenant_id AND m.meter_id = i.meter_id"
    )
    # Of a meter that is not ours any more nothing can be told.
    op.execute("DELETE FROM metered_items WHERE package_key IS NULL")
    op.execute(
        "UPDATE meter_reports r SET package_key = i.package_key FROM metered_items i WHERE i.tenant_id = r.tenant_id "
        "AND i.provider_subscription_id = r.provider_subscription_id AND i.feature_key = r.feature_key"
    )
    op.execute("DELETE FROM meter_reports WHERE package_key IS NULL")
    for table in ("metered_items", "meter_reports"):
        op.alter_column(table, "package_key", nullable=False)
    _key_by([*_OF_ITEM, "package_key", "feature_key"])
    op.create_foreign_key(
        "fk_metered_items_tenant_id_package_key_packages",
        "metered_items",
        "packages",
        ["tenant_id", "package_key"],
        ["tenant_id", "key"],
        ondelete="CASCADE",
    )
    op.create_index("ix_metered_items_tenant_id_package_key", "metered_items", ["tenant_id", "package_key"])


def downgrade() -> None:
    op.drop_constraint("fk_meter_reports_metered_items", "meter_reports")
    # Of several packages' items the one that is billed longest stays.
    op.execute(
        "DELETE FROM metered_items i USING metered_items o WHERE o.tenant_id = i.tenant_id "
        "AND o.provider_subscription_id = i.provider_subscription_id AND o.feature_key = i.feature_key "
        "AND (coalesce(o.ended_at, 'infinity'), o.package_key) > (coalesce(i.ended_at, 'infinity'), i.package_key)"
    )
    op.execute(
        "DELETE FROM meter_reports r WHERE NOT EXISTS (SELECT FROM metered_items i WHERE i.tenant_id = r.tenant_id AND "
        "i.provider_subscription_id = r.provider_subscription_id AND i.package_key = r.package_key "
        "AND i.feature_key = r.feature_key)"
    )
    op.drop_index("ix_metered_items_tenant_id_package_key", "metered_items")
    op.drop_constraint("fk_metered_items_tenant_id_package_key_packages", "metered_items")
    _key_by([*_OF_ITEM, "feature_key"])
    for table in ("metered_items", "meter_reports"):
        op.drop_column(table, "package_key")


def _key_by(item: list[str]) -> None:
    """Both tables; their constraint between each other was dropped before."""
    for table, columns in (("metered_items", item), ("meter_reports", [*item, *_OF_REPORT])):
        op.drop_constraint(f"pk_{table}", table)
        op.create_primary_key(f"pk_{table}", table, columns)
    op.create_foreign_key(
        "fk_meter_reports_metered_items", "meter_reports", "metered_items", item, item, ondelete="CASCADE"
    )
